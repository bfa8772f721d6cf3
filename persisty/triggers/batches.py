"""`Batches`: handle the events of a batch that AWS delivers, and say from which event on it has to deliver the batch again.

```
batch ─► chains: the events of one item for one action ─► threads
             success    the next event of the chain
             failure    the same event again after a pause; after all attempts it is given up, and the chain goes on
             no time    the event and those after it in the chain are delivered again
```

A batch is delivered again from its first unfinished event on, with all later ones. An instance of a function usually gets this delivery too, so it remembers
the later events that it has handled, and the attempts of each. Another instance handles them again.
"""

from __future__ import annotations

import heapq
import logging
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from random import random
from time import monotonic
from typing import Any, NamedTuple
from uuid import UUID

from msgspec import Struct, structs

from ..store.trigger_registry import Handler, Triggers
from .event import Event
from .failure_texts import stored_reason, summary
from .retries import pause_after

log = logging.getLogger("persisty")
THREADS = 8
"""The most handlers of a batch that run at a time."""
MOST_ATTEMPTS = 9
"""The most attempts of an event, whatever its action declares: other events of the stream wait for the last one, about two minutes with the usual pauses."""
LEAST_PAUSE = 0.001
"""The least seconds before the next attempt."""
MOST_REMEMBERED = 10_000
"""The most calls that are remembered."""
Call = tuple[UUID, str]
"""The id of an event, and an action."""


class Delivery(Struct, frozen=True):
    """An event of a batch in its `position`. `actions`: those that want it."""

    position: int
    event: Event[Any]
    actions: tuple[str, ...]


class Chain(Struct, frozen=True):
    """The events of one item for one action, in order."""

    action: str
    events: deque[Delivery]


class GivenUp(Struct, frozen=True):
    """A call that is not tried again. `reason`: a traceback, or a sentence."""

    delivery: Delivery
    action: str
    attempts: int
    reason: str


class Batches:
    """`give_up` stores an event that is given up, and raises an error if it could not."""

    def __init__(self, triggers: Triggers, give_up: Callable[[GivenUp], None]) -> None:
        self._triggers, self._give_up = triggers, give_up
        self._attempts: dict[Call, int] = {}
        """Failed attempts of calls that are not finished."""
        self._finished: dict[Call, None] = {}

    def handle(self, batch: Sequence[Delivery], seconds: float) -> int | None:
        """Call the handlers for at most about these seconds. Returns the position from which the batch has to be delivered again, None if it is finished."""
        chains: dict[tuple[str, str, str], Chain] = {}
        for one in batch:
            for action in one.actions:
                if (one.event.id, action) not in self._finished:
                    chain = (one.event.store, one.event.key, action)
                    chains.setdefault(chain, Chain(action, deque())).events.append(one)
        run = _Run(chains.values(), seconds)
        threads = [
            threading.Thread(target=self._work, args=(run,), daemon=True) for _ in range(min(THREADS, len(chains)) - 1)
        ]
        for thread in threads:
            thread.start()
        self._work(run)
        for thread in threads:
            thread.join()
        first = min(run.again, default=None)
        self._forget(batch, first)
        return first

    def _work(self, run: _Run) -> None:
        while (chain := run.take()) is not None:
            pause: float | None = 0.0
            while chain.events and pause == 0.0:
                pause = self._attempt(chain.events[0], chain.action, run)
                if pause == 0.0:
                    chain.events.popleft()
            if pause is None:
                run.again.append(chain.events[0].position)
            run.release(chain if pause else None, pause or 0.0)

    def _attempt(self, one: Delivery, action: str, run: _Run) -> float | None:
        """Call a handler once. Returns 0 if the event is handled or given up, the seconds before its next attempt if it has failed, and None if there is no
        time left."""
        call, handler = (one.event.id, action), self._triggers.handler(action)
        if handler is None:
            return self._given_up(GivenUp(one, action, 0, f"The app has no action {action}"))
        attempt, left = self._attempts.get(call, 0) + 1, run.left()
        if left < min(handler.timeout, run.least):
            return None
        reason = _called(handler, structs.replace(one.event, attempt=attempt), min(handler.timeout, left))
        if reason is None:
            self._finish(call)
            return 0.0
        self._attempts[call] = attempt
        if attempt >= min(handler.attempts, MOST_ATTEMPTS):
            return self._given_up(GivenUp(one, action, attempt, stored_reason(reason)))
        log.warning("Event %s of %s has failed: %s", one.event.id, action, summary(reason))
        pause = max(LEAST_PAUSE, random() * pause_after(attempt, handler))
        return pause if run.left() - pause >= min(handler.timeout, run.least) else None

    def _given_up(self, given_up: GivenUp) -> float | None:
        event, action = given_up.delivery.event, given_up.action
        log.error("Event %s of %s is given up: %s", event.id, action, summary(given_up.reason))
        try:
            self._give_up(given_up)
        except Exception:  # the edge of the program: the event is delivered again
            log.exception("Event %s of %s could not be given up", event.id, action)
            return None
        self._finish((event.id, action))
        return 0.0

    def _finish(self, call: Call) -> None:
        self._attempts.pop(call, None)
        self._finished[call] = None

    def _forget(self, batch: Sequence[Delivery], first: int | None) -> None:
        """Forget the calls that are not delivered again, and the oldest if there are too many."""
        for one in batch:
            if first is None or one.position < first:
                for action in one.actions:
                    self._finished.pop((one.event.id, action), None)
                    self._attempts.pop((one.event.id, action), None)
        for remembered in (self._finished, self._attempts):
            while len(remembered) > MOST_REMEMBERED:
                del remembered[next(iter(remembered))]


