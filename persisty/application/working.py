"""Run the workers of an app, each in a thread of its own: one for each engine whose items have after triggers, and one that fires the timers."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from time import monotonic, time
from weakref import WeakKeyDictionary

from ..errors import Fault, InvalidDeclaration, InvalidInput
from ..store.connection import Connection
from ..store.outbox import Outbox, OutboxEvent, State
from ..store.timer_records import TIMERS
from ..triggers.timers import Timers
from ..triggers.worker import Worker
from .app import App

THREADS = 8
"""Default for the most handlers of a worker that run at a time."""
MOST_WAITING = 10_000
"""The most waiting events of an engine that `drain` looks at."""
GRACE = 30.0
"""Default for the seconds that running handlers have to end."""


class Workers:
    """The workers of an app. `threads`: the most handlers that run at a time, for each engine. `grace`: the seconds that running handlers have to end."""

    def __init__(self, app: App, threads: int = THREADS, grace: float = GRACE) -> None:
        self._grace = grace
        if faults := app.queue_faults():
            raise InvalidDeclaration("The queues of the app are not valid", faults=faults)
        self._workers = [_worker(app, one, threads) for one in app.outboxes.values()]
        self._timers = timers_of(app)
        self._running: list[threading.Thread] = []

    def __bool__(self) -> bool:
        """Return whether the app has any trigger that workers run."""
        return bool(self._workers)

    def start(self) -> None:
        """Begin to handle events, in threads."""
        runs = [one.run for one in self._workers] + ([self._timers.run] if self._timers is not None else [])
        self._running = [threading.Thread(target=run, name="persisty-worker", daemon=True) for run in runs]
        for one in self._running:
            one.start()

    def stop(self, seconds: float | None = None) -> bool:
        """Start no more handlers, and wait for those that run. Events that were not handled are left to other workers. Returns whether all
        handlers have ended in time."""
        if self._timers is not None:
            self._timers.stop()
        for one in self._workers:
            one.stop()
        for thread in self._running:
            thread.join()
        until = monotonic() + (self._grace if seconds is None else seconds)
        ended = [one.end(max(0.0, until - monotonic())) for one in self._workers]
        return all(ended)

    @property
    def alive(self) -> bool:
        """Return whether all workers are running. A worker ends if all of its threads have handlers that do not return."""
        return all(one.is_alive() for one in self._running)


@contextmanager
def working(app: App, threads: int = THREADS, *, seconds: float = GRACE) -> Iterator[Workers]:
    """Handle the events of an app during the block."""
    workers = Workers(app, threads)
    workers.start()
    try:
        yield workers
    finally:
        workers.stop(seconds)


def drain(app: App, threads: int = THREADS, *, until: datetime | None = None) -> int:
    """Handle all ready events of an app, and those that the handlers cause, and return their number. Failed events wait for their next attempt.

    `until`: move the time of workers and timers on to this datetime: timers fire, scheduled calls are made, and failed events are tried again, each at its time.
    The time begins where the last call with `until` has left it, while the app uses the same engine. Without `until`, no timer fires.
    """
    if until is None:
        return _drain(app, threads, time)
    if not isinstance(until, datetime) or until.tzinfo is None:
        expected = "datetime.now(UTC) + …"
        raise InvalidInput(faults=[Fault("/until", "Not a datetime with a time zone", expected, str(until)[:80])])
    handled, clock, last = 0, _MovedClock(max(time(), _reached.get(app.own_engine, 0.0))), until.timestamp()
    if last < clock.now:
        return _drain(app, threads, clock)
    _reached[app.own_engine] = last
    timers = timers_of(app, clock)
    while clock.now <= last:
        if timers is not None:
            timers.step()
        handled += _drain(app, threads, clock)
        following = [] if timers is None else [timers.next.timestamp()]
        for outbox in app.outboxes.values():
            following += (one.due for one in waiting(outbox) if one.due is not None)
        clock.now = min((one for one in following if one > clock.now), default=math.inf)
    return handled


_reached: WeakKeyDictionary[Connection, float] = WeakKeyDictionary()
"""The time up to which `drain` has moved on, for each engine in use."""


class _MovedClock:
    """A clock that stands at `now`."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def waiting(outbox: Outbox) -> list[OutboxEvent]:
    """Return the events that wait for a time."""
    return [one for state in (State.HELD, State.SCHEDULED) for one in outbox.search(state, None, None, MOST_WAITING)]


def _drain(app: App, threads: int, clock: Callable[[], float]) -> int:
    handled, last = 0, -1
    while handled != last:  # a handler may write to another engine
        last = handled
        handled += sum(_worker(app, one, threads, clock).drain() for one in app.outboxes.values())
    return handled


def timers_of(app: App, clock: Callable[[], float] = time) -> Timers | None:
    """Return the timers of an app. None if it has none."""
    if not app.has_timers:
        return None
    return Timers(app.name, app.detached.timed, app.system_store(TIMERS), app.own_engine, clock)


def _worker(app: App, outbox: Outbox, threads: int, clock: Callable[[], float] = time) -> Worker:
    return Worker(outbox, app.triggers, lambda: app.metas, threads=threads, clock=clock)
