"""`Connection`: an engine with the change paths of its stores."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from ..model.meta import StoreMeta
from .backend import Engine
from .change_feed import Feed
from .change_path import ChangePath
from .item_cache import CacheGroup, Clock, ItemCache
from .outbox import Chain, NewEvent, Outbox
from .transactions import Transactions

T = TypeVar("T")


class Connection:
    """An engine with the change paths of its stores. `cached`: items are cached according to their declarations.

    Every path of a store shares its cache, so all stores of one item see each other's writes.
    """

    def __init__(
        self, engine: Engine, feed: Feed | None = None, *, cached: bool = False, clock: Clock | None = None
    ) -> None:
        self.engine, self.embedded = engine, engine.embedded
        self._feed, self._cached, self._clock = feed or Feed(), cached, clock
        self._transactions = Transactions(engine, self._feed)
        self._paths: dict[str, ChangePath[Any]] = {}
        self._cache_groups: WeakValueDictionary[str, CacheGroup] = WeakValueDictionary()
        self._opening = threading.Lock()

    def open(self, meta: StoreMeta[T]) -> ChangePath[T]:
        """Return the change path of a store. Does no I/O."""
        with self._opening:
            path = self._paths.get(meta.name)
            if path is None or path.meta is not meta:
                policy, cache = meta.cache if self._cached else None, None
                if policy is not None and policy.seconds:
                    group = self._cache_groups.setdefault(meta.name, CacheGroup())
                    cache = ItemCache(meta, policy, self._clock, group)
                path = ChangePath(self.engine.open(meta), self._transactions, self._feed, cache)
                self._paths[meta.name] = path
        return path

    def prepare(self, metas: Sequence[StoreMeta[Any]]) -> None:
        """Create the tables and indexes that are missing."""
        self.engine.prepare(metas)

    def verify(self, metas: Sequence[StoreMeta[Any]]) -> None:
        """Check that the tables exist and match the declarations."""
        self.engine.verify(metas)

    def forget_item(self, store: str, key: str) -> None:
        """Remove an item that another process has written from the caches of its store."""
        path = self._paths.get(store)
        if path is not None:
            path.forget(path.meta.key_codec.parse(key))

    def forget_items(self) -> None:
        """Remove all items from the caches."""
        for path in list(self._paths.values()):
            path.forget(None)

    def forget(self, metas: Iterable[StoreMeta[Any]]) -> None:
        """Drop the change paths of outdated or removed items. Stores that have opened one continue to use it."""
        with self._opening:
            for meta in metas:
                path = self._paths.get(meta.name)
                if path is not None and path.meta is meta:
                    del self._paths[meta.name]

    def transaction(self) -> AbstractContextManager[None]:
        """Begin a transaction of this thread over all stores of the engine. `Unsupported` if the engine has none."""
        return self._transactions.begin()

    def unit(self) -> AbstractContextManager[Any]:
        """Begin a transaction of this thread, with writes and events. Memory has no transactions: it excludes other writers."""
        outbox = self.outbox
        return self.transaction() if outbox is None or outbox.writing is None else outbox.writing

    def schedule(self, event: NewEvent, due: float) -> bool:
        """Store an event for a time, in the transaction of this thread, or at once. False if one of its chain is scheduled, or if the engine stores no events."""
        outbox = self._prepared_outbox()
        return outbox is not None and outbox.schedule(event, due)

    def cancel(self, chain: Chain) -> bool:
        """Delete the scheduled event of a chain, in the transaction of this thread, or at once. Returns whether there was one."""
        outbox = self._prepared_outbox()
        return outbox is not None and outbox.cancel(chain)

    def _prepared_outbox(self) -> Outbox | None:
        outbox = self.outbox
        if outbox is not None and self.embedded and not self._transactions.active:
            outbox.prepare()
        return outbox

    @property
    def outbox(self) -> Outbox | None:
        """The outbox of the engine. None if the engine stores no events."""
        return self._transactions.outbox

    def append(self, events: list[NewEvent]) -> None:
        """Append events at the end of the transaction of this thread, or in one of its own."""
        self._transactions.append([*events])

    def close(self) -> None:
        self.engine.close()
