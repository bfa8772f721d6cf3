"""A read-through cache of items in this process: a stage of the change path, between a store and its engine.

A read by key is answered from memory as long as the item's `Cache` allows. Threads that miss the same key share one call. A write of this
process removes its keys. Access rules are evaluated above the cache, on unredacted items, so callers share the entries.

Within this process the cache is consistent: after a write has returned, no read returns the item from before it. Changes of other
processes may become visible up to `Cache.seconds` late.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar
from weakref import ReferenceType, ref

from ..errors import BackendUnavailable
from ..model.cache_policy import Cache
from ..model.item_copies import copier
from ..model.keys import KeyValues
from ..model.meta import StoreMeta

T = TypeVar("T")
Clock = Callable[[], float]
Load = Callable[[Sequence[KeyValues]], list[T | None]]
"""Loads the items of some keys from the engine."""
LOAD_TIMEOUT = 30.0
"""Seconds that a read waits for the load of another thread."""


class Elapsed:
    """A clock in seconds that never goes back. It follows the faster of two clocks: the monotonic clock stops while a machine is suspended
    or a function is restored from a snapshot, and the wall clock may be set back."""

    def __init__(self, monotonic: Clock = time.monotonic, wall: Clock = time.time) -> None:
        self._monotonic, self._wall = monotonic, wall
        self._ahead = wall() - monotonic()

    def __call__(self) -> float:
        monotonic = self._monotonic()
        ahead = self._wall() - monotonic
        self._ahead = max(self._ahead, ahead)
        return monotonic + self._ahead


Keys = Sequence[KeyValues] | None
"""The keys of some items. None means all items, for a write without keys."""


class _Load:
    """One load of an item, for which other threads wait. The lock `done` is released when it ends."""

    __slots__ = ("done", "error", "item")

    def __init__(self) -> None:
        self.done = threading.Lock()
        self.done.acquire()
        self.item: Any = None
        self.error: BaseException | None = None

    def settle(self, item: Any, error: BaseException | None = None) -> None:
        self.item, self.error = item, error
        self.done.release()

    def wait(self) -> Any:
        """Return the item. Raise `TimeoutError` if it does not arrive, because the loading thread may have ended at any point."""
        if not self.done.acquire(timeout=LOAD_TIMEOUT):
            raise TimeoutError
        self.done.release()
        if isinstance(self.error, Exception):
            raise self.error
        if self.error is not None:  # only the loading thread was interrupted
            raise BackendUnavailable("The load was interrupted")
        return self.item


Loads = dict[KeyValues, _Load]


class _Entries(Generic[T]):
    """The entries of one store. The lock is released during calls of the engine.

    A loaded item is cached only if its key was not written between the start and the end of the load:

        read    miss: begin(load) ── engine reads the old item ──────────────── finish(load): no longer the load of the key, not cached
        write        writing(key): the load is dropped ── engine writes ── written(key)

    While a key is being written, it is not cached and its loads are not shared: every read calls the engine, because only the engine decides
    when the write is done.
    """

    def __init__(self, cache: Cache, clock: Clock) -> None:
        self._cache, self._clock = cache, clock
        self._lock = threading.Lock()
        self._cached: OrderedDict[KeyValues, tuple[float, T | None]] = OrderedDict()
        self._loads: dict[KeyValues, _Load] = {}
        self._writing: dict[KeyValues, int] = {}
        self._writing_all = 0

    def begin(self, keys: Sequence[KeyValues]) -> tuple[dict[KeyValues, T | None], Loads, Loads]:
        """Return the cached items of the keys, the loads of others that are in progress, and the loads that the caller must make."""
        cached: dict[KeyValues, T | None] = {}
        in_progress: Loads = {}
        own: Loads = {}
        with self._lock:
            now = self._clock()
            for key in keys:
                entry = self._cached.get(key)
                if entry is not None and entry[0] > now:
                    self._cached.move_to_end(key)
                    cached[key] = entry[1]
                elif key not in own:
                    load = self._loads.get(key)
                    if load is not None:
                        in_progress[key] = load
                    else:
                        own[key] = load = _Load()
                        if not self._writing_all and key not in self._writing:
                            self._loads[key] = load
        return cached, in_progress, own

    def finish(self, loads: Loads, items: Sequence[T | None], began: float) -> None:
        """Cache the loaded items whose keys were not written meanwhile. Their age counts from `began`."""
        until = began + self._cache.seconds
        with self._lock:
            for (key, load), item in zip(loads.items(), items, strict=True):
                if self._loads.get(key) is load:
                    del self._loads[key]
                    if item is not None or self._cache.misses:
                        self._cached[key] = until, item
                        self._cached.move_to_end(key)
            while len(self._cached) > self._cache.items:
                self._cached.popitem(last=False)
        for load, item in zip(loads.values(), items, strict=True):
            load.settle(item)

    def fail(self, loads: Loads, error: BaseException) -> None:
        """Fail the loads with an error."""
        self.drop(loads)
        for load in loads.values():
            load.settle(None, error)

    def drop(self, loads: Loads) -> None:
        """Drop these loads, so that the next read starts a new one."""
        with self._lock:
            for key, load in loads.items():
                if self._loads.get(key) is load:
                    del self._loads[key]

    def writing(self, keys: Keys) -> None:
        """Record that a write of these keys begins."""
        with self._lock:
            self._forget(keys)
            if keys is None:
                self._writing_all += 1
            for key in keys or ():
                self._writing[key] = self._writing.get(key, 0) + 1

    def written(self, keys: Keys) -> None:
        """Record that a write of these keys has ended, successfully or not."""
        with self._lock:
            self._forget(keys)
            if keys is None:
                self._writing_all -= 1
            for key in keys or ():
                writers = self._writing.pop(key) - 1
                if writers:
                    self._writing[key] = writers

    def forget(self, keys: Keys) -> None:
        """Remove the entries of these keys, and their loads in progress."""
        with self._lock:
            self._forget(keys)

    def _forget(self, keys: Keys) -> None:
        if keys is None:
            self._cached.clear()
            self._loads.clear()
        for key in keys or ():
            self._cached.pop(key, None)
            self._loads.pop(key, None)


class CacheGroup:
    """The caches of all revisions of one item. Stores of several revisions may be in use at the same time. A write through one of them removes its
    keys from all caches."""

    def __init__(self) -> None:
        self.members: tuple[ReferenceType[ItemCache[Any]], ...] = ()

    def join(self, cache: ItemCache[Any]) -> None:
        """Add a cache. Calls of one group must not overlap."""
        self.members = (*(one for one in self.members if one() is not None), ref(cache))


class ItemCache(Generic[T]):
    """The cached items of one store, with the limits of its `Cache`.

    `read` returns the items of some keys, from memory or from `load`, which calls the engine. `writing` and `written` surround a write.
    """

    def __init__(
        self, meta: StoreMeta[T], cache: Cache, clock: Clock | None = None, group: CacheGroup | None = None
    ) -> None:
        self._clock, self._group = clock or Elapsed(), group or CacheGroup()
        self._group.join(self)
        self._entries: _Entries[T] = _Entries(cache, self._clock)
        self._copy = copier(meta)

    def read(self, keys: Sequence[KeyValues], load: Load[T]) -> list[T | None]:
        """Return the items of the keys, in their positions. Threads that miss the same key share one call."""
        found, in_progress, own = self._entries.begin(keys)
        if own:
            found.update(zip(own, self._loaded(own, load), strict=True))
        for key, waiting in in_progress.items():
            try:
                found[key] = waiting.wait()
            except TimeoutError:
                self._entries.drop({key: waiting})
                [found[key]] = load((key,))
        return [None if (item := found[key]) is None else self._copy(item) for key in keys]

    def writing(self, keys: Keys) -> None:
        """Remove these keys, and cache none of them until `written` is called."""
        self._entries.writing(keys)
        self._forget_elsewhere(keys)

    def written(self, keys: Keys) -> None:
        """Record that the write of these keys and the transaction around it have ended, with any result."""
        self._entries.written(keys)
        self._forget_elsewhere(keys)

    def _forget_elsewhere(self, keys: Keys) -> None:
        """Remove these keys from the caches of other revisions."""
        members = self._group.members
        if len(members) > 1:
            for member in members:
                other = member()
                if other is not None and other is not self:
                    other._entries.forget(keys)

    def _loaded(self, loads: Loads, load: Load[T]) -> list[T | None]:
        began = self._clock()
        try:
            items = load([*loads])
        except BaseException as error:
            self._entries.fail(loads, error)
            raise
        self._entries.finish(loads, items, began)
        return items
