"""Aggregates: their validation, and local evaluation compared with plain Python."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persisty import COUNT, Aggregate, App, Group, InvalidQuery, TooManyGroups
from persisty.model.types import AGGREGATES
from persisty.query import aggregate
from persisty.query.aggregate import Accumulator, finished, measures_of, resolve_aggregates, sort_groups

from .items import META, Color, Thing

ID = UUID(int=1)
decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**6), max_value=10**6, places=3)
things = st.builds(
    Thing,
    shelf=st.just("s"),
    id=st.just(ID),
    count=st.integers(0, 2**62),
    size=st.none() | st.integers(-3, 3),
    price=st.none() | decimals,
    color=st.sampled_from(Color),
)


def evaluated(items: list[Thing], *asked: Aggregate, by: tuple[str, ...] = ()) -> list[Group]:
    measures = measures_of(asked)
    accumulator = Accumulator(META, measures, by)
    for item in items:
        accumulator.add(item)
    return [finished(asked, measures, group) for group in sort_groups(META, by, accumulator.groups())]


@given(st.lists(things, max_size=20))
def test_one_group_of_everything(items: list[Thing]) -> None:
    sizes = [one.size for one in items if one.size is not None]
    prices = [one.price for one in items if one.price is not None]
    [group] = evaluated(
        items,
        COUNT,
        Aggregate("count", "size"),
        Aggregate("sum", "count"),
        Aggregate("min", "size"),
        Aggregate("max", "size"),
        Aggregate("avg", "size"),
        Aggregate("sum", "price"),
    )
    assert group.by == ()
    assert group.values == (
        len(items),
        len(sizes),
        sum(one.count for one in items),
        min(sizes, default=None),
        max(sizes, default=None),
        sum(sizes) / len(sizes) if sizes else None,
        sum(prices, Decimal(0)),
    )


@given(st.lists(things, max_size=20))
def test_groups_are_in_the_order_of_their_values_with_null_last(items: list[Thing]) -> None:
    groups = evaluated(items, COUNT, by=("color", "size"))
    counts: dict[Any, int] = {}
    for one in items:
        counts[one.color, one.size] = counts.get((one.color, one.size), 0) + 1
    assert {group.by: group.values[0] for group in groups} == counts
    assert [group.by for group in groups] == sorted(
        counts, key=lambda by: (by[0].value, by[1] is None, 0 if by[1] is None else by[1])
    )


def test_sums_of_decimals_are_exact_and_means_have_38_digits() -> None:
    prices = [Decimal("1E+30"), Decimal("1E-30"), Decimal("-1E+30")]
    items = [Thing(shelf="s", id=ID, price=price) for price in prices]
    [group] = evaluated(items, Aggregate("sum", "price"), Aggregate("avg", "price"))
    assert group.values[0] == Decimal("1E-30")
    assert str(group.values[1]) == "3.3333333333333333333333333333333333333E-31"


@pytest.mark.parametrize(
    ("prices", "total"), [(("1.5", "1.50"), "3"), (("0.5", "-0.5"), "0"), (("1E+37", "1E+37"), "2" + "0" * 37)]
)
def test_a_sum_is_normalised_like_a_stored_decimal(prices: tuple[str, ...], total: str) -> None:
    items = [Thing(shelf="s", id=ID, price=Decimal(price)) for price in prices]
    [group] = evaluated(items, Aggregate("sum", "price"))
    assert str(group.values[0]) == total


def test_a_mean_may_be_smaller_than_any_stored_number() -> None:
    items = [Thing(shelf="s", id=ID, price=price) for price in (Decimal("1E-130"), Decimal(0), Decimal(0))]
    [group] = evaluated(items, Aggregate("avg", "price"))
    assert str(group.values[0]) == "3.3333333333333333333333333333333333333E-131"


def test_a_mean_is_measured_once_with_its_sum_and_count() -> None:
    asked = (Aggregate("avg", "size"), Aggregate("sum", "size"), COUNT)
    assert measures_of(asked) == (Aggregate("sum", "size"), Aggregate("count", "size"), COUNT)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (Aggregate("median", "size"), "Unknown aggregate"),
        (Aggregate("max", "weight"), "Unknown attribute"),
        (Aggregate("max"), "Unknown attribute"),
        (Aggregate("sum", "text"), "No sum of string attributes"),
        (Aggregate("max", "done"), "No max of boolean attributes"),
        (Aggregate("min", "blob"), "No min of bytes attributes"),
        ("size", "Not an aggregate"),
    ],
)
def test_invalid_aggregates_are_rejected(asked: Any, message: str) -> None:
    with pytest.raises(InvalidQuery) as caught:
        resolve_aggregates(META.attributes, [COUNT, asked])
    assert [(fault.path, fault.message) for fault in caught.value.faults] == [("/aggregates/1", message)]


def test_empty_aggregates_and_groups_by_unordered_attributes_are_rejected() -> None:
    store = App("things", items=[Thing], url="memory://").store(Thing)
    for ask in (store.aggregate, lambda: store.aggregate(COUNT, by="extra"), lambda: store.count_by("nope")):
        with pytest.raises(InvalidQuery):
            ask()


def test_groups_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregate, "MAX_GROUPS", 2)
    items = [Thing(shelf="s", id=ID, size=size) for size in (1, 2, 1, 2)]
    assert len(evaluated(items, COUNT, by=("size",))) == 2
    with pytest.raises(TooManyGroups) as caught:
        evaluated([*items, Thing(shelf="s", id=ID, size=3)], COUNT, by=("size",))
    assert caught.value.details == {"limit": 2}


def test_the_fault_of_an_unknown_attribute_lists_only_those_that_have_the_aggregate() -> None:
    with pytest.raises(InvalidQuery) as caught:
        resolve_aggregates(META.attributes, [Aggregate("sum", "weight")], "/aggregates")
    summed = [name for name, one in META.attributes.items() if one.kind in AGGREGATES["sum"]]
    assert caught.value.faults[0].expected == "one of " + ", ".join(summed)


def test_the_fault_of_an_unknown_group_lists_only_attributes_that_items_can_be_grouped_by() -> None:
    with pytest.raises(InvalidQuery) as caught:
        App("things", items=[Thing], url="memory://").store(Thing).aggregate(COUNT, by="zz")
    grouping = [name for name, one in META.attributes.items() if one.sortable]
    assert [(fault.path, fault.expected) for fault in caught.value.faults] == [
        ("/by/0", "one of " + ", ".join(grouping))
    ]
