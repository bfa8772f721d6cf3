"""`add` and `append`: valid changes, and the condition under which a sum stays within its bounds."""

from __future__ import annotations

from datetime import date
from operator import attrgetter
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from persisty import VERSION, Add, App, Append, Attr, Conflict, InvalidInput, add, append, meta_of, stored
from persisty.model.expressions import ALL, Compare, Or
from persisty.model.types import INTEGER_MAX, INTEGER_MIN
from persisty.model.update_operators import bounds_of
from persisty.model.validation import changed, changes_of
from persisty.query.evaluation import matcher
from persisty.store.store import context_of


@stored(key="name")
class Counter:
    name: str
    plain: int = 0
    few: Annotated[int, Meta(ge=-3, le=10)] = 0
    open: Annotated[int, Meta(gt=-4, lt=11)] | None = None
    even: Annotated[int, Meta(multiple_of=2)] = 0
    ratio: float = 0.0
    tags: list[str] = Attr(factory=list)
    days: list[date] | None = None
    some: Annotated[list[int], Meta(max_length=3)] = Attr(factory=list)
    version: int = Attr(generator=VERSION)
    notes: dict[str, Any] = Attr(factory=dict)
    grade: Literal[1, 2] = 1


META = meta_of(Counter)


def faults(changes: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        changes_of(META, changes)
    return {fault.path: fault.message for fault in caught.value.faults}


def test_changes_that_an_attribute_accepts() -> None:
    changes = changes_of(META, {"plain": add(-2), "tags": append("a", "b"), "days": append(date(2026, 1, 2))})
    assert changes == {
        "plain": Add(-2),
        "tags": Append(("a", "b")),
        "days": Append((date(2026, 1, 2),)),
        "version": Add(1),
    }


def test_every_change_that_an_attribute_does_not_accept_is_reported() -> None:
    found = faults(
        {
            "name": add(1),
            "plain": add("1"),  # type: ignore[arg-type]
            "few": add(2**63),
            "even": add(3),
            "ratio": add(1),
            "tags": append("a", 2),
            "some": append(1),
            "nothing": add(1),
        }
    )
    assert set(found) == {"/name", "/plain", "/few", "/even", "/ratio", "/tags/1", "/some", "/nothing"}
    assert "any length" in found["/some"]
    assert "whole number" in found["/ratio"]


def test_a_list_accepts_no_sum_and_a_number_no_append() -> None:
    assert set(faults({"tags": add(1), "plain": append(1)})) == {"/tags", "/plain"}


def test_the_change_of_an_item_in_memory() -> None:
    item = Counter(name="a", plain=1, tags=["x"], version=1)
    new = changed(META, item, {"plain": Add(2), "open": Add(5), "tags": Append(("y",)), "days": Append(())})
    assert (new.plain, new.open, new.tags, new.days, item.tags) == (3, 5, ["x", "y"], [], ["x"])


def test_there_are_no_bounds_unless_a_caller_adds() -> None:
    assert bounds_of(META, changes_of(META, {"plain": 1, "tags": append("a")})) is ALL


def test_the_condition_of_a_sum() -> None:
    assert bounds_of(META, {"few": Add(4)}) == Compare("few", "le", 6)
    assert bounds_of(META, {"few": Add(-4)}) == Compare("few", "ge", 1)
    assert bounds_of(META, {"open": Add(4)}) == Or((Compare("open", "le", 6), Compare("open", "null", True)))
    assert bounds_of(META, {"open": Add(11)}) == Compare("open", "le", -1)  # null counts as 0, and 11 is too much


@given(
    st.sampled_from(["plain", "few", "open"]),
    st.one_of(st.none(), st.integers(-5, 12), st.sampled_from([INTEGER_MIN, INTEGER_MAX])),
    st.one_of(st.integers(-20, 20), st.integers(INTEGER_MIN, INTEGER_MAX)),
)
def test_the_condition_matches_exactly_if_the_sum_is_valid(name: str, before: int | None, amount: int) -> None:
    if before is None and name != "open":
        before = 0
    limits = {"plain": (INTEGER_MIN, INTEGER_MAX), "few": (-3, 10), "open": (-3, 10)}
    low, high = limits[name]
    if before is not None and not low <= before <= high:
        return  # no such item is stored
    item = Counter(name="a", version=1, **{name: before})
    assert matcher(META, bounds_of(META, {name: Add(amount)}))(item) == (low <= (before or 0) + amount <= high)


def test_a_sum_out_of_bounds_and_a_false_condition_have_different_errors() -> None:
    store = App("counters", items=[Counter], url="memory://").store(Counter)
    store.create(Counter(name="a", few=9))
    with pytest.raises(InvalidInput) as caught:
        store.update("a", {"few": add(2), "plain": add(1)}, when=Counter.plain == 0)
    assert "/few" in [fault.path for fault in caught.value.faults]
    from persisty import PreconditionFailed

    with pytest.raises(PreconditionFailed):
        store.update("a", {"few": add(1)}, when=Counter.plain == 1)
    unchanged = store.read("a")
    assert unchanged is not None
    assert (unchanged.few, unchanged.plain, unchanged.version) == (9, 0, 1)


def test_update_all_skips_items_whose_sum_would_leave_the_bounds() -> None:
    store = App("counters", items=[Counter], url="memory://").store(Counter)
    for name, few in (("a", 9), ("b", 1)):
        store.create(Counter(name=name, few=few))
    assert store.update_all({"few": add(5)}).changed == 1
    assert [one.few for one in store.search()] == [9, 6]


def test_an_error_in_a_bulk_write_has_its_position() -> None:
    store = App("counters", items=[Counter], url="memory://").store(Counter)
    for name in "abcd":
        store.create(Counter(name=name))
    first = store.update_all({"plain": 1}, limit=3)
    assert (first.changed, first.cursor is None) == (3, False)

    def broken(*given: Any, **options: Any) -> Any:
        raise Conflict

    context_of(store).backend.write_all = broken  # type: ignore[method-assign]
    with pytest.raises(Conflict) as caught:
        store.update_all({"plain": 1}, cursor=first.cursor)
    assert caught.value.details == {"changed": 0, "cursor": first.cursor}


SPELLED: dict[str, Any] = {
    "plain": {"add": -2},
    "tags": {"append": ["a", "b"]},
    "days": {"append": ["2026-01-02"]},
    "notes": {"add": 1},
}


def test_add_and_append_can_be_written_in_json_if_an_object_is_no_value_of_the_attribute() -> None:
    changes = changes_of(META, SPELLED, may=attrgetter("updatable"))
    assert changes == {
        "plain": Add(-2),
        "tags": Append(("a", "b")),
        "days": Append((date(2026, 1, 2),)),
        "notes": {"add": 1},
        "version": Add(1),
    }


def test_faults_of_changes_in_json_have_their_whole_path_and_python_does_not_accept_them() -> None:
    wrong: dict[str, Any] = {
        "plain": {"add": "1"},
        "few": {"add": 2**63},
        "even": {"add": 1, "append": []},
        "tags": {"append": ["a", 1]},
        "days": {"append": "2026-01-02"},
        "some": {"append": [1]},
        "ratio": {"add": 1},
        "grade": {"add": 1},
        "version": {"add": 1},
        "nope": {"add": 1},
    }
    with pytest.raises(InvalidInput) as caught:
        changes_of(META, wrong, may=attrgetter("updatable"))
    assert sorted(fault.path for fault in caught.value.faults) == [
        "/days/append", "/even", "/few/add", "/grade", "/nope", "/plain/add", "/ratio", "/some/append", "/tags/append/1",
        "/version",
    ]  # fmt: skip
    [uncountable] = [fault for fault in caught.value.faults if fault.path == "/ratio"]
    assert "add works on integers only" in uncountable.message
    assert faults({"plain": {"add": 1}}).keys() == {"/plain"}
    with pytest.raises(InvalidInput):
        changes_of(META, {"grade": add(1)})
