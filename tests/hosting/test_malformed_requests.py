"""A malformed request gets 400 on every path, and every response has its security headers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from lambdas.http_event import answer_of
from persisty import App, public, stored
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.messages import Request
from persisty.api.rest.endpoint import Rest
from persisty.hosting.server import Server


@stored(access=public)
class Key:
    id: str


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    app = App("keys", items=[Key], url="memory://")
    app.store(Key).create({"id": "\ufffd"})
    yield Server(app)
    app.close()


HOST = (b"host", b"example.com:8000")


def ask(
    server: Server, path: str, *headers: tuple[bytes, bytes], raw: bytes | None = None, **scope: Any
) -> tuple[int, dict[str, str], bytes]:
    sent: list[Any] = []
    parts = [{"type": "http.request", "body": b"{}", "more_body": False}]

    async def receive() -> Any:
        if not parts:
            await asyncio.sleep(10)  # the client waits for the response
        return parts.pop() if parts else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    given: dict[str, Any] = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "raw_path": path.encode() if raw is None else raw,
        "query_string": b"",
        "headers": headers,
        "root_path": "",
        **scope,
    }
    asyncio.run(server(given, receive, send))
    start = sent[0]
    named = {name.decode(): value.decode() for name, value in start.get("headers", ())}
    return start.get("status", 0), named, b"".join(one.get("body", b"") for one in sent)


PATHS = ("/health", "/api/key", "/graphql", "/docs", "/pages/icon.svg", "/static/x", "/actions/x", "/ready", "/nothing")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        (),
        (HOST, HOST),
        (HOST, (b"host", b"other")),
        ((b"host", b"a b"),),
        ((b"host", b"a/b"),),
        ((b"host", b"user@a"),),
        ((b"host", b"a:port"),),
        ((b"host", b"[::1"),),
    ],
)
def test_a_request_needs_one_host_header(server: Server, path: str, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    status, found, body = ask(server, path, *headers)
    assert (status, json.loads(body)["code"]) == (400, "malformed_request")
    assert found["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("host", [b"", b"a", b"127.0.0.1:8000", b"[::1]:80", b"a_b.example", b"xn--a"])
def test_any_name_or_address_is_a_valid_host(server: Server, host: bytes) -> None:
    assert ask(server, "/health", (b"host", host))[0] == 200
    assert ask(server, "/health", http_version="1.0")[0] == 200
    assert ask(server, "/health", http_version="2")[0] == 200


@pytest.mark.parametrize(
    "raw", [b"/api/key/%FF", b"/api/key/%ED%A0%80", b"/api/key/%C3", b"/api/key/%", b"/api/key/%zz", b"/static/%FF"]
)
def test_a_path_is_percent_encoded_utf_8(server: Server, raw: bytes) -> None:
    path = "/static/\ufffd" if raw.startswith(b"/static") else "/api/key/\ufffd"
    status, _, body = ask(server, path, HOST, raw=raw)
    assert (status, json.loads(body)["code"]) == (400, "malformed_request")
    assert ask(server, "/api/key/\ufffd", HOST, raw=b"/api/key/%EF%BF%BD")[0] == 200


@pytest.mark.parametrize(
    "path", ["\0", "a\0b", "a" * 300, "a/" * 3000, "\udc80", "../x", "..\\x", "icon.svg/x", "icon.svg\0", "\r\n"]
)
def test_an_invalid_path_of_a_folder_is_not_found(server: Server, path: str) -> None:
    for folder in ("/static/", "/pages/"):
        status, found, body = ask(server, folder + path, HOST, raw=b"/")
        assert (status, json.loads(body)["code"]) == (404, "not_found")
        assert found["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("ranges", ["bytes=0-1", "bytes=5-1", "bytes=0-0,2-2,4-4", "bytes=99999999-", "x"])
def test_a_file_is_sent_whole_for_any_range(server: Server, ranges: str) -> None:
    whole = ask(server, "/pages/icon.svg", HOST)
    assert (whole[0], whole[1]["accept-ranges"]) == (200, "none")
    status, headers, body = ask(server, "/pages/icon.svg", HOST, (b"range", ranges.encode()))
    assert (status, body, "content-range" in headers) == (200, whole[2], False)


@pytest.mark.parametrize(
    ("length", "status"), [("1" * 5000, 413), ("9" * 20, 413), ("0" * 5000 + "2", 422), ("²", 422), ("2, 2", 422)]
)
def test_any_content_length_has_a_response(server: Server, length: str, status: int) -> None:
    headers = (HOST, (b"content-type", b"application/json"), (b"content-length", length.encode("latin-1")))
    assert ask(server, "/api/key", *headers, method="POST")[0] == status


@pytest.mark.parametrize("path", [*PATHS, "/openapi.json", "/"])
def test_every_response_has_nosniff(server: Server, path: str) -> None:
    assert ask(server, path, HOST)[1]["x-content-type-options"] == "nosniff"
    response = Rest(server._app).handle(Request("GET", path))
    assert answer_of(response)["headers"]["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("accept", ["", "application/json", "application/graphql-response+json"])
@pytest.mark.parametrize("query", ["{ keyCount }", "{ nothing }", "{"])
def test_a_graphql_response_is_private(server: Server, accept: str, query: str) -> None:
    endpoint = GraphqlEndpoint(server._app)
    for request in (
        Request(
            "POST",
            "/graphql",
            "",
            {"content-type": "application/json", "accept": accept},
            json.dumps({"query": query}).encode(),
        ),
        Request("GET", "/graphql", f"query={query.replace(' ', '+')}", {"accept": accept}),
    ):
        headers = endpoint.handle(request).headers
        assert headers["cache-control"] == "private, no-cache"
        assert headers["vary"].startswith("authorization, accept")
