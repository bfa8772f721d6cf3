"""Filters and orders that attributes of a class build."""

from __future__ import annotations

from uuid import UUID

import pytest

from persisty import OrderBy, stored
from persisty.model.expressions import ALL, NOTHING, And, Compare, Not, Or, Text


@stored
class Thing:
    id: UUID
    name: str
    size: int


A, B, C = Thing.name == "a", Thing.size > 3, Thing.size <= 9


def test_comparisons_are_data() -> None:
    assert Compare("name", "eq", "a") == A
    assert (Thing.name != "a") == Compare("name", "ne", "a")
    assert [one.operator for one in (Thing.size < 1, Thing.size <= 1, Thing.size > 1, Thing.size >= 1)] == [
        "lt", "le", "gt", "ge",
    ]  # fmt: skip
    assert Thing.name.oneof(["a", "b"]) == Thing.name.oneof(("a", "b")) == Compare("name", "oneof", ("a", "b"))
    assert Thing.name.contains("a") == Compare("name", "contains", "a")
    assert Thing.name.startswith("a") == Compare("name", "startswith", "a")
    assert Thing.name.endswith("a") == Compare("name", "endswith", "a")
    assert Thing.name.icontains("a") == Compare("name", "icontains", "a")
    assert Thing.name.is_null() == Compare("name", "null", True)
    assert Thing.name.is_null(False) == Compare("name", "null", False)


def test_connectives_are_data_and_chains_are_flat() -> None:
    assert And((A, B)) == A & B
    assert Or((A, B)) == A | B
    assert Not(A) == ~A
    assert And((A, B, C)) == A & B & C
    assert Or((A, B, C)) == A | B | C
    assert And((A, Or((B, C)))) == A & (B | C)
    assert (And(()), Or(())) == (ALL, NOTHING)


def test_orders_are_data() -> None:
    assert (Thing.name.asc(), Thing.name.desc()) == (OrderBy("name"), OrderBy("name", True))


def test_a_filter_has_no_truth_value() -> None:
    with pytest.raises(TypeError, match="parentheses"):
        bool(A)
    with pytest.raises(TypeError):
        _ = A and B
    with pytest.raises(TypeError):
        _ = 1 < Thing.size < 3


def test_attributes_have_names_and_can_be_keys_of_a_dict() -> None:
    assert repr(Thing.name) == "<attribute name>"
    assert {Thing.name: 1}[Thing.name] == 1


def test_filters_read_like_python() -> None:
    where = (Thing.name == "a") & ~(Thing.size.oneof([1, 2]) | (Thing.name != None))  # noqa: E711
    assert str(where) == "(name == 'a') & (~((size.oneof((1, 2))) | (name != None)))"
    assert str(And((A, Text("some words")))) == f"({A}) & (query='some words')"
    assert [str(Thing.name.is_null()), str(Thing.name.is_null(False))] == ["name == None", "name != None"]
    assert [str(ALL), str(NOTHING)] == ["every item", "no item"]
