"""Cursors and their positions."""

from __future__ import annotations

from datetime import UTC
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persisty import InvalidCursor, InvalidQuery, OrderBy, stored
from persisty.model.expressions import ALL
from persisty.model.meta import meta_of
from persisty.model.validation import new_item
from persisty.query.cursor import decode_cursor, encode_cursor
from persisty.query.evaluation import matcher, sort_key
from persisty.query.keyset import beyond, position_of
from persisty.query.order import resolve_order
from persisty.query.resolution import resolve_filter

from .items import META, Color, Thing

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=5)
ROW = st.fixed_dictionaries(
    {
        "shelf": st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=5),
        "id": st.uuids(),
        "text": st.none() | TEXT,
        "count": st.integers(0, 3) | st.integers(0, 2**63 - 1),
        "size": st.none() | st.integers(-(2**63), 2**63 - 1),
        "ratio": st.none() | st.floats(-1e100, 1e100).filter(lambda one: one == 0 or abs(one) > 1e-100),
        "done": st.booleans(),
        "at": st.none() | st.datetimes(timezones=st.just(UTC)),
        "day": st.none() | st.dates(),
        "price": st.none()
        | st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9),
        "color": st.sampled_from(Color),
        "blob": st.none() | st.binary(max_size=5),
    }
)
SORTABLE = [name for name, one in META.attributes.items() if one.sortable]
ORDERS = st.lists(st.builds(OrderBy, st.sampled_from(SORTABLE), st.booleans()), max_size=4).map(
    lambda terms: resolve_order(META, terms)
)
FILTERS = st.sampled_from(
    [None, Thing.count > 1, Thing.text.contains("a") | Thing.at.is_null(), Thing.color == Color.RED]
)


@given(ROW, ORDERS, FILTERS)
def test_a_position_is_decoded_exactly(row: dict[str, Any], order: tuple[OrderBy, ...], where: Any) -> None:
    resolved = resolve_filter(META, where)
    position = position_of(META, order, new_item(META, row))
    cursor = encode_cursor(META, resolved, order, position)
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert cursor.isascii()
    found = decode_cursor(META, resolved, order, cursor)
    assert found == position
    assert [type(value) for value in found.values()] == [type(value) for value in position.values()]


@given(ROW, ORDERS, ORDERS, FILTERS, FILTERS)
def test_a_cursor_belongs_to_one_query(row: dict[str, Any], order: Any, other: Any, where: Any, elsewhere: Any) -> None:
    a, b = resolve_filter(META, where), resolve_filter(META, elsewhere)
    cursor = encode_cursor(META, a, order, position_of(META, order, new_item(META, row)))
    if (a, order) == (b, other):
        assert decode_cursor(META, b, other, cursor)
    else:
        with pytest.raises(InvalidCursor):
            decode_cursor(META, b, other, cursor)


def test_a_cursor_belongs_to_one_store() -> None:
    @stored(name="other")
    class Other:
        id: UUID

    order = resolve_order(META, "id")
    cursor = encode_cursor(META, ALL, order, {"id": UUID(int=1), "shelf": "s"})
    with pytest.raises(InvalidCursor):
        decode_cursor(meta_of(Other), ALL, order, cursor)


@given(st.text(max_size=60) | st.text("abcdefghijklmnopqrstuvwxyzABCDEF0123456789-_=", max_size=60))
def test_garbage_is_rejected_as_a_cursor(cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(META, ALL, (), cursor)


@pytest.mark.parametrize("cursor", [None, 5, b"x", ["x"]], ids=repr)
def test_a_cursor_that_is_not_text_is_rejected(cursor: Any) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(META, ALL, (), cursor)


@given(st.lists(ROW, min_size=2, max_size=8, unique_by=lambda row: (row["shelf"], row["id"])), ORDERS.filter(bool))
def test_beyond_matches_exactly_the_items_after_the_position(rows: list[dict[str, Any]], order: Any) -> None:
    items = sorted((new_item(META, row) for row in rows), key=sort_key(META, order))
    for a, b in pairwise(items):
        assert sort_key(META, order)(a) < sort_key(META, order)(b)
    for position, item in enumerate(items):
        further = matcher(META, beyond(META, order, position_of(META, order, item)))
        assert [one for one in items if further(one)] == items[position + 1 :]


def test_a_position_that_lacks_a_term_of_the_order_is_invalid() -> None:
    with pytest.raises(InvalidCursor):
        beyond(META, resolve_order(META, "count"), {"count": 1, "shelf": "s"})


@pytest.mark.parametrize("term", ["zz", "-zz"])
def test_the_fault_of_an_unknown_order_lists_only_attributes_that_can_be_ordered(term: str) -> None:
    assert len(SORTABLE) < len(META.attributes)
    with pytest.raises(InvalidQuery) as caught:
        resolve_order(META, term)
    assert caught.value.faults[0].expected == "one of " + ", ".join(SORTABLE)
