"""The suite catches what it is there for: engines broken on purpose fail the tests named here."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from time import sleep
from typing import Any

import msgspec
import pytest

from persisty import Aggregate, Filter, OrderBy, Store, meta_of
from persisty.backends.memory import MemoryEngine
from persisty.model.expressions import ALL, Compare
from persisty.query.aggregate import Group
from persisty.query.explain import Explanation
from persisty.store.backend import Backend, Bulk, Delete, Outcome, Page, Patch, Put, Write, WriteResult
from persisty.testing.conformance import (
    test_atomic,
    test_batch,
    test_concurrency,
    test_conditions,
    test_crud,
    test_filters,
    test_order_and_paging,
    test_types,
)
from persisty.testing.conformance.dirty import rows
from persisty.testing.conformance.items import Cell, Note, Reading, Specimen

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


Check = tuple[Callable[..., None], dict[str, Any]]
"""A test, and its parameters beside the stores."""
CAUGHT: dict[type[Sound], list[Check]] = {
    OverwritesOnCreate: [
        (test_crud.test_create_of_an_existing_key_conflicts_and_keeps_the_first, {}),
        (test_batch.test_create_in_a_batch_never_overwrites, {}),
        (test_concurrency.test_of_many_creates_of_one_key_exactly_one_wins, {}),
    ],
    ChecksThenWrites: [
        (test_concurrency.test_of_many_creates_of_one_key_exactly_one_wins, {}),
        (test_concurrency.test_of_many_creates_in_batches_exactly_one_of_each_wins, {}),
        (test_concurrency.test_under_an_optimistic_lock_no_increment_is_lost, {}),
    ],
    IgnoresConditions: [
        (test_conditions.test_an_optimistic_lock_by_version, {}),
        (test_conditions.test_a_write_happens_exactly_if_its_condition_holds, {"when": Specimen.count > 7}),
    ],
    UpsertsOnUpdate: [(test_crud.test_update_of_a_missing_item_is_none_and_creates_nothing, {})],
    KeepsHalfOfAnAtomicBatch: [
        (test_atomic.test_a_conflict_aborts_the_others_and_nothing_is_written, {}),
        (test_atomic.test_a_hundred_edits_are_atomic, {}),
    ],
    HidesTheCurrentItem: [
        (test_conditions.test_an_optimistic_lock_by_version, {}),
        (test_batch.test_edit_batch_answers_in_order_with_a_code_for_each, {}),
    ],
    ReturnsTheOldItem: [(test_crud.test_update_changes_some_attributes_and_returns_the_new_item, {})],
    DropsMissingFromBatches: [
        (test_batch.test_read_batch_keeps_positions_with_missing_impossible_and_repeated_keys, {})
    ],
    LimitsBeforeItFilters: [(test_order_and_paging.test_limit_counts_matches, {})],
    PagesByOffset: [
        (test_order_and_paging.test_a_cursor_survives_the_deletion_of_its_row, {"where": None, "order": "rank"}),
        (test_order_and_paging.test_rows_before_the_cursor_are_not_seen_and_rows_behind_it_are, {}),
    ],
    RepeatsTheCursorRow: [(test_order_and_paging.test_without_an_order_pages_have_each_item_once, {})],
    LeavesTiesOpen: [
        (test_order_and_paging.test_pages_join_to_the_whole_in_order, {"order": ("-done", "price"), "limit": 13})
    ],
    SortsNullsAsSmallest: [
        (test_order_and_paging.test_an_order_is_total_with_nulls_last_and_ties_on_the_key, {"order": ("text",)})
    ],
    GivesAnEmptyLastPage: [
        (test_order_and_paging.test_limit_counts_matches, {}),
        (test_order_and_paging.test_without_an_order_pages_have_each_item_once, {}),
    ],
    CountsAPage: [(test_filters.test_a_filter_gives_exactly_the_rows_it_holds_for, {"name": "text is not null"})],
    ForgetsThatNullDiffers: [
        (test_filters.test_a_filter_gives_exactly_the_rows_it_holds_for, {"name": "text ne is true for null"})
    ],
    IgnoresCase: [(test_filters.test_a_filter_gives_exactly_the_rows_it_holds_for, {"name": "text contains upper"})],
    TakesPercentForAnything: [
        (test_filters.test_a_filter_gives_exactly_the_rows_it_holds_for, {"name": "text startswith percent"})
    ],
    LosesMicroseconds: [(test_types.test_dirty_rows_come_back_whole, {})],
    KeepsDecimalsAsFloats: [(test_types.test_dirty_rows_come_back_whole, {})],
}
STORES: dict[str, type[Any]] = {
    "notes": Note,
    "specimens": Specimen,
    "readings": Reading,
    "cells": Cell,
    "dirty": Specimen,
}
"""Name of a test's argument → the item of the store it takes."""


def run(check: Check, backend: type[Sound]) -> None:
    """The test, over stores whose engine is memory behind `backend`."""
    test, given = check
    arguments = dict(given)
    for name in inspect.signature(test).parameters:
        if name in STORES:
            meta = meta_of(STORES[name])
            store: Store[Any] = Store(meta, lambda meta=meta: backend(MemoryEngine().open(meta)))  # type: ignore[misc]
            if name == "dirty":
                for row in rows():
                    store.create(row)
            arguments[name] = store
    test(**arguments)


@pytest.mark.parametrize(
    ("backend", "check"),
    [(backend, check) for backend, checks in CAUGHT.items() for check in checks],
    ids=lambda one: one.__name__ if isinstance(one, type) else one[0].__name__,
)
def test_a_broken_engine_fails_the_suite(backend: type[Sound], check: Check) -> None:
    run(check, Sound)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        run(check, backend)
