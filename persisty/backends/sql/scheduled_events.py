"""Scheduled events of SQL engines: rows of `persisty_held` in the state 3 with the time of their first attempt.

```
schedule   INSERT … ON CONFLICT DO NOTHING   a unique index over the chain, of rows in this state alone
cancel     DELETE … WHERE state = 3          either this or the next deletes or changes the row, never both
start      UPDATE … SET state = 1            when the time has come, before the handler is called
```

The position is the next one of `persisty_event`, so that it is unique among all events.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ...store.change_log import NewChange
from ...store.outbox import Chain, NewEvent, lane_of
from .outbox_dialect import NEW, OutboxDialect

INDEXES = (
    ("held_lane", "CREATE INDEX IF NOT EXISTS {prefix}held_lane ON {held} (lane) WHERE state = 1"),
    (
        "held_scheduled",
        'CREATE UNIQUE INDEX IF NOT EXISTS {prefix}held_scheduled ON {held} (store, "key", action) WHERE state = 3',
    ),
)
"""Index → the statement that creates it. The first one keeps held events apart from scheduled ones, of which there may be many."""
SCHEDULE = (
    f"INSERT INTO {{{{held}}}} (position, {NEW}, state, attempt, due) VALUES ({{position}}, ?, ?, ?, ?, ?, ?, 3, 1, ?) "
    'ON CONFLICT (store, "key", action) WHERE state = 3 DO NOTHING'
)
CANCEL = 'DELETE FROM {held} WHERE state = 3 AND store = ? AND "key" = ? AND action = ?'


class ScheduledEvents:
    """The part of `SqlOutbox` that concerns scheduled events."""

    _own: OutboxDialect

    def _rows(self, text: str, *arguments: Any) -> list[tuple[Any, ...]]:
        raise NotImplementedError

    def _changed(self, text: str, *arguments: Any) -> int:
        raise NotImplementedError

    @property
    def events_table(self) -> str:
        """The name of the table of events in SQL."""
        raise NotImplementedError

    def schedule(self, event: NewEvent, due: float) -> bool:
        values = self.values([event])
        position, given = self._own.next_position(self._rows, self.events_table)
        return bool(self._changed(SCHEDULE.format(position=position), *given, *values, due))

    def values(self, events: Collection[NewEvent | NewChange]) -> list[Any]:
        """Return the values of an INSERT, row after row."""
        text = self._own.text
        found: list[Any] = []
        for one in events:
            if isinstance(one, NewEvent):
                found += (lane_of(one.store, one.key), one.store, one.kind, text(one.key), one.action, one.payload)
            else:
                found += (one.store, one.kind, text(one.key), one.payload)
        return found

    def cancel(self, chain: Chain) -> bool:
        store, key, action = chain
        return bool(self._changed(CANCEL, store, self._own.text(key), action))

    def _started(self, positions: Collection[int]) -> set[int]:
        """Hold scheduled events whose time has come, and return the positions of those that were not cancelled meanwhile."""
        text = f"UPDATE {{held}} SET state = 1 WHERE state = 3 AND {self._own.among('position')} RETURNING position"
        return {position for (position,) in self._rows(text, self._own.listed(positions))} if positions else set()
