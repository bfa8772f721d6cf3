"""A minimal HTTP/1.1 client for one host: persistent connections, one request at a time on each.

http.client takes longer to parse headers than DynamoDB takes to respond. This client reads only the three headers that it needs.
Source of the format: RFC 9112.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from time import monotonic

from msgspec import Struct

CONNECT_TIMEOUT, READ_TIMEOUT = 3.0, 6.0
"""Seconds. DynamoDB returns the largest page within one; all attempts together take less than the timeout of API Gateway."""
ANSWER_TIMEOUT = 30.0
"""Seconds for a whole response, even if its parts arrive regularly."""
IDLE_CHECK = 1.0
"""Seconds after which an idle connection is checked before it is used. The server may have closed it, for example while a
Lambda function was frozen."""
RECEIVE = 65_536
"""Bytes read at once. A buffer of 128 KB or more is a separate memory mapping, created and removed at every call."""
MAX_IDLE = 32
"""Idle connections in the pool."""
MAX_HEAD, MAX_BODY = 65_536, 67_108_864
"""Bytes. A response of DynamoDB has at most 16 MB of items, and JSON is somewhat larger."""


class HttpError(Exception):
    """The connection was lost, or the response is not HTTP. `reused`: an idle connection was closed before the response."""

    def __init__(self, message: str, *, reused: bool = False) -> None:
        self.reused = reused
        super().__init__(message)


class Unreachable(OSError):
    """The connection cannot be opened. Nothing was sent."""


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
        self._answered = False
        self._deadline = 0.0

    def stale(self) -> bool:
        """Return whether the connection was idle and is closed, or has bytes that no request is waiting for."""
        if monotonic() - self.used < IDLE_CHECK:
            return False
        return bool(select.select([self._socket], [], [], 0)[0])

    def exchange(self, request: bytes) -> Answer:
        """Send a request and return the response. `HttpError` or `OSError` if that fails."""
        self.send(request)
        return self.receive()

    def send(self, request: bytes) -> None:
        """Send a request. `receive` returns the response."""
        self._deadline = monotonic() + ANSWER_TIMEOUT
        try:
            self._socket.sendall(request)
        except TimeoutError:
            raise
        except OSError as error:
            raise HttpError("connection lost", reused=self._answered and not self._buffer) from error

    def receive(self) -> Answer:
        """Return the response to the request that was sent."""
        try:
            head = self._until(b"\r\n\r\n")
        except TimeoutError:
            raise
        except (HttpError, OSError) as error:
            raise HttpError("connection lost", reused=self._answered and not self._buffer) from error
        try:
            answer = self._answer(head)
        except (IndexError, ValueError) as error:
            raise HttpError("not an HTTP answer") from error
        self._answered, self.used = True, monotonic()
        return answer

    def close(self) -> None:
        self._socket.close()

    def _answer(self, head: bytes) -> Answer:
        head = head.lower()
        status = int(head.split(b" ", 2)[1])
        crc32, date = _header(head, b"x-amz-crc32"), _header(head, b"date")
        body = self._body(head)
        self.keep = head.startswith(b"http/1.1") and _header(head, b"connection") != b"close" and not self._buffer
        return Answer(status, body, int(crc32) if crc32 else None, date.decode("latin-1") if date else None)

    def _body(self, head: bytes) -> bytes:
        if _header(head, b"transfer-encoding") == b"chunked":
            chunks: list[bytes] = []
            while size := int(self._until(b"\r\n").split(b";")[0], 16):
                chunks.append(self._exactly(size))
                self._exactly(2)
            while self._until(b"\r\n"):
                pass
            return b"".join(chunks)
        length = _header(head, b"content-length")
        return b"" if length is None else self._exactly(int(length))

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            if len(self._buffer) > MAX_HEAD:
                raise HttpError("not an HTTP answer")
            self._buffer += self._received()
        found, _, self._buffer = self._buffer.partition(mark)
        return found

    def _exactly(self, size: int) -> bytes:
        if not 0 <= size <= MAX_BODY:
            raise ValueError(size)
        parts, missing = [self._buffer], size - len(self._buffer)
        while missing > 0:
            parts.append(self._received())
            missing -= len(parts[-1])
        whole = b"".join(parts)  # once: a large response arrives in many parts
        self._buffer = whole[size:]
        return whole if len(whole) == size else whole[:size]

    def _received(self) -> bytes:
        if monotonic() > self._deadline:  # the socket's own timeout is for each part
            raise TimeoutError("the answer took too long")
        received = self._socket.recv(RECEIVE)
        if not received:
            raise HttpError("connection lost")
        return received


def _header(head: bytes, name: bytes) -> bytes | None:
    """Return the value of a header. Both are in lower case."""
    mark = b"\r\n" + name + b":"
    start = head.find(mark)
    if start < 0:
        return None
    end = head.find(b"\r\n", start + len(mark))
    return (head[start + len(mark) :] if end < 0 else head[start + len(mark) : end]).strip()


class Pool:
    """Connections to one host. Threads may share the pool: a connection is taken and returned by one list operation."""

    def __init__(self, host: str, port: int, wrap: Callable[[socket.socket], socket.socket] | None) -> None:
        self._host, self._port, self._wrap = host, port, wrap
        self._idle: list[Connection] = []

    def exchange(self, request: bytes) -> Answer:
        """Send a request and return the response."""
        return self.receive(self.send(request))

    def send(self, request: bytes) -> Connection:
        """Send a request. Return the connection for `receive`."""
        connection = self._take()
        try:
            connection.send(request)
        except BaseException as error:
            self._lost(connection, error)
            raise
        return connection

    def receive(self, connection: Connection) -> Answer:
        """Return a response, and put the connection back for later requests."""
        try:
            answer = connection.receive()
        except BaseException as error:
            self._lost(connection, error)
            raise
        if connection.keep and len(self._idle) < MAX_IDLE:
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _lost(self, connection: Connection, error: BaseException) -> None:
        connection.close()
        if isinstance(error, HttpError) and error.reused:
            self.close()  # the cause, such as a frozen Lambda function, has closed the other idle connections too

    def _take(self) -> Connection:
        while True:
            try:
                connection = self._idle.pop()  # the one used last: the others may be closed when they are idle for long
            except IndexError:
                return self._connect()
            if not connection.stale():
                return connection
            connection.close()

    def _connect(self) -> Connection:
        try:
            plain = socket.create_connection((self._host, self._port), CONNECT_TIMEOUT)
        except OSError as error:
            raise Unreachable(str(error)) from error
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.settimeout(READ_TIMEOUT)
        try:
            return Connection(self._wrap(plain) if self._wrap else plain)
        except BaseException as error:
            plain.close()
            if isinstance(error, OSError):
                raise Unreachable(str(error)) from error
            raise
