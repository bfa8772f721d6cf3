"""Changes, from the threads that write to the subscriptions in the server's event loop.

A thread that writes only notes a change and wakes the loop, once for however many it wrote meanwhile. There each goes to whoever follows
changes of its store and kind. What waits is bounded: a follower that falls behind is told so, and what it has not taken by then is lost.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..application import App
from ..errors import SubscriptionOverrun
from ..store.change_feed import KEPT, Change

MOST = 10 * KEPT
"""Changes that wait for the event loop."""

AT_ONCE = 100
"""Changes that are looked at before somebody else has a turn."""


class Follower:
    """One subscription's share. Of the loop's thread, all of it."""

    def __init__(self, kept: int) -> None:
        self._waiting: deque[Change] = deque()
        self._kept, self._overrun = kept, False
        self._there = asyncio.Event()

    def note(self, change: Change) -> None:
        if len(self._waiting) >= self._kept:
            self.overrun()
        elif not self._overrun:  # what comes after a gap would look as if nothing had been missed
            self._waiting.append(change)
            self._there.set()

    def overrun(self) -> None:
        """Some changes are lost."""
        self._overrun = True
        self._there.set()

    async def take(self) -> list[Change]:
        """The next changes, at least one. `SubscriptionOverrun` where the next one is lost."""
        await self._there.wait()
        found = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
        if self._overrun and not found:
            raise SubscriptionOverrun()
        if not self._waiting and not self._overrun:
            self._there.clear()
        return found


class FanOut:
    """The followers of an app's changes. `kept`: changes that wait for one follower."""

    def __init__(self, app: App, kept: int = KEPT) -> None:
        self._app, self._kept = app, kept
        self._followers: dict[tuple[str, str], tuple[Follower, ...]] = {}
        self._listening: dict[str, Callable[[], None]] = {}
        self._incoming: deque[Change] = deque()
        self._woken, self._lost = False, False
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Have the app ready to be listened to, so that no store is connected anew in the midst of its work."""
        self._app.listen((), self._note)

    @contextmanager
    def following(self, store: str, kind: str) -> Iterator[Follower]:
        """Follow the changes of a store that are of one kind. Called in the event loop."""
        self._loop = asyncio.get_running_loop()
        follower, followed = Follower(self._kept), (store, kind)
        self._followers[followed] = (*self._followers.get(followed, ()), follower)
        if store not in self._listening:
            self._listening[store] = self._app.listen((store,), self._note)
        try:
            yield follower
        finally:
            self._followers[followed] = tuple(one for one in self._followers[followed] if one is not follower)
            if not any(some for (name, _), some in self._followers.items() if name == store):
                self._listening.pop(store)()

    def _note(self, change: Change) -> None:
        """Take note of a change, in the thread that wrote it."""
        if len(self._incoming) >= MOST:
            self._lost = True
        else:
            self._incoming.append(change)
        if not self._woken and self._loop is not None:
            self._woken = True
            self._loop.call_soon_threadsafe(self._distribute)

    def _distribute(self) -> None:
        self._woken = False  # before looking: what is noted after the last look wakes the loop again
        while self._incoming:
            change = self._incoming.popleft()
            for follower in self._followers.get((change.store, change.kind), ()):
                follower.note(change)
        if self._lost:
            self._lost = False
            for follower in [one for some in self._followers.values() for one in some]:
                follower.overrun()
