"""Which table or index answers a query, and that a plan asks for neither more nor less than the query."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persisty import StoreMeta
from persisty.backends.dynamodb.codec import WireCodec
from persisty.backends.dynamodb.planner import QueryPlan, access_paths, plan
from persisty.model.expressions import ALL, Filter, OrderBy
from persisty.query.keyset import beyond
from persisty.query.match import matcher
from persisty.query.resolve import resolve_filter, resolve_order

from .items import CELL, READING, THING, Cell, Color, Level, Reading, Thing

T: Any = Thing
R: Any = Reading
C: Any = Cell
NEW_YEAR, MAY = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
OWNER_AT, OWNER_COLOR, TEXT_PRICE, LEVEL = (index.name for index in THING.indexes)
SCAN = None


def planned(meta: StoreMeta[Any], where: Any, order: Any = None, after: dict[str, Any] | None = None) -> QueryPlan:
    total = resolve_order(meta, order)
    following = beyond(meta, total, after) if after else ALL
    return plan(meta, access_paths(meta, WireCodec(meta)), resolve_filter(meta, where), total, following)


def through(found: QueryPlan) -> str | None:
    """ "table", the index's name, or None for a scan."""
    return None if found.path is None else found.path.index or "table"


CHOICES: dict[str, tuple[Any, Any, str | None, list[str], bool, bool]] = {
    # where, order → path, conditions, ordered, backward
    "everything": (None, None, SCAN, [], True, False),
    "everything in order": (None, "at", SCAN, [], False, False),
    "the key": (T.id == "1", None, "table", ["id eq"], True, False),
    "the key before an index": ((T.id == "1") & (T.owner == "me"), None, "table", ["id eq"], True, False),
    "a range of the key": (T.id > "1", None, SCAN, [], True, False),
    "an index": (T.owner == "me", None, OWNER_AT, ["owner eq"], True, False),
    "an or is no equality": ((T.owner == "me") | (T.owner == "you"), None, SCAN, [], True, False),
    "ordered by the index": (T.owner == "me", "at", OWNER_AT, ["owner eq"], True, False),
    "backward": (T.owner == "me", "-at", OWNER_AT, ["owner eq"], True, True),
    "pinned terms of an order do not matter": (T.owner == "me", ["-owner", "-at"], OWNER_AT, ["owner eq"], True, True),
    "the index that has the order": (T.owner == "me", ["color", "count"], OWNER_COLOR, ["owner eq"], True, False),
    "both sort attributes backward": (T.owner == "me", ["-color", "-count"], OWNER_COLOR, ["owner eq"], True, True),
    "directions that differ": (T.owner == "me", ["color", "-count"], OWNER_AT, ["owner eq"], False, False),
    "a descending key": (T.owner == "me", ["at", "-id"], OWNER_AT, ["owner eq"], False, False),
    "ordered by the key alone": (T.owner == "me", "id", OWNER_AT, ["owner eq"], False, False),
    "an order no index has": (T.owner == "me", "price", OWNER_AT, ["owner eq"], False, False),
    "a range": ((T.owner == "me") & (T.at > NEW_YEAR), None, OWNER_AT, ["owner eq", "at gt"], True, False),
    "a closed range": (
        (T.owner == "me") & (T.at >= NEW_YEAR) & (T.at < MAY),
        "-at",
        OWNER_AT,
        ["owner eq", "at ge", "at le"],
        True,
        True,
    ),
    "a range that holds nothing": ((T.owner == "me") & (T.at > MAY) & (T.at < NEW_YEAR), None, OWNER_AT, ["owner eq", "at gt"], True, False),
    "equalities from left to right, then a range": (
        (T.owner == "me") & (T.color == Color.RED) & (T.count > 5),
        None,
        OWNER_COLOR,
        ["owner eq", "color eq", "count gt"],
        True,
        False,
    ),
    "a gap ends the conditions": ((T.owner == "me") & (T.count == 5), None, OWNER_AT, ["owner eq"], True, False),
    "what is pinned is ordered": ((T.owner == "me") & (T.color == Color.RED), "-count", OWNER_COLOR, ["owner eq", "color eq"], True, True),
    "an index lacks what may be null": (T.text == "a", None, SCAN, [], True, False),
    "unless it is said not to be": ((T.text == "a") & (T.price != None), None, TEXT_PRICE, ["text eq"], True, False),  # noqa: E711
    "unless it is compared": ((T.text == "a") & (T.price > 1), None, TEXT_PRICE, ["text eq", "price gt"], True, False),
    "ne does not say so": ((T.text == "a") & (T.price != 1), None, SCAN, [], True, False),
    "an index of one attribute": (T.level == Level.HIGH, None, LEVEL, ["level eq"], True, False),
    "null is in no index": (T.level == None, None, SCAN, [], True, False),  # noqa: E711
    "more than a key holds is no condition": (T.owner == "x" * 2048, None, SCAN, [], True, False),
    "more than a sort key holds is no condition": ((T.id == "1") & (T.text == "x" * 2048), None, "table", ["id eq"], True, False),
}  # fmt: skip


