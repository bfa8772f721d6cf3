"""The oracle: expected results over plain dicts. It shares no code with persisty's own evaluation.

Filters have the form of the caller (`Specimen.count > 3`), before persisty resolves them. Null is an absent value or None:
comparisons with it are false, `ne` is true, and `~` negates that. Nulls sort last in both directions.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from persisty.model.expressions import And, Compare, Filter, Not, Or

Row = dict[str, Any]


def comparable(value: Any) -> Any:
    """Return the value that engines compare: an enum's value, a UUID's text."""
    if isinstance(value, enum.Enum):
        return value.value
    return str(value) if isinstance(value, UUID) else value


def value_of(row: Row, name: str) -> Any:
    """Return the value at a name such as `place.city`, or None without a place."""
    outer, _, inner = name.partition(".")
    found = row.get(outer)
    return getattr(found, inner, None) if inner else found


def holds(where: Filter, row: Row) -> bool:
    if isinstance(where, And):
        return all(holds(one, row) for one in where.filters)
    if isinstance(where, Or):
        return any(holds(one, row) for one in where.filters)
    if isinstance(where, Not):
        return not holds(where.filter, row)
    if not isinstance(where, Compare):
        raise TypeError(where)
    return _compare(where.operator, value_of(row, where.attribute), where.value)


def _compare(operator: str, found: Any, given: Any) -> bool:
    if operator == "null":
        return (found is None) is given
    if operator == "ne":
        return found is not None if given is None else found is None or bool(found != given)
    if operator == "eq" and given is None:
        return found is None
    if operator == "oneof":
        return any(
            found is None if one is None else found is not None and comparable(found) == comparable(one)
            for one in given
        )
    if found is None:
        return False
    a, b = comparable(found), comparable(given)
    if operator == "eq":
        return bool(a == b)
    if operator in ("lt", "le", "gt", "ge"):
        below, same = bool(a < b), bool(a == b)
        return {"lt": below, "le": below or same, "gt": not below and not same, "ge": not below}[operator]
    if operator == "startswith":
        return bool(a[: len(b)] == b)
    if operator == "endswith":
        return not b or bool(a[-len(b) :] == b)
    if operator == "contains":
        return any(a[i : i + len(b)] == b for i in range(len(a) + 1))
    if operator == "icontains":
        return b.casefold() in a.casefold()
    raise ValueError(operator)


def ordered(rows: Iterable[Row], order: Iterable[str], key: Iterable[str]) -> list[Row]:
    """Return the rows sorted by `order` (`"-at"` descends), ties by `key`: one stable sort for each term, the last one first."""
    found = list(rows)
    for term in reversed([*order, *key]):
        name = term.removeprefix("-")
        with_value = [row for row in found if row.get(name) is not None]
        with_value.sort(key=lambda row: comparable(row[name]), reverse=term.startswith("-"))
        found = with_value + [row for row in found if row.get(name) is None]
    return found
