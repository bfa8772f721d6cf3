"""The response has the media type that the client accepts; every route answers OPTIONS and HEAD."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persisty import App
from persisty.api.http.messages import Request, Response
from persisty.api.http.negotiation import media_for, takes_gzip
from persisty.api.rest.endpoint import Rest
from persisty.errors import NotAcceptable

from .conftest import Caller, Thing

OFFERED = ("application/json", "application/x-ndjson")


def ask(rest: Rest, method: str, path: str, accept: str | None = None, body: bytes = b"") -> Response:
    headers = {"content-type": "application/json"} if body else {}
    return rest.handle(Request(method, path, "", headers if accept is None else {**headers, "accept": accept}, body))


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("*/*", "application/json"),
        ("", "application/json"),
        (" , ", "application/json"),
        ("application/*", "application/json"),
        ("application/json", "application/json"),
        ("APPLICATION/JSON ; charset=utf-8", "application/json"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("application/x-ndjson, application/json", "application/json"),
        ("application/x-ndjson, application/json;q=0.9", "application/x-ndjson"),
        ("application/json;q=0, */*", "application/x-ndjson"),
        ("application/json;q=0.1, application/*;q=0.2", "application/x-ndjson"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "application/json"),
        ("text/html, */*;q=0.001, application/json;q=0", "application/x-ndjson"),
        ("application/json;q=7", "application/json"),
        ("application/json;q=", "application/json"),
        ("text/html", None),
        ("text/*, image/png;q=1", None),
        ("*/*;q=0", None),
        ("*/*;q=0.000", None),
        ("application/json;q=0, application/x-ndjson ; Q=0.0", None),
        ("application/problem+json", None),
        ("json", None),
    ],
)
def test_the_preferred_media_type_is_sent_and_the_first_of_equals(accept: str, media: str | None) -> None:
    if media is None:
        with pytest.raises(NotAcceptable) as caught:
            media_for(accept, OFFERED)
        assert caught.value.details == {"offered": list(OFFERED)}
    else:
        assert media_for(accept, OFFERED) == media


@given(st.text(st.sampled_from('*/;q=,. 01\t"ajsonplicationxndJSO+-é'), max_size=40))
def test_any_accept_header_is_parsed(accept: str) -> None:
    assert takes_gzip(accept) in (True, False)
    try:
        assert media_for(accept, OFFERED) in OFFERED
    except NotAcceptable:
        assert accept.strip(" \t,")


@pytest.mark.parametrize(
    ("accept_encoding", "taken"),
    [
        ("gzip", True),
        ("gzip, deflate, br, zstd", True),
        ("x-gzip", True),
        ("*", True),
        ("br;q=1.0, GZIP;q=0.8, *;q=0.1", True),
        ("identity;q=0.5, gzip", True),
        ("gzip;q=0.001", True),
        ("", False),
        ("identity", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("identity, gzip;q=0.5", False),
    ],
)
def test_gzip_is_sent_if_the_client_does_not_prefer_the_unencoded_form(accept_encoding: str, taken: bool) -> None:
    assert takes_gzip(accept_encoding) is taken


@pytest.mark.parametrize("path", ["/health", "/openapi.json", "/api/thing", "/api/thing-count", "/api/thing-batch"])
def test_a_client_that_does_not_accept_json_gets_406_with_a_problem_document(rest: Rest, path: str) -> None:
    refused = ask(rest, "GET", path, "text/html")
    problem = json.loads(refused.body)
    assert (refused.status, problem["code"]) == (406, "not_acceptable")
    assert refused.headers["content-type"] == "application/problem+json"
    assert "application/json" in problem["offered"]
    for accept in (None, "*/*", "application/json", "application/*;q=0.5, text/html"):
        assert ask(rest, "GET", path, accept).status == 200


def test_nothing_is_written_if_the_response_is_not_acceptable(app: App, rest: Rest) -> None:
    assert ask(rest, "POST", "/api/thing", "image/png", b'{"name": "x"}').status == 406
    assert ask(rest, "POST", "/actions/repeat", "image/png", b'{"text": "x", "times": 2}').status == 406
    assert app.store(Thing).count() == 0


def test_a_response_without_content_is_always_acceptable(app: App, rest: Rest) -> None:
    item = app.store(Thing).create({"name": "x"})
    assert ask(rest, "DELETE", f"/api/thing/{item.id}", "text/html").status == 204


def test_404_and_405_take_precedence_over_406(rest: Rest) -> None:
    assert ask(rest, "GET", "/nothing", "text/html").status == 404
    assert ask(rest, "PUT", "/api/thing", "text/html").status == 405


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/health", "GET, HEAD, OPTIONS"),
        ("/openapi.json", "GET, HEAD, OPTIONS"),
        ("/api/", "GET, HEAD, OPTIONS"),
        ("/api/thing", "GET, HEAD, OPTIONS, POST"),
        ("/api/thing/some-key", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("/api/thing-count", "GET, HEAD, OPTIONS"),
        ("/api/thing-batch", "GET, HEAD, OPTIONS, POST"),
        ("/api/rule/some-key", "GET, HEAD, OPTIONS"),
        ("/actions/add", "GET, HEAD, OPTIONS"),
        ("/actions/repeat", "OPTIONS, POST"),
    ],
)
def test_options_and_405_have_the_same_allow_and_every_method_in_it_works(rest: Rest, path: str, allowed: str) -> None:
    answer = ask(rest, "OPTIONS", path, "text/html")
    assert (answer.status, answer.headers, answer.body) == (204, {"allow": allowed}, b"")
    refused = ask(rest, "TRACE", path)
    assert (refused.status, refused.headers["allow"]) == (405, allowed)
    methods = {"DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"}
    answered = {one for one in methods if ask(rest, one, path).status != 405}
    assert {*answered, "OPTIONS"} == set(allowed.split(", "))


def test_options_of_an_unknown_path_is_not_found(rest: Rest) -> None:
    assert ask(rest, "OPTIONS", "/nothing").status == 404
    assert ask(rest, "OPTIONS", "/api/secret").status == 404


@pytest.mark.parametrize("accept", [None, "application/json", "application/x-ndjson", "text/html"])
@pytest.mark.parametrize(
    "path",
    ["/health", "/openapi.json", "/api/thing", "/api/thing/nothing", "/api/thing-count", "/actions/add", "/nothing"],
)
def test_head_has_status_and_headers_of_get_and_no_content(rest: Rest, call: Caller, path: str, accept: Any) -> None:
    call("POST", "/api/thing", {"name": "x"})
    whole, head = ask(rest, "GET", path, accept), ask(rest, "HEAD", path, accept)
    assert (head.status, head.body, head.chunks) == (whole.status, b"", None)
    length = {"content-length": str(len(whole.body))} if whole.chunks is None else {}
    assert head.headers == {**whole.headers, **length}
