"""Routes, events and responses of the HTTP API that `persisty local` serves."""

from __future__ import annotations

from base64 import b64encode

import pytest

from persisty.local.deployed import HttpRoute
from persisty.local.http_api import Incoming, Match, Routes, event_of, response_of

KEYS = ("ANY /api", "ANY /api/{proxy+}", "GET /api/{name}/exact", "POST /graphql", "ANY /graphql", "GET /items/{id}")
ROUTES = Routes(HttpRoute(key, "Function") for key in KEYS)


@pytest.mark.parametrize(
    ("method", "path", "key"),
    [
        ("GET", "/api", "ANY /api"),
        ("GET", "/api/", None),
        ("GET", "/api/product/7", "ANY /api/{proxy+}"),
        ("GET", "/api/product/exact", "GET /api/{name}/exact"),
        ("POST", "/api/product/exact", "ANY /api/{proxy+}"),
        ("POST", "/graphql", "POST /graphql"),
        ("GET", "/graphql", "ANY /graphql"),
        ("GET", "/items/7", "GET /items/{id}"),
        ("GET", "/items/7/8", None),
        ("GET", "/", None),
    ],
)
def test_the_most_specific_route_is_taken(method: str, path: str, key: str | None) -> None:
    found = ROUTES.find(method, path)
    assert (found and found.route.key) == key


def test_an_event_has_the_path_decoded_but_for_a_percent_sign() -> None:
    given = Incoming(
        "GET",
        "/api/a%20b%2Fc%25d",
        "x=1&x=2&y=",
        [("cookie", "a=1; b=2"), ("accept", "x"), ("accept", "y")],
        b"",
        "1.2.3.4",
    )
    match = ROUTES.find("GET", given.path)
    assert match is not None
    event = event_of(given, match, "local")
    assert event["rawPath"] == "/api/a b/c%25d"
    assert (event["rawQueryString"], event["queryStringParameters"]) == ("x=1&x=2&y=", {"x": "1,2", "y": ""})
    assert (event["cookies"], event["headers"]) == (["a=1", "b=2"], {"accept": "x,y"})
    assert event["requestContext"]["http"]["sourceIp"] == "1.2.3.4"
    assert "body" not in event


def test_a_body_that_is_not_text_is_base64() -> None:
    match = Match(HttpRoute("POST /graphql", "Function"), {})
    event = event_of(Incoming("POST", "/graphql", "", [], b"\xff\x00", ""), match, "local")
    assert (event["body"], event["isBase64Encoded"]) == (b64encode(b"\xff\x00").decode(), True)


def test_a_result_becomes_a_response() -> None:
    result = {"statusCode": 201, "headers": {"ETag": "x"}, "cookies": ["a=1"], "body": "/wA=", "isBase64Encoded": True}
    found = response_of(result)
    assert (found.status, list(found.headers), found.body) == (201, [("etag", "x"), ("set-cookie", "a=1")], b"\xff\x00")
    assert response_of({"plain": 1}).body == b'{"plain":1}'
