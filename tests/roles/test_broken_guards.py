"""Each deliberately broken guard fails the tests of the suites that are named here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from persisty import PersistyError
from persisty.backends.memory import MemoryEngine
from persisty.store.store import context_of
from persisty.testing.roles import (
    test_hidden,
    test_leaks,
    test_links,
    test_multi_store_batches,
    test_races,
    test_reads,
    test_writes,
)
from persisty.testing.roles.cast import ANYBODY, MEMBER, OUTSIDER, OWNER, ROLES
from persisty.testing.roles.fixtures import COPIES, Cells
from persisty.testing.roles.surfaces import SURFACES
from persisty.testing.roles.twins import VARIANTS, Twin, same_to
from persisty.testing.roles.world import Stage, world_of

from .broken import BROKEN

Check = tuple[Callable[..., None], dict[str, Any]]
"""A test, and its parameters besides the stages."""
OTHER = next(role for role in ROLES if role.name == "other")
CAUGHT: dict[str, list[Check]] = {
    "counts_without_the_rule": [
        (test_reads.test_search_and_count, {"role": OWNER, "kind": "diary"}),
        (test_leaks.test_rest_reveals_no_hidden_data, {"role": OWNER, "variant": "less"}),
    ],
    "searches_without_the_rule": [
        (test_reads.test_search_and_count, {"role": MEMBER, "kind": "ledger"}),
        (test_links.test_linked_items, {"role": OWNER, "place": ("profile", "articles")}),
        (test_leaks.test_python_reveals_no_hidden_data, {"role": OUTSIDER, "variant": "more"}),
    ],
    "limits_before_the_rule": [
        (test_reads.test_pages_are_filled_with_visible_rows, {"role": OTHER, "kind": "article"}),
        (test_leaks.test_pages_in_every_order_reveal_no_hidden_data, {"role": OWNER, "variant": "more"}),
    ],
    "reads_batches_without_the_rule": [(test_reads.test_read_batch, {"role": OUTSIDER, "kind": "article"})],
    "shows_the_whole_item_of_a_failed_condition": [
        (test_hidden.test_the_item_of_a_failed_condition_is_redacted_for_the_role, {"role": OWNER}),
        (test_leaks.test_writes_reveal_no_hidden_data, {"role": OWNER, "variant": "more"}),
    ],
    "creates_unchecked": [
        (test_writes.test_create, {"role": MEMBER, "kind": "ledger"}),
        (test_writes.test_create, {"role": OWNER, "kind": "comment"}),
    ],
    "does_not_check_the_changed_item": [
        (test_writes.test_update, {"role": MEMBER, "kind": "ledger"}),
        (test_writes.test_update_all, {"role": MEMBER, "kind": "team"}),
    ],
    "changes_all_without_the_rule": [(test_writes.test_update_all, {"role": OWNER, "kind": "diary"})],
    "deletes_without_the_rule": [
        (test_writes.test_delete, {"role": OWNER, "kind": "article"}),
        (test_races.test_a_row_that_changes_owner_meanwhile_is_not_written, {**dict(zip(("role", "kind", "key", "meanwhile"), test_races.MOVES[0], strict=True)), "write": "delete"}),
    ],
    "checks_before_it_writes": [
        (test_races.test_a_row_that_changes_owner_meanwhile_is_not_written, {**dict(zip(("role", "kind", "key", "meanwhile"), test_races.MOVES[0], strict=True)), "write": "update"}),
    ],
    "links_to_hidden_items": [
        (test_writes.test_update, {"role": OWNER, "kind": "notice"}),
        (test_races.test_no_link_is_made_to_an_item_that_became_hidden, {}),
    ],
    "loads_links_without_the_targets_rule": [
        (test_links.test_linked_items, {"role": OTHER, "place": ("comment", "article")}),
        (test_leaks.test_links_reveal_no_hidden_data, {"role": OWNER, "variant": "more"}),
    ],
    "follows_links_by_hidden_attributes": [
        (test_links.test_linked_items, {"role": OWNER, "place": ("profile", "reviews")}),
        (test_leaks.test_filters_through_links_reveal_no_hidden_data, {"role": OUTSIDER, "variant": "less"}),
    ],
    "filters_by_partially_visible_attributes": [
        (test_reads.test_verbs_of_python, {"role": OWNER, "kind": "profile"}),
        (test_leaks.test_filters_through_links_reveal_no_hidden_data, {"role": OWNER, "variant": "less"}),
    ],
    "orders_by_partially_visible_attributes": [
        (test_reads.test_verbs_of_python, {"role": OWNER, "kind": "profile"}),
        (test_leaks.test_pages_in_every_order_reveal_no_hidden_data, {"role": OWNER, "variant": "more"}),
    ],
    "shows_hidden_attributes": [
        (test_reads.test_read, {"role": ANYBODY, "kind": "profile"}),
        (test_leaks.test_graphql_reveals_no_hidden_data, {"role": OUTSIDER, "variant": "more"}),
        (test_hidden.test_administrators_do_not_see_attributes_that_no_caller_may_read, {}),
    ],
    "shows_hidden_attributes_after_writes": [(test_writes.test_update, {"role": OWNER, "kind": "profile"})],
    "names_hidden_attributes_of_conflicts": [(test_hidden.test_a_conflict_names_no_hidden_attribute, {})],
    "forbids_hidden_items_instead_of_not_finding_them": [
        (test_writes.test_update, {"role": OWNER, "kind": "diary"}),
        (test_hidden.test_a_hidden_item_is_rejected_like_a_missing_one, {"role": OWNER}),
    ],
    "writes_half_of_an_atomic_batch": [
        (test_writes.test_an_atomic_batch_with_a_rejected_edit_writes_nothing, {"role": OWNER, "kind": "diary"}),
    ],
    "does_batches_of_several_stores_as_trusted_code": [
        (test_multi_store_batches.test_a_batch_of_several_stores_does_what_the_verbs_do, {"role": OWNER, "kind": "diary"}),
        (test_multi_store_batches.test_an_edit_that_its_verb_rejects_rejects_a_batch_of_several_stores, {"role": ANYBODY, "kind": "ledger"}),
        (test_multi_store_batches.test_a_batch_of_every_store, {"role": OUTSIDER}),
        (test_leaks.test_batches_of_several_stores_reveal_no_hidden_data, {"role": OWNER, "variant": "more"}),
    ],
    "writes_half_of_an_atomic_batch_of_several_stores": [
        (test_multi_store_batches.test_an_atomic_batch_of_several_stores_is_done_as_a_whole_or_not_at_all, {"role": OWNER, "kind": "diary"}),
        (test_multi_store_batches.test_a_batch_of_every_store, {"role": OWNER}),
    ],
    "ignores_conditions_in_batches_of_several_stores": [
        (
            test_multi_store_batches.test_a_condition_in_a_batch_of_several_stores_is_decided_as_by_the_verb,
            {"role": OWNER, "kind": "article"},
        ),
    ],
    "uses_indexes_over_hidden_attributes": [
        (test_hidden.test_cursors_reveal_no_more_than_the_items, {"role": OUTSIDER}),
        (test_leaks.test_pages_in_every_order_reveal_no_hidden_data, {"role": OUTSIDER, "variant": "more"}),
    ],
}  # fmt: skip


def _twins(role: Any, variant: str) -> tuple[Twin, Twin]:
    one, other = (Twin(Stage(MemoryEngine, world_of("a", "b"))) for _ in range(2))
    world = VARIANTS[variant](role, one.stage.world)
    assert same_to(role, one.stage.world, world)
    other.stage.become(world)
    return one, other


def run(check: Check) -> None:
    """Run the test over a stage in memory."""
    test, given = check
    stage = Stage(MemoryEngine, world_of(*COPIES))
    known: dict[str, Callable[[], Any]] = {
        "stage": lambda: stage,
        "cells": lambda: Cells([one(stage.app) for one in SURFACES], embedded=True),
        "capabilities": lambda: context_of(stage.store("diary")).backend.capabilities,
        "twins": lambda: _twins,
        "racing": lambda: test_races.Racing(MemoryEngine),
    }
    names = test.__code__.co_varnames[: test.__code__.co_argcount]
    test(**given, **{name: known[name]() for name in names if name in known})


def test_every_broken_guard_is_caught_somewhere() -> None:
    assert CAUGHT.keys() == BROKEN.keys()


@pytest.mark.parametrize(
    ("guard", "check"),
    [(guard, check) for guard, checks in CAUGHT.items() for check in checks],
    ids=lambda one: one if isinstance(one, str) else one[0].__name__,
)
def test_a_broken_guard_fails_the_suite(monkeypatch: pytest.MonkeyPatch, guard: str, check: Check) -> None:
    run(check)
    BROKEN[guard](monkeypatch)
    with pytest.raises((AssertionError, PersistyError, pytest.fail.Exception, BaseExceptionGroup)):
        run(check)
