"""Run the workers of an app: one for each engine whose items have after triggers, each in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from ..store.outbox import Outbox
from ..triggers.worker import Worker
from .app import App

THREADS = 8
"""Default for the most handlers of a worker that run at a time."""
GRACE = 30.0
"""Default for the seconds that running handlers have to end."""


class Workers:
    """The workers of an app. `threads`: the most handlers that run at a time, for each engine. `grace`: the seconds that running handlers have to end."""

    def __init__(self, app: App, threads: int = THREADS, grace: float = GRACE) -> None:
        self._grace = grace
        self._workers = [_worker(app, one, threads) for one in app.outboxes.values()]
        self._running: list[threading.Thread] = []

    def __bool__(self) -> bool:
        """Return whether the app has any after trigger."""
        return bool(self._workers)

    def start(self) -> None:
        """Begin to handle events, in threads."""
        self._running = [threading.Thread(target=one.run, name="persisty-worker", daemon=True) for one in self._workers]
        for one in self._running:
            one.start()

    def stop(self, seconds: float | None = None) -> bool:
        """Start no more handlers, and wait for those that run. Events that were not handled are left to other workers. Returns whether all
        handlers have ended in time."""
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


def drain(app: App, threads: int = THREADS) -> int:
    """Handle all ready events of an app, and those that the handlers cause, and return their number. Failed events wait for their next attempt."""
    handled, last = 0, -1
    while handled != last:  # a handler may write to another engine
        last = handled
        handled += sum(_worker(app, one, threads).drain() for one in app.outboxes.values())
    return handled


def _worker(app: App, outbox: Outbox, threads: int) -> Worker:
    return Worker(outbox, app.triggers, lambda: app.metas, threads=threads)
