"""The outbox of items in memory. It has the same leases and states as the others, because a process may run several workers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from heapq import heappop, heappush
from itertools import islice
from time import monotonic
from typing import Any

from msgspec import structs

from ...store.change_log import ChangeLog, NewChange
from ...store.outbox import LANES, Beat, Chain, Changed, NewEvent, OutboxEvent, State, lane_of
from ...store.positions import Fetched


class MemoryOutbox:
    log: ChangeLog | None = None

    def __init__(self) -> None:
        self.writing: AbstractContextManager[Any] | None = threading.RLock()
        self._lock = threading.Lock()
        self._last = 0
        self._events: dict[int, OutboxEvent] = {}
        """Events by position, in the order of the positions."""
        self._lanes: list[dict[int, None]] = [{} for _ in range(LANES)]
        """The positions of the ready events of each lane."""
        self._held: set[int] = set()
        self._scheduled: dict[Chain, int] = {}
        self._times: list[tuple[float, int]] = []
        """The times of scheduled events, as a heap. Those of cancelled events are dropped when they come."""
        self._owners: dict[int, str] = {}
        self._sessions: dict[str, float] = {}
        self._wakes: tuple[Callable[[], None], ...] = ()

    def prepare(self) -> None:
        """Do nothing: no table is needed."""

    def append(self, events: Sequence[NewEvent | NewChange]) -> None:
        with self._lock:
            for one in events:
                if isinstance(one, NewEvent):
                    self._put(self._stored(one))

    def schedule(self, event: NewEvent, due: float) -> bool:
        with self._lock:
            if (event.store, event.key, event.action) in self._scheduled:
                return False
            stored = structs.replace(self._stored(event), state=State.SCHEDULED, due=due)
            self._put(stored)
            heappush(self._times, (due, stored.position))
        return True

    def cancel(self, chain: Chain) -> bool:
        with self._lock:
            position = self._scheduled.get(chain)
            if position is not None:
                self._remove(position)
        return position is not None

    def appended(self) -> None:
        for wake in self._wakes:
            wake()

    def listen(self, wake: Callable[[], None]) -> Callable[[], None]:
        with self._lock:
            self._wakes = (*self._wakes, wake)

        def stop() -> None:
            with self._lock:
                self._wakes = tuple(one for one in self._wakes if one is not wake)

        return stop

    def beat(self, session: str, seconds: float, *, new: bool) -> Beat | None:
        now = monotonic()
        with self._lock:
            if session not in self._sessions and not new:
                return None
            self._sessions[session] = now + seconds
            live = sum(until >= now for until in self._sessions.values())
            return Beat(live, frozenset(lane for lane, owner in self._owners.items() if owner == session))

    def claim(self, session: str, count: int) -> frozenset[int]:
        now = monotonic()
        with self._lock:
            self._sessions = {one: until for one, until in self._sessions.items() if until >= now or one == session}
            free = [lane for lane in range(LANES) if self._owners.get(lane) not in self._sessions]
            self._owners |= dict.fromkeys(free[:count], session)
            return frozenset(free[:count])

    def release(self, session: str, lanes: Collection[int]) -> None:
        with self._lock:
            for lane in lanes:
                if self._owners.get(lane) == session:
                    del self._owners[lane]

    def leave(self, session: str) -> None:
        with self._lock:
            self._sessions.pop(session, None)

    def fetch(self, wanted: Sequence[tuple[int, int, int]]) -> Fetched[OutboxEvent]:
        with self._lock:
            found = [
                self._events[position]
                for lane, after, limit in wanted
                for position in islice((one for one in self._lanes[lane] if one > after), limit)
            ]
        return Fetched(sorted(found, key=lambda one: one.position))

    def due(self, lanes: Collection[int], now: float, limit: int) -> Sequence[OutboxEvent]:
        with self._lock:
            while self._times and self._times[0][0] <= now:  # held events of lanes that belong to others are due there
                position = heappop(self._times)[1]
                event = self._events.get(position)
                if event is not None and event.state is State.SCHEDULED:
                    self._put(structs.replace(event, state=State.HELD))
            return list(islice((one for one in self._of(lanes) if one.due is not None and one.due <= now), limit))

    def held_chains(self, lanes: Collection[int]) -> Mapping[Chain, float | None]:
        found: dict[Chain, float | None] = {}
        with self._lock:
            for one in self._of(lanes):
                dues = [due for due in (found.get(one.chain), one.due) if due is not None]
                found[one.chain] = min(dues, default=None)
        return found

    def waiting(self, chain: Chain, limit: int) -> Sequence[OutboxEvent]:
        with self._lock:
            lane = lane_of(chain[0], chain[1])
            return list(islice((one for one in self._of((lane,)) if one.chain == chain), limit))

    def finish(self, session: str, done: Sequence[OutboxEvent], changed: Sequence[Changed]) -> bool:
        with self._lock:
            if session not in self._sessions:
                return False
            for event in done:
                self._remove(event.position)
            for one in changed:
                found = self._events.get(one.position)
                if found is not None:
                    self._put(
                        structs.replace(found, state=one.state, attempt=one.attempt, due=one.due, error=one.error)
                    )
        return True

    def search(self, state: State | None, store: str | None, action: str | None, limit: int) -> Sequence[OutboxEvent]:
        with self._lock:
            matches = (
                one
                for one in self._events.values()
                if state in (None, one.state) and store in (None, one.store) and action in (None, one.action)
            )
            return list(islice(matches, limit))

    def at(self, position: int) -> OutboxEvent | None:
        return self._events.get(position)

    def counts(self) -> Mapping[State, int]:
        with self._lock:
            states = [one.state for one in self._events.values()]
        return {state: states.count(state) for state in State}

    def replay(self, positions: Sequence[int], now: float) -> int:
        with self._lock:
            parked = [
                one for position in positions if (one := self._events.get(position)) and one.state is State.PARKED
            ]
            for one in parked:
                self._put(structs.replace(one, state=State.HELD, attempt=1, due=now))
        return len(parked)

    def drop(self, positions: Sequence[int]) -> int:
        with self._lock:
            dropped = [one for one in positions if one in self._events and self._events[one].state is not State.READY]
            for one in dropped:
                self._remove(one)
        return len(dropped)

    def _of(self, lanes: Collection[int]) -> Iterator[OutboxEvent]:
        """Yield the held events of lanes in order."""
        return (self._events[one] for one in sorted(self._held) if self._events[one].lane in lanes)

    def _stored(self, event: NewEvent) -> OutboxEvent:
        """Return an event with the next position."""
        self._last += 1
        lane = lane_of(event.store, event.key)
        return OutboxEvent(self._last, lane, event.store, event.kind, event.key, event.action, event.payload)

    def _put(self, event: OutboxEvent) -> None:
        self._events[event.position] = event
        if event.state is State.SCHEDULED:
            self._scheduled[event.chain] = event.position
        elif self._scheduled.get(event.chain) == event.position:
            del self._scheduled[event.chain]
        if event.state is State.READY:
            self._lanes[event.lane][event.position] = None
        else:
            self._lanes[event.lane].pop(event.position, None)
        (self._held.add if event.state is State.HELD else self._held.discard)(event.position)

    def _remove(self, position: int) -> None:
        event = self._events.pop(position, None)
        if event is not None:
            self._lanes[event.lane].pop(position, None)
            self._held.discard(position)
            if self._scheduled.get(event.chain) == position:
                del self._scheduled[event.chain]
