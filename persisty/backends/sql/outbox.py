"""The outbox of SQL engines: five tables in the database of the items.

```
persisty_event     position (identity), lane, store, kind, key, action, payload: the ready events
persisty_held      the same, state, attempt, due, error: the events that are held, parked or scheduled
persisty_change    position (identity), at, store, kind, key, payload: the change log, see `change_log`
persisty_lane      lane, owner: the session that it belongs to
persisty_session   id, until: a session of a worker lives until then
```

A session that has expired is removed by the session that takes its lanes, in one transaction. A worker finishes events only while the row of its
session exists, in one statement:

```
A  fetches event 7, pauses for 11 seconds
B  removes the session of A, takes its lanes, fetches event 7
A  finishes event 7: its session does not exist → nothing is changed, and A begins a new session
```

Every write of an item pays for the indexes of `persisty_event`, so it has one. An event that fails moves to `persisty_held`, with the same position.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import count as numbers
from typing import Any

from msgspec.structs import replace
from sqlalchemy import MetaData, Table

from ...naming import RESERVED
from ...store.change_log import ChangeLog, NewChange
from ...store.outbox import Beat, Chain, Changed, NewEvent, OutboxEvent, State
from ...store.positions import Fetched
from .change_log import SqlChangeLog
from .columns import table_text
from .dialect import Connection, Dialect
from .outbox_dialect import ALL_LANES, CHANGES, EVENTS, HELD, READY, TABLES, Inserted, OutboxDialect, Signals
from .scheduled_events import INDEXES, ScheduledEvents

MOST_ROWS = 64
"""Most events of an INSERT."""


class SqlOutbox(ScheduledEvents):
    """`append`: runs an INSERT in the transaction of this thread. `preparing`: a transaction that creates tables; returns the names of existing tables and
    indexes."""

    def __init__(
        self,
        dialect: Dialect,
        own: OutboxDialect,
        connection: Connection,
        append: Callable[[str, Sequence[Any]], Any],
        signals: Signals,
        preparing: Callable[[], AbstractContextManager[frozenset[str]]],
    ) -> None:
        self.writing: AbstractContextManager[Any] | None = None
        self._own, self._connection, self._append, self._signals = own, connection, append, signals
        self._preparing = preparing
        names = ("event", "held", "change", "lane", "session")
        self._names = {name: table_text(Table(f"{RESERVED}{name}", MetaData()), dialect) for name in names}
        self._texts: dict[tuple[Inserted | None, int], str] = {}
        self.log: ChangeLog | None = SqlChangeLog(connection, own, self._placed)
        self._wakes: tuple[Callable[[], None], ...] = ()
        self._lock = threading.Lock()
        self._prepared = False

    def prepare(self) -> None:
        if self._prepared:
            return
        with self._preparing() as existing:
            for name, text in (*TABLES, *INDEXES, *self._own.tables):
                if f"{RESERVED}{name}" not in existing:
                    self._connection.rows(text.format(**self._names, prefix=RESERVED, now=self._own.now))
            if f"{RESERVED}lane" not in existing:
                self._connection.rows(ALL_LANES.format(**self._names))
        self._prepared = True

    def append(self, events: Sequence[NewEvent | NewChange]) -> None:
        for text, values in self.statements(events):
            self._append(text, values)

    def statements(self, events: Sequence[NewEvent | NewChange]) -> list[tuple[str, list[Any]]]:
        """Return the statements that append events and changes, with their arguments. Each inserts a power of two, so that there are few texts."""
        found = []
        for rows, some in self.rows_of(events):
            rest = some
            while rest:
                size = min(1 << (len(rest).bit_length() - 1), MOST_ROWS)
                found.append((self._text(rows, size), self.values(rest[:size])))
                rest = rest[size:]
        return found

    @staticmethod
    def rows_of(events: Sequence[NewEvent | NewChange]) -> list[tuple[Inserted, Sequence[NewEvent | NewChange]]]:
        """Return the rows of each table."""
        changes = [one for one in events if isinstance(one, NewChange)]
        if not changes:
            return [(EVENTS, events)]
        others = [one for one in events if isinstance(one, NewEvent)]
        return [(EVENTS, others), (CHANGES, changes)] if others else [(CHANGES, changes)]

    def table(self, name: str) -> str:
        """Return the name of a table in SQL."""
        return self._names[name]

    @property
    def events_table(self) -> str:
        """The name of the table of events in SQL."""
        return self._names["event"]

    def appended(self) -> None:
        for wake in self._wakes:
            wake()
        self._signals.send()

    def listen(self, wake: Callable[[], None]) -> Callable[[], None]:
        with self._lock:
            self._wakes = (*self._wakes, wake)
        silence = self._signals.listen(wake)

        def stop() -> None:
            with self._lock:
                self._wakes = tuple(one for one in self._wakes if one is not wake)
            silence()

        return stop

    def beat(self, session: str, seconds: float, *, new: bool) -> Beat | None:
        now = self._own.now
        with self._connection.transaction():
            if new:
                self._rows(
                    f"INSERT INTO {{session}} (id, until) VALUES (?, {now} + CAST(? AS double precision))",
                    session,
                    seconds,
                )
            else:
                text = f"UPDATE {{session}} SET until = {now} + CAST(? AS double precision) WHERE id = ?"
                if not self._changed(text, seconds, session):
                    return None
            [(live,)] = self._rows(f"SELECT count(*) FROM {{session}} WHERE until >= {now}")
            lanes = self._rows("SELECT lane FROM {lane} WHERE owner = ?", session)
        return Beat(int(live), frozenset(int(lane) for (lane,) in lanes))

    def claim(self, session: str, count: int) -> frozenset[int]:
        own = self._own
        with self._connection.transaction():
            # the rows are locked first: the next statements see the sessions of all earlier claims
            owners = self._rows(f"SELECT lane, owner FROM {{lane}} ORDER BY lane{own.locking}")
            self._changed(f"DELETE FROM {{session}} WHERE until < {own.now} AND id <> ?", session)
            live = {one for (one,) in self._rows("SELECT id FROM {session}")}
            free = [int(lane) for lane, owner in owners if owner not in live][:count] if session in live else []
            if free:
                self._changed(f"UPDATE {{lane}} SET owner = ? WHERE {own.among('lane')}", session, own.listed(free))
        return frozenset(free)

    def release(self, session: str, lanes: Collection[int]) -> None:
        text = f"UPDATE {{lane}} SET owner = NULL WHERE owner = ? AND {self._own.among('lane')}"
        self._changed(text, session, self._own.listed(lanes))

    def leave(self, session: str) -> None:
        self._changed("DELETE FROM {session} WHERE id = ?", session)

    def fetch(self, wanted: Sequence[tuple[int, int, int]]) -> Fetched[OutboxEvent]:
        if not wanted:
            return Fetched(())
        rows = self._connection.rows(self._text(None, len(wanted)), self._own.fetched(wanted))
        running, following = self._own.snapshot(rows[0][0] if rows else None)
        events = self._events(row[1:] for row in rows if row[1] is not None)
        events.sort(key=_position)
        return Fetched(events, running, following)

    def due(self, lanes: Collection[int], now: float, limit: int) -> Sequence[OutboxEvent]:
        text = (
            f"SELECT {HELD} FROM {{held}} WHERE state IN (1, 3) AND due <= ? AND {self._own.among('lane')} "
            "ORDER BY due, position LIMIT ?"
        )
        events = self._events(self._rows(text, now, self._own.listed(lanes), limit))
        started = self._started([one.position for one in events if one.state is State.SCHEDULED])
        return [
            replace(one, state=State.HELD) if one.position in started else one
            for one in events
            if one.position in started or one.state is State.HELD
        ]

    def held_chains(self, lanes: Collection[int]) -> Mapping[Chain, float | None]:
        text = (
            f'SELECT store, "key", action, min(due) FROM {{held}} WHERE state = 1 AND {self._own.among("lane")} '
            'GROUP BY store, "key", action'
        )
        rows = self._rows(text, self._own.listed(lanes))
        return {(store, self._own.plain(key), action): due for store, key, action, due in rows}

    def waiting(self, chain: Chain, limit: int) -> Sequence[OutboxEvent]:
        store, key, action = chain
        text = (
            f'SELECT {HELD} FROM {{held}} WHERE state = 1 AND store = ? AND "key" = ? AND action = ? '
            "ORDER BY position LIMIT ?"
        )
        return self._events(self._rows(text, store, self._own.text(key), action, limit))

    def finish(self, session: str, done: Sequence[OutboxEvent], changed: Sequence[Changed]) -> bool:
        own = self._own
        if own.finish is not None:
            text, arguments = own.finish(done, changed)
            [(live,)] = self._rows(text, session, *arguments)
            return bool(live)
        with self._connection.transaction():
            if not self._rows("SELECT 1 FROM {session} WHERE id = ?", session):
                return False
            for table, is_ready in (("event", True), ("held", False)):
                some = [one.position for one in done if (one.state is State.READY) is is_ready]
                if some:
                    self._changed(f"DELETE FROM {{{table}}} WHERE {own.among('position')}", own.listed(some))
            for one in changed:
                new = (int(one.state), one.attempt, one.due, one.error)
                text = f"INSERT INTO {{held}} ({HELD}) SELECT {READY}, ?, ?, ?, ? FROM {{event}} WHERE position = ?"
                if self._changed(text, *new, one.position):
                    self._changed("DELETE FROM {event} WHERE position = ?", one.position)
                else:
                    text = "UPDATE {held} SET state = ?, attempt = ?, due = ?, error = ? WHERE position = ?"
                    self._changed(text, *new, one.position)
        return True

    def search(self, state: State | None, store: str | None, action: str | None, limit: int) -> Sequence[OutboxEvent]:
        given = [(name, value) for name, value in (("store", store), ("action", action)) if value is not None]
        found: list[OutboxEvent] = []
        if state in (None, State.READY):
            found += self._search(f"{READY} FROM {{event}}", given, limit)
        if state is not State.READY:
            held = given if state is None else [*given, ("state", int(state))]
            found += self._search(f"{HELD} FROM {{held}}", held, limit)
        return sorted(found, key=_position)[:limit]

    def _search(self, what: str, given: Sequence[tuple[str, Any]], limit: int) -> list[OutboxEvent]:
        where = " AND ".join(f"{name} = ?" for name, _ in given) or "1 = 1"
        text = f"SELECT {what} WHERE {where} ORDER BY position LIMIT ?"
        return self._events(self._rows(text, *(value for _, value in given), limit))

    def at(self, position: int) -> OutboxEvent | None:
        given = [("position", position)]
        found = self._search(f"{HELD} FROM {{held}}", given, 1) or self._search(f"{READY} FROM {{event}}", given, 1)
        return found[0] if found else None

    def counts(self) -> Mapping[State, int]:
        found = dict(self._rows("SELECT state, count(*) FROM {held} GROUP BY state"))
        [(found[int(State.READY)],)] = self._rows("SELECT count(*) FROM {event}")
        return {state: int(found.get(int(state), 0)) for state in State}

    def replay(self, positions: Sequence[int], now: float) -> int:
        text = f"UPDATE {{held}} SET state = 1, attempt = 1, due = ? WHERE state = 2 AND {self._own.among('position')}"
        return self._changed(text, now, self._own.listed(positions))

    def drop(self, positions: Sequence[int]) -> int:
        return self._changed(f"DELETE FROM {{held}} WHERE {self._own.among('position')}", self._own.listed(positions))

    def close(self) -> None:
        self._signals.close()
        self._prepared = False

    def _text(self, rows: Inserted | None, size: int) -> str:
        """Return the statement that inserts so many rows, or, without rows, fetches the events of so many lanes."""
        text = self._texts.get((rows, size))
        if text is None:
            made = self._own.fetch(size) if rows is None else self._own.insert(rows, size)
            text = self._texts[rows, size] = self._placed(made)
        return text

    def _placed(self, text: str) -> str:
        """Return a statement with the names of the tables, and with numbered placeholders if the driver needs them."""
        text = text.format(**self._names)
        if not self._own.numbered:
            return text
        places = numbers(1)
        first, *rest = text.split("?")
        return first + "".join(f"${next(places)}{part}" for part in rest)

    def _rows(self, text: str, *arguments: Any) -> list[tuple[Any, ...]]:
        return self._connection.rows(self._placed(text), arguments)

    def _changed(self, text: str, *arguments: Any) -> int:
        return self._connection.changed(self._placed(text), arguments)

    def _events(self, rows: Iterable[tuple[Any, ...]]) -> list[OutboxEvent]:
        """Return the events of rows with the columns `READY` or `HELD`."""
        plain = self._own.plain
        found: list[OutboxEvent] = []
        for position, lane, store, kind, key, action, payload, *held in rows:
            event = OutboxEvent(position, lane, store, kind, plain(key), action, payload)
            if held:
                state, attempt, due, error = held
                event = replace(event, state=State(state), attempt=attempt, due=due, error=error)
            found.append(event)
        return found


def _position(event: OutboxEvent) -> int:
    return event.position
