"""Deliberately broken engines: unique values, sequences, sums, selections, aggregates and bulk writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from persisty import Add, Aggregate, Append, Filter
from persisty.backends.memory import MemoryEngine
from persisty.model.expressions import ALL, COUNT
from persisty.model.validation import changed
from persisty.query.aggregate import Accumulator, Group
from persisty.query.evaluation import matcher
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

from .broken import Sound, meet

EVERYTHING = 10_000
EXISTS = Outcome.EXISTS


class ChecksUniqueValues(Sound):
    """Checks unique values itself, over an engine that does not."""

    def __init__(self, inner: Backend[Any]) -> None:
        super().__init__(MemoryEngine().open(inner.meta.altered(indexes=())))
        self.meta = inner.meta

    def values(self, item: Any) -> dict[tuple[Any, ...], str]:
        """Return (index, values) of an item → the index."""
        read = self.meta.attributes
        found = {(one.name, *(read[name].get(item) for name in one.attributes)): one.name for one in self.meta.uniques}
        return {key: name for key, name in found.items() if None not in key}

    def after(self, write: Write) -> Any:
        """Return the item after the write."""
        if isinstance(write, Put):
            return write.item
        [item] = self.inner.read((write.key,))
        return changed(self.meta, item, write.changes) if item is not None and isinstance(write, Patch) else None

    def taken(self, write: Write) -> str | None:
        """Return the index of a value that another item has, None if there is none."""
        item = self.after(write)
        values = {} if item is None else self.values(item)
        for other in self.inner.query(Query(ALL, (), None, EVERYTHING)).items:
            if self.meta.key_values(other) != self.key(write):
                for key, index in values.items():
                    if key in self.values(other):
                        return index
        return None

    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        return [result for write in writes for result in self.one(write)]

    def one(self, write: Write) -> list[WriteResult]:
        index = self.taken(write)
        return [WriteResult(EXISTS, index=index)] if index else self.inner.write((write,), atomic=False)


class ChecksValuesThenWrites(ChecksUniqueValues):
    def one(self, write: Write) -> list[WriteResult]:
        index = self.taken(write)
        meet()
        return [WriteResult(EXISTS, index=index)] if index else self.inner.write((write,), atomic=False)


class ChecksValuesOnCreateOnly(ChecksUniqueValues):
    def one(self, write: Write) -> list[WriteResult]:
        return super().one(write) if isinstance(write, Put) else self.inner.write((write,), atomic=False)


class NeverFreesAValue(Sound):
    """Unique values stay taken after deletes and failed batches."""

    def __init__(self, inner: Backend[Any]) -> None:
        super().__init__(inner)
        self.holders: dict[tuple[Any, ...], Any] = {}

    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        for write in writes:
            values = write.changes if isinstance(write, Patch) else {}
            name = getattr(write.item, "name", None) if isinstance(write, Put) else values.get("name")
            if name is not None and self.holders.setdefault(("unique-name", name), self.key(write)) != self.key(write):
                return [WriteResult(EXISTS, index="unique-name")] * len(writes)
        return self.inner.write(writes, atomic=atomic)


class TreatsNullAsAValue(ChecksUniqueValues):
    def values(self, item: Any) -> dict[tuple[Any, ...], str]:
        read = self.meta.attributes
        return {(one.name, *(read[name].get(item) for name in one.attributes)): one.name for one in self.meta.uniques}


class RepeatsNumbers(Sound):
    def __init__(self, inner: Backend[Any]) -> None:
        super().__init__(inner)
        self.last: dict[str, int] = {}

    def allocate(self, sequence: str, count: int) -> int:
        first = self.last.get(sequence, 0) + 1
        meet()
        self.last[sequence] = first + count - 1
        return first


class AllocatesOneNumberForMany(Sound):
    def allocate(self, sequence: str, count: int) -> int:
        return self.inner.allocate(sequence, 1)


class AddsToAStaleValue(Sound):
    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        return self.inner.write([self.without_operators(one) for one in writes], atomic=atomic)

    def without_operators(self, write: Write) -> Write:
        if not isinstance(write, Patch):
            return write
        [item] = self.inner.read((write.key,))
        meet()
        if item is None:
            return write
        new = changed(self.meta, item, write.changes)
        values = {name: self.meta.attributes[name].get(new) for name in write.changes}
        return msgspec.structs.replace(write, changes=values)


class OverwritesLists(Sound):
    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        return self.inner.write([self.without_operators(one) for one in writes], atomic=atomic)

    def without_operators(self, write: Write) -> Write:
        if not isinstance(write, Patch):
            return write
        values = {
            name: list(value.values) if isinstance(value, Append) else value for name, value in write.changes.items()
        }
        return msgspec.structs.replace(write, changes=values)


class IgnoresBounds(Sound):
    """Ignores the condition that bounds a sum."""

    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        return self.inner.write([self.free(one) for one in writes], atomic=atomic)

    def free(self, write: Write) -> Write:
        adds = isinstance(write, Patch) and any(isinstance(one, Add) for one in write.changes.values())
        return msgspec.structs.replace(write, when=ALL) if adds else write


class SelectsBeforeItFilters(Sound):
    def query(self, query: Query) -> Page[Any]:
        page = self.inner.query(replace(query, select=None))
        if query.select is None:
            return page
        selected = {*query.select, *self.meta.key.attributes}
        matches = matcher(self.meta, query.where)
        blank = [
            msgspec.structs.replace(one, **dict.fromkeys(self.meta.attributes.keys() - selected)) for one in page.items
        ]
        return Page([one for one in blank if matches(one)], page.position)


class SelectsTheKeyOnly(Sound):
    def query(self, query: Query) -> Page[Any]:
        page = self.inner.query(replace(query, select=None))
        if query.select is None:
            return page
        unselected = self.meta.attributes.keys() - set(self.meta.key.attributes)
        return Page([msgspec.structs.replace(one, **dict.fromkeys(unselected)) for one in page.items], page.position)


class CountsNulls(Sound):
    def aggregate(self, measures: tuple[Aggregate, ...], by: tuple[str, ...], where: Filter, **how: Any) -> list[Group]:
        loose = tuple(COUNT if one.function == "count" else one for one in measures)
        return self.inner.aggregate(loose, by, where, **how)


class DropsTheGroupOfNull(Sound):
    def aggregate(self, measures: tuple[Aggregate, ...], by: tuple[str, ...], where: Filter, **how: Any) -> list[Group]:
        return [one for one in self.inner.aggregate(measures, by, where, **how) if None not in one.by]


class AggregatesAPage(Sound):
    def aggregate(self, measures: tuple[Aggregate, ...], by: tuple[str, ...], where: Filter, **how: Any) -> list[Group]:
        accumulator = Accumulator(self.meta, measures, by)
        for item in self.inner.query(Query(where, (), None, 25)).items:
            accumulator.add(item)
        return accumulator.groups()


class AddsUpAsFloats(Sound):
    def aggregate(self, measures: tuple[Aggregate, ...], by: tuple[str, ...], where: Filter, **how: Any) -> list[Group]:
        return [
            Group(
                group.by,
                tuple(
                    int(float(value)) if one.function == "sum" and isinstance(value, int) else value
                    for one, value in zip(measures, group.values, strict=True)
                ),
            )
            for group in self.inner.aggregate(measures, by, where, **how)
        ]


class BulkIgnoresItsFilter(Sound):
    def write_all(self, bulk: BulkWrite) -> Bulk:
        return self.inner.write_all(replace(bulk, where=ALL))


class BulkWritesWithoutConditions(Sound):
    """Reads the matches, then writes them without a condition."""

    def write_all(self, bulk: BulkWrite) -> Bulk:
        done = 0
        for item in self.inner.query(Query(bulk.where, (), bulk.after, bulk.limit or EVERYTHING)).items:
            meet()
            key = self.meta.key_values(item)
            [result] = self.inner.write(
                (Delete(key) if bulk.changes is None else Patch(key, bulk.changes),), atomic=False
            )
            done += result.outcome is Outcome.DONE
        return Bulk(done)


class BulkIgnoresItsPosition(Sound):
    def write_all(self, bulk: BulkWrite) -> Bulk:
        return self.inner.write_all(replace(bulk, after=None))


class BulkEndsAtItsLimit(Sound):
    def write_all(self, bulk: BulkWrite) -> Bulk:
        return Bulk(self.inner.write_all(bulk).changed)


class BulkSkipsConflicts(Sound):
    def write_all(self, bulk: BulkWrite) -> Bulk:
        if bulk.changes is None:
            return self.inner.write_all(bulk)
        items = self.inner.query(Query(bulk.where, (), bulk.after, EVERYTHING)).items
        writes = [Patch(self.meta.key_values(one), bulk.changes) for one in items]
        results = self.inner.write(writes, atomic=False)
        return Bulk(sum(one.outcome is Outcome.DONE for one in results))
