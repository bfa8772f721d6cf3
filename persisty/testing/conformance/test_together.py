"""Edits of several stores in one batch: their order, their own results, and atomic batches."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from threading import Thread
from typing import Any

import pytest

from persisty import BatchTooLarge, Create, Delete, InvalidInput, PersistyError, Store, Unsupported, Update, add
from persisty.store.backend import Capabilities
from persisty.store.context import StoreContext
from persisty.store.edits import Edit, EditResult
from persisty.store.multi_store_batch import edit_stores
from persisty.store.store import context_of

from .fixtures import present
from .items import Club, Desk, Person, Town

Stores = dict[type[Any], Store[Any]]


def edited(linked: Stores, *batch: Edit, atomic: bool = False) -> list[EditResult[Any]]:
    def context(named: type[Any] | str) -> StoreContext[Any]:
        return context_of(linked[Person if isinstance(named, str) else named])

    return edit_stores(context, batch, atomic=atomic)


def codes(results: Sequence[EditResult[Any]]) -> list[str]:
    return [one.code for one in results]


@pytest.mark.parametrize("atomic", [False, True])
def test_edits_of_several_stores_are_done_in_order(linked: Stores, atomic: bool) -> None:
    linked[Person].create(Person(name="Bob"))
    linked[Desk].create(Desk(number=1, person_name="Bob"))
    results = edited(
        linked, Create(Town(name="Aix")), Create(Person(name="Ann", town_name="Aix")), Delete("1", store=Desk),
        atomic=atomic,
    )  # fmt: skip
    assert codes(results) == ["ok", "ok", "ok"]
    assert [one.item and one.item.name for one in results] == ["Aix", "Ann", None]
    [updated] = edited(linked, Update("Ann", {"age": 30}, store=Person), atomic=atomic)
    assert present(linked[Person].read("Ann")) == updated.item
    assert (present(updated.item).age, linked[Desk].count()) == (30, 0)


def test_each_edit_has_its_own_result(linked: Stores) -> None:
    linked[Town].create(Town(name="Aix"))
    results = edited(
        linked,
        Create(Person(name="Ann")),
        Create(Town(name="Aix")),
        Update("Ben", {"age": 3}, store=Person),
        Create(Person(name="Eve", town_name="Nowhere")),
        Update("Ann", {"age": 3}, store=Person),
    )
    assert codes(results) == ["ok", "conflict", "not_found", "invalid_input", "ok"]
    assert all(fault.path.startswith("/edits/3/") for fault in present(results[3].error).faults)
    assert [one.name for one in linked[Person].search()] == ["Ann"]


@pytest.mark.parametrize(
    ("failing", "code"),
    [
        (Create(Town(name="Aix")), "conflict"),
        (Update("Ben", {"age": 3}, store=Person), "not_found"),
        (Update("Aix", {}, when=Town.name == "Nice", store=Town), "precondition_failed"),
        (Create(Person(name="Eve", town_name="Nowhere")), "invalid_input"),
    ],
    ids=["conflict", "not_found", "precondition_failed", "unrelated"],
)
def test_an_atomic_batch_writes_all_or_nothing_across_stores(linked: Stores, failing: Edit, code: str) -> None:
    linked[Town].create(Town(name="Aix"))
    linked[Person].create(Person(name="Ann", age=1))
    results = edited(linked, Create(Club(name="Chess")), Update("Ann", {"age": 2}, store=Person), failing, atomic=True)
    assert codes(results) == ["aborted", "aborted", code]
    assert linked[Club].count() == 0
    assert present(linked[Person].read("Ann")).age == 1
    assert codes(edited(linked, Create(Club(name="Chess")), Update("Ann", {"age": 2}, store=Person), atomic=True)) == [
        "ok",
        "ok",
    ]


def test_every_fault_of_every_store_is_reported_and_nothing_is_written(linked: Stores) -> None:
    batch = [
        Create(Town(name="Aix")),
        Create({"nope": 1}, store=Town),
        Update("Ann", {"age": "old"}, store="person"),
    ]
    with pytest.raises(InvalidInput) as caught:
        edited(linked, *batch)
    paths = [fault.path for fault in caught.value.faults]
    assert "/edits/1/item/nope" in paths
    assert "/edits/2/changes/age" in paths
    assert linked[Town].count() == 0


def test_an_item_may_be_named_once_in_an_atomic_batch(linked: Stores) -> None:
    with pytest.raises(InvalidInput) as caught:
        edited(
            linked, Create(Town(name="A")), Create(Person(name="A")), Update("A", {"age": 1}, store=Person), atomic=True
        )
    assert [fault.path for fault in caught.value.faults] == ["/edits/2"]


def test_a_delete_applies_its_referential_actions_or_the_whole_batch_is_rejected(
    linked: Stores, capabilities: Capabilities
) -> None:
    linked[Person].create(Person(name="Ann"))
    linked[Person].create(Person(name="Bob", boss_name="Ann"))
    batch = (Create(Club(name="Chess")), Delete("Ann", store=Person))
    if not capabilities.transactions:
        with pytest.raises(Unsupported):
            edited(linked, *batch, atomic=True)
        assert linked[Club].count() == 0
        return
    assert codes(edited(linked, *batch, atomic=True)) == ["ok", "ok"]
    assert (linked[Person].count(), linked[Club].count()) == (0, 1)


def test_more_writes_than_the_engine_accepts_are_rejected_before_anything_is_written(
    linked: Stores, capabilities: Capabilities
) -> None:
    """An item that a write requires may count as one more write."""
    linked[Town].create(Town(name="Aix"))
    batch = [Create(Person(name=str(number), town_name="Aix")) for number in range(100)]
    try:
        results = edited(linked, *batch, atomic=True)
    except BatchTooLarge:
        assert capabilities.max_atomic < 2 * len(batch)
        assert linked[Person].count() == 0
        results = edited(linked, *batch)
    assert set(codes(results)) == {"ok"}
    assert linked[Person].count() == 100


def test_an_amount_that_moves_between_stores_is_neither_lost_nor_doubled(linked: Stores) -> None:
    linked[Club].create(Club(name="x", fee=10))
    linked[Town].create(Town(name="x", size=10))
    done: list[bool] = []

    def move() -> None:
        for amount, reverse in ((1, -1), (-1, 1), (2, -2)):
            batch = (
                Update("x", {"fee": add(amount)}, when=Club.fee >= -amount, store=Club),
                Update("x", {"size": add(reverse)}, when=Town.size >= -reverse, store=Town),
            )
            with suppress(PersistyError):  # an engine may abort a batch that conflicts with others again and again
                done.append(codes(edited(linked, *batch, atomic=True)) == ["ok", "ok"])

    threads = [Thread(target=move) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    fee, size = present(linked[Club].read("x")).fee, present(linked[Town].read("x")).size
    assert fee + size == 20
    assert any(done)
