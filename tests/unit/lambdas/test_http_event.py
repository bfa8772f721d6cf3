"""Events of an HTTP API, payload format 2.0, as requests; responses as its answers."""

from __future__ import annotations

import gzip
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller

from lambdas import result_size
from lambdas.http_event import MAX_ANSWER, answer_of, answered, request_of
from persisty import InvalidDeclaration
from persisty.api.http.messages import JSON, Request, Response
from persisty.application import deployed_app
from persisty.errors import AnswerTooLarge
from persisty.settings import Settings


@pytest.fixture(scope="module")
def rest() -> Any:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PERSISTY_APP", "tests.unit.lambdas.laptop:app")
        environment.setenv("PERSISTY_URL", "memory://")
        environment.setenv("PERSISTY_STAGE", "live")
        import lambdas.rest

        return lambdas.rest


@pytest.fixture(scope="module")
def graphql() -> Any:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PERSISTY_APP", "tests.unit.lambdas.laptop:app")
        environment.setenv("PERSISTY_URL", "memory://")
        environment.setenv("PERSISTY_STAGE", "live")
        import lambdas.graphql

        return lambdas.graphql


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
def test_the_one_escape_that_a_path_still_has_is_decoded(raw: str, path: str) -> None:
    assert request_of(event(raw)).path == path


def by_function_url(raw: str) -> dict[str, Any]:
    context = {"http": {"method": "GET"}, "domainName": "abc.lambda-url.eu-west-1.on.aws", "stage": "$default"}
    return {**event(raw), "routeKey": "$default", "requestContext": context}


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/api/place/a%2Fb", "/api/place/a/b"),
        ("/api/place/%C3%A9%20%3F", "/api/place/é ?"),
        ("/api/place/100%25", "/api/place/100%"),
        ("/api/place/100%2525", "/api/place/100%25"),
        ("/api/place/a+b", "/api/place/a+b"),
        ("//api//place/", "//api//place/"),
        ("/api/place/%EF%BF%BD", "/api/place/\ufffd"),
    ],
)
def test_a_function_url_passes_the_path_encoded(raw: str, path: str) -> None:
    assert request_of(by_function_url(raw)).path == path


@pytest.mark.parametrize("raw", ["/api/place/%", "/api/place/%ZZ", "/api/place/%4", "/api/place/%FF", "/%ED%A0%80"])
def test_a_malformed_path_of_a_function_url_is_answered_as_on_the_server(rest: Any, raw: str) -> None:
    answer = answered(rest.surface, by_function_url(raw))
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (400, "malformed_request")


def test_a_query_string_stays_as_it_was_sent_and_header_names_become_lower_case() -> None:
    request = request_of(event("/api/place", rawQueryString="name=a%26b&name=c", headers={"Content-Type": "x/y"}))
    assert request == Request("GET", "/api/place", "name=a%26b&name=c", {"content-type": "x/y"}, b"")
    assert request.parameters() == [("name", "a&b"), ("name", "c")]


def test_a_body_is_bytes_whether_it_came_as_text_or_as_base64() -> None:
    text = '{"name": "é"}'
    assert request_of(event("/", body=text)).body == text.encode()
    encoded = b64encode(b"\xff\x00").decode()
    assert request_of(event("/", body=encoded, isBase64Encoded=True)).body == b"\xff\x00"
    assert request_of(event("/", body=None)).body == b""


def test_where_items_are_and_the_stage_are_the_deployments_to_say(rest: Any) -> None:
    from .laptop import app

    assert (app.url, app.stage) == ("memory://", "live")


def test_a_deployment_that_names_no_app_or_no_place_is_refused() -> None:
    for configured in (Settings(url="memory://"), Settings(app="tests.unit.lambdas.laptop:app")):
        with pytest.raises(InvalidDeclaration):
            deployed_app(configured)


class Context:
    function_name = function_version = invoked_function_arn = aws_request_id = "x"
    memory_limit_in_mb = 128


def test_an_answer_is_what_an_http_api_takes(rest: Any) -> None:
    answer = rest.handler(event("/nothing"), Context())
    assert answer["statusCode"] == 404
    assert answer["headers"]["content-type"] == "application/problem+json"
    assert '"code":"not_found"' in answer["body"]
    assert answer["isBase64Encoded"] is False


@pytest.mark.parametrize("body", [b"", '{"name": "é"}'.encode()])
def test_text_goes_as_it_is(body: bytes) -> None:
    answer = answer_of(Response(200, JSON, body))
    assert (answer["body"], answer["isBase64Encoded"]) == (body.decode(), False)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-type": "application/octet-stream"}, b"\xff\x00"),
        ({**JSON, "content-encoding": "gzip"}, gzip.compress(b"{}", mtime=0)),
        ({**JSON, "content-encoding": "identity"}, b"{}"),
    ],
)
def test_what_is_no_text_or_is_encoded_goes_in_base64(headers: dict[str, str], body: bytes) -> None:
    answer = answer_of(Response(200, headers, body))
    assert answer["isBase64Encoded"] is True
    assert b64decode(answer["body"]) == body
    assert answer["headers"] == {**headers, "x-content-type-options": "nosniff"}


class Chunks(Iterator[bytes]):
    """So many chunks of a kilobyte; `closed` once it is."""

    def __init__(self, count: int, fails: bool = False) -> None:
        self.left, self.closed, self._fails = count, False, fails

    def __next__(self) -> bytes:
        if self.left == 0:
            if self._fails:
                raise OSError("the engine is gone")
            raise StopIteration
        self.left -= 1
        return b"x" * 1024

    def close(self) -> None:
        self.closed = True


def test_chunks_are_gathered_and_closed() -> None:
    chunks = Chunks(3)
    assert answer_of(Response(200, JSON, chunks=chunks))["body"] == "x" * 3072
    assert chunks.closed


