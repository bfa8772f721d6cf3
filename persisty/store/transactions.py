"""Transactions of one engine, and the work at their end: append events, deliver changes, and release cache keys.

A thread is in at most one transaction, with nested parts that can be rolled back separately. The events of all its changes are appended to the
outbox as the last statement before the commit. Changes are delivered when the outermost transaction is
committed. Keys that it wrote are cached again only after it has ended.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from time import sleep
from typing import Any, TypeVar

from ..backoff import ATTEMPTS, backoff
from ..errors import BackendUnavailable
from .backend import Backend, Engine, Write, WriteResult
from .change_feed import Change, Feed
from .change_log import ChangeLog, NewChange
from .item_cache import ItemCache, Keys
from .observed_writes import BriefTransactions
from .outbox import NewEvent, Outbox, StoringEvents

X = TypeVar("X")
log = logging.getLogger("persisty")


class Undone(BackendUnavailable):
    """The engine has undone the transaction of this thread, because of a deadlock or a lost connection. Another attempt may succeed."""


class _Level:
    """One part of a transaction: the changes of its writes, and their events."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.events: list[NewEvent | NewChange] = []


class _Open(threading.local):
    """This thread's open transaction: its parts, the innermost last, and the written keys of each cache."""

    def __init__(self) -> None:
        self.levels: list[_Level] = []
        self.wrote: list[tuple[ItemCache[Any], Keys]] = []


class Transactions:
    """The transactions of an engine whose changes go to `feed` and to the outbox of the engine. Safe to share between threads."""

    def __init__(self, engine: Engine, feed: Feed) -> None:
        self._engine, self._feed, self._open = engine, feed, _Open()
        self.outbox: Outbox | None = engine.outbox if isinstance(engine, StoringEvents) else None
        self._brief = engine if isinstance(engine, BriefTransactions) else None

    @property
    def log(self) -> ChangeLog | None:
        """The change log of the engine, None if no other process shares its items."""
        return None if self.outbox is None else self.outbox.log

    @property
    def active(self) -> bool:
        """Return whether this thread is in a transaction."""
        return bool(self._open.levels)

    @contextmanager
    def begin(self, *, brief: bool = False) -> Iterator[None]:
        """Begin a transaction of this thread. Inside another transaction, it is part of that one. Raises `Unsupported` if the engine has no
        transactions. `brief`: it has one write."""
        here = self._open
        if (
            self.outbox is not None
            and not here.levels
            and self._engine.embedded
            and (self._feed.triggers.stores or self._feed.shared)
        ):
            self.outbox.prepare()  # before the transaction, whose end may be a rollback
        level = _Level()
        here.levels.append(level)
        committed = False
        try:
            with self._transaction(brief=brief and len(here.levels) == 1):
                yield
                if len(here.levels) == 1 and level.events and self.outbox is not None:
                    self.outbox.append(level.events)
            committed = True
        finally:
            here.levels.pop()
            if not here.levels:
                wrote, here.wrote = here.wrote, []
                for cache, keys in wrote:
                    cache.written(keys)
            if committed:
                self.deliver(level.changes)
                self.appended(level.events)

    def _transaction(self, *, brief: bool) -> AbstractContextManager[None]:
        return self._brief.brief_transaction() if brief and self._brief is not None else self._engine.transaction()

    def repeated(self, work: Callable[[], X]) -> X:
        """Return the result of `work`, which is a transaction. Repeat it if the engine has undone it, unless it is part of another one."""
        attempt = 0
        while True:
            try:
                return work()
            except Undone as error:
                attempt += 1
                if self.active or attempt == ATTEMPTS or "in_doubt" in error.details:
                    raise
                sleep(backoff(attempt - 1))

    def write_together(self, writes: Sequence[tuple[Backend[Any], Write]]) -> list[WriteResult]:
        """Perform writes of several stores of the engine, all or none."""
        return self._engine.write_together(writes)

    def deliver(self, changes: list[Change]) -> None:
        """Deliver the changes now, or when the transaction around them is committed."""
        levels = self._open.levels
        if levels:
            levels[-1].changes.extend(changes)
        else:
            self._feed.deliver(changes)

    def append(self, events: list[NewEvent | NewChange]) -> None:
        """Append events to the outbox, at the end of the transaction of this thread, or in one of their own. An engine without transactions does it now."""
        levels = self._open.levels
        if levels:
            levels[-1].events.extend(events)
        elif not events or self.outbox is None:
            return
        elif self.outbox.writing is None:
            self.repeated(partial(self._append_alone, events))
        else:
            self.outbox.append(events)
            self.appended(events)

    def _append_alone(self, events: list[NewEvent | NewChange]) -> None:
        with self.begin():
            self.append(events)

    def appended(self, events: list[NewEvent | NewChange]) -> None:
        """Wake the workers of appended events now, or after the transaction of this thread. The write is done, so an error is only logged: workers also
        find events without a signal."""
        if not events or self.outbox is None:
            return
        if self._open.levels:
            self._open.levels[-1].events.extend(events)
        else:
            try:
                self.outbox.appended()
            except Exception as error:
                log.error("workers could not be woken", exc_info=error)

    @contextmanager
    def forgetting(self, cache: ItemCache[Any], keys: Keys) -> Iterator[None]:
        """Cache none of these keys during a write, and until the transaction around it has ended."""
        cache.writing(keys)
        try:
            yield
        finally:  # a failed write may have been done
            if self._open.levels:
                self._open.wrote.append((cache, keys))
            else:
                cache.written(keys)
