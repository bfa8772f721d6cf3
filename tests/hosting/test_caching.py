"""Conditional requests through the server and through a Lambda function have the same responses."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import httpx
import pytest

from persisty import VERSION, App, Attr, public, stored
from persisty.api.rest.endpoint import Rest
from persisty.hosting.server import Server


@stored(access=public)
class Note:
    id: str
    version: int = Attr(generator=VERSION)
    updated_at: datetime


Headers = list[tuple[str, str]]
SERVERS_OWN = {"content-length", "x-request-id"}


def hosted(app: App, method: str, path: str, headers: Headers) -> httpx.Response:
    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(Server(app))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(run())


@pytest.fixture
def app() -> App:
    return App("notes", items=[Note], url="memory://")


@pytest.fixture
def function(app: App, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the function's handler for the same app."""
    monkeypatch.setenv("PERSISTY_APP", "tests.unit.lambdas.laptop:app")
    monkeypatch.setenv("PERSISTY_URL", "memory://")
    monkeypatch.setenv("PERSISTY_STAGE", "live")  # the module is loaded once for all tests
    import lambdas.rest

    monkeypatch.setattr(lambdas.rest, "surface", Rest(app).handle)

    class Context:
        function_name = function_version = invoked_function_arn = aws_request_id = "x"
        memory_limit_in_mb = 128

    def call(method: str, path: str, headers: Headers) -> dict[str, Any]:
        joined: dict[str, str] = {}
        for name, value in headers:  # as an HTTP API hands them on
            joined[name] = f"{joined[name]},{value}" if name in joined else value
        event = {"rawPath": path, "requestContext": {"http": {"method": method}}, "headers": joined}
        answer: dict[str, Any] = lambdas.rest.handler(event, Context())
        return answer

    return call


def test_both_hosts_respond_to_conditional_requests_with_the_same_bytes_and_headers(app: App, function: Any) -> None:
    app.store(Note).create({"id": "1"})
    path = "/api/note/1"
    first = hosted(app, "GET", path, [])
    tag, date = first.headers["etag"], first.headers["last-modified"]
    asked: list[tuple[str, Headers, int]] = [
        ("GET", [], 200),
        ("HEAD", [], 200),
        ("GET", [("if-none-match", tag)], 304),
        ("HEAD", [("if-none-match", tag)], 304),
        ("GET", [("if-none-match", '"a"'), ("if-none-match", tag)], 304),
        ("GET", [("if-modified-since", date)], 304),
        ("GET", [("if-match", '"a"')], 412),
        ("DELETE", [("if-match", '"0.a"')], 412),
        ("DELETE", [("if-match", '"a"'), ("if-match", tag)], 204),
    ]
    for method, headers, status in asked[:-1]:
        here, there = hosted(app, method, path, headers), function(method, path, headers)
        assert (here.status_code, there["statusCode"]) == (status, status), (method, headers)
        assert here.text == there["body"]
        told = {name: value for name, value in here.headers.items() if name not in SERVERS_OWN}
        assert told == {name: value for name, value in there["headers"].items() if name not in SERVERS_OWN}
        if status == 304:
            assert (here.content, "content-length" in here.headers) == (b"", False)
            assert (here.headers["etag"], here.headers["cache-control"]) == (tag, first.headers["cache-control"])
    method, headers, status = asked[-1]
    assert hosted(app, method, path, headers).status_code == status
