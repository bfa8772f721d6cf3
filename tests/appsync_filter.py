"""How AppSync applies the filter of a subscription to an event. Source: "Extensions" and "Defining enhanced subscriptions filters" in
the AWS AppSync Developer Guide; the limits on fields are those of its error messages.

Undocumented cases (`ne`, `notIn` and `notContains` of null) must not occur: they are errors here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from persisty.local.event_filters import LISTED, OPERATORS

NUMBER, TEXT, FLAG = (int, float), (str,), (bool,)
ONE_OR_MORE: dict[str, tuple[tuple[type, ...], int, int]] = {
    "eq": ((*NUMBER, *TEXT, *FLAG), 1, 1),
    "ne": ((*NUMBER, *TEXT, *FLAG), 1, 1),
    "le": ((*NUMBER, *TEXT), 1, 1),
    "lt": ((*NUMBER, *TEXT), 1, 1),
    "ge": ((*NUMBER, *TEXT), 1, 1),
    "gt": ((*NUMBER, *TEXT), 1, 1),
    "contains": ((*NUMBER, *TEXT), 1, 1),
    "notContains": ((*NUMBER, *TEXT), 1, 1),
    "beginsWith": (TEXT, 1, 1),
    "in": ((*NUMBER, *TEXT), 1, 5),
    "notIn": ((*NUMBER, *TEXT), 1, 5),
    "between": ((*NUMBER, *TEXT), 2, 2),
}
"""Operator → (types of its values, least number, greatest number). The values of the last three are in a list."""
OF_NULL = frozenset({"ne", "notIn", "notContains"})
"""Operators whose result for null is not documented. The others are false for null."""


def check(given: Mapping[str, Any]) -> None:
    """Raise an error if AppSync would reject the filter."""
    assert given.keys() == {"filterGroup"}
    groups = given["filterGroup"]
    assert 1 <= len(groups) <= 10, "Filters combination exceed maximum limit 10"
    for group in groups:
        assert group.keys() == {"filters"}
        names = [one["fieldName"] for one in group["filters"]]
        assert names
        assert len(set(names)) == len(names), "filter uses same fieldName multiple time"
        for one in group["filters"]:
            assert one.keys() == {"fieldName", "operator", "value"}
            _check_value(one["operator"], one["value"])
    every = {one["fieldName"] for group in groups for one in group["filters"]}
    assert len(every) <= 5, "Filters exceed maximum attributes limit 5"


def _check_value(operator: str, value: Any) -> None:
    types, least, most = ONE_OR_MORE[operator]
    values = value if operator in LISTED else [value]
    assert isinstance(values, list)
    assert least <= len(values) <= most, f"invalid filter value for operator {operator}"
    assert all(type(one) in types for one in values), f"invalid filter value for operator {operator}"


def lets_through(given: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Return whether a subscriber with this filter receives an event with these fields."""
    return any(all(_passes(one, event) for one in group["filters"]) for group in given["filterGroup"])


def _passes(one: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    assert one["fieldName"] in event, f"{one['fieldName']} is not in the event"
    found, operator = event[one["fieldName"]], one["operator"]
    if found is None:
        assert operator not in OF_NULL, f"{operator} of a null"
        return False
    some = one["value"][0] if operator in LISTED else one["value"]
    numbers = isinstance(found, int | float) and isinstance(some, int | float)
    assert numbers or type(found) is type(some), f"{found!r} compared with {some!r}"
    return OPERATORS[operator](found, one["value"])
