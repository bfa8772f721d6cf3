"""The change log of SQL engines: the table `persisty_change`, see `store.change_log`."""

from __future__ import annotations

from collections.abc import Callable

from ...store.change_log import LoggedChange
from ...store.positions import Fetched
from .dialect import Connection
from .outbox_dialect import NEW_CHANGE, OutboxDialect

COLUMNS = f"position, at, {NEW_CHANGE}"
PURGED = 5_000
"""Most changes that one call deletes."""


class SqlChangeLog:
    """`placed`: (statement) → the statement with the names of the tables."""

    def __init__(self, connection: Connection, own: OutboxDialect, placed: Callable[[str], str]) -> None:
        self._connection, self._own, now = connection, own, own.now
        self._read = placed(
            f"SELECT s.seen, c.* FROM (SELECT {own.seen} AS seen) AS s LEFT JOIN "
            f"(SELECT {COLUMNS} FROM {{change}} WHERE position > ? ORDER BY position LIMIT ?) AS c ON true"
        )
        self._before = placed(f"SELECT max(position) FROM {{change}} WHERE at < {now} - CAST(? AS double precision)")
        self._first = placed("SELECT min(position) FROM {change}")
        # the newest of the old changes stays: it shows up to where others may have been deleted
        self._purge = placed(
            "DELETE FROM {change} WHERE position < (SELECT max(position) FROM "
            f"(SELECT position, at FROM {{change}} ORDER BY position LIMIT {PURGED}) AS o WHERE at < {now} - CAST(? AS double precision))"
        )

    def read(self, after: int, limit: int) -> Fetched[LoggedChange]:
        rows = self._connection.rows(self._read, (after, limit))
        running, following = self._own.snapshot(rows[0][0] if rows else None)
        found = [
            LoggedChange(position, at, store, kind, self._own.plain(key), payload)
            for _, position, at, store, kind, key, payload in rows
            if position is not None
        ]
        found.sort(key=lambda one: one.position)
        return Fetched(found, running, following)

    def note(self) -> None:
        if self._own.note is not None:
            self._connection.rows(self._own.note)

    def before(self, seconds: float) -> int:
        [(position,)] = self._connection.rows(self._before, (seconds,))
        return int(position or 0)

    def first(self) -> int:
        [(position,)] = self._connection.rows(self._first)
        return int(position or 0)

    def now(self) -> float:
        [(now,)] = self._connection.rows(f"SELECT CAST({self._own.now} AS double precision)")
        return float(now)

    def purge(self, seconds: float) -> None:
        self._connection.changed(self._purge, (seconds,))
