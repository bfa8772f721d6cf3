"""The limits of heads and the timeouts of incomplete requests, with a real server."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import uvicorn

from persisty.hosting import connection_limits
from persisty.hosting.connection_limits import MAX_FIELDS, MAX_HEAD
from persisty.hosting.uvicorn_protocols import Protocol
from persisty.hosting.websocket_protocol import SocketProtocol

from .test_protocol import application, connected

SOON = 0.3


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    patch = pytest.MonkeyPatch()
    patch.setattr(connection_limits, "HEAD_TIMEOUT", SOON)
    patch.setattr(connection_limits, "BODY_TIMEOUT", SOON)
    patch.setattr(connection_limits, "MAX_BODY_TIME", 4 * SOON)
    config = uvicorn.Config(
        application, port=0, http=Protocol, ws=SocketProtocol, log_level="critical", server_header=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(10)
    patch.undo()


def rest(connection: socket.socket) -> bytes:
    """Return what the server sends until it closes the connection."""
    answer = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(65_536):
            answer += part
    return answer


def asked(port: int, content: bytes) -> bytes:
    with connected(port) as connection:
        connection.sendall(content)
        return rest(connection)


def document(answer: bytes) -> Any:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    return json.loads(body)


def test_a_head_of_the_limit_is_accepted(port: int) -> None:
    long = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx: %s\r\n\r\n" % (b"a" * (MAX_HEAD - 100))
    assert asked(port, long).startswith(b"HTTP/1.1 204")
    many = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n" + b"a: b\r\n" * (MAX_FIELDS - 2) + b"\r\n"
    assert asked(port, many).startswith(b"HTTP/1.1 204")


@pytest.mark.parametrize(
    "fields",
    [
        b"x: " + b"a" * MAX_HEAD,
        b"x: " + b"a" * 1_000_000,
        b"a: b\r\n" * (MAX_FIELDS + 1),
        b"a: b\r\n" * 100_000,
        b"x" * 300_000 + b": a",
    ],
)
def test_a_larger_head_is_rejected(port: int, fields: bytes) -> None:
    answer = asked(port, b"GET / HTTP/1.1\r\nhost: a\r\n" + fields.removesuffix(b"\r\n") + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 431")
    assert document(answer)["code"] == "headers_too_large"


def test_a_long_request_line_is_rejected(port: int) -> None:
    assert asked(port, b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n").startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize(
    "content",
    [
        b"GET /\xc3\xa9 HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /a?\xff HTTP/1.1\r\nhost: a\r\n\r\n",
        b"FOO / HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\na b: c\r\n\r\n",
        b"GET / HTTP/1.1\r\nh\xc3\xa9: c\r\n\r\n",
        b"GET / HTTP/9.9\r\nhost: a\r\n\r\n",
        b"GET HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\na",
        b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_a_request_that_is_not_http_gets_a_problem_document(port: int, content: bytes) -> None:
    answer = asked(port, content)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"x-content-type-options: nosniff" in answer
    assert document(answer)["code"] == "malformed_request"
    assert ("percent-encode" in document(answer)["detail"]) is content.startswith(
        (b"GET /\xc3", b"GET /a?", b"GET HTTP")
    )


def test_a_request_before_a_malformed_one_has_its_own_response(port: int) -> None:
    answer = asked(port, b"GET / HTTP/1.1\r\nhost: a\r\n\r\nFOO / HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 204")
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        (b"sec-websocket-version: 13\r\n", 400, "malformed_request"),
        (b"sec-websocket-version: 1\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 400, "malformed_request"),
        (b"sec-websocket-version: 13\r\nsec-websocket-key: x\r\n", 400, "malformed_request"),
        (b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 403, "forbidden"),
    ],
)
def test_a_rejected_handshake_gets_a_problem_document(port: int, fields: bytes, status: int, code: str) -> None:
    head = b"GET /refused HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    answer = asked(port, head + fields + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 %d" % status)
    assert document(answer)["code"] == code


def test_a_header_without_an_end_costs_linear_time(port: int) -> None:
    begun = time.monotonic()
    with connected(port) as connection, suppress(OSError):  # the server closes the connection
        connection.sendall(b"GET / HTTP/1.1\r\nx: " + b"a" * 30_000_000)
    assert time.monotonic() - begun < 3


def test_a_large_body_is_not_a_large_head(port: int) -> None:
    body = b"x" * 900_000
    head = b"POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: %d\r\n" % len(body)
    with connected(port) as connection:
        connection.sendall(head[:20])
        time.sleep(0.05)
        connection.sendall(head[20:] + b"\r\n" + body)
        assert rest(connection).endswith(body)


def test_a_connection_that_sends_nothing_is_closed(port: int) -> None:
    begun = time.monotonic()
    assert asked(port, b"") == b""
    assert SOON - 0.01 <= time.monotonic() - begun < 5  # timers have a resolution of milliseconds


@pytest.mark.parametrize("first", [b"", b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"])
def test_half_a_head_ends_with_408(port: int, first: bytes) -> None:
    answer = asked(port, first + b"GET / HTTP/1.1\r\nhost:")
    if first:
        assert answer.startswith(b"HTTP/1.1 204")
        answer = answer.partition(b"\r\n\r\n")[2]
    assert answer.startswith(b"HTTP/1.1 408")
    assert document(answer)["code"] == "request_timeout"


def test_half_a_body_ends_with_408(port: int) -> None:
    answer = asked(port, b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nabc")
    assert answer.startswith(b"HTTP/1.1 408")


def test_a_very_slow_body_ends_with_408(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n")
        begun = time.monotonic()
        with suppress(OSError):
            while time.monotonic() - begun < 10:
                connection.sendall(b"x")
                time.sleep(SOON / 4)
        assert time.monotonic() - begun < 8


def test_a_slow_response_has_no_timeout(port: int) -> None:
    answer = asked(port, b"GET /slow HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
    assert b"second" in answer


def test_a_response_before_the_end_of_a_body_arrives(port: int) -> None:
    content = (
        b"POST /other HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 4000000\r\n\r\n" + b"x" * 4_000_000
    )
    assert asked(port, content).startswith(b"HTTP/1.1 204")
