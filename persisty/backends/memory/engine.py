"""Items in a dict: the reference backend, for tests and experiments. The items are lost when the process ends.

One lock makes each call atomic. Items are copied in and out, so that changing a given or returned item never changes a stored one.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeVar

from msgspec.structs import replace

from ...errors import BackendUnavailable, BatchTooLarge, Conflict, Unsupported
from ...model.expressions import ALL, Aggregate, And, Compare, Filter, OrderBy
from ...model.item_conversion import converted_item
from ...model.item_copies import copier
from ...model.keys import KeyValues
from ...model.meta import StoreMeta
from ...model.schema import Schema
from ...model.unreadable_items import repaired, unreadable, unreadable_values, without_misfits
from ...model.validation import changed
from ...query.aggregate import Accumulator, Group
from ...query.evaluation import matcher, sort_key
from ...query.explain import Explanation
from ...query.filter_algebra import combine
from ...query.keyset import beyond, position_of
from ...store.backend import (
    Backend,
    Bulk,
    BulkWrite,
    Capabilities,
    Delete,
    Outcome,
    Page,
    Patch,
    Put,
    Query,
    Requirement,
    Write,
    WriteResult,
)
from ...store.engine_urls import read_url
from ...store.limits import COMPLETE_PAGE, MAX_BATCH_BYTES, grown_too_long, grows_too_long
from ...store.page_bytes import Total, items_of_page, size_of_all
from ...store.unfinished_pages import unfinished_page
from ...store.unique_values import unique_values
from ...store.write_results import conflict, undone
from .outbox import MemoryOutbox

T = TypeVar("T")
MAX_ATOMIC = 10_000


class _Table(Generic[T]):
    """The items of one store by key, the key of the item with each unique value, and the last number of each sequence."""

    def __init__(self) -> None:
        self.schema: Schema | None = None
        """The schema of the items that are stored."""
        self.has_misfits = False
        """True if items have values that their changed schema does not allow."""
        self.items: dict[KeyValues, T] = {}
        self.holders: dict[tuple[str, KeyValues], KeyValues] = {}
        self.sequences: dict[str, int] = {}


class MemoryBackend(Generic[T]):
    def __init__(self, meta: StoreMeta[T], tables: dict[str, _Table[Any]], lock: threading.Lock) -> None:
        self.meta = meta
        self.capabilities = Capabilities(embedded=True, max_atomic=MAX_ATOMIC, snapshot_reads=True, atomic_bulk=True)
        self._tables = tables
        self._opened: _Table[T] = tables.setdefault(meta.name, _Table())
        if not self._opened.items:
            self._opened.schema = meta.schema
        self._lock = lock
        self._copy = self._without_misfits if self._opened.has_misfits else copier(meta)
        self._key_order = tuple(OrderBy(name) for name in meta.key.attributes)

    def _without_misfits(self, item: T, selected: Collection[str] | None = None) -> T:
        return copier(self.meta)(item if type(item) is self.meta.item else without_misfits(self.meta, item, selected))

    @property
    def _table(self) -> _Table[T]:
        table = self._opened
        if table.schema is not self.meta.schema or self._tables.get(self.meta.name) is not table:
            raise BackendUnavailable(
                f"The schema of {self.meta.name} has changed: repeat the request with the current store of the app"
            )
        return table

    def read(self, keys: Sequence[KeyValues]) -> list[T | None]:
        with self._lock:
            found = [self._table.items.get(key) for key in keys]
        if len(keys) > COMPLETE_PAGE:
            Total(MAX_BATCH_BYTES).add(size_of_all(self.meta, [item for item in found if item is not None]))
        return [None if item is None else self._copy(item) for item in found]

    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        if atomic:
            return _write_atomically(self._tables, self._lock, [(self, write) for write in writes])
        with self._lock:
            return [self.apply(write) for write in writes]

    def query(self, query: Query) -> Page[T]:
        total = query.order or self._key_order
        is_match = self._test(query.where, total, query.after)
        with self._lock:
            items = list(self._table.items.values())
        return self._page(list(filter(is_match, items)), total, query)

    def _test(self, where: Filter, order: tuple[OrderBy, ...], after: Mapping[str, Any] | None) -> Callable[[T], bool]:
        """Return a function that returns whether an item matches and is after the position."""
        return matcher(self.meta, where if after is None else combine(And, [where, beyond(self.meta, order, after)]))

    def _page(self, matches: list[T], total: tuple[OrderBy, ...], query: Query) -> Page[T]:
        limit = query.limit
        first = heapq.nsmallest(limit + 1, matches, key=sort_key(self.meta, total))
        if limit > COMPLETE_PAGE:
            limit = items_of_page(self.meta, first[:limit], query.max_bytes)
        if self._opened.has_misfits:
            return self._page_of_misfits(first, limit, total, query)
        page = [self._copy(item) for item in first[:limit]]
        return Page(page, position_of(self.meta, total, page[-1]) if len(first) > limit else None)

    def _page_of_misfits(self, first: list[T], limit: int, total: tuple[OrderBy, ...], query: Query) -> Page[T]:
        """Return a page of up to `limit` items that may not fit. `first` has more items if more follow."""
        names = {*(one.attribute for one in total), *self.meta.key.attributes}
        selected = None if query.select is None else names.union(query.select)
        page = [self._without_misfits(item, selected) for item in first[:limit]]
        if len(first) <= limit:
            return Page(page, None)
        return unfinished_page(
            self.meta,
            names,
            page,
            lambda last: position_of(self.meta, total, last),
            query,
            self.query,
        )

    def query_each(self, attribute: str, values: Sequence[Any], query: Query) -> list[Page[T]]:
        total, is_match = query.order or self._key_order, matcher(self.meta, query.where)
        get = self.meta.attributes[attribute].get
        groups: dict[Any, list[T]] = {value: [] for value in values}
        with self._lock:
            items = list(self._table.items.values())
        for item in items:
            group = groups.get(get(item))
            if group is not None and is_match(item):
                group.append(item)
        pages, loaded, one_page = [], Total(query.max_bytes), replace(query, after=None, max_bytes=None)
        for value in values:
            if self._opened.has_misfits:  # only a page of misfits may read further, by the filter
                where = combine(And, [Compare(attribute, "eq", value), query.where])
                one_page = replace(one_page, where=where)
            pages.append(self._page(groups[value], total, one_page))
            if query.limit * len(values) > COMPLETE_PAGE:
                loaded.add(size_of_all(self.meta, pages[-1].items))
        return pages

    def count(self, where: Filter, *, allow_scan: bool = False) -> int:
        is_match = matcher(self.meta, where)
        with self._lock:
            return sum(map(is_match, self._table.items.values()))

    def aggregate(
        self, measures: tuple[Aggregate, ...], by: tuple[str, ...], where: Filter, *, allow_scan: bool = False
    ) -> list[Group]:
        is_match, accumulator = matcher(self.meta, where), Accumulator(self.meta, measures, by)
        names = {*by, *(one.attribute for one in measures if one.attribute)}
        with self._lock:
            for item in filter(is_match, self._table.items.values()):
                if type(item) is not self.meta.item and not names.isdisjoint(unreadable(item)):
                    raise unreadable_values(self.meta, names)
                accumulator.add(item)
        return accumulator.groups()

    def write_all(self, bulk: BulkWrite) -> Bulk:
        is_match, changes = self._test(bulk.where, self._key_order, bulk.after), bulk.changes
        with self._lock:
            matches = list(filter(is_match, self._table.items.values()))
            matches.sort(key=sort_key(self.meta, self._key_order))
            some, before = matches[: bulk.limit], self._saved()
            for item in some:  # uniqueness is checked at the end, so all old values are free
                for value in unique_values(self.meta, item):
                    del self._table.holders[value]
            for item in some:
                key = self.meta.key_values(item)
                if changes is None:
                    del self._table.items[key]
                    continue
                new = self._table.items[key] = repaired(self.meta, changed(self.meta, item, changes), changes)
                if grows_too_long(self.meta, new, changes):
                    self._restore(before)
                    raise grown_too_long()
                for value in unique_values(self.meta, new):
                    if self._table.holders.setdefault(value, key) != key:
                        self._restore(before)
                        raise conflict(self.meta, WriteResult(Outcome.EXISTS, index=value[0]))
        return Bulk(len(some), position_of(self.meta, self._key_order, some[-1]) if len(some) < len(matches) else None)

    def allocate(self, sequence: str, count: int) -> int:
        with self._lock:
            last = self._table.sequences.get(sequence, 0)
            self._table.sequences[sequence] = last + count
            return last + 1

    def explain(self, query: Query) -> Explanation:
        return Explanation(
            "memory", "scan", None, (), ALL, query.where, "local" if query.order else None, items=len(self._table.items)
        )

    def apply(self, write: Write) -> WriteResult:
        """Do one write. The caller holds the lock."""
        match write:
            case Put(item, requires):
                key = self.meta.key_values(item)
                if key in self._table.items:
                    return WriteResult(Outcome.EXISTS)
                return self._stored(key, None, self._copy(item), requires) or WriteResult(Outcome.DONE, item)
            case Patch(key, changes, when, requires):
                current = self._table.items.get(key)
                if current is None or not matcher(self.meta, when)(current):
                    return self._refused(current)
                new = repaired(self.meta, changed(self.meta, current, changes), changes)
                if grows_too_long(self.meta, new, changes):
                    return WriteResult(Outcome.ERROR, error=grown_too_long())
                return self._stored(key, current, new, requires) or WriteResult(Outcome.DONE, self._copy(new))
            case Delete(key, when):
                current = self._table.items.get(key)
                if current is None or not matcher(self.meta, when)(current):
                    return self._refused(current)
                return self._stored(key, current, None) or WriteResult(Outcome.DONE)
        raise TypeError(f"not a write: {write!r}")

    def _stored(
        self, key: KeyValues, old: T | None, new: T | None, requires: tuple[Requirement, ...] = ()
    ) -> WriteResult | None:
        """Replace an item by another; either may be None. Change nothing if a unique value is taken, or if a required
        item is missing."""
        old_values, new_values = unique_values(self.meta, old), unique_values(self.meta, new)
        for one in new_values:
            if self._table.holders.get(one, key) != key:
                return WriteResult(Outcome.EXISTS, index=one[0])
        for requirement in requires:
            table = self._tables.get(requirement.meta.name)
            target = table.items.get(requirement.key) if table else None
            if target is None or not matcher(requirement.meta, requirement.where)(target):
                return WriteResult(Outcome.UNRELATED, index=requirement.attribute)
        for one in old_values:
            del self._table.holders[one]
        self._table.holders.update(dict.fromkeys(new_values, key))
        if new is None:
            del self._table.items[key]
        else:
            self._table.items[key] = new
        return None

    def _saved(self) -> tuple[dict[KeyValues, T], dict[tuple[str, KeyValues], KeyValues]]:
        return dict(self._table.items), dict(self._table.holders)

    def _restore(self, saved: tuple[dict[KeyValues, T], dict[tuple[str, KeyValues], KeyValues]]) -> None:
        self._table.items, self._table.holders = saved

    def _refused(self, current: T | None) -> WriteResult:
        return WriteResult(Outcome.MISSING) if current is None else WriteResult(Outcome.FAILED, self._copy(current))


def _write_atomically(
    tables: Mapping[str, _Table[Any]], lock: threading.Lock, writes: Sequence[tuple[Any, Write]]
) -> list[WriteResult]:
    """Do the writes of some backends under one lock. Restore the items if one of the writes is not done."""
    with lock:
        names = {backend.meta.name for backend, _ in writes}
        before = {name: (dict(tables[name].items), dict(tables[name].holders)) for name in names}
        results: list[WriteResult] = [backend.apply(write) for backend, write in writes]
        if all(result.outcome is Outcome.DONE for result in results):
            return results
        for name, (items, holders) in before.items():
            tables[name].items, tables[name].holders = items, holders
        return undone(results)


class MemoryEngine:
    """Every store of one engine; a second engine starts empty."""

    embedded, deployed = True, False

    def __init__(self) -> None:
        self._stores: dict[str, _Table[Any]] = {}
        self._lock = threading.Lock()
        self.outbox = MemoryOutbox()

    def open(self, meta: StoreMeta[T]) -> MemoryBackend[T]:
        return MemoryBackend(meta, self._stores, self._lock)

    def table(self, name: str) -> None:
        """Return None: items in memory have no columns."""

    def is_empty(self, name: str) -> bool:
        with self._lock:
            table = self._stores.get(name)
            return table is None or not table.items

    def write_together(self, writes: Sequence[tuple[Backend[Any], Write]]) -> list[WriteResult]:
        if len(writes) > MAX_ATOMIC:
            raise BatchTooLarge(limit=MAX_ATOMIC)
        return _write_atomically(self._stores, self._lock, writes)

    def transaction(self) -> AbstractContextManager[None]:
        raise Unsupported("Items in memory have no transactions over several calls")

    def prepare(self, metas: Sequence[StoreMeta[Any]]) -> None:
        """Convert the items of stores whose schema has changed. Nothing needs to be created."""
        with self._lock:
            for meta in metas:
                table = self._stores.get(meta.name)
                if table is not None and table.schema is not meta.schema:
                    self._stores[meta.name] = _converted(table, meta)

    def verify(self, metas: Sequence[StoreMeta[Any]]) -> None:
        self.prepare(metas)

    def check_writes(self) -> None:
        """Do nothing: writes do not fail."""

    def close(self) -> None:
        self._stores.clear()


def connect(url: str, *, app: str, stage: str) -> MemoryEngine:
    """Return the engine of `memory://`, one of its own at every call. Raise `InvalidDeclaration` for any other URL."""
    read_url(url, options=())
    return MemoryEngine()


def _converted(table: _Table[Any], meta: StoreMeta[T]) -> _Table[T]:
    """Return the items of a table under a changed schema. Raises `Conflict` if they share values that are unique now."""
    made: _Table[T] = _Table()
    made.schema, made.sequences = meta.schema, table.sequences
    for old in table.items.values():
        item = converted_item(old, meta)
        made.has_misfits = made.has_misfits or type(item) is not meta.item
        key = meta.key_values(item)
        made.items[key] = item
        for taken in unique_values(meta, item):
            if made.holders.setdefault(taken, key) != key:
                raise Conflict(f"Items of {meta.name} share values that have to be unique", attributes=[taken[0]])
    return made
