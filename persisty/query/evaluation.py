"""Evaluate filters and orders in Python, for engines that cannot. Every engine is tested against this module.

`matcher` and `sort_key` compile a resolved filter or order to one function of an item.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import total_ordering
from typing import Any

from ..model.declared_nulls import DECLARED_NULL, is_declared_null
from ..model.expressions import And, Compare, Filter, Not, Or, OrderBy
from ..model.meta import Attribute, StoreMeta
from ..model.stored_objects import stored_value

Predicate = Callable[[Any], bool]


def _icontains(value: str, folded: str) -> bool:
    return folded in value.casefold()


def _oneof(value: Any, values: frozenset[Any]) -> bool:
    return value in values


COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "oneof": _oneof,
    "contains": operator.contains,
    "startswith": str.startswith,
    "endswith": str.endswith,
    "icontains": _icontains,
}
"""Operator → comparison of two values that are not null. Only `ne` and `null` match nulls."""
SAME = "same"
"""The operator of a comparison with a value of any kind, JSON included. No caller can give it: it is in conditions of writes only."""


def matcher(meta: StoreMeta[Any], where: Filter) -> Predicate:
    """Return a function that returns whether an item matches the resolved filter."""
    match where:
        case And(()):
            return _always
        case And(filters):
            parts = [matcher(meta, one) for one in filters]
            return lambda item: all(part(item) for part in parts)
        case Or(filters):
            parts = [matcher(meta, one) for one in filters]
            return lambda item: any(part(item) for part in parts)
        case Not(inner):
            opposite = matcher(meta, inner)
            return lambda item: not opposite(item)
        case Compare(name, op, value):
            return comparison(meta.attribute(name), op, value)
    raise TypeError(f"not a resolved filter: {where!r}")


def _always(item: Any) -> bool:
    return True


def comparison(attribute: Attribute, op: str, value: Any) -> Predicate:
    """Return a function that returns whether an item matches a comparison of this attribute."""
    get, primitive = attribute.get, attribute.primitive
    if op == "null":
        name = attribute.name
        return lambda item: (get(item) is None and stored_value(item, name) is None) is value
    if op == "ne":
        return lambda item: get(item) != value
    if op == SAME:
        return lambda item: bool(get(item) == value)
    if op == DECLARED_NULL:
        return lambda item: is_declared_null(attribute, item) is value
    if op in ("eq", "oneof"):
        expected = frozenset(value) if op == "oneof" else value
        test = COMPARISONS[op]
        return lambda item: (found := get(item)) is not None and test(found, expected)
    compare = COMPARISONS[op]
    bound = value.casefold() if op == "icontains" else primitive(value)
    return lambda item: (found := get(item)) is not None and compare(primitive(found), bound)


@total_ordering
class _Descending:
    __slots__ = ("value",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and bool(self.value == other.value)

    def __lt__(self, other: _Descending) -> bool:
        return bool(other.value < self.value)


def sort_key(meta: StoreMeta[Any], order: tuple[OrderBy, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """Return a function of an item to its sort key for the order, nulls last in both directions."""
    terms = [(meta.attributes[one.attribute].get, meta.attributes[one.attribute].primitive, one) for one in order]

    def key(item: Any) -> tuple[Any, ...]:
        parts: list[Any] = []
        for get, primitive, one in terms:
            value = get(item)
            if value is None:
                parts.append((1, None))
            else:
                comparable = primitive(value)
                parts.append((0, _Descending(comparable) if one.descending else comparable))
        return tuple(parts)

    return key
