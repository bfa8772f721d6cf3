"""Events of an HTTP API, payload format 2.0, as requests."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from persisty import InvalidDeclaration
from persisty.api.http import Request
from persisty.application import deployed_app
from persisty.settings import Settings


@pytest.fixture(scope="module")
def rest() -> Any:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PERSISTY_APP", "tests.unit.lambdas.laptop:app")
        environment.setenv("PERSISTY_URL", "memory://")
        environment.setenv("PERSISTY_STAGE", "live")
        import lambdas.rest

        return lambdas.rest


def event(path: str, **more: Any) -> dict[str, Any]:
    return {"rawPath": path, "rawQueryString": "", "requestContext": {"http": {"method": "GET"}}, **more}


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/api/place/a/b", "/api/place/a/b"),
        ("/api/place/é ?", "/api/place/é ?"),
        ("/api/place/100%25", "/api/place/100%"),
        ("/api/slot/a%252Fb~1", "/api/slot/a%2Fb~1"),
    ],
)
def test_the_one_escape_that_a_path_still_has_is_decoded(rest: Any, raw: str, path: str) -> None:
    assert rest.request_of(event(raw)).path == path


def test_a_query_string_stays_as_it_was_sent_and_header_names_become_lower_case(rest: Any) -> None:
    request = rest.request_of(event("/api/place", rawQueryString="name=a%26b&name=c", headers={"Content-Type": "x/y"}))
    assert request == Request("GET", "/api/place", "name=a%26b&name=c", {"content-type": "x/y"}, b"")
    assert request.parameters() == [("name", "a&b"), ("name", "c")]


def test_a_body_is_bytes_whether_it_came_as_text_or_as_base64(rest: Any) -> None:
    text = '{"name": "é"}'
    assert rest.request_of(event("/", body=text)).body == text.encode()
    encoded = b64encode(b"\xff\x00").decode()
    assert rest.request_of(event("/", body=encoded, isBase64Encoded=True)).body == b"\xff\x00"
    assert rest.request_of(event("/", body=None)).body == b""


def test_where_items_are_and_the_stage_are_the_deployments_to_say(rest: Any) -> None:
    from .laptop import app

    assert (app.url, app.stage) == ("memory://", "live")


def test_a_deployment_that_names_no_app_or_no_place_is_refused() -> None:
    for configured in (Settings(url="memory://"), Settings(app="tests.unit.lambdas.laptop:app")):
        with pytest.raises(InvalidDeclaration):
            deployed_app(configured)


def test_an_answer_is_what_an_http_api_takes(rest: Any) -> None:
    class Context:
        function_name = function_version = invoked_function_arn = aws_request_id = "x"
        memory_limit_in_mb = 128

    answer = rest.handler(event("/nothing"), Context())
    assert answer["statusCode"] == 404
    assert answer["headers"]["content-type"] == "application/problem+json"
    assert '"code":"not_found"' in answer["body"]
    assert answer["isBase64Encoded"] is False
