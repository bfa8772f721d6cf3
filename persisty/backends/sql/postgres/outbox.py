"""PostgreSQL's rows of the outbox."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from ....store.outbox import Changed, OutboxEvent, State
from ..outbox_dialect import CHANGE, HELD, READY, TEXTS, Inserted, OutboxDialect
from .text import escaped, unescaped

TABLES = (
    (
        "event",
        "CREATE TABLE IF NOT EXISTS {event} (position bigint GENERATED ALWAYS AS IDENTITY, lane smallint NOT NULL, "
        f"{TEXTS}, PRIMARY KEY (lane, position)) "
        "WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000)",
    ),
    (
        "change",
        f"CREATE TABLE IF NOT EXISTS {{change}} (position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, {CHANGE})",
    ),
)
ALIVE = "alive AS MATERIALIZED (SELECT id FROM {session} WHERE id = ? FOR KEY SHARE)"
"""The lock on the session excludes its removal, and no heartbeat."""
IS_ALIVE = "EXISTS (SELECT 1 FROM alive)"
DONE = (
    "gone AS (DELETE FROM {event} AS e USING unnest(CAST(? AS integer[]), CAST(? AS bigint[])) AS d(lane, position) "
    f"WHERE e.lane = d.lane AND e.position = d.position AND {IS_ALIVE})"
)
ENDED = f"ended AS (DELETE FROM {{held}} WHERE position = ANY(CAST(? AS bigint[])) AND {IS_ALIVE})"
CHANGED = (
    "changed AS MATERIALIZED (SELECT * FROM json_to_recordset(CAST(? AS json)) AS c(lane integer, position bigint, "
    f"state smallint, attempt integer, due double precision, error text) WHERE {IS_ALIVE}), "
    "moved AS (DELETE FROM {event} AS e USING changed AS c WHERE e.lane = c.lane AND e.position = c.position "
    f"RETURNING {', '.join(f'e.{name}' for name in READY.split(', '))}), "
    f"kept AS (INSERT INTO {{held}} ({HELD}) SELECT m.*, c.state, c.attempt, c.due, c.error "
    "FROM moved AS m JOIN changed AS c ON c.position = m.position), "
    "again AS (UPDATE {held} AS h SET state = c.state, attempt = c.attempt, due = c.due, error = c.error "
    "FROM changed AS c WHERE h.position = c.position)"
)


def _finish(done: Sequence[OutboxEvent], changed: Sequence[Changed]) -> tuple[str, list[Any]]:
    """Return one statement, so that a process that is stopped in the middle holds no lock."""
    ready = [(one.lane, one.position) for one in done if one.state is State.READY]
    held = [one.position for one in done if one.state is not State.READY]
    parts = [ALIVE]
    arguments: list[Any] = []
    if ready:
        parts.append(DONE)
        arguments += map(_listed, zip(*ready, strict=True))
    if held:
        parts.append(ENDED)
        arguments.append(_listed(held))
    if changed:
        parts.append(CHANGED)
        arguments.append(msgspec.json.encode(list(map(msgspec.structs.asdict, changed))).decode())
    return f"WITH {', '.join(parts)} SELECT count(*) FROM alive", arguments


def rows_text(rows: Inserted, count: int) -> str:
    """Return the placeholders of rows."""
    row = ", ".join(f"?::{kind}" for kind in rows.types)
    return ", ".join([f"({row})"] * count)


def _insert(rows: Inserted, count: int) -> str:
    """Return an INSERT that gives the transaction a number before positions are allotted, even if it has written nothing else."""
    return (
        f"INSERT INTO {{{rows.table}}} ({rows.columns}) SELECT * FROM (VALUES {rows_text(rows, count)}) AS v "
        "WHERE pg_current_xact_id() IS NOT NULL"
    )


def _fetch(lanes: int) -> str:
    inner = ", ".join(f"e.{name}" for name in READY.split(", "))
    found = ", ".join(f"f.{name}" for name in READY.split(", "))
    return (
        f"SELECT s.seen, {found} FROM (SELECT CAST(pg_current_snapshot() AS text) AS seen) AS s LEFT JOIN ("
        f"SELECT {found} FROM unnest(CAST(? AS integer[]), CAST(? AS bigint[]), CAST(? AS bigint[])) AS l(lane, low, most) "
        f"CROSS JOIN LATERAL (SELECT {inner} FROM {{event}} AS e WHERE e.lane = l.lane "
        "AND e.position > l.low ORDER BY e.position LIMIT l.most) AS f) AS f ON true"
    )


def _listed(values: Collection[int]) -> str:
    return "{" + ",".join(map(str, values)) + "}"


def _fetched(wanted: Sequence[tuple[int, int, int]]) -> Sequence[Any]:
    return [_listed(column) for column in zip(*wanted, strict=True)]


def _snapshot(text: str | None) -> tuple[frozenset[int], int]:
    """Return the running transactions of a snapshot such as `10:20:10,14,15`, and the number after the last that it knows.

    Source: PostgreSQL's documentation, 9.28, Transaction ID and Snapshot Information Functions.
    """
    if text is None:
        return frozenset(), 0
    _, following, running = text.split(":")
    return frozenset(map(int, running.split(","))) if running else frozenset(), int(following)


POSTGRES_OUTBOX = OutboxDialect(
    tables=TABLES,
    now="extract(epoch FROM clock_timestamp())",
    among=lambda column: f"{column} = ANY(CAST(? AS bigint[]))",
    listed=_listed,
    insert=_insert,
    seen="CAST(pg_current_snapshot() AS text)",
    note="SELECT pg_current_xact_id()",
    fetch=_fetch,
    fetched=_fetched,
    snapshot=_snapshot,
    finish=_finish,
    locking=" FOR UPDATE",
    numbered=True,
    next_position=lambda rows, table: ("nextval(pg_get_serial_sequence(CAST(? AS text), 'position'))", [table]),
    text=escaped,
    plain=unescaped,
)
