"""Engines broken on purpose, in what every engine does: writes, conditions, batches, pages, filters, values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import sleep
from typing import Any

import msgspec

from persisty import Aggregate, Filter, OrderBy
from persisty.model.expressions import ALL, And, Compare, Or
from persisty.query.aggregate import Group
from persisty.query.explain import Explanation
from persisty.store.backend import Backend, Bulk, Delete, Outcome, Page, Patch, Put, Write, WriteResult

Order = tuple[OrderBy, ...]
Position = Mapping[str, Any] | None


class Sound:
    """Passes everything on to a backend that works."""

    def __init__(self, inner: Backend[Any]) -> None:
        self.inner, self.meta, self.capabilities = inner, inner.meta, inner.capabilities

    def read(self, keys: Sequence[Any]) -> list[Any]:
        return self.inner.read(keys)

    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        return self.inner.write(writes, atomic=atomic)

    def query(self, where: Filter, order: Order, after: Position, limit: int, **how: Any) -> Page[Any]:
        return self.inner.query(where, order, after, limit, **how)

    def count(self, where: Filter, **how: Any) -> int:
        return self.inner.count(where, **how)

    def aggregate(self, measures: tuple[Aggregate, ...], by: tuple[str, ...], where: Filter, **how: Any) -> list[Group]:
        return self.inner.aggregate(measures, by, where, **how)

    def write_all(
        self, changes: Mapping[str, Any] | None, where: Filter, after: Position, limit: int | None, **how: Any
    ) -> Bulk:
        return self.inner.write_all(changes, where, after, limit, **how)

    def allocate(self, sequence: str, count: int) -> int:
        return self.inner.allocate(sequence, count)

    def explain(self, where: Filter, order: Order, limit: int) -> Explanation:
        return self.inner.explain(where, order, limit)

    def key(self, write: Write) -> Any:
        return self.meta.key_values(write.item) if isinstance(write, Put) else write.key


class OverwritesOnCreate(Sound):
    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        for write in writes:
            if isinstance(write, Put):
                self.inner.write((Delete(self.key(write)),), atomic=False)
        return self.inner.write(writes, atomic=atomic)


class ChecksThenWrites(Sound):
    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        results = []
        for write in writes:
            current = self.inner.read((self.key(write),))[0]
            holds = isinstance(write, Put) or self.inner.count(write.when) > 0
            sleep(0.001)
            if isinstance(write, Put):
                if current is None:
                    self.inner.write((Delete(self.key(write)),), atomic=False)
                results += self.inner.write((write,), atomic=False)
            elif current is not None and not holds:
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


class KeepsHalfOfAnAtomicBatch(Sound):
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
    def query(self, where: Filter, order: Order, after: Position, limit: int, **how: Any) -> Page[Any]:
        page = self.inner.query(ALL, order, after, limit, **how)
        wanted = [one for one in page.items if one in self.inner.query(where, order, None, 10_000, **how).items]
        return Page(wanted, page.position)


class PagesByOffset(Sound):
    """Remembers how many rows came before, and finds its cursor's row again by counting."""

    def __init__(self, inner: Backend[Any]) -> None:
        super().__init__(inner)
        self.offsets: dict[str, int] = {}

    def query(self, where: Filter, order: Order, after: Position, limit: int, **how: Any) -> Page[Any]:
        offset = 0 if after is None else self.offsets[str(dict(after))]
        page = self.inner.query(where, order, None, offset + limit, **how)
        if page.position is not None:
            self.offsets[str(page.position)] = offset + limit
        return Page(page.items[offset:], page.position)


class RepeatsTheCursorRow(Sound):
    def query(self, where: Filter, order: Order, after: Position, limit: int, **how: Any) -> Page[Any]:
        page = self.inner.query(where, order, after, limit, **how)
        if after is None:
            return page
        return Page([*self.inner.query(where, order, None, 1, **how).items, *page.items][:limit], page.position)


class LeavesTiesOpen(Sound):
    def query(self, where: Filter, order: Order, after: Position, limit: int, **how: Any) -> Page[Any]:
        return self.inner.query(where, tuple(one for one in order if one.attribute != "id"), after, limit, **how)


class SortsNullsAsSmallest(Sound):
    def query(self, where: Filter, order: Order, after: Position, limit: int, **how: Any) -> Page[Any]:
        if not order or order[0].descending:
            return self.inner.query(where, order, after, limit, **how)
        page = self.inner.query(where, order, after, limit, **how)
        get = self.meta.attributes[order[0].attribute].get
        return Page(sorted(page.items, key=lambda one: get(one) is not None), page.position)


class GivesAnEmptyLastPage(Sound):
    def query(self, where: Filter, order: Order, after: Position, limit: int, **how: Any) -> Page[Any]:
        page = self.inner.query(where, order, after, limit, **how)
        if page.position is not None or len(page.items) < limit:
            return page
        names = [one.attribute for one in order] or self.meta.key.attributes
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
    """Asks for something else than it was asked for."""

    def rewrite(self, one: Compare) -> Filter:
        raise NotImplementedError

    def query(self, where: Filter, order: Order, after: Position, limit: int, **how: Any) -> Page[Any]:
        return self.inner.query(_rewritten(where, self.rewrite), order, after, limit, **how)

    def count(self, where: Filter, **how: Any) -> int:
        return self.inner.count(_rewritten(where, self.rewrite), **how)


class ForgetsThatNullDiffers(Rewrites):
    def rewrite(self, one: Compare) -> Filter:
        return one & Compare(one.attribute, "null", False) if one.operator == "ne" else one


class IgnoresCase(Rewrites):
    def rewrite(self, one: Compare) -> Filter:
        return Compare(one.attribute, "icontains", one.value) if one.operator == "contains" else one


class TakesPercentForAnything(Rewrites):
    def rewrite(self, one: Compare) -> Filter:
        wild = one.operator == "startswith" and "%" in one.value
        return Compare(one.attribute, "startswith", one.value.partition("%")[0]) if wild else one


class LooksAtTheOuterOnly(Rewrites):
    def rewrite(self, one: Compare) -> Filter:
        return Compare(one.attribute.partition(".")[0], "null", one.value) if one.operator == "null" else one


class TakesAnyWord(Sound):
    """Takes words for alternatives."""

    def rewrite(self, where: Any) -> Any:
        parts = getattr(where, "filters", ())
        words = [
            one for one in parts if any(getattr(c, "operator", "") == "icontains" for c in getattr(one, "filters", ()))
        ]
        return Or(tuple(words)) if isinstance(where, And) and len(words) > 1 else where

    def query(self, where: Filter, order: Order, after: Position, limit: int, **how: Any) -> Page[Any]:
        return self.inner.query(self.rewrite(where), order, after, limit, **how)


class LosesMicroseconds(Sound):
    def read(self, keys: Sequence[Any]) -> list[Any]:
        return [
            one and msgspec.structs.replace(one, at=one.at and one.at.replace(microsecond=0))
            for one in self.inner.read(keys)
        ]


class KeepsDecimalsAsFloats(Sound):
    def read(self, keys: Sequence[Any]) -> list[Any]:
        return [
            one and msgspec.structs.replace(one, price=one.price and type(one.price)(float(one.price)))
            for one in self.inner.read(keys)
        ]
