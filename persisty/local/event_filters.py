"""The filter of a subscription, as AppSync applies it to an event.

Source: "Defining enhanced subscriptions filters in AppSync" in the AWS AppSync Developer Guide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

LISTED = frozenset({"in", "notIn", "between"})
"""Operators whose values are in a list."""


def _ordered(value: Any) -> Any:
    """Return a value that orders text by its UTF-16 units."""
    return value.encode("utf-16-be") if isinstance(value, str) else value


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda found, value: bool(found == value),
    "ne": lambda found, value: bool(found != value),
    "le": lambda found, value: bool(_ordered(found) <= _ordered(value)),
    "lt": lambda found, value: bool(_ordered(found) < _ordered(value)),
    "ge": lambda found, value: bool(_ordered(found) >= _ordered(value)),
    "gt": lambda found, value: bool(_ordered(found) > _ordered(value)),
    "contains": lambda found, value: value in found,
    "notContains": lambda found, value: value not in found,
    "beginsWith": lambda found, value: bool(found.startswith(value)),
    "in": lambda found, value: found in value,
    "notIn": lambda found, value: found not in value,
    "between": lambda found, value: bool(_ordered(value[0]) <= _ordered(found) <= _ordered(value[1])),
}


def passes(given: Mapping[str, Any] | None, event: Mapping[str, Any]) -> bool:
    """Return whether a subscription with this filter receives an event: one group of the filter holds, with all of its filters."""
    if given is None:
        return True
    return any(all(_matches(one, event) for one in group["filters"]) for group in given["filterGroup"])


def _matches(one: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Return whether a filter holds. A null passes none; nor does a value of another type than the filter's."""
    found, operator = event.get(one["fieldName"]), one["operator"]
    if found is None:
        return False
    try:
        return OPERATORS[operator](found, one["value"])
    except TypeError:
        return False
