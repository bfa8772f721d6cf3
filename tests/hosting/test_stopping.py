"""A server that stops under load responds to every request: on idle, busy and queued connections."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from .processes import SLOW, serving

BODY = b'{"id": "%s"}'
HEAD = b"POST /api/note HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"


def answer(connection: socket.socket) -> bytes:
    """Return the head of the response, b"" if the connection was closed before it."""
    told = b""
    while b"\r\n\r\n" not in told:
        piece = connection.recv(65536)
        if not piece:
            return b""
        told += piece
    head, _, body = told.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return head


class Client(threading.Thread):
    """Creates items until the connection is refused. `keeps`: use one connection for as long as it is open, with pauses of `pause` seconds."""

    def __init__(self, port: int, number: int, keeps: bool, pause: float) -> None:
        super().__init__(daemon=True)
        self._port, self._number, self._keeps, self._pause = port, number, keeps, pause
        self.statuses: Counter[bytes] = Counter()
        self.start()

    def run(self) -> None:
        while True:
            with socket.socket() as connection:
                connection.settimeout(20)
                if connection.connect_ex(("127.0.0.1", self._port)):
                    return
                while self._asked(connection) and self._keeps:
                    time.sleep(self._pause)

    def _asked(self, connection: socket.socket) -> bool:
        body = BODY % f"{self._number}-{self.statuses.total()}".encode()
        try:
            connection.sendall(HEAD % (len(body), body))
            head = answer(connection)
        except OSError:
            head = b""
        self.statuses[head[9:12]] += 1
        return bool(head) and b"connection: close" not in head.lower()


@pytest.mark.parametrize("url", ["memory://", "sqlite:///notes.db"])
def test_a_server_that_stops_under_load_leaves_no_request_without_a_response(tmp_path: Path, url: str) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "slow.py").write_text(SLOW)
    with serving(folder, "slow:app", "--url", url) as served:
        clients = [Client(served.port, one, one % 2 == 0, 0.02 * (one % 4 == 0)) for one in range(24)]
        time.sleep(0.5)
        served.process.send_signal(signal.SIGTERM)
        served.process.wait(20)
        for client in clients:
            client.join(20)
    found = sum((client.statuses for client in clients), Counter())
    assert found.keys() == {b"201"}
