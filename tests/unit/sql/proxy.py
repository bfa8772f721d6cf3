"""A proxy in front of a PostgreSQL server. It counts round trips and can lose responses."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from psycopg.conninfo import conninfo_to_dict

AWAITED = (b"S", b"Q")
"""Messages whose response a client awaits: Sync, Query. Source: "Message Formats" in PostgreSQL's documentation. A message is a byte,
a length of four bytes that includes itself, and its content. Only the first message of a connection has no byte before its length."""


class Proxy:
    """A proxy with its own socket in front of the server's.

    `round_trips`: the number of responses that the client awaited. `lose(n)`: the n-th response from now is lost; if `delivered` is
    false, the server does not receive the request.
    """

    def __init__(self, folder: Path, url: str) -> None:
        server, _, schema = url.partition("schema=")
        target = conninfo_to_dict(server.rstrip("?&"))
        host, port = target.get("host", "localhost"), int(target.get("port", 5432))
        self._unix = str(host).startswith("/")
        self._address: Any = f"{host}/.s.PGSQL.{port}" if self._unix else (host, port)
        self.url = "postgresql://?" + urlencode(target | {"host": str(folder), "port": 5432, "schema": schema})
        self._remaining = self.round_trips = 0
        self._lost = False
        self._delivered = True
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def lose(self, request: int, *, delivered: bool = True) -> None:
        self._remaining, self._delivered = request, delivered

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX if self._unix else socket.AF_INET)
            server.connect(self._address)
            threading.Thread(target=self._forward, args=(client, server), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        with client, server, contextlib.suppress(OSError):
            unread, started = b"", False
            while True:
                ready, _, _ = select.select([client, server], [], [])
                data = ready[0].recv(1 << 20)
                if not data or (ready[0] is server and self._lost):
                    self._lost = False
                    return
                if ready[0] is server:
                    client.sendall(data)
                    continue
                unread += data
                while len(unread) >= started + 4:
                    length = int.from_bytes(unread[started : started + 4], "big") + started
                    if len(unread) < length:
                        break
                    if started and unread[:1] in AWAITED:
                        self.round_trips += 1
                        self._remaining -= 1
                        self._lost = self._lost or self._remaining == 0
                    unread, started = unread[length:], True
                if self._lost and not self._delivered:
                    self._lost = False
                    return
                server.sendall(data)
