"""The change feed: changes of items, delivered to listeners in this process.

An app has one `Feed`, which also has the triggers of the app. Listeners are called by the thread that wrote, after the engine has done the write and after the transaction around it
is committed. A listener must not block.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from functools import partial
from itertools import count
from typing import Any
from uuid import UUID

from msgspec import Struct, structs

from ..errors import SubscriptionOverrun
from .before_triggers import BeforeTriggers, NoBeforeTriggers
from .trigger_registry import NoTriggers, Triggers

log = logging.getLogger("persisty")

MAX_WAITING = 1_000
"""The most changes that are queued for a slow listener."""


class Change(Struct, frozen=True):
    """One change of one item.

    `store` is the item's name, `kind` is `created`, `updated` or `deleted`, `key` is the item's key. `before` is the before image: None
    for a created item, UNSET for an updated item unless a listener needs before images. `after` is the item after the change, None for a
    deleted item. `caller` is the subject on whose behalf the change was made, None for trusted code and anonymous callers. `at` is the time in UTC.
    `sequence` numbers the changes of a feed in the order of delivery, from 1. `id` is that of the event, if a before trigger has seen the change.
    `position` is the place in the change log after this change, None if the app does not share its changes.
    """

    store: str
    kind: str
    key: str
    before: Any
    after: Any
    caller: str | None = None
    at: datetime | None = None
    sequence: int = 0
    id: UUID | None = None
    position: str | None = None

    @property
    def item(self) -> Any:
        """The item after the change, or the before image of a deleted item."""
        return self.before if self.after is None else self.after


Listener = Callable[[Change], None]


class Compiled(Struct, frozen=True):
    """The triggers of an app. `final`: False while a module that declares some is being imported."""

    after: Triggers
    before: BeforeTriggers
    final: bool = True


class Feed:
    """The listeners of each store, and the triggers, which also see its changes. Triggers are compiled at the first change, because that imports the
    modules of an app's actions."""

    def __init__(self) -> None:
        self._listeners: dict[str, tuple[Listener, ...]] = {}
        self._before: dict[str, int] = {}
        self._watched: Container[str] = frozenset()
        self._triggers: Triggers = NoTriggers()
        self._before_triggers: BeforeTriggers = NoBeforeTriggers()
        self._compile: Callable[[], Compiled] | None = None
        self._at_first_change = True
        self._shared: frozenset[str] = frozenset()
        self._lock = threading.Lock()
        self._numbers = count(1)

    @property
    def triggers(self) -> Triggers:
        """The after triggers of the app."""
        self._compiled()
        return self._triggers

    @triggers.setter
    def triggers(self, triggers: Triggers) -> None:
        with self._lock:
            self._triggers, self._compile = triggers, None
            self._observe()

    @property
    def before_triggers(self) -> BeforeTriggers:
        """The before triggers of the app."""
        self._compiled()
        return self._before_triggers

    def compile_with(self, make: Callable[[], Compiled], *, at_first_change: bool = True) -> None:
        """Obtain the triggers from this function at the next change, or only when they are asked for."""
        with self._lock:
            self._compile, self._at_first_change = make, at_first_change
            self._observe()

    @property
    def shared(self) -> frozenset[str]:
        """The stores whose changes are in the change log of their engine. Its reader delivers them, in all processes."""
        return self._shared

    @shared.setter
    def shared(self, stores: Iterable[str]) -> None:
        with self._lock:
            self._shared = frozenset(stores)
            self._observe()

    def is_watched(self, store: str) -> bool:
        """Return whether a listener, another process or any trigger concerns the changes of this store."""
        return store in self._watched

    def watched_stores(self) -> frozenset[str]:
        """Return the stores that a listener, another process or any trigger concerns."""
        return frozenset((*self._listeners, *self._shared, *self.triggers.stores, *self.before_triggers.before_stores))

    def has_listeners(self, store: str) -> bool:
        """Return whether a listener receives the changes of this store."""
        return store in self._listeners

    def needs_before_image(self, store: str) -> bool:
        """Return whether a listener needs before images of updates of this store."""
        return store in self._before

    def listen(self, stores: Iterable[str], listener: Listener, *, before: bool = False) -> Callable[[], None]:
        """Call a listener with each change of these stores. Returns a function that unsubscribes. `before`: the listener needs before images of updates."""
        names = tuple(stores)
        with self._lock:
            for name in names:
                self._listeners[name] = (*self._listeners.get(name, ()), listener)
                if before:
                    self._before[name] = self._before.get(name, 0) + 1
            self._observe()
        return partial(self._forget, names, listener, before)

    def deliver(self, changes: Iterable[Change]) -> None:
        """Call the listeners of each change. An error of a listener is logged. It affects neither other listeners nor the write."""
        for change in changes:
            listeners = self._listeners.get(change.store)
            if listeners:
                numbered = structs.replace(change, sequence=next(self._numbers))
                for listener in listeners:
                    try:
                        listener(numbered)
                    except Exception as error:
                        log.error("a listener failed", exc_info=error)

    def _forget(self, names: Iterable[str], listener: Listener, before: bool) -> None:
        with self._lock:
            for name in names:
                remaining = [one for one in self._listeners.get(name, ()) if one is not listener]
                if remaining:
                    self._listeners[name] = tuple(remaining)
                else:
                    self._listeners.pop(name, None)
                if before:
                    self._before[name] -= 1
                    if not self._before[name]:
                        del self._before[name]
            self._observe()

    def _observe(self) -> None:
        """Set the stores that changes are compared with. The caller has the lock."""
        if self._compile is None:
            self._watched = self.watched_stores()
        elif self._at_first_change:
            self._watched = _Undecided(self.watched_stores)
        else:
            self._watched = frozenset((*self._listeners, *self._shared))

    def _compiled(self) -> None:
        """Compile the triggers unless they are. Takes no lock meanwhile, because modules that are imported may write."""
        make = self._compile
        if make is None:
            return
        found = make()
        with self._lock:
            if self._compile is make:
                self._triggers, self._before_triggers = found.after, found.before
                if found.final:
                    self._compile = None
                    self._observe()


