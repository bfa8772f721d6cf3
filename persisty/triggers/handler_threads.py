"""The threads of a worker that call handlers: chains run side by side, the events of one chain one after the other.

```
add(event)       chain is idle → a thread takes it; it runs → the event waits in memory; it is blocked → the event has to be held
success, parked  the thread goes on with the next event of the chain
failure          the chain is blocked until its first event succeeds or is parked; its waiting events have to be held
timeout          a failure. The thread cannot be stopped: it is abandoned, and another one takes its place
```
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from time import monotonic

from msgspec import Struct

from ..store.outbox import Chain, OutboxEvent

log = logging.getLogger("persisty")
TURN = 32
"""Events of one chain that a thread handles before it takes another chain."""


class Success(Struct, frozen=True):
    """The handler has returned."""


class Failure(Struct, frozen=True):
    """The call failed. `unfit`: this process cannot handle the event, because it does not know the action or the item, or reads an image in vain."""

    reason: str
    unfit: bool = False


Outcome = Success | Failure
SUCCESS = Success()


class Result(Struct, frozen=True):
    """The outcome of one event. `waiting`: the events of its chain that have to be held because it failed."""

    event: OutboxEvent
    outcome: Outcome
    waiting: tuple[OutboxEvent, ...] = ()


class _Call:
    """The call that a thread is making."""

    def __init__(self) -> None:
        self.event: OutboxEvent | None = None
        self.until = float("inf")
        self.abandoned = False


class HandlerThreads:
    """`call`: (event) → its outcome; it raises nothing. `timeout`: (event) → the seconds that the call may take. `notify`: called after results were added."""

    def __init__(
        self,
        count: int,
        call: Callable[[OutboxEvent], Outcome],
        timeout: Callable[[OutboxEvent], float],
        notify: Callable[[], None],
    ) -> None:
        self._count, self._call, self._timeout, self._notify = count, call, timeout, notify
        self._lock = threading.Lock()
        self._queues: dict[Chain, deque[OutboxEvent]] = {}
        """The chains that run or wait for a thread, each with its waiting events."""
        self._blocked: set[Chain] = set()
        self._ready: SimpleQueue[Chain | None] = SimpleQueue()
        self._calls: set[_Call] = set()
        self.abandoned = 0
        """The number of threads whose handlers have not returned in time."""
        self.results: deque[Result] = deque()
        self.exhausted: deque[Chain] = deque()
        """Blocked chains whose events in memory were handled: stored ones may follow."""
        self._stopped = False

    @property
    def alive(self) -> int:
        """The number of threads that can take chains."""
        return len(self._calls)

    def start(self) -> None:
        for _ in range(self._count):
            self._begin()

    def add(self, event: OutboxEvent) -> bool:
        """Handle an event after the earlier ones of its chain. False if its chain is blocked: it has to be held."""
        chain = event.chain
        with self._lock:
            queue = self._queues.get(chain)
            if chain in self._blocked:
                return False
            if queue is not None:
                queue.append(event)
                return True
            self._queues[chain] = deque((event,))
        self._ready.put(chain)
        return True

    def block(self, chain: Chain) -> None:
        """Hold the events of a chain from now on."""
        with self._lock:
            self._blocked.add(chain)

    def resume(self, chain: Chain, events: list[OutboxEvent], *, more: bool) -> bool:
        """Handle the first held events of a chain. `more`: others follow, so the chain stays blocked. False if the chain runs."""
        with self._lock:
            if chain in self._queues:
                return False
            if not more:
                self._blocked.discard(chain)
            if not events:
                return True
            self._queues[chain] = deque(events)
        self._ready.put(chain)
        return True

    def is_blocked(self, chain: Chain) -> bool:
        with self._lock:
            return chain in self._blocked

    def forget(self) -> None:
        """Drop all waiting events, and the results of calls in progress."""
        with self._lock:
            self._queues.clear()
            self._blocked.clear()
            self.results.clear()
            self.exhausted.clear()
            while not self._ready.empty():
                self._ready.get()
            for one in list(self._calls):
                if one.event is not None:
                    self._abandon(one)

    def forget_lanes(self, lanes: frozenset[int], lane_of: Callable[[str, str], int]) -> None:
        """Forget the blocked chains of lanes."""
        with self._lock:
            self._blocked = {one for one in self._blocked if lane_of(one[0], one[1]) not in lanes}

    def check(self) -> float:
        """Abandon the threads whose calls are overdue. Returns the time of the next check."""
        now = monotonic()
        following = float("inf")
        with self._lock:
            for one in list(self._calls):
                if one.until > now:
                    following = min(following, one.until)
                elif one.event is not None:
                    event = one.event
                    self._abandon(one)
                    self._failed(event, Failure("timeout: the handler has not returned in time"))
        return following

    def stop(self, seconds: float) -> bool:
        """Take no more chains, and wait for the calls in progress. Returns whether all have ended."""
        self._stopped = True
        with self._lock:
            for _ in self._calls:
                self._ready.put(None)
        until = monotonic() + seconds
        while any(one.event is not None for one in list(self._calls)):
            self.check()
            if monotonic() > until:
                return False
            threading.Event().wait(0.005)
        return True

    def _begin(self) -> None:
        call = _Call()
        self._calls.add(call)
        threading.Thread(target=self._run, args=(call,), name="persisty-handler", daemon=True).start()

    def _abandon(self, call: _Call) -> None:
        call.abandoned = True
        self._calls.discard(call)
        self.abandoned += 1
        if self.abandoned <= self._count and not self._stopped:
            self._begin()
        elif not self._calls:
            log.critical("%s handlers have not returned in time: this worker has no threads left", self.abandoned)

    def _run(self, call: _Call) -> None:
        while not self._stopped and not call.abandoned:
            chain = self._ready.get()
            if chain is None:
                break
            self._turn(call, chain)
        with self._lock:
            self._calls.discard(call)
            if call.abandoned:
                self.abandoned -= 1
                if len(self._calls) < self._count and not self._stopped:
                    self._begin()

    def _turn(self, call: _Call, chain: Chain) -> None:
        """Handle some events of a chain."""
        for _ in range(TURN):
            with self._lock:
                queue = self._queues.get(chain)
                if self._stopped or queue is None:
                    return
                if not queue:
                    del self._queues[chain]
                    if chain in self._blocked:
                        self.exhausted.append(chain)
                        break
                    return
                event = queue.popleft()
                call.event, call.until = event, monotonic() + self._timeout(event)
            outcome = self._call(event)
            with self._lock:
                call.event, call.until = None, float("inf")
                if call.abandoned:
                    return
                if isinstance(outcome, Failure):
                    self._failed(event, outcome)
                    break
                self.results.append(Result(event, outcome))
            self._notify()
        else:
            self._ready.put(chain)
            return
        self._notify()

    def _failed(self, event: OutboxEvent, failure: Failure) -> None:
        waiting = self._queues.pop(event.chain, ())
        self._blocked.add(event.chain)
        self.results.append(Result(event, failure, tuple(waiting)))
