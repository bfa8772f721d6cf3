"""Fan-out: delivers changes from the writing threads to the subscriptions in the server's event loop.

A writing thread only queues the change and wakes the loop, once for any number of changes. The loop delivers each change to the followers of
its store and kind. Queues are bounded. A follower that falls behind gets `SubscriptionOverrun` and misses the changes that did not fit.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..application import App
from ..errors import SubscriptionOverrun
from ..store.change_feed import MAX_WAITING, Change

MAX_INCOMING = 10 * MAX_WAITING
"""The most changes that wait for the event loop."""

BATCH = 100
"""The most changes that a follower takes before other tasks run."""


class Follower:
    """The queue of one subscription. Use it in the event loop only."""

    def __init__(self, size: int) -> None:
        self._queue: deque[Change] = deque()
        self._size, self._overrun = size, False
        self._ready = asyncio.Event()

    def put(self, change: Change) -> None:
        if len(self._queue) >= self._size:
            self.overrun()
        elif not self._overrun:  # a change after a gap would hide the gap
            self._queue.append(change)
            self._ready.set()

    def overrun(self) -> None:
        """Mark that changes are lost: `take` raises once the queue is empty."""
        self._overrun = True
        self._ready.set()

    async def take(self) -> list[Change]:
        """Return the next changes, at least one. Raises `SubscriptionOverrun` if the next one is lost."""
        await self._ready.wait()
        changes = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
        if self._overrun and not changes:
            raise SubscriptionOverrun()
        if not self._queue and not self._overrun:
            self._ready.clear()
        return changes


class FanOut:
    """The followers of an app's changes. `size`: the most changes that wait for one follower."""

    def __init__(self, app: App, size: int = MAX_WAITING) -> None:
        self._app, self._size = app, size
        self._followers: dict[tuple[str, str], tuple[Follower, ...]] = {}
        self._unsubscribe: dict[str, Callable[[], None]] = {}
        self._incoming: deque[Change] = deque()
        self._woken, self._lost = False, False
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Prepare the app for listeners, so that no store has to connect again while it is in use."""
        self._app.listen((), self._enqueue)

    @contextmanager
    def following(self, store: str, kind: str) -> Iterator[Follower]:
        """Follow the changes of one kind in a store, for as long as the context lasts. Call it in the event loop."""
        self._loop = asyncio.get_running_loop()
        follower, followed = Follower(self._size), (store, kind)
        self._followers[followed] = (*self._followers.get(followed, ()), follower)
        if store not in self._unsubscribe:
            self._unsubscribe[store] = self._app.listen((store,), self._enqueue)
        try:
            yield follower
        finally:
            self._followers[followed] = tuple(one for one in self._followers[followed] if one is not follower)
            if not any(some for (name, _), some in self._followers.items() if name == store):
                self._unsubscribe.pop(store)()

    def _enqueue(self, change: Change) -> None:
        """Queue a change, in the thread that wrote it."""
        if len(self._incoming) >= MAX_INCOMING:
            self._lost = True
        else:
            self._incoming.append(change)
        if not self._woken and self._loop is not None:
            self._woken = True
            self._loop.call_soon_threadsafe(self._distribute)

    def _distribute(self) -> None:
        self._woken = False  # before reading: a change that is queued after the last read wakes the loop again
        while self._incoming:
            change = self._incoming.popleft()
            for follower in self._followers.get((change.store, change.kind), ()):
                follower.put(change)
        if self._lost:
            self._lost = False
            for follower in [one for some in self._followers.values() for one in some]:
                follower.overrun()
