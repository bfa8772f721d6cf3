"""Timers: fire timed actions at their times. Of all processes with workers, exactly one fires each time.

A fire is one transaction: it moves `decided` of the action's record on, on condition that it is still the value that this process knows, and appends
an event to the outbox. Workers handle the event like any other: at least once, with retries, then parked.

```
A  decided 08:00 → 09:00, appends the event of 09:00      commits
B  decided 08:00 → 09:00                                  the condition fails: reads the record again, and waits for 10:00
killed before the commit                                  another process, or the next start, fires 09:00
```

The record is independent of the schedule, so processes with an old and a new schedule may run side by side. At its start, a process
with another schedule than the record's begins anew: the new schedule has missed nothing.

A clock that is set forward fires what it has passed, by the policy of the trigger. A clock that is set back waits until it reaches `decided`
again, so nothing fires twice. If `decided` is more than a day ahead, the clock was wrong before, and `decided` is set to the present.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta
from time import time
from typing import Any, Protocol
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

from ..errors import BackendUnavailable, Conflict, PreconditionFailed
from ..store.outbox import TIMER, NewEvent, Payload
from ..store.store import Store
from ..store.timer_records import TimerRecord
from .detached_triggers import Timed
from .outages import Outage
from .schedules import ON_TIME, due

log = logging.getLogger("persisty")
LOOK = 1.0
"""The most seconds between two looks at the clock, which may be set meanwhile."""
READ_AGAIN = 60.0
"""Seconds between two reads of records that have not been due."""
AHEAD = timedelta(days=1)
"""A record that is further ahead was written by a wrong clock."""
NEVER = datetime.max.replace(tzinfo=UTC)
_json = msgspec.json.Encoder().encode


def fire(app: str, action: str, at: datetime) -> tuple[str, UUID]:
    """Return the key and the id of the event of a fire. They are the same each time."""
    key = f"{action}@{at:%Y-%m-%dT%H:%M:%SZ}"
    return key, uuid5(NAMESPACE_URL, f"{app}/{key}")


class Appending(Protocol):
    """The engine of the records."""

    def unit(self) -> AbstractContextManager[Any]:
        """Begin a transaction of this thread. Memory excludes other writers instead."""
        ...

    def append(self, events: list[NewEvent]) -> None:
        """Append events in the transaction of this thread."""
        ...


class Timers:
    """The timed actions of an app. `clock`: seconds since 1970."""

    def __init__(
        self,
        app: str,
        timed: Sequence[Timed],
        records: Store[TimerRecord],
        engine: Appending,
        clock: Callable[[], float] = time,
    ) -> None:
        self._app, self._records, self._engine, self._clock = app, records, engine, clock
        self._timed: Mapping[str, Timed] = {one.action: one for one in timed}
        self._decided: dict[str, datetime] = {}
        """The records as this process knows them. An action without a record is not in it."""
        self._next: dict[str, datetime] = {}
        self._read_at = 0.0
        self._stopping = threading.Event()

    def run(self) -> None:
        """Fire until `stop` is called."""
        outage = Outage("A timer")
        while not self._stopping.is_set():
            try:
                pause = min(LOOK, self.step())
                outage.worked()
            except BackendUnavailable as error:
                outage.failed(error)
                pause = LOOK
            except Exception as error:
                log.error("The timers have failed, and go on", exc_info=error)
                pause = LOOK
            self._stopping.wait(max(0.0, pause))

    def stop(self) -> None:
        """End `run` soon. Called by any thread."""
        self._stopping.set()

    def step(self) -> float:
        """Fire what is due. Returns the seconds until the next fire."""
        now = self._now()
        if not self._decided:
            self._begin(now)
        elif not self._read_at <= self._clock() < self._read_at + READ_AGAIN:
            self._read(now)
        for action, at in list(self._next.items()):
            if at <= now and action in self._decided:
                self._fire(self._timed[action], now)
        return (self.next - self._now()).total_seconds()

    @property
    def next(self) -> datetime:
        """The next fire of any action, as far as this process knows."""
        return min(self._next.values(), default=NEVER)

    def _begin(self, now: datetime) -> None:
        """Create the records that are missing. An action whose schedule has changed has missed no fires."""
        for one in self._timed.values():
            record = self._records.read(one.action)
            if record is None:
                try:
                    self._records.create(TimerRecord(action=one.action, schedule=one.schedule.text, decided=now))
                except Conflict:  # another process has created it
                    continue
            elif record.schedule != one.schedule.text:
                changes = {"schedule": one.schedule.text, "decided": max(record.decided, now - ON_TIME)}
                self._change(record, changes)
        self._read(now)

    def _read(self, now: datetime) -> None:
        """Read the records."""
        read_at = self._clock()
        for action, record in zip(self._timed, self._records.read_batch(list(self._timed)), strict=True):
            if record is None:  # it was deleted while this process runs
                self._decided.clear()
                self._next.clear()
                return
            if record.decided > now + AHEAD:
                log.error("A clock was ahead: %s has fired up to %s. It goes on from now", action, record.decided)
                self._change(record, {"decided": now})
                read_at = 0.0
            self._know(action, record.decided)
        self._read_at = read_at

    def _fire(self, timed: Timed, now: datetime) -> None:
        """Append the events of the fires up to now, unless another process has done so."""
        decided = self._decided[timed.action]
        instants, last = due(timed.schedule, decided, now, timed.catch_up)
        events = [self._event(timed.action, at) for at in instants]
        try:
            with self._engine.unit():
                condition = TimerRecord.decided == decided
                updated = self._records.update(timed.action, {"decided": last}, when=condition)
                if updated is not None:
                    self._engine.append(events)
        except PreconditionFailed:
            updated = None
        if updated is None:  # another process has fired, or the record was deleted
            self._read(now)
            return
        self._know(timed.action, last)
        if not events:
            log.warning("%s was not called at %s: no worker was running", timed.action, last)

    def _change(self, record: TimerRecord, changes: dict[str, Any]) -> None:
        """Change a record, unless another process has done so since it was read."""
        with suppress(PreconditionFailed):
            self._records.update(record.action, changes, when=TimerRecord.decided == record.decided)

    def _know(self, action: str, decided: datetime) -> None:
        self._decided[action] = decided
        self._next[action] = self._timed[action].schedule.following(decided) or NEVER

    def _event(self, action: str, at: datetime) -> NewEvent:
        key, id_ = fire(self._app, action, at)
        return NewEvent("", TIMER, key, action, _json(Payload(id_, at)).decode())

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)