class _Undecided:
    """The stores that triggers concern, until the triggers are compiled: looking one up compiles them."""

    def __init__(self, decide: Callable[[], frozenset[str]]) -> None:
        self._decide = decide

    def __contains__(self, store: object) -> bool:
        return store in self._decide()


def resumed(resume: Callable[[Callable[[], None], Listener], Callable[[], None]], timeout: float | None) -> Changes:
    """Return an iterator over the changes of a reader of its own. `resume`: (function to call when changes were lost, listener) → a function that ends the reader."""
    made: list[Changes] = []

    def lost() -> None:
        for one in made:
            one.lose()

    made.append(Changes(partial(resume, lost), timeout, patient=True))
    return made[0]


class Changes:
    """An iterator over the changes from now on: `with app.changes(Message) as changes: for change in changes: ...`.

    Iteration waits for the next change. It ends after `timeout` seconds without a change, if there is a timeout, and when any thread calls
    `close`. Raises `SubscriptionOverrun` if the queue overflowed. `patient`: a thread of its own calls the listener, and waits for room in the queue.
    """

    def __init__(
        self,
        listen: Callable[[Listener], Callable[[], None]],
        timeout: float | None,
        waiting: int = MAX_WAITING,
        *,
        patient: bool = False,
    ) -> None:
        self._waiting: queue.Queue[Change | None] = queue.Queue(waiting)
        self._patient = patient
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
        """Stop listening. Queued changes can still be read."""
        self._closed = True
        self._stop()
        self._wake()

    def lose(self) -> None:
        """End the iteration after the queued changes with `SubscriptionOverrun`, because later ones were lost."""
        self._overrun = True
        self._wake()

    def _note(self, change: Change) -> None:
        while self._patient and not self._closed:
            with suppress(queue.Full):
                self._waiting.put(change, timeout=0.1)
                return
        try:
            self._waiting.put_nowait(change)
        except queue.Full:  # a change after the gap would hide that changes were lost
            self._stop()
            self._overrun = True

    def _wake(self) -> None:
        with suppress(queue.Full):  # a full queue wakes the reader anyway
            self._waiting.put_nowait(None)
