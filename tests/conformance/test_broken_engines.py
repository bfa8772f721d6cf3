"""Each deliberately broken engine fails the tests of the suite that are named here."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from persisty import PersistyError, Store, StoreMeta, meta_of
from persisty.backends.memory import MemoryEngine
from persisty.store.connection import Connection
from persisty.store.context import StoreContext
from persisty.testing.conformance import (
    test_aggregates,
    test_atomic,
    test_batch,
    test_bulk,
    test_changes,
    test_concurrency,
    test_conditions,
    test_crud,
    test_filters,
    test_numbering,
    test_order_and_paging,
    test_select,
    test_types,
    test_unique,
    test_words,
)
from persisty.testing.conformance.dirty import rows
from persisty.testing.conformance.items import Account, Cell, Meter, Note, Reading, Specimen, Ticket

from . import broken, unsound

Check = tuple[Callable[..., None], dict[str, Any]]
"""A test, and its parameters besides the stores."""
CAUGHT: dict[type[broken.Sound], list[Check]] = {
    broken.OverwritesOnCreate: [
        (test_crud.test_create_of_an_existing_key_conflicts_and_keeps_the_first, {}),
        (test_batch.test_create_in_a_batch_never_overwrites, {}),
        (test_concurrency.test_exactly_one_of_several_concurrent_creates_of_a_key_succeeds, {}),
    ],
    broken.ChecksThenWrites: [
        (test_concurrency.test_exactly_one_of_several_concurrent_creates_of_a_key_succeeds, {}),
        (test_concurrency.test_exactly_one_of_several_concurrent_batches_creates_each_key, {}),
        (test_concurrency.test_under_an_optimistic_lock_no_increment_is_lost, {}),
    ],
    broken.IgnoresConditions: [
        (test_conditions.test_an_optimistic_lock_by_version, {}),
        (test_conditions.test_a_write_is_done_only_if_its_condition_matches, {"when": Specimen.count > 7}),
    ],
    broken.UpsertsOnUpdate: [(test_crud.test_update_of_a_missing_item_is_none_and_creates_nothing, {})],
    broken.WritesHalfOfAnAtomicBatch: [
        (test_atomic.test_a_conflict_aborts_the_others_and_nothing_is_written, {}),
        (test_atomic.test_a_hundred_edits_are_atomic, {}),
    ],
    broken.HidesTheCurrentItem: [
        (test_conditions.test_an_optimistic_lock_by_version, {}),
        (test_batch.test_edit_batch_returns_a_code_for_each_edit_in_order, {}),
    ],
    broken.ReturnsTheOldItem: [(test_crud.test_update_changes_some_attributes_and_returns_the_new_item, {})],
    broken.DropsMissingFromBatches: [
        (test_batch.test_read_batch_returns_items_in_position_for_missing_impossible_and_repeated_keys, {})
    ],
    broken.LimitsBeforeItFilters: [(test_order_and_paging.test_limit_counts_matches, {})],
    broken.PagesByOffset: [
        (test_order_and_paging.test_a_cursor_survives_the_deletion_of_its_row, {"where": None, "order": "rank"}),
        (test_order_and_paging.test_new_rows_are_returned_only_if_they_are_after_the_cursor, {}),
    ],
    broken.RepeatsTheCursorRow: [(test_order_and_paging.test_pages_without_an_order_contain_each_item_once, {})],
    broken.OrdersWithoutTheKey: [
        (test_order_and_paging.test_pages_contain_every_item_in_order, {"order": ("-done", "price"), "limit": 13})
    ],
    broken.SortsNullsAsSmallest: [
        (test_order_and_paging.test_an_order_is_total_with_nulls_last_and_ties_on_the_key, {"order": ("text",)})
    ],
    broken.ReturnsAnEmptyLastPage: [
        (test_order_and_paging.test_limit_counts_matches, {}),
        (test_order_and_paging.test_pages_without_an_order_contain_each_item_once, {}),
    ],
    broken.CountsAPage: [(test_filters.test_a_filter_returns_exactly_the_matching_rows, {"name": "text is not null"})],
    broken.ExcludesNullFromNotEqual: [
        (test_filters.test_a_filter_returns_exactly_the_matching_rows, {"name": "text ne is true for null"})
    ],
    broken.IgnoresCase: [
        (test_filters.test_a_filter_returns_exactly_the_matching_rows, {"name": "text contains upper"})
    ],
    broken.TreatsPercentAsAWildcard: [
        (test_filters.test_a_filter_returns_exactly_the_matching_rows, {"name": "text startswith percent"})
    ],
    broken.LosesMicroseconds: [(test_types.test_dirty_rows_are_read_as_they_were_written, {})],
    broken.StoresDecimalsAsFloats: [(test_types.test_dirty_rows_are_read_as_they_were_written, {})],
    broken.IgnoresNestedFields: [
        (
            test_filters.test_a_filter_returns_exactly_the_matching_rows,
            {"name": "nested null is of the field or of all above"},
        )
    ],
    broken.MatchesAnyWord: [
        (test_words.test_words_are_found_in_any_text_in_any_case, {"text": "a ALL"}),
        (test_words.test_words_with_a_filter_an_order_and_pages, {}),
    ],
    unsound.ChecksValuesThenWrites: [
        (test_unique.test_exactly_one_of_several_concurrent_creates_of_a_unique_value_succeeds, {}),
        (test_unique.test_exactly_one_of_several_concurrent_updates_to_a_unique_value_succeeds, {}),
    ],
    unsound.ChecksValuesOnCreateOnly: [
        (test_unique.test_an_update_takes_a_new_value_and_frees_the_former_one, {}),
        (test_unique.test_edits_of_a_batch_take_and_free_values_in_order, {}),
    ],
    unsound.NeverFreesAValue: [
        (test_unique.test_delete_frees_the_unique_values_of_the_item, {}),
        (test_unique.test_an_update_takes_a_new_value_and_frees_the_former_one, {}),
        (test_unique.test_a_conflict_aborts_an_atomic_batch_without_taking_values, {}),
    ],
    unsound.TreatsNullAsAValue: [(test_unique.test_null_never_conflicts_and_exempts_the_other_attributes, {})],
    unsound.RepeatsNumbers: [(test_numbering.test_concurrent_creates_get_distinct_numbers, {})],
    unsound.AllocatesOneNumberForMany: [(test_numbering.test_a_batch_is_numbered_in_its_order, {"atomic": False})],
    unsound.AddsToAStaleValue: [
        (test_changes.test_concurrent_sums_are_not_lost, {}),
        (test_concurrency.test_versions_count_every_update, {}),
    ],
    unsound.OverwritesLists: [(test_changes.test_append_returns_the_new_list_and_counts_null_as_empty, {})],
    unsound.IgnoresBounds: [
        (
            test_changes.test_a_sum_out_of_bounds_is_invalid_input_and_changes_nothing,
            {"start": 10, "amount": 1},
        ),
        (test_changes.test_concurrent_sums_stay_within_bounds, {}),
    ],
    unsound.SelectsBeforeItFilters: [
        (
            test_select.test_neither_the_filter_nor_the_order_needs_to_be_selected,
            {"order": ("-count", "ratio"), "limit": 7},
        )
    ],
    unsound.SelectsTheKeyOnly: [(test_select.test_every_attribute_can_be_selected_alone, {"name": "text"})],
    unsound.CountsNulls: [(test_aggregates.test_every_aggregate_of_every_attribute_over_all_rows, {})],
    unsound.DropsTheGroupOfNull: [
        (test_aggregates.test_groups_have_equal_values_and_are_ordered_with_nulls_last, {"by": ("color",)}),
        (test_aggregates.test_count_by, {}),
    ],
    unsound.AggregatesAPage: [
        (test_aggregates.test_many_groups, {}),
        (test_aggregates.test_every_aggregate_of_every_attribute_over_all_rows, {}),
    ],
    unsound.AddsUpAsFloats: [(test_aggregates.test_sums_are_exact_beyond_64_bits, {})],
    unsound.BulkIgnoresItsFilter: [
        (test_bulk.test_exactly_the_matches_are_changed_and_then_deleted, {"where": Specimen.count > 0})
    ],
    unsound.BulkWritesWithoutConditions: [
        (test_bulk.test_one_of_several_concurrent_bulk_updates_moves_each_item_out_of_the_filter, {})
    ],
    unsound.BulkIgnoresItsPosition: [
        (test_bulk.test_a_bulk_write_in_parts_continues_at_the_cursor_and_changes_each_item_once, {"limit": 7}),
    ],
    unsound.BulkEndsAtItsLimit: [
        (test_bulk.test_a_bulk_write_in_parts_continues_at_the_cursor_and_changes_each_item_once, {"limit": 7}),
        (test_bulk.test_delete_all_in_parts, {}),
    ],
    unsound.BulkSkipsConflicts: [(test_bulk.test_update_all_to_one_unique_value_conflicts_if_several_items_match, {})],
}
STORES: dict[str, type[Any]] = {
    "notes": Note,
    "specimens": Specimen,
    "readings": Reading,
    "cells": Cell,
    "accounts": Account,
    "meters": Meter,
    "tickets": Ticket,
    "dirty": Specimen,
}
"""Name of a test's argument → the item of its store."""


class Broken(MemoryEngine):
    """A memory engine behind a broken backend."""

    def __init__(self, wrap: type[broken.Sound]) -> None:
        super().__init__()
        self._wrap = wrap

    def open(self, meta: StoreMeta[Any]) -> Any:
        return self._wrap(super().open(meta))


def run(check: Check, backend: type[broken.Sound]) -> None:
    """Run the test over stores of a memory engine behind `backend`."""
    test, given = check
    arguments = dict(given)
    for name in inspect.signature(test).parameters:
        if name in STORES:
            meta = meta_of(STORES[name])
            store: Store[Any] = Store(StoreContext(meta, partial(Connection(Broken(backend)).open, meta)))
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
def test_a_broken_engine_fails_the_suite(backend: type[broken.Sound], check: Check) -> None:
    run(check, broken.Sound)
    with pytest.raises((AssertionError, pytest.fail.Exception, PersistyError)):
        run(check, backend)
