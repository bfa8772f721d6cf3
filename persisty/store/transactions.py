"""Transactions of one engine, and the work at their end: deliver changes, and release cache keys.

A thread is in at most one transaction, with nested parts that can be rolled back separately. Changes are delivered when the outermost is
committed. Keys that it wrote are cached again only after it has ended.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .backend import Backend, Engine, Write, WriteResult
from .change_feed import Change, Feed
from .item_cache import ItemCache, Keys


class _Open(threading.local):
    """This thread's open transactions: a list of changes for each, and the written keys of each cache."""

    def __init__(self) -> None:
        self.levels: list[list[Change]] = []
        self.wrote: list[tuple[ItemCache[Any], Keys]] = []


class Transactions:
    """The transactions of an engine whose changes go to `feed`. Safe to share between threads."""

    def __init__(self, engine: Engine, feed: Feed) -> None:
        self._engine, self._feed, self._open = engine, feed, _Open()

    @property
    def active(self) -> bool:
        """Return whether this thread is in a transaction."""
        return bool(self._open.levels)

    @contextmanager
    def begin(self) -> Iterator[None]:
        """Begin a transaction of this thread. Inside another transaction, it is part of that one. Raises `Unsupported` if the engine has no
        transactions."""
        here = self._open
        changes: list[Change] = []
        here.levels.append(changes)
        committed = False
        try:
            with self._engine.transaction():
                yield
            committed = True
        finally:
            here.levels.pop()
            if not here.levels:
                wrote, here.wrote = here.wrote, []
                for cache, keys in wrote:
                    cache.written(keys)
            if committed:
                self.deliver(changes)

    def write_together(self, writes: Sequence[tuple[Backend[Any], Write]]) -> list[WriteResult]:
        """Perform writes of several stores of the engine, all or none."""
        return self._engine.write_together(writes)

    def deliver(self, changes: list[Change]) -> None:
        """Deliver the changes now, or when the transaction around them is committed."""
        levels = self._open.levels
        if levels:
            levels[-1].extend(changes)
        else:
            self._feed.deliver(changes)

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
