"""The least HTTP/1.1 client that serves one host well: kept-alive connections, one request at a time on each.

http.client spends more on parsing headers than DynamoDB takes to answer; this reads the three headers it needs. Source
of the format: RFC 9112.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from time import monotonic

from msgspec import Struct

CONNECT_TIMEOUT, READ_TIMEOUT = 3.0, 15.0
"""Seconds."""
IDLE_CHECK = 1.0
"""Seconds after which an idle connection is looked at before it is used: the other side may have closed it, as it does
while a Lambda function is frozen."""
MAX_IDLE = 32
"""Connections kept for later."""


class HttpError(Exception):
    """The connection was lost or the answer is no HTTP. `reused`: an idle connection was gone before it answered."""

    def __init__(self, message: str, *, reused: bool = False) -> None:
        self.reused = reused
        super().__init__(message)


class Answer(Struct, frozen=True):
    status: int
    body: bytes
    crc32: int | None
    date: str | None


class Connection:
    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._buffer = b""
        self.used = 0.0
        self.keep = True
        self.answered = False

    def stale(self) -> bool:
        """Closed, or talking out of turn."""
        if monotonic() - self.used < IDLE_CHECK:
            return False
        return bool(select.select([self._socket], [], [], 0)[0])

    def exchange(self, request: bytes) -> Answer:
        """Send a request and read its answer; `HttpError` or `OSError` if that fails."""
        first = not self.answered
        self._socket.sendall(request)
        try:
            head = self._until(b"\r\n\r\n")
        except (HttpError, ConnectionError) as error:
            raise HttpError("connection lost", reused=not first and not self._buffer) from error
        lines = head.split(b"\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
        try:
            status = int(lines[0].split(b" ", 2)[1])
            body = self._body(headers)
        except (IndexError, ValueError) as error:
            raise HttpError("not an HTTP answer") from error
        crc32, date = headers.get(b"x-amz-crc32"), headers.get(b"date")
        self.keep = headers.get(b"connection", b"").lower() != b"close" and not lines[0].startswith(b"HTTP/1.0")
        self.answered, self.used = True, monotonic()
        return Answer(status, body, int(crc32) if crc32 else None, date.decode("latin-1") if date else None)

    def close(self) -> None:
        self._socket.close()

    def _body(self, headers: dict[bytes, bytes]) -> bytes:
        if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
            body = b""
            while size := int(self._until(b"\r\n").split(b";")[0], 16):
                body += self._exactly(size)
                self._exactly(2)
            while self._until(b"\r\n"):
                pass
            return body
        return self._exactly(int(headers[b"content-length"])) if b"content-length" in headers else b""

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            self._fill()
        found, _, self._buffer = self._buffer.partition(mark)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._fill()
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    def _fill(self) -> None:
        received = self._socket.recv(262_144)
        if not received:
            raise HttpError("connection lost")
        self._buffer += received


class Pool:
    """Connections to one host. Taking and giving back are single list operations, which threads may share."""

    def __init__(self, host: str, port: int, wrap: Callable[[socket.socket], socket.socket] | None) -> None:
        self._host, self._port, self._wrap = host, port, wrap
        self._idle: list[Connection] = []

    def exchange(self, request: bytes) -> Answer:
        connection = self._take()
        try:
            answer = connection.exchange(request)
        except BaseException:
            connection.close()
            raise
        if connection.keep and len(self._idle) < MAX_IDLE:
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> Connection:
        while True:
            try:
                connection = self._idle.pop()  # the one used last: the others may rest and be closed
            except IndexError:
                return self._connect()
            if not connection.stale():
                return connection
            connection.close()

    def _connect(self) -> Connection:
        plain = socket.create_connection((self._host, self._port), CONNECT_TIMEOUT)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.settimeout(READ_TIMEOUT)
        return Connection(self._wrap(plain) if self._wrap else plain)
