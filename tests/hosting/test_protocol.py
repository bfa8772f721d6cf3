"""Head and body of a response are sent in one write, and streams and other messages still work."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from persisty.hosting.uvicorn_protocols import MAX_BUFFERED, Corked, Protocol


class Transport:
    """Records the calls of its methods."""

    def __init__(self) -> None:
        self.done: list[Any] = []

    def writelines(self, lines: list[bytes]) -> None:
        self.done.append(b"".join(lines))

    def close(self) -> None:
        self.done.append("close")

    def abort(self) -> None:
        self.done.append("abort")

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str) -> str:
        return name

    pause_reading = resume_reading = get_write_buffer_size = is_closing


class Loop:
    def __init__(self) -> None:
        self.soon: list[Any] = []

    def call_soon(self, callback: Any) -> None:
        self.soon.append(callback)

    def turn(self) -> None:
        soon, self.soon = self.soon, []
        for callback in soon:
            callback()


@pytest.fixture
def corked() -> tuple[Corked, Transport, Loop]:
    transport, loop = Transport(), Loop()
    return Corked(transport, loop), transport, loop  # type: ignore[arg-type]


def test_writes_in_one_turn_of_the_event_loop_are_one_write(corked: tuple[Corked, Transport, Loop]) -> None:
    held, transport, loop = corked
    held.write(b"head")
    held.writelines([b" ", b"body"])
    assert transport.done == []
    loop.turn()
    held.write(b"next")
    loop.turn()
    loop.turn()
    assert transport.done == [b"head body", b"next"]


def test_a_close_follows_the_buffered_writes(corked: tuple[Corked, Transport, Loop]) -> None:
    held, transport, loop = corked
    held.write(b"last")
    held.close()
    loop.turn()
    assert transport.done == [b"last", "close"]


def test_an_abort_drops_the_buffered_writes(corked: tuple[Corked, Transport, Loop]) -> None:
    held, transport, loop = corked
    held.write(b"last")
    held.abort()
    loop.turn()
    assert transport.done == ["abort"]


def test_the_buffer_is_limited(corked: tuple[Corked, Transport, Loop]) -> None:
    held, transport, _ = corked
    for _ in range(5):
        held.write(b"x" * (MAX_BUFFERED // 2))
    assert [len(one) for one in transport.done] == [3 * (MAX_BUFFERED // 2)]


def test_other_methods_are_those_of_the_transport(corked: tuple[Corked, Transport, Loop]) -> None:
    held, _, _ = corked
    assert (held.get_write_buffer_size(), held.get_extra_info("peername")) == (False, "peername")


# over a real server


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        return
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
        return
    path, head = scope["path"], {"type": "http.response.start", "status": 200, "headers": []}
    if path == "/echo":
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        await send({**head, "headers": [(b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})
    elif path == "/slow":
        await send(head)
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await asyncio.sleep(0.3)
        await send({"type": "http.response.body", "body": b"second"})
    else:
        await send({**head, "status": 204})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    config = uvicorn.Config(application, port=0, http=Protocol, log_level="warning", server_header=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(10)


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 10)


def test_a_response_is_one_packet(port: int) -> None:
    with connected(port) as connection:
        for _ in range(20):
            connection.sendall(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello")
            assert connection.recv(65536).endswith(b"\r\n\r\nhello")


def test_pipelined_requests_are_answered_in_order(port: int) -> None:
    one = b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n"
    with connected(port) as connection:
        connection.sendall(one + b"a" + one + b"b" + b"GET /none HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        found = b""
        while piece := connection.recv(65536):
            found += piece
    assert found.index(b"\r\n\r\na") < found.index(b"\r\n\r\nb") < found.index(b"204 No Content")


def test_a_client_that_expects_100_continue_gets_it(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(b"ok")
        assert connection.recv(65536).endswith(b"ok")


def test_a_stream_is_sent_as_it_is_produced(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
        first = connection.recv(65536)
        assert b"first" in first
        assert b"second" not in first
        assert b"second" in connection.recv(65536)


def test_a_large_body_arrives_whole(port: int) -> None:
    body = b"0123456789" * 200_000
    with connected(port) as connection:
        head = f"POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
        sender = threading.Thread(target=connection.sendall, args=(head.encode() + body,))
        sender.start()
        found = b""
        while piece := connection.recv(65536):
            found += piece
        sender.join()
    assert found.partition(b"\r\n\r\n")[2] == body
