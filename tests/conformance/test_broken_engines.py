"""The suite catches what it is there for: engines broken on purpose fail the tests named here."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from persisty import PersistyError, Store, StoreMeta, meta_of
from persisty.backends.memory import MemoryEngine
from persisty.store.change_path import Connection
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
"""A test, and its parameters beside the stores."""
CAUGHT: dict[type[broken.Sound], list[Check]] = {
    broken.OverwritesOnCreate: [
        (test_crud.test_create_of_an_existing_key_conflicts_and_keeps_the_first, {}),
        (test_batch.test_create_in_a_batch_never_overwrites, {}),
        (test_concurrency.test_of_many_creates_of_one_key_exactly_one_wins, {}),
    ],
    broken.ChecksThenWrites: [
        (test_concurrency.test_of_many_creates_of_one_key_exactly_one_wins, {}),
        (test_concurrency.test_of_many_creates_in_batches_exactly_one_of_each_wins, {}),
        (test_concurrency.test_under_an_optimistic_lock_no_increment_is_lost, {}),
    ],
    broken.IgnoresConditions: [
        (test_conditions.test_an_optimistic_lock_by_version, {}),
        (test_conditions.test_a_write_happens_exactly_if_its_condition_holds, {"when": Specimen.count > 7}),
    ],
    broken.UpsertsOnUpdate: [(test_crud.test_update_of_a_missing_item_is_none_and_creates_nothing, {})],
    broken.KeepsHalfOfAnAtomicBatch: [
        (test_atomic.test_a_conflict_aborts_the_others_and_nothing_is_written, {}),
        (test_atomic.test_a_hundred_edits_are_atomic, {}),
    ],
    broken.HidesTheCurrentItem: [
        (test_conditions.test_an_optimistic_lock_by_version, {}),
        (test_batch.test_edit_batch_answers_in_order_with_a_code_for_each, {}),
    ],
    broken.ReturnsTheOldItem: [(test_crud.test_update_changes_some_attributes_and_returns_the_new_item, {})],
    broken.DropsMissingFromBatches: [
        (test_batch.test_read_batch_keeps_positions_with_missing_impossible_and_repeated_keys, {})
    ],
    broken.LimitsBeforeItFilters: [(test_order_and_paging.test_limit_counts_matches, {})],
    broken.PagesByOffset: [
        (test_order_and_paging.test_a_cursor_survives_the_deletion_of_its_row, {"where": None, "order": "rank"}),
        (test_order_and_paging.test_rows_before_the_cursor_are_not_seen_and_rows_behind_it_are, {}),
    ],
    broken.RepeatsTheCursorRow: [(test_order_and_paging.test_without_an_order_pages_have_each_item_once, {})],
    broken.LeavesTiesOpen: [
        (test_order_and_paging.test_pages_join_to_the_whole_in_order, {"order": ("-done", "price"), "limit": 13})
    ],
    broken.SortsNullsAsSmallest: [
        (test_order_and_paging.test_an_order_is_total_with_nulls_last_and_ties_on_the_key, {"order": ("text",)})
    ],
    broken.GivesAnEmptyLastPage: [
        (test_order_and_paging.test_limit_counts_matches, {}),
        (test_order_and_paging.test_without_an_order_pages_have_each_item_once, {}),
    ],
    broken.CountsAPage: [
        (test_filters.test_a_filter_gives_exactly_the_rows_it_holds_for, {"name": "text is not null"})
    ],
    broken.ForgetsThatNullDiffers: [
        (test_filters.test_a_filter_gives_exactly_the_rows_it_holds_for, {"name": "text ne is true for null"})
    ],
    broken.IgnoresCase: [
        (test_filters.test_a_filter_gives_exactly_the_rows_it_holds_for, {"name": "text contains upper"})
    ],
    broken.TakesPercentForAnything: [
        (test_filters.test_a_filter_gives_exactly_the_rows_it_holds_for, {"name": "text startswith percent"})
    ],
    broken.LosesMicroseconds: [(test_types.test_dirty_rows_come_back_whole, {})],
    broken.KeepsDecimalsAsFloats: [(test_types.test_dirty_rows_come_back_whole, {})],
    broken.LooksAtTheOuterOnly: [
        (
            test_filters.test_a_filter_gives_exactly_the_rows_it_holds_for,
            {"name": "nested null is of the field or of all above"},
        )
    ],
    broken.TakesAnyWord: [
        (test_words.test_words_are_found_in_any_text_in_any_case, {"text": "a ALL"}),
        (test_words.test_with_a_filter_an_order_and_pages, {}),
    ],
    unsound.ChecksValuesThenWrites: [
        (test_unique.test_of_many_creates_of_one_value_exactly_one_wins, {}),
        (test_unique.test_of_many_updates_to_one_value_exactly_one_wins, {}),
    ],
    unsound.ChecksValuesOnCreateOnly: [
        (test_unique.test_an_update_moves_a_value_and_frees_the_one_before, {}),
        (test_unique.test_in_a_batch_values_go_from_one_to_the_next_in_order, {}),
    ],
    unsound.NeverFreesAValue: [
        (test_unique.test_delete_frees_the_unique_values_of_the_item, {}),
        (test_unique.test_an_update_moves_a_value_and_frees_the_one_before, {}),
        (test_unique.test_a_conflict_aborts_an_atomic_batch_which_then_has_taken_nothing, {}),
    ],
    unsound.TakesNullForAValue: [(test_unique.test_null_is_free_and_in_any_attribute_frees_the_others, {})],
    unsound.RepeatsNumbers: [(test_numbering.test_no_number_is_given_twice, {})],
    unsound.GivesOneNumberForMany: [(test_numbering.test_a_batch_is_numbered_in_its_order, {"atomic": False})],
    unsound.AddsToWhatItRead: [
        (test_changes.test_no_sum_is_lost_to_another, {}),
        (test_concurrency.test_versions_count_every_update, {}),
    ],
    unsound.OverwritesLists: [(test_changes.test_append_gives_the_new_list_and_null_counts_as_empty, {})],
    unsound.ForgetsBounds: [
        (
            test_changes.test_a_sum_out_of_bounds_is_invalid_input_and_changes_nothing,
            {"start": 10, "amount": 1},
        ),
        (test_changes.test_a_bound_holds_whoever_comes_at_once, {}),
    ],
    unsound.SelectsBeforeItFilters: [
        (
            test_select.test_neither_the_filter_nor_the_order_needs_to_be_selected,
            {"order": ("-count", "ratio"), "limit": 7},
        )
    ],
    unsound.SelectsTheKeyOnly: [(test_select.test_every_attribute_can_be_had_alone, {"name": "text"})],
    unsound.CountsNulls: [(test_aggregates.test_all_that_can_be_asked_of_all_rows, {})],
    unsound.DropsTheGroupOfNull: [
        (test_aggregates.test_groups_are_those_of_equal_values_in_their_order_nulls_last, {"by": ("color",)}),
        (test_aggregates.test_count_by, {}),
    ],
    unsound.AggregatesAPage: [
        (test_aggregates.test_many_groups, {}),
        (test_aggregates.test_all_that_can_be_asked_of_all_rows, {}),
    ],
    unsound.AddsUpAsFloats: [(test_aggregates.test_sums_are_exact_beyond_64_bits, {})],
    unsound.BulkForgetsItsFilter: [
        (test_bulk.test_exactly_the_matches_are_changed_and_then_deleted, {"where": Specimen.count > 0})
    ],
    unsound.BulkForgetsThatItemsChange: [(test_bulk.test_of_many_at_once_one_moves_each_item_out_of_the_filter, {})],
    unsound.BulkStartsAnew: [
        (test_bulk.test_parts_go_on_where_they_ended_and_change_each_once, {"limit": 7}),
    ],
    unsound.BulkEndsAtItsLimit: [
        (test_bulk.test_parts_go_on_where_they_ended_and_change_each_once, {"limit": 7}),
        (test_bulk.test_deletes_in_parts, {}),
    ],
    unsound.BulkSkipsConflicts: [(test_bulk.test_of_a_unique_value_only_one_can_be_had, {})],
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
"""Name of a test's argument → the item of the store it takes."""


class Broken(MemoryEngine):
    """Items in memory, behind a backend that is broken."""

    def __init__(self, wrap: type[broken.Sound]) -> None:
        super().__init__()
        self._wrap = wrap

    def open(self, meta: StoreMeta[Any]) -> Any:
        return self._wrap(super().open(meta))


def run(check: Check, backend: type[broken.Sound]) -> None:
    """The test, over stores whose engine is memory behind `backend`."""
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
