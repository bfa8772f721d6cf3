"""Responses in one message have the same bytes as in two, on every kind of connection, and a header cannot inject another."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from persisty import App, public, stored
from persisty.api.http.messages import Response
from persisty.hosting.observability import Observed
from persisty.hosting.server import Server
from persisty.hosting.uvicorn_protocols import EXTENSIONS, Protocol
from persisty.hosting.whole_responses import WHOLE, takes_whole, whole


@stored(access=public)
class Note:
    id: str
    text: str = ""


RESPONSES = {
    "/small": Response(200, {"content-type": "text/plain", "etag": '"1"'}, b"hello"),
    "/large": Response(200, {"content-type": "text/plain"}, b"0123456789" * 100_000),
    "/empty": Response(204, {}),
    "/unmodified": Response(304, {"etag": '"1"'}),
    "/missing": Response(404, {"content-type": "text/plain"}, b"nothing"),
    "/latin": Response(200, {"link": "</caf\xe9>", "tab": "a\tb"}, b""),
}


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        return
    assert takes_whole(scope)
    message = whole(RESPONSES[scope["path"]], "id")
    if scope["query_string"] == b"whole":
        await send(message)
        return
    headers = [line.split(b": ", 1) for line in message["head"].split(b"\r\n")[:-1]]
    await send({"type": "http.response.start", "status": message["status"], "headers": headers})
    await send({"type": "http.response.body", "body": message["body"]})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    config = uvicorn.Config(
        application,
        port=0,
        http=Protocol,
        log_level="warning",
        server_header=False,
        date_header=False,
        access_log=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(10)


def exchanged(port: int, request: bytes) -> bytes:
    """Return everything that the server sends until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(request)
        found = b""
        while piece := connection.recv(1 << 20):
            found += piece
    return found


@pytest.mark.parametrize("path", RESPONSES)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("last", [b"HTTP/1.1\r\nhost: a\r\nconnection: close", b"HTTP/1.0\r\nhost: a"])
def test_a_whole_response_has_the_bytes_of_one_in_two_messages(port: int, path: str, method: str, last: bytes) -> None:
    def request(query: str) -> bytes:
        line = f"{method} {path}?{query} ".encode()
        return (line + b"HTTP/1.1\r\nhost: a\r\n\r\n") * 2 + line + last + b"\r\n\r\n"

    found = exchanged(port, request("whole"))
    assert found == exchanged(port, request("apart"))
    assert found.count(b"x-request-id: id\r\n") == 3


@pytest.mark.parametrize("value", ["a\r\nset-cookie: b", "a\nb", "a\rb", "a\0b", "\x7f", "a\r\n"])
def test_a_header_with_a_control_character_is_rejected(value: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        whole(Response(200, {"location": value}), "id")
    with pytest.raises(ValueError, match="control character"):
        whole(Response(200, {value: "a"}), "id")


def answered(application: Any, path: str) -> list[Any]:
    """Return the messages of a server that responds at once, without an event loop."""
    messages: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        messages.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [(b"host", b"a")]}
    with pytest.raises(StopIteration):
        application({**scope, "extensions": EXTENSIONS}, receive, send).send(None)
    return messages


def test_the_server_sends_a_whole_response_to_a_host_that_supports_it() -> None:
    app = App("notes", items=[Note], url="memory://")
    [message] = answered(Server(app), "/api/note")
    assert (message["type"], message["status"]) == (WHOLE, 200)
    assert message["body"].startswith(b'{"')


def test_the_access_log_has_status_and_size_of_a_whole_response() -> None:
    lines: list[Any] = []

    class Log:
        def write(self, *line: Any) -> None:
            lines.append(line)

    app = App("notes", items=[Note], url="memory://")
    observed = Observed(Server(app), lambda path: "route", Log(), None)  # type: ignore[arg-type]
    [message] = answered(observed, "/api/nothing")
    assert lines[0][4:6] == (404, len(message["body"]))
