"""SQLite's rows of the outbox, and how its workers learn of events of other processes: by the version of the file."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any
from urllib.parse import quote

import msgspec

from .outbox_dialect import CHANGE, READY, TEXTS, Inserted, OutboxDialect, Rows

WATCH = 0.05
"""Seconds between two looks at the version of the file."""


TABLES = (
    (
        "event",
        "CREATE TABLE IF NOT EXISTS {event} "
        f"(position INTEGER PRIMARY KEY AUTOINCREMENT, lane smallint NOT NULL, {TEXTS})",
    ),
    (
        "event_sequence",
        "INSERT INTO sqlite_sequence (name, seq) "
        "SELECT '{prefix}event', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = '{prefix}event')",
    ),
    (
        "change",
        f"CREATE TABLE IF NOT EXISTS {{change}} (position INTEGER PRIMARY KEY AUTOINCREMENT, {CHANGE})",
    ),
    ("event_lane", "CREATE INDEX IF NOT EXISTS {prefix}event_lane ON {event} (lane, position)"),
)


def _insert(rows: Inserted, count: int) -> str:
    row = ", ".join("?" * len(rows.types))
    return f"INSERT INTO {{{rows.table}}} ({rows.columns}) VALUES " + ", ".join([f"({row})"] * count)


def _fetch(lanes: int) -> str:
    """Return a union of one query for each lane: an index lookup each, however many events other lanes have."""
    one = (
        f"SELECT * FROM (SELECT NULL, {READY} FROM {{event}} WHERE lane = ? AND position > ? ORDER BY position LIMIT ?)"
    )
    return " UNION ALL ".join([one] * lanes)


def _next_position(rows: Rows, table: str) -> tuple[str, Sequence[Any]]:
    """Take a number of the table's sequence (https://www.sqlite.org/autoinc.html: it can be changed by ordinary statements)."""
    name = table.strip('"')
    [taken] = rows("UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = ? RETURNING seq", name)
    return "?", taken


SQLITE_OUTBOX = OutboxDialect(
    tables=TABLES,
    now="((julianday('now') - 2440587.5) * 86400.0)",
    among=lambda column: f"{column} IN (SELECT value FROM json_each(?))",
    listed=lambda values: msgspec.json.encode(list(values)).decode(),
    insert=_insert,
    seen="NULL",
    note=None,
    fetch=_fetch,
    fetched=lambda wanted: list(chain.from_iterable(wanted)),
    snapshot=lambda text: (frozenset(), 0),
    finish=None,
    locking="",
    numbered=False,
    next_position=_next_position,
)


class FileVersions:
    """`path`: of the database, None in memory, where there is no other process."""

    def __init__(self, path: str | None) -> None:
        self._path = path

    def send(self) -> None:
        """Do nothing: the commit has changed the version of the file."""

    def listen(self, wake: Callable[[], None]) -> Callable[[], None]:
        if self._path is None:
            return lambda: None
        ended = threading.Event()
        thread = threading.Thread(target=self._watch, args=(self._path, wake, ended), daemon=True)
        thread.start()

        def stop() -> None:
            ended.set()
            thread.join(1)

        return stop

    def close(self) -> None:
        """Do nothing: the threads end with their listeners."""

    def _watch(self, path: str, wake: Callable[[], None], ended: threading.Event) -> None:
        raw: sqlite3.Connection | None = None
        version: Sequence[Any] | None = None
        while not ended.wait(WATCH):
            try:
                if raw is None:
                    raw = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, isolation_level=None)
                found = raw.execute("PRAGMA data_version").fetchone()
            except sqlite3.Error:  # the worker polls, too
                raw = None
                continue
            if found != version:
                version = found
                wake()
        if raw is not None:
            raw.close()
