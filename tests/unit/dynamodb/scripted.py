"""A server that answers each request with the next line of a script, faults included."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from email.utils import formatdate
from typing import Any
from zlib import crc32

Reply = Callable[[socket.socket], bool]
"""Answers on a connection; False closes it."""


def answer(
    body: Any, status: int = 200, *, checksum: int | None = None, date: float | None = None, close: bool = False
) -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = (
        f"HTTP/1.1 {status} Whatever\r\nContent-Length: {len(raw)}\r\nDate: {formatdate(date, usegmt=True)}\r\n"
        f"x-amz-crc32: {crc32(raw) if checksum is None else checksum}\r\n"
        f"Connection: {'close' if close else 'keep-alive'}\r\n\r\n"
    )

    def send(connection: socket.socket) -> bool:
        connection.sendall(head.encode() + raw)
        return not close

    return send


def refusal(kind: str, message: str = "", status: int = 400, **more: Any) -> Reply:
    date = more.pop("date", None)
    body = {"__type": f"com.amazonaws.dynamodb.v20120810#{kind}", "message": message, **more}
    return answer(body, status, date=date)


def raw(text: bytes) -> Reply:
    def send(connection: socket.socket) -> bool:
        connection.sendall(text)
        return False

    return send


def hang_up(connection: socket.socket) -> bool:
    return False


def then_hang_up(reply: Reply) -> Reply:
    """Respond as if the connection stayed open, then close it."""

    def send(connection: socket.socket) -> bool:
        reply(connection)
        return False

    return send


def silence(seconds: float) -> Reply:
    def wait(connection: socket.socket) -> bool:
        time.sleep(seconds)
        return False

    return wait


class Scripted:
    """A server with a script. `requests`: (head, body) in order of arrival. `connections`: the number of opened connections."""

    def __init__(self, script: Sequence[Reply], tls: ssl.SSLContext | None) -> None:
        self._script = iter(script)
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.connections = 0
        scheme = "https" if tls else "http"
        self.endpoint = f"{scheme}://localhost:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        try:
            talking = self._tls.wrap_socket(connection, server_side=True) if self._tls else connection
        except OSError:
            connection.close()
            return
        with talking, talking.makefile("rb") as stream:
            try:
                while self._one(talking, stream):
                    pass
            except (OSError, ValueError, StopIteration):
                pass  # the client closed the connection, or uses TLS

    def _one(self, connection: socket.socket, stream: Any) -> bool:
        lines = []
        while (line := stream.readline()) not in (b"\r\n", b""):
            lines.append(line.decode("latin-1").strip())
        if not lines:
            return False
        [length] = [int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length")]
        self.requests.append(("\n".join(lines), json.loads(stream.read(length))))
        return next(self._script)(connection)


@contextmanager
def scripted(*script: Reply, tls: ssl.SSLContext | None = None) -> Iterator[Scripted]:
    server = Scripted(script, tls)
    try:
        yield server
    finally:
        server.close()
