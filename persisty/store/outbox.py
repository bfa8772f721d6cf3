"""The outbox: events that wait for the handlers of after triggers, stored by the engine of the item, in the transaction of its change.

```
change path   writes the item, and appends one event for each action that wants the change     one transaction
worker        leases lanes, fetches their events, calls the handlers, finishes the events      at least once
```

An event is one change for one action, so that each action has its own attempts, state and order. Events of one item have one lane. A lane
belongs to one session of a worker at a time, so the order of an item's events needs no lock for each event.

The engine allots positions while the transaction of the change has the item locked, so positions order the events of an item. They do not order
the events of different items: a transaction with a lower position may commit later.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol, runtime_checkable
from uuid import UUID
from zlib import crc32

import msgspec
from msgspec import Struct

from .change_log import ChangeLog, NewChange
from .positions import Fetched

LANES = 64
"""Number of lanes of an engine. It is part of the stored format."""
TIMER, SCHEDULED, MESSAGE = "timer", "scheduled", "message"
"""The kinds of events that no change has caused: a fire of a timer, a call of `App.schedule`, and a message of a queue. Their store is empty. The
last two have their arguments or their message in place of the image after the change."""


class State(enum.IntEnum):
    READY = 0
    HELD = 1
    """Waits for the time of its next attempt (`due`), or, without `due`, for an earlier event of the same key and action."""
    PARKED = 2
    """All attempts have failed, or the event cannot be handled. It waits for an operator; later events go on."""
    SCHEDULED = 3
    """Waits for the time of its first attempt (`due`). It can be cancelled, and no other event waits for it. There is at most one for each chain."""


Chain = tuple[str, str, str]
"""(store, key, action): events of one chain are handled one after the other, in the order of their positions."""


NONE = msgspec.Raw(b"null")


class Payload(Struct, frozen=True):
    """The part of an event that handlers get, as JSON. `id`: of the change, the same for all actions. `before`, `after`: the images of the item as JSON, see
    `event_images`. `caller`: the subject on whose behalf the change was made."""

    id: UUID
    at: datetime
    before: msgspec.Raw = NONE
    after: msgspec.Raw = NONE
    caller: str | None = None


class NewEvent(Struct, frozen=True):
    """An event to append. `payload`: the JSON of a `Payload`."""

    store: str
    kind: str
    key: str
    action: str
    payload: str


class OutboxEvent(Struct, frozen=True):
    """A stored event. `position`: its number in the engine, never used twice. `attempt`: the number of its next attempt, from 1. `due`: the time of
    this attempt if the event is held, in seconds since 1970. `error`: the reason of the last failure."""

    position: int
    lane: int
    store: str
    kind: str
    key: str
    action: str
    payload: str
    attempt: int = 1
    state: State = State.READY
    due: float | None = None
    error: str | None = None

    @property
    def chain(self) -> Chain:
        return self.store, self.key, self.action


class Changed(Struct, frozen=True):
    """The new state of an event that is not done."""

    lane: int
    position: int
    state: State
    attempt: int
    due: float | None = None
    error: str | None = None


class Beat(Struct, frozen=True):
    """The answer to a heartbeat. `workers`: the number of live sessions. `lanes`: the lanes that belong to this session."""

    workers: int
    lanes: frozenset[int]


def lane_of(store: str, key: str) -> int:
    """Return the lane of an item's events."""
    return crc32(f"{store}\0{key}".encode()) % LANES


class Outbox(Protocol):
    """The events of one engine. Safe to share between threads.

    `writing`: a context around a write and the append of its events, which excludes other writers. None if the engine has transactions.
    """

    writing: AbstractContextManager[Any] | None
    log: ChangeLog | None
    """The change log. None in memory, which no other process shares."""

    def prepare(self) -> None:
        """Create the tables that are missing."""
        ...

    def append(self, events: Sequence[NewEvent | NewChange]) -> None:
        """Store events and changes in the transaction of this thread. Memory stores them at once."""
        ...

    def schedule(self, event: NewEvent, due: float) -> bool:
        """Store an event for a time, in the transaction of this thread, or at once. False, without an effect, if one of its chain is scheduled."""
        ...

    def cancel(self, chain: Chain) -> bool:
        """Delete the scheduled event of a chain, in the transaction of this thread, or at once. Returns whether there was one: its handler will not run."""
        ...

    def appended(self) -> None:
        """Wake the workers, in this process and in others. Called after the commit. Does not block."""
        ...

    def listen(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` when events are appended, in any process. It may be called too often, and may miss events of other processes. Returns a
        function that stops it."""
        ...

    def beat(self, session: str, seconds: float, *, new: bool) -> Beat | None:
        """Keep a session alive for some seconds. None if it has expired and another session has removed it: its lanes belong to others. `new`: begin the session."""
        ...

    def claim(self, session: str, count: int) -> frozenset[int]:
        """Give up to `count` free lanes to a session. A lane is free if its session has ended or expired."""
        ...

    def release(self, session: str, lanes: Collection[int]) -> None:
        """Free lanes of a session. The session must have finished all of their events that it has fetched."""
        ...

    def leave(self, session: str) -> None:
        """End a session. All of its lanes are free."""
        ...

    def fetch(self, wanted: Sequence[tuple[int, int, int]]) -> Fetched[OutboxEvent]:
        """Return the ready events of some lanes. `wanted`: of each lane, the position to start after and the most events to return."""
        ...

    def due(self, lanes: Collection[int], now: float, limit: int) -> Sequence[OutboxEvent]:
        """Return the held events whose time has come. Scheduled ones become held, so they cannot be cancelled any more."""
        ...

    def held_chains(self, lanes: Collection[int]) -> Mapping[Chain, float | None]:
        """Return the chains with held events, and the earliest `due` of each. None: an earlier worker ended before it went on with the chain."""
        ...

    def waiting(self, chain: Chain, limit: int) -> Sequence[OutboxEvent]:
        """Return the first held events of a chain, in order."""
        ...

    def finish(self, session: str, done: Sequence[OutboxEvent], changed: Sequence[Changed]) -> bool:
        """Delete the events that are done and change others, in one transaction. False, without an effect, if the session has ended:
        other sessions handle its events."""
        ...

    def search(self, state: State | None, store: str | None, action: str | None, limit: int) -> Sequence[OutboxEvent]:
        """Return the first events of these, in order."""
        ...

    def at(self, position: int) -> OutboxEvent | None:
        """Return the event at a position."""
        ...

    def counts(self) -> Mapping[State, int]:
        """Return the number of events in each state."""
        ...

    def replay(self, positions: Sequence[int], now: float) -> int:
        """Handle parked events again, with all attempts. Returns their number."""
        ...

    def drop(self, positions: Sequence[int]) -> int:
        """Delete events that are parked, held or scheduled. Returns their number."""
        ...


@runtime_checkable
class StoringEvents(Protocol):
    """An engine that stores events in the transaction of a change."""

    @property
    def outbox(self) -> Any:
        """Return the `Outbox` of the engine."""
        ...
