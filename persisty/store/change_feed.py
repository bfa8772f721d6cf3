"""Changes of items, as whoever listens is told of them: by the stores of this process, or by what an engine's stream carries.

An app has one `Feed`. Listeners are called by the thread that wrote, after the engine said that it is done, and after the transaction it
was done in; so they only take note, and whatever takes time is done elsewhere.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from msgspec import Struct

from ..errors import SubscriptionOverrun

log = logging.getLogger("persisty")

KEPT = 1_000
"""Changes that wait for a listener that is slow."""


class Change(Struct, frozen=True):
    """What happened to an item. `store` is the item's name, `kind` `created`, `updated` or `deleted`, `key` its key; `item` is as
    it is then, of a deleted one as it was."""

    store: str
    kind: str
    key: str
    item: Any


Listener = Callable[[Change], None]


class Feed:
    """Who listens to the changes of which store."""

    def __init__(self) -> None:
        self._listeners: dict[str, tuple[Listener, ...]] = {}
        self._lock = threading.Lock()

    @property
    def heard(self) -> bool:
        """Does anybody listen to anything?"""
        return bool(self._listeners)

    def listened(self, store: str) -> bool:
        """Does anybody listen to this store?"""
        return store in self._listeners

    def listen(self, stores: Iterable[str], listener: Listener) -> Callable[[], None]:
        """Have a listener called with each change of these stores; what is returned ends that."""
        names = tuple(stores)
        with self._lock:
            for name in names:
                self._listeners[name] = (*self._listeners.get(name, ()), listener)
        return lambda: self._forget(names, listener)

    def tell(self, changes: Iterable[Change]) -> None:
        """Tell everybody who listens. A listener that fails harms nobody else, and least of all the write."""
        for change in changes:
            for listener in self._listeners.get(change.store, ()):
                try:
                    listener(change)
                except Exception as error:
                    log.error("a listener failed", exc_info=error)

    def _forget(self, names: Iterable[str], listener: Listener) -> None:
        with self._lock:
            for name in names:
                left = [one for one in self._listeners.get(name, ()) if one is not listener]
                if left:
                    self._listeners[name] = tuple(left)
                else:
                    self._listeners.pop(name, None)


class Changes:
    """The changes from now on, one after the other, for as long as it is open: `with app.changes(Message) as changes: for change in changes`.

    Iterating waits for the next one, for at most `timeout` seconds if there is one, after which it ends; so does `close`, from any thread.
    Raises `SubscriptionOverrun` where more have come than wait.
    """

    def __init__(
        self, listen: Callable[[Listener], Callable[[], None]], timeout: float | None, kept: int = KEPT
    ) -> None:
        self._waiting: queue.Queue[Change | None] = queue.Queue(kept)
        self._timeout, self._overrun, self._closed = timeout, False, False
        self._stop = listen(self._note)

    def __enter__(self) -> Changes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Change]:
        while True:
            try:
                change = self._waiting.get(block=not (self._overrun or self._closed), timeout=self._timeout)
            except queue.Empty:
                if self._overrun:
                    raise SubscriptionOverrun() from None
                return
            if change is not None:
                yield change

    def close(self) -> None:
        """Listen no longer. What waits may still be taken."""
        self._stop()
        self._closed = True
        self._wake()

    def _note(self, change: Change) -> None:
        try:
            self._waiting.put_nowait(change)
        except queue.Full:  # what comes after a gap would look as if nothing had been missed
            self._stop()
            self._overrun = True

    def _wake(self) -> None:
        with suppress(queue.Full):  # then nobody waits
            self._waiting.put_nowait(None)
