"""Deliberately broken engines: writes, conditions, batches, pages, filters and values."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from persisty import Aggregate, Filter
from persisty.model.expressions import ALL, And, Compare, Or
from persisty.query.aggregate import Group
from persisty.query.explain import Explanation
from persisty.store.backend import (
    Backend,
    Bulk,
    BulkWrite,
    Delete,
    Outcome,
    Page,
    Patch,
    Put,
    Query,
    Write,
    WriteResult,
)


class Sound:
    """Passes every call to a backend that works."""

    def __init__(self, inner: Backend[Any]) -> None:
        self.inner, self.meta, self.capabilities = inner, inner.meta, inner.capabilities

    def read(self, keys: Sequence[Any]) -> list[Any]:
        return self.inner.read(keys)

    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        return self.inner.write(writes, atomic=atomic)

    def query(self, query: Query) -> Page[Any]:
        return self.inner.query(query)

    def count(self, where: Filter, **how: Any) -> int:
        return self.inner.count(where, **how)

    def aggregate(self, measures: tuple[Aggregate, ...], by: tuple[str, ...], where: Filter, **how: Any) -> list[Group]:
        return self.inner.aggregate(measures, by, where, **how)

    def write_all(self, bulk: BulkWrite) -> Bulk:
        return self.inner.write_all(bulk)

    def allocate(self, sequence: str, count: int) -> int:
        return self.inner.allocate(sequence, count)

    def explain(self, query: Query) -> Explanation:
        return self.inner.explain(query)

    def key(self, write: Write) -> Any:
        return self.meta.key_values(write.item) if isinstance(write, Put) else write.key


class OverwritesOnCreate(Sound):
    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        for write in writes:
            if isinstance(write, Put):
                self.inner.write((Delete(self.key(write)),), atomic=False)
        return self.inner.write(writes, atomic=atomic)


class Meeting:
    """Makes concurrent calls overlap with any scheduling of threads: each waits up to 20 ms for another one."""

    def __init__(self) -> None:
        self._arrivals, self._changed = 0, threading.Condition()

    def __call__(self) -> None:
        with self._changed:
            self._arrivals += 1
            arrival = self._arrivals
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._arrivals > arrival, 0.02)


meet = Meeting()


class ChecksThenWrites(Sound):
    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        results = []
        for write in writes:
            current = self.inner.read((self.key(write),))[0]
            is_match = isinstance(write, Put) or self.inner.count(write.when) > 0
            meet()
            if isinstance(write, Put):
                if current is None:
                    self.inner.write((Delete(self.key(write)),), atomic=False)
                results += self.inner.write((write,), atomic=False)
            elif current is not None and not is_match:
                results.append(WriteResult(Outcome.FAILED, current))
            else:
                results += self.inner.write((msgspec.structs.replace(write, when=ALL),), atomic=False)
        return results


class IgnoresConditions(Sound):
    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        free = [one if isinstance(one, Put) else msgspec.structs.replace(one, when=ALL) for one in writes]
        return self.inner.write(free, atomic=atomic)


class UpsertsOnUpdate(Sound):
    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        results = self.inner.write(writes, atomic=atomic)
        for write, result in zip(writes, results, strict=True):
            if isinstance(write, Patch) and result.outcome is Outcome.MISSING:
                values = dict(zip(self.meta.key.attributes, write.key, strict=True))
                self.inner.write((Put(self.meta.item(**values, created_at=None, updated_at=None)),), atomic=False)
        return results


class WritesHalfOfAnAtomicBatch(Sound):
    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        return self.inner.write(writes, atomic=False)


class HidesTheCurrentItem(Sound):
    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        return [
            WriteResult(one.outcome) if one.outcome is Outcome.FAILED else one
            for one in self.inner.write(writes, atomic=atomic)
        ]


class ReturnsTheOldItem(Sound):
    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        old = self.inner.read([self.key(write) for write in writes])
        results = self.inner.write(writes, atomic=atomic)
        return [
            WriteResult(Outcome.DONE, before) if isinstance(write, Patch) and one.outcome is Outcome.DONE else one
            for write, before, one in zip(writes, old, results, strict=True)
        ]


class DropsMissingFromBatches(Sound):
    def read(self, keys: Sequence[Any]) -> list[Any]:
        found = [one for one in self.inner.read(keys) if one is not None]
        return found + [None] * (len(keys) - len(found))


class LimitsBeforeItFilters(Sound):
    def query(self, query: Query) -> Page[Any]:
        page = self.inner.query(replace(query, where=ALL))
        matches = self.inner.query(replace(query, after=None, limit=10_000)).items
        found = [one for one in page.items if one in matches]
        return Page(found, page.position)


class PagesByOffset(Sound):
    """Pages by an offset, so that deletes and creates shift the rows."""

    def __init__(self, inner: Backend[Any]) -> None:
        super().__init__(inner)
        self.offsets: dict[str, int] = {}

    def query(self, query: Query) -> Page[Any]:
        offset = 0 if query.after is None else self.offsets[str(dict(query.after))]
        page = self.inner.query(replace(query, after=None, limit=offset + query.limit))
        if page.position is not None:
            self.offsets[str(page.position)] = offset + query.limit
        return Page(page.items[offset:], page.position)


class RepeatsTheCursorRow(Sound):
    def query(self, query: Query) -> Page[Any]:
        page = self.inner.query(query)
        if query.after is None:
            return page
        first = self.inner.query(replace(query, after=None, limit=1)).items
        return Page([*first, *page.items][: query.limit], page.position)


class OrdersWithoutTheKey(Sound):
    def query(self, query: Query) -> Page[Any]:
        return self.inner.query(replace(query, order=tuple(one for one in query.order if one.attribute != "id")))


class SortsNullsAsSmallest(Sound):
    def query(self, query: Query) -> Page[Any]:
        page = self.inner.query(query)
        if not query.order or query.order[0].descending:
            return page
        get = self.meta.attributes[query.order[0].attribute].get
        return Page(sorted(page.items, key=lambda one: get(one) is not None), page.position)


class ReturnsAnEmptyLastPage(Sound):
    def query(self, query: Query) -> Page[Any]:
        page = self.inner.query(query)
        if page.position is not None or len(page.items) < query.limit:
            return page
        names = [one.attribute for one in query.order] or self.meta.key.attributes
        return Page(page.items, {name: self.meta.attributes[name].get(page.items[-1]) for name in names})


class CountsAPage(Sound):
    def count(self, where: Filter, **how: Any) -> int:
        return min(self.inner.count(where, **how), 25)


def _rewritten(where: Filter, rewrite: Callable[[Compare], Filter]) -> Any:
    if isinstance(where, Compare):
        return rewrite(where)
    if hasattr(where, "filters"):
        return type(where)(tuple(_rewritten(one, rewrite) for one in where.filters))
    return type(where)(_rewritten(where.filter, rewrite))  # type: ignore[attr-defined,call-arg]


class Rewrites(Sound):
    """Queries with a changed filter."""

    def rewrite(self, one: Compare) -> Filter:
        raise NotImplementedError

    def query(self, query: Query) -> Page[Any]:
        return self.inner.query(replace(query, where=_rewritten(query.where, self.rewrite)))

    def count(self, where: Filter, **how: Any) -> int:
        return self.inner.count(_rewritten(where, self.rewrite), **how)


class ExcludesNullFromNotEqual(Rewrites):
    def rewrite(self, one: Compare) -> Filter:
        return one & Compare(one.attribute, "null", False) if one.operator == "ne" else one


class IgnoresCase(Rewrites):
    def rewrite(self, one: Compare) -> Filter:
        return Compare(one.attribute, "icontains", one.value) if one.operator == "contains" else one


class TreatsPercentAsAWildcard(Rewrites):
    def rewrite(self, one: Compare) -> Filter:
        wild = one.operator == "startswith" and "%" in one.value
        return Compare(one.attribute, "startswith", one.value.partition("%")[0]) if wild else one


class IgnoresNestedFields(Rewrites):
    def rewrite(self, one: Compare) -> Filter:
        return Compare(one.attribute.partition(".")[0], "null", one.value) if one.operator == "null" else one


class MatchesAnyWord(Sound):
    """Treats the words of a text search as alternatives."""

    def rewrite(self, where: Any) -> Any:
        parts = getattr(where, "filters", ())
        words = [
            one for one in parts if any(getattr(c, "operator", "") == "icontains" for c in getattr(one, "filters", ()))
        ]
        return Or(tuple(words)) if isinstance(where, And) and len(words) > 1 else where

    def query(self, query: Query) -> Page[Any]:
        return self.inner.query(replace(query, where=self.rewrite(query.where)))


class LosesMicroseconds(Sound):
    def read(self, keys: Sequence[Any]) -> list[Any]:
        return [
            one and msgspec.structs.replace(one, at=one.at and one.at.replace(microsecond=0))
            for one in self.inner.read(keys)
        ]


class StoresDecimalsAsFloats(Sound):
    def read(self, keys: Sequence[Any]) -> list[Any]:
        return [
            one and msgspec.structs.replace(one, price=one.price and type(one.price)(float(one.price)))
            for one in self.inner.read(keys)
        ]
