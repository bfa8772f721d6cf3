"""Wake workers of other processes by NOTIFY, on a connection of its own and never in the transaction of a write.

A commit with a NOTIFY takes a lock of the whole server. So a thread sends at most one each `COALESCED` seconds, for all commits in between.
Behind a pooler that shares sessions between clients, LISTEN hears nothing, and workers poll.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg

COALESCED = 0.02
"""Seconds between two notifications. The first one after a pause is sent at once."""
AGAIN = 1.0
"""Seconds before the next attempt after a lost connection."""


class Notifications:
    """`channel`: the same for all processes that use the tables."""

    def __init__(self, conninfo: str, channel: str) -> None:
        self._conninfo, self._channel = conninfo, channel
        self._pending = threading.Event()
        self._starting = threading.Lock()
        self._sender: threading.Thread | None = None
        self._closed = threading.Event()

    def send(self) -> None:
        if self._sender is None:
            with self._starting:
                if self._sender is None:
                    self._closed.clear()
                    self._sender = threading.Thread(target=self._send, args=(self._closed,), daemon=True)
                    self._sender.start()
        if not self._pending.is_set():
            self._pending.set()

    def listen(self, wake: Callable[[], None]) -> Callable[[], None]:
        ended = threading.Event()
        thread = threading.Thread(target=self._listen, args=(wake, ended), daemon=True)
        thread.start()

        def stop() -> None:
            ended.set()
            thread.join(2)

        return stop

    def close(self) -> None:
        """End the thread that sends, after the pending notification."""
        sender, self._sender = self._sender, None
        if sender is not None:
            self._closed.set()
            self._pending.set()
            sender.join(2)
            self._closed = threading.Event()

    def _send(self, closed: threading.Event) -> None:
        connection: psycopg.Connection | None = None
        statement = f'NOTIFY "{self._channel}"'
        while not closed.is_set():
            self._pending.wait()
            self._pending.clear()
            try:
                if connection is None:
                    connection = psycopg.connect(self._conninfo, autocommit=True)
                    connection.execute("SET synchronous_commit = off")  # a NOTIFY is a commit, too
                connection.execute(statement)
            except psycopg.Error:  # workers poll until the server is back
                if connection is not None:
                    connection.close()
                connection = None
                closed.wait(AGAIN)
            closed.wait(COALESCED)
        if connection is not None:
            connection.close()

    def _listen(self, wake: Callable[[], None], ended: threading.Event) -> None:
        while not ended.is_set():
            try:
                with psycopg.connect(self._conninfo, autocommit=True) as connection:
                    connection.execute(f'LISTEN "{self._channel}"')
                    wake()  # for events of the time without a connection
                    while not ended.is_set():
                        for _ in connection.notifies(timeout=0.5, stop_after=1):
                            wake()
            except psycopg.Error:
                ended.wait(AGAIN)
