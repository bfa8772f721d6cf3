"""A read-through cache of items in this process, between a store and its engine.

It wraps an engine and the backends it opens. A read by key is answered from memory for as long as the item's `Cache` says; many
threads that miss one key make one call; whatever this process writes is forgotten. Everything else passes through. Access rules
are decided above it, on items as they are stored, so callers share what is kept.

It is as if uncached for this process: once a write has returned, no read gives what was there before it. Of what others write, it
may be `Cache.seconds` late.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from msgspec import structs

from ..errors import BackendUnavailable
from ..model.cache_policy import Cache
from ..model.expressions import Aggregate, Filter
from ..model.item_copies import copier
from ..model.keys import KeyValues
from ..model.meta import StoreMeta
from ..query.aggregate import Group
from ..query.explain import Explanation
from .backend import Backend, Bulk, BulkWrite, Engine, Page, Put, Query, Write, WriteResult

T = TypeVar("T")
Clock = Callable[[], float]
PATIENCE = 30.0
"""Seconds that a read waits for the call of another."""


class Elapsed:
    """Seconds that never go back, and go on with whichever of two clocks is ahead: one of them stands while a machine is suspended
    or a function is resumed from a snapshot, the other may be set back."""

    def __init__(self, steady: Clock = time.monotonic, wall: Clock = time.time) -> None:
        self._steady, self._wall = steady, wall
        self._ahead = wall() - steady()

    def __call__(self) -> float:
        steady = self._steady()
        ahead = self._wall() - steady
        self._ahead = max(self._ahead, ahead)
        return steady + self._ahead


Keys = Sequence[KeyValues] | None
"""Those of some items; None is those of all, where a write does not name them."""


class _Load:
    """One call of the engine for an item, which other threads wait for. `done` is held until it is."""

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
        """The item. `TimeoutError` if it does not come: whoever had to bring it may have been ended at any point."""
        if not self.done.acquire(timeout=PATIENCE):
            raise TimeoutError
        self.done.release()
        if isinstance(self.error, Exception):
            raise self.error
        if self.error is not None:  # its thread was ended, which is nothing to this one
            raise BackendUnavailable("The call was given up")
        return self.item


Loads = dict[KeyValues, _Load]


class _Shelf(Generic[T]):
    """What is kept of one store. Its lock is never held while an engine is asked.

    A load is kept only if nothing was written to its key between its beginning and its end:

        read    miss: begin(load) ── engine reads the old item ──────────────── finish(load): not the load of the key, not kept
        write        writing(key): the load is dropped ── engine writes ── written(key)

    While a key is being written it is neither kept nor are its loads shared: every read asks the engine, which alone knows whether
    the write is done.
    """

    def __init__(self, cache: Cache, clock: Clock) -> None:
        self._cache, self._clock = cache, clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[KeyValues, tuple[float, T | None]] = OrderedDict()
        self._loads: dict[KeyValues, _Load] = {}
        self._writing: dict[KeyValues, int] = {}
        self._writing_all = 0

    def begin(self, keys: Sequence[KeyValues]) -> tuple[dict[KeyValues, T | None], Loads, Loads]:
        """What is kept of the keys; the loads of others that are under way; and those that the caller has to see to."""
        kept: dict[KeyValues, T | None] = {}
        theirs: Loads = {}
        mine: Loads = {}
        with self._lock:
            now = self._clock()
            for key in keys:
                entry = self._kept.get(key)
                if entry is not None and entry[0] > now:
                    self._kept.move_to_end(key)
                    kept[key] = entry[1]
                elif key not in mine:
                    load = self._loads.get(key)
                    if load is not None:
                        theirs[key] = load
                    else:
                        mine[key] = load = _Load()
                        if not self._writing_all and key not in self._writing:
                            self._loads[key] = load
        return kept, theirs, mine

    def finish(self, loads: Loads, items: Sequence[T | None], began: float) -> None:
        """Keep what was loaded, as far as it was not written meanwhile. It is as old as the call for it."""
        until = began + self._cache.seconds
        with self._lock:
            for (key, load), item in zip(loads.items(), items, strict=True):
                if self._loads.get(key) is load:
                    del self._loads[key]
                    if item is not None or self._cache.misses:
                        self._kept[key] = until, item
                        self._kept.move_to_end(key)
            while len(self._kept) > self._cache.items:
                self._kept.popitem(last=False)
        for load, item in zip(loads.values(), items, strict=True):
            load.settle(item)

    def fail(self, loads: Loads, error: BaseException) -> None:
        """Nothing was loaded."""
        self.drop(loads)
        for load in loads.values():
            load.settle(None, error)

    def drop(self, loads: Loads) -> None:
        """Let others begin anew."""
        with self._lock:
            for key, load in loads.items():
                if self._loads.get(key) is load:
                    del self._loads[key]

    def writing(self, keys: Keys) -> None:
        """These are about to be written."""
        with self._lock:
            self._forget(keys)
            if keys is None:
                self._writing_all += 1
            for key in keys or ():
                self._writing[key] = self._writing.get(key, 0) + 1

    def written(self, keys: Keys) -> None:
        """These were written, or may have been."""
        with self._lock:
            self._forget(keys)
            if keys is None:
                self._writing_all -= 1
            for key in keys or ():
                left = self._writing.pop(key) - 1
                if left:
                    self._writing[key] = left

    def _forget(self, keys: Keys) -> None:
        if keys is None:
            self._kept.clear()
            self._loads.clear()
        for key in keys or ():
            self._kept.pop(key, None)
            self._loads.pop(key, None)


class _Transaction(threading.local):
    """What this thread has written in the transaction it is in. Until that ends, nobody knows whether it holds."""

    def __init__(self) -> None:
        self.depth = 0
        self.wrote: list[tuple[_Shelf[Any], Keys]] = []


class CachedBackend(Generic[T]):
    """A backend whose reads by key are kept."""

    def __init__(self, backend: Backend[T], cache: Cache, transaction: _Transaction, clock: Clock) -> None:
        self.meta = backend.meta
        # what is kept was read at several moments
        self.capabilities = structs.replace(backend.capabilities, snapshot_reads=False)
        self._backend, self._transaction, self._clock = backend, transaction, clock
        self._shelf: _Shelf[T] = _Shelf(cache, clock)
        self._copy = copier(backend.meta)

    def read(self, keys: Sequence[KeyValues]) -> list[T | None]:
        if self._transaction.depth:  # it is about what is so now, and may hold what another's call waits for
            return self._backend.read(keys)
        found, theirs, mine = self._shelf.begin(keys)
        if mine:
            found.update(zip(mine, self._loaded(mine), strict=True))
        for key, load in theirs.items():
            try:
                found[key] = load.wait()
            except TimeoutError:
                self._shelf.drop({key: load})
                [found[key]] = self._backend.read((key,))
        return [None if (item := found[key]) is None else self._copy(item) for key in keys]

    def _loaded(self, loads: Loads) -> list[T | None]:
        began = self._clock()
        try:
            items = self._backend.read([*loads])
        except BaseException as error:
            self._shelf.fail(loads, error)
            raise
        self._shelf.finish(loads, items, began)
        return items

    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        keys = [self.meta.key_values(one.item) if isinstance(one, Put) else one.key for one in writes]
        with self._writing(keys):
            return self._backend.write(writes, atomic=atomic)

    def write_all(self, asked: BulkWrite) -> Bulk:
        with self._writing(None):
            return self._backend.write_all(asked)

    @contextmanager
    def _writing(self, keys: Keys) -> Iterator[None]:
        self._shelf.writing(keys)
        try:
            yield
        finally:  # a write that failed may have been carried out
            if self._transaction.depth:
                self._transaction.wrote.append((self._shelf, keys))
            else:
                self._shelf.written(keys)

    def query(self, asked: Query) -> Page[T]:
        return self._backend.query(asked)

    def query_each(self, attribute: str, values: Sequence[Any], asked: Query) -> list[Page[T]]:
        return self._backend.query_each(attribute, values, asked)

    def count(self, where: Filter, *, allow_scan: bool = False) -> int:
        return self._backend.count(where, allow_scan=allow_scan)

    def aggregate(
        self, measures: tuple[Aggregate, ...], by: tuple[str, ...], where: Filter, *, allow_scan: bool = False
    ) -> list[Group]:
        return self._backend.aggregate(measures, by, where, allow_scan=allow_scan)

    def allocate(self, sequence: str, count: int) -> int:
        return self._backend.allocate(sequence, count)

    def explain(self, asked: Query) -> Explanation:
        return self._backend.explain(asked)


class CachedEngine:
    """An engine whose backends keep items as far as their declarations say so. Every backend of an item shares what is kept.

    What a transaction wrote is not kept by anybody, nor read from memory by itself, before it has ended.
    """

    def __init__(self, engine: Engine, clock: Clock | None = None) -> None:
        self.embedded = engine.embedded
        self._engine, self._clock = engine, clock or Elapsed()
        self._transaction = _Transaction()
        self._opened: dict[str, CachedBackend[Any]] = {}
        self._opening = threading.Lock()

    def open(self, meta: StoreMeta[T]) -> Backend[T]:
        if meta.cache is None or not meta.cache.seconds:
            return self._engine.open(meta)
        with self._opening:
            backend = self._opened.get(meta.name)
            if backend is None or backend.meta is not meta:
                backend = CachedBackend(self._engine.open(meta), meta.cache, self._transaction, self._clock)
                self._opened[meta.name] = backend
        return backend

    def prepare(self, metas: Sequence[StoreMeta[Any]]) -> None:
        self._engine.prepare(metas)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        within = self._transaction
        within.depth += 1
        try:
            with self._engine.transaction():
                yield
        finally:
            within.depth -= 1
            if not within.depth:
                wrote, within.wrote = within.wrote, []
                for shelf, keys in wrote:
                    shelf.written(keys)

    def close(self) -> None:
        self._engine.close()
