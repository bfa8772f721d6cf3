"""Every plan has the results of the memory backend."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from persisty.model.expressions import COUNT, Aggregate, Filter
from persisty.query.order import resolve_order
from persisty.query.resolution import resolve_filter

from .parcels import CELL, CITY, NEW_YEAR, PARCEL, SAMPLE, C, Color, P, Pair, S, walk

PARTS: dict[str, list[Any]] = {
    "parcel": [
        P.id == "037",
        P.id.oneof(["000", "037", "074", "nowhere"]),
        P.owner == "a",
        P.owner == "b",
        P.owner.oneof(["a", "c"]),
        P.owner != "a",
        P.at >= NEW_YEAR + timedelta(days=2),
        P.at < NEW_YEAR + timedelta(days=3),
        P.at == NEW_YEAR,
        P.at.oneof([NEW_YEAR, NEW_YEAR + timedelta(days=4)]),
        P.color == Color.RED,
        P.color.oneof([Color.GREEN, Color.NONE]),
        P.count > 1,
        P.count == 2,
        P.count.oneof([0, 3]),
        P.text == "a",
        P.text.oneof(["ab", "b", None]),
        P.text.startswith("a"),
        P.text.endswith("b"),
        P.text.is_null(),
        P.price > 1,
        P.price.is_null(False),
        P.price == Decimal(1),
        P.level == 1,
        P.level.oneof([2, 3]),
        CITY == "Rome",
        CITY != "Rome",
        ~P.text.contains("a"),
    ],
    "sample": [
        S.device == "x",
        S.device.oneof(["x", "z"]),
        S.at > NEW_YEAR + timedelta(days=9),
        S.at <= NEW_YEAR + timedelta(days=14),
        S.at == NEW_YEAR + timedelta(days=7),
        S.at.oneof([NEW_YEAR, NEW_YEAR + timedelta(days=3)]),
        S.kind == "a",
        S.kind.oneof(["a", "b"]),
        S.value >= 2,
        S.value.oneof([1, 3]),
    ],
    "cell": [
        C.sheet == "s",
        C.sheet.oneof(["s", "t"]),
        C.row == 2,
        C.row > 0,
        C.row.oneof([-1, 10]),
        C.column == "a",
        C.column.oneof(["a", "b"]),
        C.text == "a",
        C.text != "b",
        C.text.oneof(["a", "b"]),
    ],
}


def filters(name: str) -> st.SearchStrategy[Filter]:
    found: st.SearchStrategy[Filter] = st.recursive(
        st.sampled_from(PARTS[name]),
        lambda inner: st.tuples(inner, inner, st.booleans()).map(lambda it: it[0] & it[1] if it[2] else it[0] | it[1]),
        max_leaves=6,
    )
    return found


def orders(name: str) -> st.SearchStrategy[list[str]]:
    sortable = [
        one.name for one in {"parcel": PARCEL, "sample": SAMPLE, "cell": CELL}[name].attributes.values() if one.sortable
    ]
    return st.lists(st.sampled_from([*sortable, *(f"-{one}" for one in sortable)]), max_size=3)


QUESTIONS = st.sampled_from(sorted(PARTS)).flatmap(
    lambda name: st.tuples(st.just(name), filters(name), orders(name), st.integers(1, 9))
)
RANDOMLY = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@RANDOMLY
@given(QUESTIONS)
def test_pages_are_those_of_the_memory_backend(
    pairs: dict[str, Pair], question: tuple[str, Filter, list[str], int]
) -> None:
    name, given_filter, terms, limit = question
    pair = pairs[name]
    where, order = resolve_filter(pair.meta, given_filter), resolve_order(pair.meta, terms)
    expected = walk(pair.memory, where, order, 1000)
    found = walk(pair.dynamodb, where, order, limit)
    assert key_order(pair, found, bool(order)) == key_order(pair, expected, bool(order))


@RANDOMLY
@given(QUESTIONS)
def test_counts_and_aggregates_are_those_of_the_memory_backend(
    pairs: dict[str, Pair], question: tuple[str, Filter, list[str], int]
) -> None:
    name, given_filter, _, _ = question
    pair = pairs[name]
    where = resolve_filter(pair.meta, given_filter)
    assert pair.dynamodb.count(where) == pair.memory.count(where)
    number, group = {"parcel": ("price", "owner"), "sample": ("value", "kind"), "cell": ("row", "text")}[name]
    measures = (
        COUNT,
        Aggregate("min", number),
        Aggregate("max", number),
        Aggregate("sum", number),
        Aggregate("count", number),
    )
    for by in ((), (group,)):
        found, expected = (backend.aggregate(measures, by, where) for backend in (pair.dynamodb, pair.memory))
        assert sorted(found, key=repr) == sorted(expected, key=repr)


@RANDOMLY
@given(QUESTIONS, st.data())
def test_selected_attributes_are_those_of_the_whole_items(
    pairs: dict[str, Pair], question: tuple[str, Filter, list[str], int], data: st.DataObject
) -> None:
    name, given_filter, terms, limit = question
    pair = pairs[name]
    select = tuple(
        data.draw(st.lists(st.sampled_from(sorted(pair.meta.attributes)), min_size=1, max_size=2, unique=True))
    )
    where, order = resolve_filter(pair.meta, given_filter), resolve_order(pair.meta, terms)
    whole = {pair.meta.key_values(item): item for item in walk(pair.memory, where, order, 1000)}
    found = walk(pair.dynamodb, where, order, limit, select=select)
    assert sorted(map(pair.meta.key_values, found)) == sorted(whole)
    for item in found:
        for attribute in pair.meta.attributes.values():
            value = attribute.get(item)
            if value is UNSET:
                assert attribute.name not in {*select, *terms, *pair.meta.key.attributes}
            else:
                assert value == attribute.get(whole[pair.meta.key_values(item)])


def key_order(pair: Pair, items: list[Any], ordered: bool) -> list[Any]:
    """Return the keys of items, sorted if the query has no order."""
    keys = list(map(pair.meta.key_values, items))
    return keys if ordered else sorted(keys)
