"""Filters as DynamoDB's expressions: their text, what is split off, and DynamoDB's limits."""

from __future__ import annotations

import re
from typing import Any

import pytest

from persisty.backends.dynamodb.codec import WireCodec
from persisty.backends.dynamodb.expressions import MAX_IN, MAX_WEIGHT, Expression, native, split, weight
from persisty.model.expressions import ALL, NOTHING, And, Compare, Filter, Or
from persisty.query.filter_algebra import combine, names_in
from persisty.query.resolution import resolve_filter

from .items import THING, Color, Thing

T: Any = Thing
codec = WireCodec(THING)

TEXTS: dict[str, tuple[Any, str, dict[str, str], list[dict[str, str]]]] = {
    "eq": (T.owner == "me", "#0 = :0", {"#0": "owner"}, [{"S": "me"}]),
    "eq empty": (T.owner == "", "#0 = :0", {"#0": "owner"}, [{"S": "\0"}]),
    "ne of what is always there": (T.owner != "me", "#0 <> :0", {"#0": "owner"}, [{"S": "me"}]),
    "ne is true for null": (T.text != "a", "attribute_not_exists(#0) OR #0 <> :0", {"#0": "text"}, [{"S": "a"}]),
    "lt": (T.count < 3, "attribute_not_exists(#0) OR #0 < :0", {"#0": "count"}, [{"N": "3"}]),
    "le": (T.count <= 3, "attribute_not_exists(#0) OR #0 <= :0", {"#0": "count"}, [{"N": "3"}]),
    "gt": (T.count > 3, "#0 > :0", {"#0": "count"}, [{"N": "3"}]),
    "ge": (T.count >= 3, "#0 >= :0", {"#0": "count"}, [{"N": "3"}]),
    "eq of the value of what is absent": (T.count == 0, "attribute_not_exists(#0) OR #0 = :0", {"#0": "count"}, [{"N": "0"}]),
    "eq of another value": (T.count == 1, "#0 = :0", {"#0": "count"}, [{"N": "1"}]),
    "ne of the value of what is absent": (T.count != 0, "attribute_exists(#0) AND #0 <> :0", {"#0": "count"}, [{"N": "0"}]),
    "ne of another value": (T.count != 1, "attribute_not_exists(#0) OR #0 <> :0", {"#0": "count"}, [{"N": "1"}]),
    "oneof": (T.count.oneof([1, 2]), "#0 IN (:0, :1)", {"#0": "count"}, [{"N": "1"}, {"N": "2"}]),
    "null": (T.text.is_null(), "attribute_not_exists(#0) OR #0 = :0", {"#0": "text"}, [{"NULL": True}]),
    "not null": (T.text != None, "attribute_exists(#0) AND #0 <> :0", {"#0": "text"}, [{"NULL": True}]),  # noqa: E711
    "startswith": (T.text.startswith("a"), "begins_with(#0, :0)", {"#0": "text"}, [{"S": "a"}]),
    "startswith NUL": (T.text.startswith("\0"), "begins_with(#0, :0)", {"#0": "text"}, [{"S": "\0\0"}]),
    "startswith nothing": (T.text.startswith(""), "attribute_exists(#0) AND #0 <> :0", {"#0": "text"}, [{"NULL": True}]),
    "contains": (T.text.contains("a"), "contains(#0, :0)", {"#0": "text"}, [{"S": "a"}]),
    "contains nothing": (T.text.contains(""), "attribute_exists(#0) AND #0 <> :0", {"#0": "text"}, [{"NULL": True}]),
    "not contains is true for null": (
        ~T.text.contains("a"),
        "attribute_not_exists(#0) OR NOT (contains(#0, :0))",
        {"#0": "text"},
        [{"S": "a"}],
    ),
    "enum": (T.color == Color.RED, "attribute_not_exists(#0) OR #0 = :0", {"#0": "color"}, [{"S": "red"}]),
    "and": ((T.owner == "a") & (T.count > 1), "(#0 = :0) AND (#1 > :1)", {"#0": "owner", "#1": "count"}, [{"S": "a"}, {"N": "1"}]),
    "or, one attribute named once": (
        (T.count == 1) | (T.count > 5),
        "(#0 = :0) OR (#0 > :1)",
        {"#0": "count"},
        [{"N": "1"}, {"N": "5"}],
    ),
    "lt negated is true for null": (
        ~(T.ratio < 1.5),
        "(#0 >= :0) OR (attribute_not_exists(#0) OR #0 = :1)",
        {"#0": "ratio"},
        [{"N": "1.5"}, {"NULL": True}],
    ),
    "everything": (ALL, "", {}, []),
    "nothing": (NOTHING, "attribute_exists(#0) AND attribute_not_exists(#0)", {"#0": "id"}, []),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_a_filter_is_written_as_an_expression(name: str) -> None:
    where, text, names, values = TEXTS[name]
    expression = Expression(THING, codec)
    resolved = resolve_filter(THING, where)
    assert native(THING, resolved)
    assert expression.condition(resolved) == text
    assert expression.names == names
    assert list(expression.values.values()) == values
    assert expression.payload().keys() == {
        member
        for member, expected in (("ExpressionAttributeNames", names), ("ExpressionAttributeValues", values))
        if expected
    }
    assert set(re.findall(r"[#:]\d+", text)) == expression.names.keys() | expression.values.keys()
    assert "((" not in text.replace("NOT (", "")  # DynamoDB refuses redundant parentheses


LOCAL: tuple[Any, ...] = (
    T.text.endswith("a"),
    T.text.icontains("a"),
    ~T.text.endswith("a"),
    T.text.contains("\0"),
    (T.count == 1) | T.text.endswith("a"),
)


@pytest.mark.parametrize("where", LOCAL, ids=repr)
def test_conditions_that_dynamodb_cannot_evaluate_are_split_off(where: Filter) -> None:
    resolved = resolve_filter(THING, where)
    assert not native(THING, resolved)
    assert split(THING, resolved) == (ALL, resolved)
    native_part = Compare("owner", "eq", "me")
    assert split(THING, combine(And, [native_part, resolved])) == (native_part, resolved)


def test_conditions_on_a_hidden_attribute_are_split_off() -> None:
    where = resolve_filter(THING, (T.owner == "me") & (T.count > 1) & ((T.owner == "x") | (T.count == 2)))
    native_part, local_part = split(THING, where, frozenset({"owner"}))
    assert native_part == Compare("count", "gt", 1)
    assert names_in(local_part) == {"owner", "count"}


def test_an_in_has_at_most_a_hundred_operands() -> None:
    expression = Expression(THING, codec)
    text = expression.condition(resolve_filter(THING, T.count.oneof(range(1, 251))))
    assert [chunk.count(":") for chunk in text.split(" OR ")] == [MAX_IN, MAX_IN, 50]
    assert len(expression.values) == 250


def _wide(count: int) -> Filter:
    return combine(Or, [Compare("text", "ne", f"{number}") for number in range(count)])


HEAVY = {
    "an or that is too long": _wide(400),
    "an and that is too long": combine(And, [Compare("text", "ne", f"{number}") for number in range(400)]),
    "a oneof of a thousand": resolve_filter(THING, T.count.oneof(range(1000))),
    "at the limit": _wide(MAX_WEIGHT),
    "operands at the limit": resolve_filter(THING, T.count.oneof(range(8 * (MAX_WEIGHT - 1)))),
    "nots at the limit": combine(
        And, [resolve_filter(THING, ~T.text.startswith(f"{number}")) for number in range(MAX_WEIGHT + 5)]
    ),
}


@pytest.mark.parametrize("name", HEAVY)
def test_expressions_stay_within_4_kilobytes_and_300_operators(name: str) -> None:
    where = HEAVY[name]
    native_part, local_part = split(THING, where)
    assert weight(native_part) <= MAX_WEIGHT
    assert weight(native_part) + weight(local_part) == weight(where)
    expression = Expression(THING, codec)
    text = f"attribute_exists({expression.name('id')}) AND ({expression.condition(native_part)})"
    assert len(text) <= 4096
    assert len(re.findall(r"AND|OR|NOT|IN|<>|=|attribute_\w+|begins_with", text)) <= 300
    assert (local_part == ALL) is ("at the limit" in name and "nots" not in name)