class _Run:
    """The work on the chains of one batch for some seconds. `again`: positions that have to be delivered again. `least`: the seconds that a call must have,
    unless its timeout is shorter."""

    def __init__(self, chains: Iterable[Chain], seconds: float) -> None:
        self._until, self.least = monotonic() + seconds, seconds / 2
        self._ready = deque(chains)
        self._paused: list[_Paused] = []
        self._numbers, self._working = count(), 0
        self._changed = threading.Condition()
        self.again: list[int] = []

    def left(self) -> float:
        """Return the seconds that are left."""
        return self._until - monotonic()

    def take(self) -> Chain | None:
        """Return a chain that is ready, perhaps after a pause. None if all chains are done."""
        with self._changed:
            while True:
                due = self._paused[0].due - monotonic() if self._paused else None
                if self._ready or (due is not None and due <= 0):
                    self._working += 1
                    return self._ready.popleft() if self._ready else heapq.heappop(self._paused).chain
                if due is None and not self._working:
                    return None
                self._changed.wait(due)

    def release(self, chain: Chain | None, pause: float) -> None:
        """Give back a chain that has to pause. None: the chain is done."""
        with self._changed:
            self._working -= 1
            if chain is not None:
                heapq.heappush(self._paused, _Paused(monotonic() + pause, next(self._numbers), chain))
            self._changed.notify_all()


class _Paused(NamedTuple):
    due: float
    number: int
    chain: Chain


def _called(handler: Handler, event: Event[Any], seconds: float) -> str | None:
    """Call a handler. Returns the reason of a failure. A thread cannot be stopped, so a handler that does not return in time goes on."""
    outcome: list[str | None] = []

    def call() -> None:
        try:
            handler.call(event)
        except BaseException:  # a handler that calls sys.exit has failed, too
            outcome.append(traceback.format_exc())
        else:
            outcome.append(None)

    thread = threading.Thread(target=call, name="persisty-handler", daemon=True)
    thread.start()
    thread.join(seconds)
    return outcome[0] if outcome else "timeout: the handler has not returned in time"
