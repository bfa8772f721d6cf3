"""Items in a dict: the reference backend, for tests and for trying things out. Nothing outlives the process.

One lock makes each call atomic. Items are copied in and out, so that nobody changes what is stored by changing what was
given.
"""

from __future__ import annotations

import copy
import heapq
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from ..model.expressions import Filter, OrderBy
from ..model.keys import KeyValues
from ..model.meta import StoreMeta
from ..model.types import Kind
from ..model.validation import changed
from ..query.keyset import beyond, position_of
from ..query.match import matcher, sort_key
from ..store.backend import Capabilities, Delete, Outcome, Page, Patch, Put, Write, WriteResult

T = TypeVar("T")
MAX_ATOMIC = 10_000


class MemoryBackend(Generic[T]):
    def __init__(self, meta: StoreMeta[T], items: dict[KeyValues, T], lock: threading.Lock) -> None:
        self.meta = meta
        self.capabilities = Capabilities(embedded=True, max_atomic=MAX_ATOMIC, snapshot_reads=True)
        self._items = items
        self._lock = lock
        nested = any(attribute.kind is Kind.JSON for attribute in meta.attributes.values())
        self._copy = copy.deepcopy if nested else copy.copy
        self._key_order = tuple(OrderBy(name) for name in meta.key.attributes)

    def read(self, keys: Sequence[KeyValues]) -> list[T | None]:
        with self._lock:
            found = [self._items.get(key) for key in keys]
        return [self._copy(item) for item in found]

    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        with self._lock:
            before = dict(self._items) if atomic else None
            results = [self._one(write) for write in writes]
            if before is not None and any(result.outcome is not Outcome.DONE for result in results):
                self._items.clear()
                self._items.update(before)
                done = WriteResult(Outcome.ABORTED)
                return [done if result.outcome is Outcome.DONE else result for result in results]
            return results

    def query(self, where: Filter, order: tuple[OrderBy, ...], after: Mapping[str, Any] | None, limit: int) -> Page[T]:
        total = order or self._key_order
        wanted = matcher(self.meta, where)
        further = matcher(self.meta, beyond(self.meta, total, after)) if after is not None else None
        with self._lock:
            items = list(self._items.values())
        matches = (item for item in items if wanted(item) and (further is None or further(item)))
        first = heapq.nsmallest(limit + 1, matches, key=sort_key(self.meta, total))
        page = [self._copy(item) for item in first[:limit]]
        return Page(page, position_of(self.meta, total, page[-1]) if len(first) > limit else None)

    def count(self, where: Filter) -> int:
        wanted = matcher(self.meta, where)
        with self._lock:
            return sum(map(wanted, self._items.values()))

    def _one(self, write: Write) -> WriteResult:
        match write:
            case Put(item):
                key = self.meta.key_values(item)
                if key in self._items:
                    return WriteResult(Outcome.EXISTS)
                self._items[key] = self._copy(item)
                return WriteResult(Outcome.DONE, item)
            case Patch(key, changes, when):
                current = self._items.get(key)
                if current is None or not matcher(self.meta, when)(current):
                    return self._refused(current)
                self._items[key] = changed(self.meta, current, changes)
                return WriteResult(Outcome.DONE, self._copy(self._items[key]))
            case Delete(key, when):
                current = self._items.get(key)
                if current is None or not matcher(self.meta, when)(current):
                    return self._refused(current)
                del self._items[key]
                return WriteResult(Outcome.DONE)
        raise TypeError(f"not a write: {write!r}")

    def _refused(self, current: T | None) -> WriteResult:
        return WriteResult(Outcome.MISSING) if current is None else WriteResult(Outcome.FAILED, self._copy(current))


class MemoryEngine:
    """Every store of one engine; a second engine starts empty."""

    embedded = True

    def __init__(self) -> None:
        self._stores: dict[str, dict[KeyValues, Any]] = {}
        self._lock = threading.Lock()

    def open(self, meta: StoreMeta[T]) -> MemoryBackend[T]:
        return MemoryBackend(meta, self._stores.setdefault(meta.name, {}), self._lock)

    def prepare(self, metas: Sequence[StoreMeta[Any]]) -> None:
        """Nothing needs to be created."""

    def close(self) -> None:
        self._stores.clear()


def connect(url: str, *, app: str, stage: str) -> MemoryEngine:
    """`memory://`: an engine of its own at every call."""
    return MemoryEngine()
