"""The server sends the bytes of the surfaces and limits the size of requests. Its pages load nothing from other hosts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import httpx
import pytest

from examples.messenger.app import User
from persisty import App, Caller
from persisty.api.http.messages import Request
from persisty.api.rest.endpoint import Rest
from persisty.hosting.pages import HERE
from persisty.hosting.server import Server

JSON = {"content-type": "application/json"}
PLAIN = {**JSON, "accept-encoding": "identity"}
ANN = uuid5(NAMESPACE_URL, "messenger/ann")


def bearer(app: App, subject: object = ANN, *scopes: str) -> dict[str, str]:
    """Return the headers of an authenticated caller."""
    return {"authorization": f"Bearer {app.authenticator.token(Caller(str(subject), frozenset(scopes)))}"}


def ask(app: App, method: str, path: str, **options: Any) -> httpx.Response:
    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(Server(app, options.pop("max_body", 1 << 20)))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **options)

    return asyncio.run(run())


REQUESTS: list[tuple[str, str, str, bytes]] = [
    ("GET", "/health", "", b""),
    ("GET", "/api/message", "order=text&limit=2", b""),
    ("GET", "/api/message-count", "text__contains=e", b""),
    ("GET", "/api/user/nothing", "", b""),
    ("GET", "/api/user", "limit=0&wrong=1", b""),
    ("POST", "/api/message", "", b'{"text": ""}'),
    ("POST", "/api/message", "", b"{"),
    ("PUT", "/api/user", "", b""),
    ("GET", "/actions/nothing", "", b""),
    ("GET", "/openapi.json", "", b""),
]


@pytest.mark.parametrize(("method", "path", "query", "body"), REQUESTS)
def test_the_server_sends_the_bytes_of_the_surface(
    messenger: App, method: str, path: str, query: str, body: bytes
) -> None:
    expected = Rest(messenger).handle(Request(method, path, query, JSON, body, Caller(str(ANN))))
    answer = ask(messenger, method, f"{path}?{query}", content=body, headers={**PLAIN, **bearer(messenger)})
    assert (answer.status_code, answer.content) == (expected.status, expected.body)
    assert expected.headers.items() <= dict(answer.headers).items()
    assert answer.headers["content-length"] == str(len(expected.body))


def test_an_item_created_over_http_is_found_at_its_location(messenger: App) -> None:
    ann = bearer(messenger)
    made = ask(messenger, "POST", "/api/message", json={"text": "zoë"}, headers=ann)
    assert made.status_code == 201
    assert ask(messenger, "GET", made.headers["location"], headers=ann).json() == made.json()
    assert ask(messenger, "DELETE", made.headers["location"]).status_code == 401
    assert ask(messenger, "DELETE", made.headers["location"], headers=ann).status_code == 204


def test_graphql_and_custom_actions_are_served_next_to_rest(messenger: App) -> None:
    query = "{ userCount statistics { users messages } }"
    answer = ask(messenger, "POST", "/graphql", json={"query": query}, headers=bearer(messenger)).json()
    assert answer == {"data": {"userCount": 3, "statistics": {"users": 3, "messages": 5}}}
    assert ask(messenger, "GET", "/actions/statistics").json() == {"users": 3, "messages": 5}


def test_a_body_over_the_limit_is_rejected_before_it_is_read(messenger: App) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(1000):
            read += 1000
            yield b"x" * 1000

    for content in (b"x" * 2001, endless()):
        answer = ask(messenger, "POST", "/api/user", content=content, headers=JSON, max_body=2000)
        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert messenger.store(User).count() == 3


@pytest.mark.parametrize("path", ["/", "/docs", "/graphiql"])
def test_pages_load_nothing_from_other_hosts_and_forbid_it(messenger: App, path: str) -> None:
    page = ask(messenger, "GET", path)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", page.text)
    for asset in re.findall(r"(?:src|href)=\"(/(?:static|pages)/[^\"]+)\"", page.text):
        found = ask(messenger, "GET", asset)
        assert (found.status_code, bool(found.content)) == (200, True), asset


def test_files_outside_of_the_pages_are_not_served(messenger: App) -> None:
    for path in ("/pages/../server.py", "/static/%2e%2e/server.py", "/pages/nothing.css", "/nothing"):
        answer = ask(messenger, "GET", path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
    assert (HERE / "server.py").exists()


def test_a_request_with_an_incomplete_body_is_not_executed(messenger: App) -> None:
    server, sent = Server(messenger), list[Any]()
    parts = iter([{"type": "http.request", "body": b'{"text":"half"}', "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(parts)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = {**JSON, "content-length": "100", **bearer(messenger)}
    scope = {
        "type": "http", "method": "POST", "path": "/api/message", "query_string": b"", "client": None,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    asyncio.run(server(scope, receive, send))
    assert sent == []
    found = ask(messenger, "GET", "/api/message-count?text=half", headers=bearer(messenger))
    assert found.json()["count"] == 0
