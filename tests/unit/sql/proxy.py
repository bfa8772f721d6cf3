"""A proxy in front of a PostgreSQL server: it counts round trips, and loses responses."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from psycopg.conninfo import conninfo_to_dict

WAITS = (b"S", b"Q")
"""Messages after which a client waits: Sync, Query. Source: "Message Formats" in PostgreSQL's documentation; each is a byte,
a length of four that counts itself, and so much; only the first of a connection has no byte before its length."""


class Proxy:
    """A proxy with its own socket in front of the server's.

    `turns`: the number of times that the client waited for a response. `losing(n)`: the n-th response from now is lost; if `carried` is
    false, the server does not receive the request.
    """

    def __init__(self, folder: Path, url: str) -> None:
        server, _, schema = url.partition("schema=")
        target = conninfo_to_dict(server.rstrip("?&"))
        host, port = target.get("host", "localhost"), int(target.get("port", 5432))
        self._unix = str(host).startswith("/")
        self._address: Any = f"{host}/.s.PGSQL.{port}" if self._unix else (host, port)
        self.url = "postgresql://?" + urlencode(target | {"host": str(folder), "port": 5432, "schema": schema})
        self._left = self.turns = 0
        self._lost = False
        self._carried = True
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def losing(self, request: int, *, carried: bool = True) -> None:
        self._left, self._carried = request, carried

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
            threading.Thread(target=self._carry, args=(client, server), daemon=True).start()

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
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
                    if started and unread[:1] in WAITS:
                        self.turns += 1
                        self._left -= 1
                        self._lost = self._lost or self._left == 0
                    unread, started = unread[length:], True
                if self._lost and not self._carried:
                    self._lost = False
                    return
                server.sendall(data)