@pytest.mark.parametrize("name", CHOICES)
def test_a_query_goes_through(name: str) -> None:
    where, order, path, conditions, ordered, backward = CHOICES[name]
    found = planned(THING, where, order)
    assert through(found) == path
    assert [f"{one.attribute} {one.operator}" for one in found.conditions] == conditions
    assert (found.ordered, found.backward) == (ordered, backward)


def test_a_prefix_is_a_range() -> None:
    found = planned(READING, (R.device == "d") & (R.at >= NEW_YEAR), "-at")
    assert (through(found), found.ordered, found.backward) == ("table", True, True)
    assert [one.operator for one in found.conditions] == ["eq", "ge"]
    by_text = planned(THING, (T.owner == "me") & T.color.oneof([Color.RED]), "color")
    assert [one.operator for one in by_text.conditions] == ["eq", "eq"]


def test_a_joined_sort_key_is_no_order() -> None:
    found = planned(CELL, C.sheet == "s", ["row", "column"])
    assert (through(found), found.ordered) == ("table", False)


def test_a_cursor_narrows_the_range() -> None:
    found = planned(THING, (T.owner == "me") & (T.at >= NEW_YEAR), "at", {"at": MAY, "id": "7"})
    assert [(one.operator, one.value) for one in found.conditions[1:]] == [("ge", MAY)]
    back = planned(THING, (T.owner == "me") & (T.at >= NEW_YEAR), "-at", {"at": MAY, "id": "7"})
    assert [(one.operator, one.value) for one in back.conditions[1:]] == [("ge", NEW_YEAR), ("le", MAY)]


WHERES = st.recursive(
    st.sampled_from(
        [
            T.id == "b",
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
def test_a_plan_asks_for_what_the_query_asks_for(where: Filter, order: list[str], items: list[Any]) -> None:
    resolved, total = resolve_filter(THING, where), resolve_order(THING, order)
    position = {name: THING.attributes[name].get(items[0]) for name in THING.attributes} if order else None
    found = planned(THING, resolved, total, position)
    wanted = matcher(THING, resolved)
    beyond_it = matcher(THING, beyond(THING, total, position)) if position else matcher(THING, ALL)
    conditions = [matcher(THING, one) for one in found.conditions]
    rest = matcher(THING, found.rest)
    for item in items:
        asked = wanted(item) and beyond_it(item)
        assert asked == (all(holds(item) for holds in conditions) and rest(item))
        if asked and found.path is not None:
            assert all(THING.attributes[name].get(item) is not None for name in found.path.sorts)


@settings(deadline=None)
@given(where=WHERES, order=ORDERS, items=THINGS)
def test_a_path_that_is_said_to_be_ordered_is(where: Filter, order: list[str], items: list[Any]) -> None:
    """Items as the path gives them, ties aside, are in the order asked."""
    found = planned(THING, where, order)
    if found.path is None or not found.ordered or not order:
        return
    total = resolve_order(THING, order)
    inside = [item for item in items if all(matcher(THING, one)(item) for one in found.conditions)]
    inside = [item for item in inside if all(THING.attributes[name].get(item) is not None for name in found.path.sorts)]

    def sorts(item: Any) -> tuple[Any, ...]:
        return tuple(
            THING.attributes[name].primitive(THING.attributes[name].get(item))
            for name in (found.path.sorts if found.path else ())
        )

    came = sorted(inside, key=sorts, reverse=found.backward)
    terms: list[OrderBy] = [one for one in total if one.attribute in found.grouping]
    for before, after in pairwise(came):
        for one in terms:
            attribute = THING.attributes[one.attribute]
            a, b = attribute.primitive(attribute.get(before)), attribute.primitive(attribute.get(after))
            if a != b:
                assert (a > b) is one.descending
                break
