"""Unique values: the second writer gets a conflict and writes nothing; a freed value can be taken; nulls never conflict."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persisty import BatchTooLarge, Conflict, Create, Delete, PreconditionFailed, Store, Update
from persisty.store.edits import Edit
from persisty.store.store import context_of

from .dirty import TEXTS
from .fixtures import present
from .items import Account
from .test_concurrency import THREADS, at_once


def refused(error: Any) -> list[str]:
    """Return the attributes with taken values from the error."""
    assert isinstance(error, Conflict)
    return list(error.details["attributes"])


def test_a_value_that_is_taken_conflicts_and_nothing_is_written(accounts: Store[Account]) -> None:
    ann = accounts.create(Account(id="1", name="ann", realm="a", badge=1))
    for other, taken in (
        (Account(id="2", name="ann"), ["name"]),
        (Account(id="2", name="bob", realm="a", badge=1), ["realm", "badge"]),
        (Account(id="1", name="bob"), ["id"]),
    ):
        with pytest.raises(Conflict) as caught:
            accounts.create(other)
        assert refused(caught.value) == taken
    with pytest.raises(Conflict) as caught:
        accounts.create(Account(id="2", name="ann", realm="a", badge=1))
    assert refused(caught.value) in (["name"], ["realm", "badge"]), "the one that the engine finds first"
    assert list(accounts.search_all()) == [ann]
    assert accounts.create(Account(id="2", name="bob", realm="a", badge=2)).name == "bob"
    assert accounts.create(Account(id="3", name="eve", realm="b", badge=1)).name == "eve"


def test_null_never_conflicts_and_exempts_the_other_attributes(accounts: Store[Account]) -> None:
    for key in range(3):
        accounts.create(Account(id=f"none {key}"))
        accounts.create(Account(id=f"realm {key}", realm="a"))
        accounts.create(Account(id=f"badge {key}", badge=1))
    assert accounts.count() == 9
    assert accounts.update("none 0", {"realm": "a", "badge": 1}) == accounts.read("none 0")
    with pytest.raises(Conflict) as caught:
        accounts.update("realm 0", {"badge": 1})
    assert refused(caught.value) == ["realm", "badge"]
    assert present(accounts.update("none 0", {"badge": None})).badge is None
    assert present(accounts.update("realm 0", {"badge": 1})).badge == 1


def test_distinct_texts_are_distinct_unique_values(accounts: Store[Account]) -> None:
    texts = [text for text in TEXTS if text]
    for start in range(0, len(texts), 30):
        made = accounts.edit_batch(Create(Account(id=f"1{text}", name=text)) for text in texts[start : start + 30])
        assert {one.code for one in made} == {"ok"}
        again = accounts.edit_batch(Create(Account(id=f"2{text}", name=text)) for text in texts[start : start + 30])
        assert {one.code for one in again} == {"conflict"}
    assert accounts.count() == len(texts)


def test_an_update_takes_a_new_value_and_frees_the_former_one(accounts: Store[Account]) -> None:
    ann = accounts.create(Account(id="1", name="ann", rank=1))
    bob = accounts.create(Account(id="2", name="bob"))
    with pytest.raises(Conflict) as caught:
        accounts.update("2", {"name": "ann", "rank": 7})
    assert refused(caught.value) == ["name"]
    assert accounts.read_batch(["1", "2"]) == [ann, bob]
    assert present(accounts.update("1", {"name": "ann", "rank": 2})).rank == 2  # an item does not conflict with itself
    assert present(accounts.update("1", {"name": "anna"})).name == "anna"
    assert present(accounts.update("2", {"name": "ann"})).name == "ann"
    assert present(accounts.update("1", {"name": None})).name is None
    assert accounts.create(Account(id="3", name="anna")).name == "anna"
    assert [one.id for one in accounts.search(Account.name == "ann")] == ["2"]


def test_each_attribute_of_a_unique_pair_may_change(accounts: Store[Account]) -> None:
    accounts.create(Account(id="1", realm="a", badge=1))
    accounts.create(Account(id="2", realm="a", badge=2))
    accounts.create(Account(id="3", realm="b", badge=1))
    for key, changes in (("2", {"badge": 1}), ("3", {"realm": "a"}), ("3", {"realm": "a", "badge": 2})):
        with pytest.raises(Conflict):
            accounts.update(key, changes)
    assert present(accounts.update("2", {"realm": "b", "badge": 2})).badge == 2
    assert present(accounts.update("3", {"realm": "a", "badge": 2})).realm == "a"


def test_delete_frees_the_unique_values_of_the_item(accounts: Store[Account]) -> None:
    accounts.create(Account(id="1", name="ann", realm="a", badge=1))
    assert accounts.delete("1") is True
    assert accounts.create(Account(id="2", name="ann")).name == "ann"
    assert accounts.create(Account(id="3", realm="a", badge=1)).badge == 1


def test_a_failed_write_takes_no_value(accounts: Store[Account]) -> None:
    accounts.create(Account(id="1", name="ann"))
    assert accounts.update("missing", {"name": "bob"}) is None
    for write in (
        lambda: accounts.update("1", {"name": "bob"}, when=Account.rank > 0),
        lambda: accounts.delete("1", when=Account.rank > 0),
    ):
        with pytest.raises(PreconditionFailed) as caught:
            write()
        assert caught.value.item.name == "ann"
    assert accounts.create(Account(id="2", name="bob")).name == "bob"
    with pytest.raises(Conflict):
        accounts.create(Account(id="3", name="ann"))


def test_a_false_condition_is_reported_before_a_conflict(accounts: Store[Account]) -> None:
    accounts.create(Account(id="1", name="ann"))
    accounts.create(Account(id="2", name="bob"))
    with pytest.raises(PreconditionFailed):
        accounts.update("2", {"name": "ann"}, when=Account.rank > 0)
    with pytest.raises(Conflict):
        accounts.update("2", {"name": "ann"}, when=Account.name == "bob")


def test_edits_of_a_batch_take_and_free_values_in_order(accounts: Store[Account]) -> None:
    accounts.create(Account(id="1", name="ann"))
    results = accounts.edit_batch(
        [
            Create(Account(id="2", name="bob")),
            Create(Account(id="3", name="bob")),
            Create(Account(id="3", name="ann")),
            Update("1", {"name": "anna"}),
            Create(Account(id="4", name="ann")),
            Delete("2"),
            Update("4", {"name": "bob"}),
            Update("1", {"name": "bob"}),
        ]
    )
    assert [one.code for one in results] == ["ok", "conflict", "conflict", "ok", "ok", "ok", "ok", "conflict"]
    assert refused(results[1].error) == ["name"]
    assert {one.id: one.name for one in accounts.search_all()} == {"1": "anna", "4": "bob"}


def test_a_conflict_aborts_an_atomic_batch_without_taking_values(accounts: Store[Account]) -> None:
    ann = accounts.create(Account(id="1", name="ann"))
    results = accounts.edit_batch(
        [Create(Account(id="2", name="bob")), Update("1", {"name": "anna"}), Create(Account(id="3", name="bob"))],
        atomic=True,
    )
    assert [one.code for one in results] == ["aborted", "aborted", "conflict"]
    results = accounts.edit_batch(
        [Create(Account(id="2", name="eve")), Create(Account(id="3", name="ann"))], atomic=True
    )
    assert [one.code for one in results] == ["aborted", "conflict"]
    assert refused(results[1].error) == ["name"]
    assert list(accounts.search_all()) == [ann]
    for name in ("bob", "anna", "eve"):
        accounts.create(Account(id=name, name=name))


def test_an_atomic_batch_can_pass_values_between_items(accounts: Store[Account]) -> None:
    accounts.create(Account(id="1", name="ann"))
    accounts.create(Account(id="2", name="bob", realm="a", badge=1))
    edits: list[Edit] = [
        Update("1", {"name": "anna"}),
        Create(Account(id="3", name="ann")),
        Delete("2"),
        Create(Account(id="4", name="bob", realm="a", badge=1)),
    ]
    assert [one.code for one in accounts.edit_batch(edits, atomic=True)] == ["ok"] * 4
    assert {one.id: one.name for one in accounts.search_all()} == {"1": "anna", "3": "ann", "4": "bob"}
    for name in ("ann", "bob"):
        with pytest.raises(Conflict):
            accounts.create(Account(id="5", name=name))


def test_a_too_large_atomic_batch_is_rejected_before_anything_is_written(
    accounts: Store[Account],
) -> None:
    """Each unique value may count as one more write."""
    edits = [Create(Account(id=str(key), name=str(key), realm="a", badge=key)) for key in range(60)]
    try:
        results = accounts.edit_batch(edits, atomic=True)
    except BatchTooLarge:
        assert context_of(accounts).backend.capabilities.max_atomic < 3 * len(edits)
        assert accounts.count() == 0
        results = accounts.edit_batch(edits)
    assert {one.code for one in results} == {"ok"}
    assert accounts.count() == 60


def test_exactly_one_of_several_concurrent_creates_of_a_unique_value_succeeds(accounts: Store[Account]) -> None:
    for turn in range(5):

        def create(number: int, turn: int = turn) -> Account | None:
            try:
                return accounts.create(Account(id=f"{turn}/{number}", name=str(turn), realm="a", badge=number))
            except Conflict:
                return None

        winners = [one for one in at_once(create) if one is not None]
        assert len(winners) == 1
        assert list(accounts.search(Account.name == str(turn))) == winners
    assert accounts.count() == 5


def test_exactly_one_of_several_concurrent_updates_to_a_unique_value_succeeds(accounts: Store[Account]) -> None:
    accounts.edit_batch(Create(Account(id=str(number), name=f"old {number}")) for number in range(THREADS))

    def rename(number: int) -> bool:
        try:
            return accounts.update(str(number), {"name": "new"}) is not None
        except Conflict:
            return False

    wins = at_once(rename)
    assert wins.count(True) == 1
    names = ["new" if won else f"old {number}" for number, won in enumerate(wins)]
    assert [one and one.name for one in accounts.read_batch(map(str, range(THREADS)))] == names
    assert accounts.create(Account(id="x", name=f"old {wins.index(True)}")).id == "x"


def test_a_unique_value_that_passes_between_items_is_never_duplicated_or_lost(accounts: Store[Account]) -> None:
    """Threads delete items and create them again under one of two names."""

    def work(number: int) -> int:
        done = 0
        for turn in range(6):
            try:
                accounts.create(Account(id=f"{number}/{turn}", name=f"name {turn % 2}"))
                done += 1
                accounts.update(f"{number}/{turn}", {"name": f"name {1 - turn % 2}"})
            except Conflict:
                continue
            accounts.delete(f"{number}/{turn}")
        return done

    assert sum(at_once(work)) > 0
    names = [one.name for one in accounts.search_all() if one.name]
    assert len(names) == len(set(names))
    for one in list(accounts.search_all()):
        accounts.delete(one.id)
    for name in ("name 0", "name 1"):
        assert accounts.create(Account(id=name, name=name)).name == name


NAMES = st.sampled_from([None, "ann", "bob", "eve"])
BADGES = st.sampled_from([None, 1, 2])
IDS = st.sampled_from("1234")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("create"), IDS, NAMES, BADGES),
        st.tuples(st.just("update"), IDS, NAMES, BADGES),
        st.tuples(st.just("delete"), IDS),
    ),
    max_size=12,
)
Rows = dict[str, tuple[str | None, int | None]]


def expected(rows: Rows, step: Any) -> str:
    """Return the result of a step applied to plain rows."""
    verb, key, *values = step
    if verb == "delete":
        return "not_found" if rows.pop(key, None) is None else "ok"
    if verb == "update" and key not in rows:
        return "not_found"
    other_values = [value for other, value in rows.items() if other != key]
    taken = [[value for value in column if value is not None] for column in zip(*other_values, strict=True)] or [[], []]
    if (verb == "create" and key in rows) or any(map(list.__contains__, taken, values)):
        return "conflict"
    rows[key] = (values[0], values[1])
    return "ok"


def edit(step: Any) -> Edit:
    verb, key, *values = step
    if verb == "delete":
        return Delete(key)
    name, badge = values
    if verb == "create":
        return Create(Account(id=key, name=name, realm="a", badge=badge))
    return Update(key, {"name": name, "badge": badge})


def test_a_value_that_is_taken_twice_in_an_atomic_batch_hides_no_other_error(accounts: Store[Account]) -> None:
    for key in "12":
        accounts.create(Account(id=key, name=key, realm="a"))
    before = list(accounts.search_all(order="id"))
    twice = [
        Create(Account(id="3", name="new")),
        Create(Account(id="4", name="new")),
        Update("1", {"rank": 1}),
        Delete("5"),
    ]
    assert [one.code for one in accounts.edit_batch(twice, atomic=True)] == [
        "aborted",
        "conflict",
        "aborted",
        "not_found",
    ]
    early = [Create(Account(id="3", name="1")), Delete("1"), Update("2", {"rank": 1}, when=Account.rank == 5)]
    codes = [one.code for one in accounts.edit_batch(early, atomic=True)]
    assert codes == ["conflict", "aborted", "precondition_failed"]
    undeleted = [Delete("1", when=Account.rank == 5), Create(Account(id="3", name="1"))]
    codes = [one.code for one in accounts.edit_batch(undeleted, atomic=True)]
    assert codes == ["precondition_failed", "conflict"], "an item that is not deleted frees no value"
    taken = [Update("1", {"name": "2"}), Create(Account(id="3", name="1"))]
    assert [one.code for one in accounts.edit_batch(taken, atomic=True)] == ["conflict", "conflict"]
    free = [Create(Account(id="1", name="new")), Create(Account(id="3", name="new"))]
    assert [one.code for one in accounts.edit_batch(free, atomic=True)] == ["conflict", "aborted"], (
        "the second edit alone would succeed"
    )
    creates = [Create(Account(id="3", name="1")), Create(Account(id="4", name="1")), Update("2", {"name": "1"})]
    assert [one.code for one in accounts.edit_batch(creates, atomic=True)] == ["conflict"] * 3
    third = [
        Create(Account(id="1", name="new")),
        Create(Account(id="3", name="new")),
        Create(Account(id="4", name="new")),
    ]
    assert [one.code for one in accounts.edit_batch(third, atomic=True)] == ["conflict", "aborted", "conflict"]
    passed = [Create(Account(id="3", name="1")), Delete("1"), Create(Account(id="4", name="1"))]
    assert [one.code for one in accounts.edit_batch(passed, atomic=True)] == ["conflict", "aborted", "aborted"]
    assert list(accounts.search_all(order="id")) == before


def test_edits_of_one_key_are_done_in_order_with_unique_values_or_without(accounts: Store[Account]) -> None:
    accounts.create(Account(id="1", name="a", realm="a"))
    free, named = Account(id="1", realm="a"), Account(id="1", name="b", realm="a")
    moved = Update("1", {"realm": "c"})
    batch = [Delete("1"), Create(free), Delete("1"), Create(named), moved, Delete("1"), Create(free)]
    assert {one.code for one in accounts.edit_batch(batch)} == {"ok"}
    assert [(one.id, one.name) for one in accounts.search_all()] == [("1", None)]
    accounts.create(Account(id="2", name="b", realm="c"))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=STEPS)
def test_generated_edits_agree_with_plain_rows(accounts: Store[Account], steps: list[Any]) -> None:
    accounts.edit_batch(map(Delete, "1234"))
    rows: Rows = {}
    codes = [expected(rows, step) for step in steps]
    assert [one.code for one in accounts.edit_batch(map(edit, steps))] == codes
    assert {one.id: (one.name, one.badge) for one in accounts.search_all()} == rows
