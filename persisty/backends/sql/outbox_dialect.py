"""The tables of the outbox of SQL engines, and the differences between the engines."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

from msgspec import Struct

from ...store.outbox import LANES, Changed, OutboxEvent

NEW = 'lane, store, kind, "key", action, payload'
NEW_CHANGE = 'store, kind, "key", payload'
READY = f"position, {NEW}"
HELD = f"{READY}, state, attempt, due, error"
TABLES = (
    (
        "held",
        "CREATE TABLE IF NOT EXISTS {held} (position bigint PRIMARY KEY, lane smallint NOT NULL, "
        'store text NOT NULL, kind text NOT NULL, "key" text NOT NULL, action text NOT NULL, payload text NOT NULL, '
        "state smallint NOT NULL, attempt integer NOT NULL, due double precision, error text)",
    ),
    ("held_due", "CREATE INDEX IF NOT EXISTS {prefix}held_due ON {held} (due)"),
    ("held_chain", 'CREATE INDEX IF NOT EXISTS {prefix}held_chain ON {held} (store, "key", action, position)'),
    ("session", "CREATE TABLE IF NOT EXISTS {session} (id text PRIMARY KEY, until double precision NOT NULL)"),
    ("lane", "CREATE TABLE IF NOT EXISTS {lane} (lane smallint PRIMARY KEY, owner text)"),
)
"""Table or index → the statement that creates it."""
CHANGE = (
    "at double precision NOT NULL DEFAULT ({now}), "
    'store text NOT NULL, kind text NOT NULL, "key" text NOT NULL, payload text NOT NULL'
)
"""The columns of `persisty_change` after its position."""
TEXTS = 'store text NOT NULL, kind text NOT NULL, "key" text NOT NULL, action text NOT NULL, payload text NOT NULL'
"""The last columns of `persisty_event`."""
ALL_LANES = (
    "INSERT INTO {lane} (lane) VALUES " + ", ".join(f"({lane})" for lane in range(LANES)) + " ON CONFLICT DO NOTHING"
)


Rows = Callable[..., list[tuple[Any, ...]]]
"""(statement, *arguments) → its rows."""


class Inserted(Struct, frozen=True):
    """Rows of a table: its name, the columns of an INSERT, and their types."""

    table: str
    columns: str
    types: tuple[str, ...]


EVENTS = Inserted("event", NEW, ("smallint", *["text"] * 5))
CHANGES = Inserted("change", NEW_CHANGE, ("text",) * 4)


class OutboxDialect(Struct, frozen=True):
    """The differences between SQL engines. `tables`: those that differ. A position is never used twice. `now`: the server's time in seconds since 1970.
    `among`: (column) → a condition with one placeholder, whose value is a list as `listed` writes it. `insert`: (rows, how many) → the statement that
    inserts them. `seen`: an expression for the snapshot of a statement. `note`: a query that gives its transaction a number, None if the engine has one writer at a time. `fetch`: (number of lanes) → the statement; its rows begin with the snapshot that it saw, as text. `finish`: (events that are done, changed ones) → a statement that returns the
    number of live sessions, and its arguments after the session; None if it takes a transaction. `locking`: the end of a query that locks its rows. `next_position`: (run a statement, name of the table of events) → the SQL of a position that
    no other event has or will have, and its arguments. `text`: a text in its stored form, and
    `plain` the original.
    """

    tables: tuple[tuple[str, str], ...]
    now: str
    among: Callable[[str], str]
    listed: Callable[[Collection[int]], str]
    insert: Callable[[Inserted, int], str]
    seen: str
    note: str | None
    fetch: Callable[[int], str]
    fetched: Callable[[Sequence[tuple[int, int, int]]], Sequence[Any]]
    snapshot: Callable[[str | None], tuple[frozenset[int], int]]
    finish: Callable[[Sequence[OutboxEvent], Sequence[Changed]], tuple[str, list[Any]]] | None
    locking: str
    numbered: bool
    next_position: Callable[[Rows, str], tuple[str, Sequence[Any]]]
    text: Callable[[str], str] = str
    plain: Callable[[str], str] = str


class Signals(Protocol):
    """Wakes workers of other processes."""

    def send(self) -> None:
        """Wake the workers. Does not block."""
        ...

    def listen(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` when another process may have appended events. Returns a function that stops it."""
        ...

    def close(self) -> None: ...