def problem_of(response: Response) -> tuple[int, str]:
    answer = answered(lambda _: response, event("/"))
    return answer["statusCode"], json.loads(answer["body"])["code"]


def test_an_answer_beyond_what_lambda_takes_is_refused_and_not_gathered_further() -> None:
    chunks = Chunks(10**6)
    assert problem_of(Response(200, JSON, chunks=chunks)) == (422, "answer_too_large")
    assert chunks.closed
    assert chunks.left > 10**6 - MAX_ANSWER // 1024 - 10


@pytest.mark.parametrize(
    ("method", "status", "done"), [("POST", 201, 201), ("PATCH", 200, 200), ("GET", 200, None), ("POST", 409, None)]
)
def test_a_response_that_is_too_large_after_a_write_says_that_the_request_is_done(
    method: str, status: int, done: int | None
) -> None:
    given = event("/", requestContext={"http": {"method": method}})
    answer = answered(lambda _: Response(status, JSON, b"x" * (MAX_ANSWER + 1)), given)
    document = json.loads(answer["body"])
    assert (answer["statusCode"], document["code"], document.get("done")) == (422, "answer_too_large", done)


@pytest.mark.parametrize(
    "body", [b"\xff" * (MAX_ANSWER * 7 // 8), b'"' * (MAX_ANSWER // 2 + 1), b"\x01" * (MAX_ANSWER // 5)]
)
def test_what_becomes_too_large_on_its_way_is_refused(body: bytes) -> None:
    assert problem_of(Response(200, JSON, body)) == (422, "answer_too_large")


def test_an_answer_of_five_megabytes_is_none_too_large() -> None:
    assert answered(lambda _: Response(200, JSON, b"x" * (5 << 20)), event("/"))["statusCode"] == 200


def test_chunks_that_break_off_are_an_error_and_closed() -> None:
    chunks = Chunks(2, fails=True)
    assert problem_of(Response(200, JSON, chunks=chunks)) == (500, "internal_error")
    assert chunks.closed


def test_an_answer_names_its_request_and_so_does_the_log(rest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Context:
        function_name = function_version = invoked_function_arn = aws_request_id = "x"
        memory_limit_in_mb = 128

    context = {"http": {"method": "GET"}, "requestId": "from-the-api"}
    asked = event("/health", requestContext=context)
    for headers, named in (
        ({}, "from-the-api"),
        ({"x-request-id": "mine"}, "mine"),
        ({"x-request-id": "a b"}, "from-the-api"),
    ):
        assert rest.handler({**asked, "headers": headers}, Context())["headers"]["x-request-id"] == named
        assert rest.logger.get_current_keys()["request_id"] == named
    assert "x-request-id" not in rest.handler(event("/health"), Context())["headers"]


V1 = {
    "httpMethod": "GET",
    "path": "/api/place",
    "requestContext": {"resourcePath": "/{proxy+}", "requestId": "r", "stage": "prod"},
}
BALANCER = {
    "httpMethod": "GET",
    "path": "/api/place",
    "requestContext": {"elb": {"targetGroupArn": "arn:aws:…"}},
    "body": "",
}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (V1, "a REST API (payload format 1.0)"),
        (BALANCER, "a load balancer"),
        ({}, "of another kind"),
        ({"requestContext": None, "headers": [], "rawPath": "/"}, "of another kind"),
        ({"requestContext": {"http": {"method": "GET"}}}, "of another kind"),
        ([], "of another kind"),
        ("text", "of another kind"),
        (None, "of another kind"),
    ],
)
@pytest.mark.parametrize("function", ["rest", "graphql"])
def test_an_event_of_another_kind_is_unsupported(
    rest: Any, graphql: Any, function: str, given: Any, found: str
) -> None:
    answer = {"rest": rest, "graphql": graphql}[function].handler(given, Context())
    document = json.loads(answer["body"])
    assert (answer["statusCode"], document["code"], document["faults"][0]["found"]) == (501, "unsupported", found)
    assert answer["headers"]["content-type"] == "application/problem+json"


@pytest.mark.parametrize("body", ["a", "ä", "!!!!", "YQ=", "YQ==YQ=="])
def test_a_body_that_is_not_base64_is_malformed(rest: Any, body: str) -> None:
    given = {**event("/api/place", body=body, isBase64Encoded=True)}
    answer = rest.handler(given, Context())
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (400, "malformed_json")


def test_a_body_beyond_ascii_is_measured_as_the_runtime_writes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    body = "é".encode() * (MAX_ANSWER // 4)  # three megabytes, nine if they are escaped
    monkeypatch.setattr(result_size, "ESCAPES", False)
    assert answer_of(Response(200, {}, body))["statusCode"] == 200
    monkeypatch.setattr(result_size, "ESCAPES", True)
    with pytest.raises(AnswerTooLarge):
        answer_of(Response(200, {}, body))


def test_the_size_of_a_result_is_that_of_the_runtime_s_json() -> None:
    result = {"é": [1, 2.5, None, {"a": '\x01"', "b": []}], "c": True}
    written = LambdaMarshaller().marshal_response(result)[0]  # without AWS_EXECUTION_ENV as on Python 3.11
    assert len(json.dumps(result, ensure_ascii=True).encode()) == len(written)
    assert result_size.size_of({"a": [1, 2]}) == len('{"a": [1, 2]}')


@pytest.mark.parametrize("path", ["/api", "/api/"])
def test_the_index_of_the_api_is_at_the_route_without_a_slash_too(rest: Any, path: str) -> None:
    answer = rest.handler(event(path), Context())
    assert (answer["statusCode"], json.loads(answer["body"])["app"]) == (200, "laptop")
