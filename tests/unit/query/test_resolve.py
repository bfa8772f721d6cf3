"""The normal form of filters and orders, and the faults of invalid ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persisty import Filter, InvalidQuery, OrderBy, meta_of, stored
from persisty.model.expressions import ALL, NOTHING, And, Compare, Not, Or, Text
from persisty.model.types import OPERATORS, Kind
from persisty.model.validation import new_item
from persisty.query.evaluation import matcher, sort_key
from persisty.query.filter_algebra import combine
from persisty.query.order import resolve_attributes, resolve_order
from persisty.query.resolution import resolve_filter

from .items import META, Color, Thing

T = Thing
KEY = UUID(int=1)


def resolve(where: Any) -> Filter:
    return resolve_filter(META, where)


A, B, C = (Compare("count", "eq", n) for n in (1, 2, 3))
NORMAL: dict[str, tuple[Any, Filter]] = {
    "none": (None, ALL),
    "all": (ALL, ALL),
    "nothing": (NOTHING, NOTHING),
    "not all": (~ALL, NOTHING),
    "typed": (T.id == str(KEY), Compare("id", "eq", KEY)),
    "enum": (T.color == "blue", Compare("color", "eq", Color.BLUE)),
    "utc": (
        T.at == datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
        Compare("at", "eq", datetime(2026, 1, 1, tzinfo=UTC)),
    ),
    "one spelling of a decimal": (T.price < Decimal("1.50"), Compare("price", "lt", Decimal("1.5"))),
    "constraints do not bind questions": (T.count > -5, Compare("count", "gt", -5)),
    "nor texts": (T.text == "longer than five", Compare("text", "eq", "longer than five")),
    "eq none": (T.text == None, Compare("text", "null", True)),  # noqa: E711
    "ne none": (T.text != None, Compare("text", "null", False)),  # noqa: E711
    "flat and": (A & (B & C), And((A, B, C))),
    "flat or": ((A | B) | (B | C), Or((A, B, C))),
    "once": (A & A, A),
    "and all": (A & ALL, A),
    "and nothing": (A & NOTHING, NOTHING),
    "or all": (A | ALL, ALL),
    "or nothing": (A | NOTHING, A),
    "oneof nothing": (T.count.oneof([]), NOTHING),
    "oneof one": (T.count.oneof([1, 1]), A),
    "oneof once each": (T.count.oneof([1, 2, 1]), Compare("count", "oneof", (1, 2))),
    "oneof with none": (T.size.oneof([None, 1, 2]), Or((T.size.is_null(), Compare("size", "oneof", (1, 2))))),
    "oneof none": (T.size.oneof([None]), Compare("size", "null", True)),
    "not eq": (~A, Compare("count", "ne", 1)),
    "not ne": (~(T.count != 1), A),
    "not not": (~~T.text.contains("a"), Compare("text", "contains", "a")),
    "not null": (~T.text.is_null(), Compare("text", "null", False)),
    "not lt of what is never null": (~(T.count < 3), Compare("count", "ge", 3)),
    "not lt of what may be null": (~(T.size < 3), Or((Compare("size", "ge", 3), Compare("size", "null", True)))),
    "not contains": (~T.text.contains("a"), Not(Compare("text", "contains", "a"))),
    "not oneof": (~T.count.oneof([1, 2]), Not(Compare("count", "oneof", (1, 2)))),
    "not oneof nothing": (~T.count.oneof([]), ALL),
    "not oneof with none": (
        ~T.size.oneof([None, 1, 2]),
        And((Compare("size", "null", False), Not(Compare("size", "oneof", (1, 2))))),
    ),
    "not and": (~(A & B), Or((Compare("count", "ne", 1), Compare("count", "ne", 2)))),
    "not or": (~(A | T.text.contains("a")), And((Compare("count", "ne", 1), Not(Compare("text", "contains", "a"))))),
}


@pytest.mark.parametrize("name", NORMAL)
def test_the_normal_form(name: str) -> None:
    where, expected = NORMAL[name]
    found = resolve(where)
    assert found == expected
    assert resolve(found) == found
    assert type(getattr(found, "value", None)) is type(getattr(expected, "value", None))


COMPARISONS = st.one_of(
    st.builds(Compare, st.just("size"), st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge"]), st.integers(0, 3)),
    st.builds(Compare, st.just("count"), st.sampled_from(["eq", "lt", "ge"]), st.integers(0, 3)),
    st.builds(
        Compare, st.just("size"), st.just("oneof"), st.lists(st.none() | st.integers(0, 3), max_size=3).map(tuple)
    ),
    st.builds(
        Compare, st.just("text"), st.sampled_from(["contains", "startswith", "icontains"]), st.sampled_from("abA")
    ),
    st.builds(Compare, st.just("text"), st.just("null"), st.booleans()),
    st.builds(Compare, st.just("text"), st.sampled_from(["eq", "ne"]), st.none() | st.just("a")),
)
FILTERS = st.recursive(
    COMPARISONS | st.sampled_from([ALL, NOTHING]),
    lambda inner: (
        st.builds(And, st.lists(inner, max_size=3).map(tuple))
        | st.builds(Or, st.lists(inner, max_size=3).map(tuple))
        | inner.map(Not)
    ),
    max_leaves=8,
)
ITEMS = [
    new_item(META, {"shelf": "s", "id": KEY, "text": text, "size": size, "count": count})
    for text in (None, "", "a", "Ab")
    for size in (None, 0, 1, 3)
    for count in (0, 2)
]


def is_normal(where: Filter, top: bool = True) -> bool:
    match where:
        case Compare(name, operator, value):
            return META.attributes[name].kind in OPERATORS[operator] and value is not None
        case Not(Compare(_, operator, _)):
            return operator in {"oneof", "contains", "startswith", "endswith", "icontains"}
        case And(()) | Or(()):
            return top
        case And(filters) | Or(filters):
            return len(filters) > 1 and all(
                is_normal(one, False) and not isinstance(one, type(where)) for one in filters
            )
    return False


@given(FILTERS)
def test_every_filter_has_a_normal_form(where: Filter) -> None:
    assert is_normal(resolve(where))


@given(FILTERS)
def test_a_filter_and_its_negation_partition_all_items(where: Filter) -> None:
    holds, fails = matcher(META, resolve(where)), matcher(META, resolve(~where))
    assert all(holds(item) != fails(item) for item in ITEMS)


@given(FILTERS, FILTERS)
def test_connectives_have_their_meaning(a: Filter, b: Filter) -> None:
    test_a, test_b, both, either = (matcher(META, resolve(one)) for one in (a, b, a & b, a | b))
    for item in ITEMS:
        assert both(item) == (test_a(item) and test_b(item))
        assert either(item) == (test_a(item) or test_b(item))


def test_every_fault_of_a_filter_at_once_with_its_path() -> None:
    where = (
        (T.count == "x")
        & ((T.size < None) | ~T.text.contains(5))
        & Compare("colour", "eq", 1)
        & Compare("size", "like", "x")
    )
    with pytest.raises(InvalidQuery) as caught:
        resolve_filter(META, where, "/when")
    assert [(fault.path, fault.message) for fault in caught.value.faults] == [
        ("/when/and/0/count/eq", "Expected int, got str"),
        ("/when/and/1/or/0/size/lt", "Expected integer, got null"),
        ("/when/and/1/or/1/not/text/contains", "Expected str, got int"),
        ("/when/and/2/colour/eq", "Unknown attribute"),
        ("/when/and/3/size/like", "Unknown operator"),
    ]


@pytest.mark.parametrize("where", [True, "x", {"count": 1}, Filter(), A & "x"], ids=repr)
def test_values_that_are_not_filters_are_rejected(where: Any) -> None:
    with pytest.raises(InvalidQuery):
        resolve(where)


def test_an_operator_that_a_kind_lacks_is_reported_with_those_that_it_has() -> None:
    for where in (T.color > Color.RED, T.done >= True, T.extra == {}, T.count.startswith("1"), T.blob.contains("x")):
        with pytest.raises(InvalidQuery) as caught:
            resolve(where)
        [fault] = caught.value.faults
        assert fault.message.startswith("Not for ")
        assert str(fault.expected).startswith("one of ")
        assert fault.found == where.operator


def test_combine_keeps_values_that_cannot_be_hashed() -> None:
    odd = Compare("extra", "eq", {})
    assert combine(And, [odd, A, odd]) == And((odd, A))


def test_orders_are_made_total_by_the_key() -> None:
    key = (OrderBy("shelf"), OrderBy("id"))
    at = OrderBy("at", True)
    assert resolve_order(META, None) == ()
    assert resolve_order(META, []) == ()
    for order in ("-at", ["-at"], T.at.desc(), [T.at.desc()], OrderBy("at", True), ("-at", "at"), iter(["-at"])):
        assert resolve_order(META, order) == (at, *key)
    assert resolve_order(META, "shelf") == key
    assert resolve_order(META, ("-id", "count")) == (OrderBy("id", True), OrderBy("count"), OrderBy("shelf"))
    assert resolve_order(META, [T.count, "size"]) == (OrderBy("count"), OrderBy("size"), *key)


def test_every_fault_of_an_order_at_once_with_its_path() -> None:
    with pytest.raises(InvalidQuery) as caught:
        resolve_order(META, ["count", "colour", "-extra", 5, ""], "/order")
    assert [fault.path for fault in caught.value.faults] == ["/order/1", "/order/2", "/order/3", "/order/4"]


def test_sort_keys_put_nulls_last_in_both_directions() -> None:
    for descending, expected in ((False, [0, 1, 3, None]), (True, [3, 1, 0, None])):
        key = sort_key(META, (OrderBy("size", descending),))
        found = list(dict.fromkeys(item.size for item in sorted(ITEMS, key=key)))
        assert found == expected


def test_a_text_query_is_a_condition_for_each_word_over_every_text() -> None:
    texts = [name for name, one in META.attributes.items() if one.kind is Kind.STRING]

    def word(text: str) -> Filter:
        return Or(tuple(Compare(name, "icontains", text) for name in texts))

    assert resolve_filter(META, Text("  Ann  lee ")) == And((word("Ann"), word("lee")))
    assert resolve_filter(META, Text("ann")) == word("ann")
    assert resolve_filter(META, Text(" ")) == ALL
    assert resolve_filter(META, ~Text(" ")) == NOTHING


def test_a_text_query_of_something_else_or_of_an_item_without_texts() -> None:
    @stored
    class Bare:
        id: UUID

    for meta, text in ((META, 3), (meta_of(Bare), "ann")):
        with pytest.raises(InvalidQuery) as caught:
            resolve_filter(meta, Text(text))  # type: ignore[arg-type]
        assert [fault.path for fault in caught.value.faults] == ["/where/query"]


def test_attributes_to_select() -> None:
    assert resolve_attributes(META.attributes, [Thing.count, "text", "count"], "/attributes") == ("count", "text")
    assert resolve_attributes(META.attributes, "count", "/attributes") == ("count",)
    for wrong, path in (
        ([], "/attributes"),
        (["count", "no"], "/attributes/1"),
        (3, "/attributes"),
        ([3], "/attributes/0"),
    ):
        with pytest.raises(InvalidQuery) as caught:
            resolve_attributes(META.attributes, wrong, "/attributes")  # type: ignore[arg-type]
        assert [fault.path for fault in caught.value.faults] == [path]
