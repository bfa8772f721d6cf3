"""The planner chooses the best table or index, and its plan finds exactly the matches of the query."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persisty import StoreMeta
from persisty.backends.dynamodb.access_paths import QueryPlan, membership, over_values, remaining_filter
from persisty.backends.dynamodb.codec import WireCodec
from persisty.backends.dynamodb.planner import KeyPlan, Plan, Planner, UnionPlan
from persisty.model.expressions import ALL, NOTHING, And, Compare, Filter, OrderBy
from persisty.query.evaluation import matcher
from persisty.query.keyset import beyond
from persisty.query.order import resolve_order
from persisty.query.resolution import resolve_filter

from .items import CELL, READING, THING, Cell, Color, Level, Reading, Thing

T: Any = Thing
R: Any = Reading
C: Any = Cell
NEW_YEAR, MAY = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
OWNER_AT, OWNER_COLOR, TEXT_PRICE, LEVEL = (index.name for index in THING.indexes)
SCAN = None


def planned(meta: StoreMeta[Any], where: Any, order: Any = None, after: dict[str, Any] | None = None) -> Plan:
    total = resolve_order(meta, order)
    following = beyond(meta, total, after) if after else ALL
    return Planner(meta, WireCodec(meta)).plan(resolve_filter(meta, where), total, following)


def one_query(found: Plan) -> QueryPlan:
    assert isinstance(found, QueryPlan)
    return found


def through(found: QueryPlan) -> str | None:
    """Return "table", the name of the index, or None for a scan."""
    return None if found.path is None else found.path.index or "table"


def queries_of(found: Plan) -> list[QueryPlan]:
    """Return the queries of a plan, an empty list for a plan of keys."""
    return [] if isinstance(found, KeyPlan) else [*found.queries] if isinstance(found, UnionPlan) else [found]


CHOICES: dict[str, tuple[Any, Any, str | None, list[str], bool, bool]] = {
    # where, order → path, conditions, ordered, backward
    "everything": (None, None, SCAN, [], True, False),
    "everything in order": (None, "at", SCAN, [], False, False),
    "a range of the key": (T.id > "1", None, SCAN, [], True, False),
    "an index": (T.owner == "me", None, OWNER_AT, ["owner eq"], True, False),
    "an or with an arm that no index finds": ((T.owner == "me") | (T.count == 1), None, SCAN, [], True, False),
    "more values than a union may have": (T.owner.oneof(f"{n}" for n in range(101)), None, SCAN, [], True, False),
    "a oneof with too many values for a union is filtered": (
        (T.owner == "me") & (T.color == Color.RED) & T.count.oneof(range(101)),
        None,
        OWNER_COLOR,
        ["owner eq", "color eq"],
        True,
        False,
    ),
    "an or together with an indexed equality": (
        (T.owner == "me") & ((T.count == 1) | (T.ratio == 0.5)),
        None,
        OWNER_AT,
        ["owner eq"],
        True,
        False,
    ),
    "two conditions on the partition key": (
        (T.owner == "me") & T.owner.oneof(["me", "you"]),
        None,
        OWNER_AT,
        ["owner eq"],
        True,
        False,
    ),
    "two arms of an or with the same partition": (
        ((T.owner == "me") & (T.at > MAY)) | ((T.owner == "me") & (T.ratio > 1)),
        None,
        OWNER_AT,
        ["owner eq"],
        True,
        False,
    ),
    "ordered by the index": (T.owner == "me", "at", OWNER_AT, ["owner eq"], True, False),
    "backward": (T.owner == "me", "-at", OWNER_AT, ["owner eq"], True, True),
    "an order whose first term has one value": (T.owner == "me", ["-owner", "-at"], OWNER_AT, ["owner eq"], True, True),
    "an index in the requested order": (T.owner == "me", ["color", "count"], OWNER_COLOR, ["owner eq"], True, False),
    "both sort attributes backward": (T.owner == "me", ["-color", "-count"], OWNER_COLOR, ["owner eq"], True, True),
    "an order with mixed directions": (T.owner == "me", ["color", "-count"], OWNER_AT, ["owner eq"], False, False),
    "a descending key": (T.owner == "me", ["at", "-id"], OWNER_AT, ["owner eq"], False, False),
    "ordered by the key alone": (T.owner == "me", "id", OWNER_AT, ["owner eq"], False, False),
    "an order that no index has": (T.owner == "me", "price", OWNER_AT, ["owner eq"], False, False),
    "a range": ((T.owner == "me") & (T.at > NEW_YEAR), None, OWNER_AT, ["owner eq", "at gt"], True, False),
    "a closed range": (
        (T.owner == "me") & (T.at >= NEW_YEAR) & (T.at < MAY),
        "-at",
        OWNER_AT,
        ["owner eq", "at ge", "at le"],
        True,
        True,
    ),
    "an empty range": ((T.owner == "me") & (T.at > MAY) & (T.at < NEW_YEAR), None, OWNER_AT, ["owner eq", "at gt"], True, False),
    "equalities from left to right, then a range": (
        (T.owner == "me") & (T.color == Color.RED) & (T.count > 5),
        None,
        OWNER_COLOR,
        ["owner eq", "color eq", "count gt"],
        True,
        False,
    ),
    "a gap ends the conditions": ((T.owner == "me") & (T.count == 5), None, OWNER_AT, ["owner eq"], True, False),
    "an index whose first sort attribute has one value": ((T.owner == "me") & (T.color == Color.RED), "-count", OWNER_COLOR, ["owner eq", "color eq"], True, True),
    "an index without the items that have a null": (T.text == "a", None, SCAN, [], True, False),
    "an index whose optional attribute is required to be set": ((T.text == "a") & (T.price != None), None, TEXT_PRICE, ["text eq"], True, False),  # noqa: E711
    "an index whose optional attribute is compared": ((T.text == "a") & (T.price > 1), None, TEXT_PRICE, ["text eq", "price gt"], True, False),
    "an index whose optional attribute is compared with ne": ((T.text == "a") & (T.price != 1), None, SCAN, [], True, False),
    "an index of one attribute": (T.level == Level.HIGH, None, LEVEL, ["level eq"], True, False),
    "a null of an indexed attribute": (T.level == None, None, SCAN, [], True, False),  # noqa: E711
    "a value that is too long for a key": (T.owner == "x" * 2048, None, SCAN, [], True, False),
}  # fmt: skip


@pytest.mark.parametrize("name", CHOICES)
def test_a_query_goes_through(name: str) -> None:
    where, order, path, conditions, ordered, backward = CHOICES[name]
    found = one_query(planned(THING, where, order))
    assert through(found) == path
    assert [f"{one.attribute} {one.operator}" for one in found.conditions] == conditions
    assert (found.ordered, found.backward) == (ordered, backward)


def test_a_prefix_is_a_range() -> None:
    found = one_query(planned(READING, (R.device == "d") & (R.at >= NEW_YEAR), "-at"))
    assert (through(found), found.ordered, found.backward) == ("table", True, True)
    assert [one.operator for one in found.conditions] == ["eq", "ge"]
    by_text = one_query(planned(THING, (T.owner == "me") & T.color.oneof([Color.RED]), "color"))
    assert [one.operator for one in by_text.conditions] == ["eq", "eq"]


def test_a_joined_sort_key_is_no_order() -> None:
    found = one_query(planned(CELL, C.sheet == "s", ["row", "column"]))
    assert (through(found), found.ordered) == ("table", False)


def test_a_cursor_narrows_the_range() -> None:
    found = one_query(planned(THING, (T.owner == "me") & (T.at >= NEW_YEAR), "at", {"at": MAY, "id": "7"}))
    assert [(one.operator, one.value) for one in found.conditions[1:]] == [("ge", MAY)]
    back = one_query(planned(THING, (T.owner == "me") & (T.at >= NEW_YEAR), "-at", {"at": MAY, "id": "7"}))
    assert [(one.operator, one.value) for one in back.conditions[1:]] == [("ge", NEW_YEAR), ("le", MAY)]


KEYS: dict[str, tuple[StoreMeta[Any], Any, list[tuple[Any, ...]], Filter]] = {
    # where → keys, the remaining filter
    "the key": (THING, T.id == "1", [("1",)], ALL),
    "a key and an indexed equality": (THING, (T.id == "1") & (T.owner == "me"), [("1",)], resolve_filter(THING, T.owner == "me")),
    "several keys": (THING, T.id.oneof(["2", "1"]), [("2",), ("1",)], ALL),
    "an or of keys": (THING, (T.id == "1") | T.id.oneof(["2", "1"]), [("1",), ("2",)], ALL),
    "an or of filtered keys": (
        THING,
        (T.id == "1") | ((T.id == "2") & (T.count > 1)),
        [("1",), ("2",)],
        resolve_filter(THING, (T.id == "1") | ((T.id == "2") & (T.count > 1))),
    ),
    "two different keys": (THING, (T.id == "1") & (T.id == "2"), [], NOTHING),
    "several keys and a range": (THING, T.id.oneof(["1", "2", "3"]) & (T.id > "1"), [("2",), ("3",)], ALL),
    "a key of two parts": (READING, (R.device == "d") & (R.at == MAY), [("d", MAY)], ALL),
    "several second parts": (READING, (R.device == "d") & R.at.oneof([MAY, NEW_YEAR]), [("d", MAY), ("d", NEW_YEAR)], ALL),
    "a key of three parts": (CELL, (C.sheet == "s") & (C.row == 1) & C.column.oneof(["a", "b"]), [("s", 1, "a"), ("s", 1, "b")], ALL),
    "a key that is too long to exist": (THING, T.id == "x" * 3000, [("x" * 3000,)], ALL),
}  # fmt: skip


@pytest.mark.parametrize("name", KEYS)
def test_whole_keys_are_read(name: str) -> None:
    meta, where, keys, rest = KEYS[name]
    assert planned(meta, where) == KeyPlan(tuple(keys), rest)


def test_more_keys_than_a_plan_may_have_need_a_scan() -> None:
    many = [f"{number}" for number in range(600)]
    assert isinstance(planned(THING, T.id.oneof(many)), KeyPlan)
    assert through(one_query(planned(READING, R.device.oneof(many) & R.at.oneof([MAY, NEW_YEAR])))) is SCAN


UNIONS: dict[str, tuple[StoreMeta[Any], Any, Any, list[str], bool, bool]] = {
    # where, order → queries, all ordered, disjoint
    "one of several partitions": (
        THING, T.owner.oneof(["a", "b"]), None, ["by-owner-at: owner eq", "by-owner-at: owner eq"], True, True),
    "in the order of each query": (
        THING, T.owner.oneof(["a", "b"]), "-at", ["by-owner-at: owner eq", "by-owner-at: owner eq"], True, True),
    "in an order that no query has": (
        THING, T.owner.oneof(["a", "b"]), "price", ["by-owner-at: owner eq", "by-owner-at: owner eq"], False, True),
    "with a range in each query": (
        THING, T.owner.oneof(["a", "b"]) & (T.at > MAY), None, ["by-owner-at: owner eq, at gt"] * 2, True, True),
    "one of several sort values": (
        THING, (T.owner == "me") & T.color.oneof([Color.RED, Color.NONE]) & (T.count > 1), None,
        ["by-owner-color-count: owner eq, color eq, count gt"] * 2, True, True),
    "several partitions and sort values": (
        THING, T.owner.oneof(["a", "b"]) & T.color.oneof([Color.RED, Color.NONE]), "count",
        ["by-owner-color-count: owner eq, color eq"] * 4, True, True),
    "an or of equalities": (
        THING, (T.owner == "me") | (T.owner == "you"), "at", ["by-owner-at: owner eq"] * 2, True, True),
    "an or over two indexes": (
        THING, (T.owner == "me") | (T.level == Level.HIGH), None, ["by-owner-at: owner eq", "by-level: level eq"], True, False),
    "an or of a key and an index": (
        THING, (T.owner == "me") | (T.id == "1"), None, ["by-owner-at: owner eq", "table: id eq"], True, False),
    "an or inside an or": (
        THING, (T.owner == "me") | ((T.count > 1) & ((T.owner == "a") | (T.level == Level.LOW))), None,
        ["by-owner-at: owner eq", "by-owner-at: owner eq", "by-level: level eq"], True, False),
    "an or whose arms need the condition next to it": (
        THING, (T.price > 1) & ((T.text == "a") | (T.text == "b")), None, ["by-text-price: text eq, price gt"] * 2, True, True),
    "several partitions of a table": (
        READING, R.device.oneof(["a", "b"]) & (R.at > MAY), "at", ["table: device eq, at gt"] * 2, True, True),
    "part of a key of three": (CELL, C.sheet.oneof(["a", "b"]), None, ["table: sheet eq"] * 2, True, True),
}  # fmt: skip


@pytest.mark.parametrize("name", UNIONS)
def test_a_union_of_queries(name: str) -> None:
    meta, where, order, queries, ordered, disjoint = UNIONS[name]
    found = planned(meta, where, order)
    assert isinstance(found, UnionPlan)
    queries_found = [
        f"{through(one)}: {', '.join(f'{it.attribute} {it.operator}' for it in one.conditions)}"
        for one in found.queries
    ]
    assert sorted(queries_found) == sorted(queries)
    assert (all(one.ordered for one in found.queries), found.disjoint) == (ordered, disjoint)


def test_comparisons_that_key_conditions_decide_are_not_filtered_again() -> None:
    found = planned(THING, ((T.owner == "a") & (T.count > 5)) | (T.level == Level.HIGH))
    assert isinstance(found, UnionPlan)
    by_owner, by_level = found.queries
    assert by_owner.rest == resolve_filter(THING, (T.count > 5) | (T.level == Level.HIGH))
    assert by_level.rest == ALL
    narrowed = planned(THING, T.owner.oneof(["a", "b"]) & (T.owner != "b"))
    assert [one.value for one in one_query(narrowed).conditions] == ["a"]


def test_an_engine_that_allows_two_attributes_in_an_index_gets_conditions_on_two() -> None:
    planner = Planner(THING, WireCodec(THING), index_attributes=2)
    where = resolve_filter(THING, (T.owner == "me") & (T.color == Color.RED) & (T.count > 5))
    found = one_query(planner.plan(where))
    assert (through(found), [one.attribute for one in found.conditions]) == (OWNER_COLOR, ["owner", "color"])
    assert found.rest == resolve_filter(THING, T.count > 5)


def test_attributes_that_change_during_the_walk_make_no_union() -> None:
    planner = Planner(THING, WireCodec(THING), moving=frozenset({"owner"}))
    assert isinstance(planner.plan(resolve_filter(THING, T.level.oneof([Level.LOW, Level.HIGH]))), UnionPlan)
    assert through(one_query(planner.plan(resolve_filter(THING, T.owner == "a")))) == OWNER_AT
    for where in (T.owner.oneof(["a", "b"]), (T.owner == "a") | (T.level == Level.LOW)):
        assert through(one_query(planner.plan(resolve_filter(THING, where)))) is SCAN


WHERES = st.recursive(
    st.sampled_from(
        [
            T.id == "b",
            T.id.oneof(["a", "c"]),
            T.owner.oneof(["a", "b"]),
            T.color.oneof([Color.RED, Color.NONE]),
            T.count.oneof([0, 2]),
            T.owner == "a",
            T.owner == "b",
            T.at >= NEW_YEAR,
            T.at < MAY,
            T.at > MAY,
            T.at == MAY,
            T.color == Color.RED,
            T.count > 0,
            T.count <= 1,
            T.count == 1,
            T.text == "a",
            T.text.startswith("a"),
            T.price > 1,
            T.price != 1,
            T.price.is_null(),
            T.price.is_null(False),
            T.level == Level.LOW,
            T.level != Level.LOW,
            T.text.endswith("b"),
            ~T.text.contains("a"),
        ]
    ),
    lambda inner: st.tuples(inner, inner, st.booleans()).map(lambda it: it[0] & it[1] if it[2] else it[0] | it[1]),
    max_leaves=6,
)
THINGS = st.lists(
    st.builds(
        Thing,
        id=st.sampled_from("abcdef"),
        owner=st.sampled_from("ab"),
        at=st.sampled_from([NEW_YEAR, MAY, datetime(2026, 6, 1, tzinfo=UTC)]),
        count=st.integers(0, 2),
        color=st.sampled_from(Color),
        text=st.sampled_from([None, "a", "ab", "b"]),
        price=st.sampled_from([None, Decimal(1), Decimal(2)]),
        level=st.sampled_from([None, *Level]),
    ),
    min_size=1,
    max_size=8,
)
ORDERS = st.lists(
    st.sampled_from(["at", "-at", "color", "-color", "count", "-count", "price", "-price", "id", "owner"]), max_size=3
)


@settings(deadline=None)
@given(where=WHERES, order=ORDERS, items=THINGS)
def test_a_plan_finds_exactly_the_matches_of_the_query(where: Filter, order: list[str], items: list[Any]) -> None:
    resolved, total = resolve_filter(THING, where), resolve_order(THING, order)
    position = {one.attribute: THING.attributes[one.attribute].get(items[0]) for one in total} or None
    found = planned(THING, resolved, total, position)
    is_match = matcher(THING, resolved)
    is_after = matcher(THING, beyond(THING, total, position)) if position else matcher(THING, ALL)
    for item in items:
        expected = is_match(item) and is_after(item)
        if isinstance(found, KeyPlan):
            assert expected == ((item.id,) in found.keys and matcher(THING, found.rest)(item))
            continue
        readers = [one for one in queries_of(found) if matcher(THING, membership(one))(item)]
        assert expected == any(matcher(THING, one.rest)(item) for one in readers)
        assert not expected or all(matcher(THING, one.rest)(item) for one in readers)  # the first one's is enough
        if isinstance(found, UnionPlan) and found.disjoint:
            assert len(readers) <= 1


@settings(deadline=None)
@given(where=WHERES, order=ORDERS, items=THINGS)
def test_a_path_declared_as_ordered_is_ordered(where: Filter, order: list[str], items: list[Any]) -> None:
    """The items of the path are in the requested order, except for ties."""
    total = resolve_order(THING, order)
    for one in queries_of(planned(THING, where, order)):
        if one.path is not None and one.ordered and order:
            inside = filter(matcher(THING, And((membership(one), one.rest))), items)
            _check_order(one, total, inside)


def _check_order(found: QueryPlan, total: tuple[OrderBy, ...], inside: Iterable[Any]) -> None:
    def sorts(item: Any) -> tuple[Any, ...]:
        return tuple(
            THING.attributes[name].primitive(THING.attributes[name].get(item))
            for name in (found.path.sorts if found.path else ())
        )

    sorted_items = sorted(inside, key=sorts, reverse=found.backward)
    terms: list[OrderBy] = [one for one in total if one.attribute in found.grouping]
    for before, after in pairwise(sorted_items):
        for one in terms:
            attribute = THING.attributes[one.attribute]
            a, b = attribute.primitive(attribute.get(before)), attribute.primitive(attribute.get(after))
            if a != b:
                assert (a > b) is one.descending
                break


ATTRIBUTES = ("owner", "at", "color", "count", "text", "price", "level")


@settings(deadline=None)
@given(
    where=WHERES,
    positions=st.fixed_dictionaries({}, optional={name: st.integers(0, 7) for name in ATTRIBUTES}),
    items=THINGS,
)
def test_the_remaining_filter_matches_the_same_items_as_the_whole_one(
    where: Filter, positions: dict[str, int], items: list[Any]
) -> None:
    values = {name: THING.attributes[name].get(items[place % len(items)]) for name, place in positions.items()}
    conditions = tuple(Compare(name, "eq", value) for name, value in values.items() if value is not None)
    resolved = resolve_filter(THING, where)
    remaining = matcher(THING, remaining_filter(over_values(THING), resolved, conditions))
    for item in items:
        if matcher(THING, And(conditions))(item):
            assert remaining(item) == matcher(THING, resolved)(item)


@pytest.mark.parametrize("order", [None, "at", "-at", "price"])
@pytest.mark.parametrize(
    "where",
    [
        None,
        T.owner == "me",
        (T.owner == "me") & (T.count == 1),
        (T.count == 1) & (T.owner == "me") & (T.color == Color.RED),
        T.text == "",
    ],
)
def test_the_plan_of_equalities_is_cached_for_other_values(where: Any, order: Any) -> None:
    planner = Planner(THING, WireCodec(THING))
    total, resolved = resolve_order(THING, order), resolve_filter(THING, where)
    assert planner.plan(resolved, total) == planner.plan(resolved, total) == planned(THING, where, order)
    for value in ("you", "x" * 300, "x" * 3_000):  # an index has no key of 3,000 bytes
        other = resolve_filter(THING, (T.owner == value) & (T.count == 2))
        assert planner.plan(other, total) == planned(THING, other, order)
