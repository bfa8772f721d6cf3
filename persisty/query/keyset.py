"""Keyset paging: the items after a position, as a filter that every engine compiles like any other.

For the order `a desc, key` and the position (a0, k0), the filter is `a <= a0 and (a < a0 or key > k0)`. Its first half lets an
engine use an index. If a may be null, the filter is `a < a0 or a is null or (a = a0 and key > k0)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InvalidCursor
from ..model.expressions import NOTHING, And, Compare, Filter, Or, OrderBy
from ..model.meta import StoreMeta
from .filter_algebra import combine


def position_of(meta: StoreMeta[Any], order: tuple[OrderBy, ...], item: Any) -> dict[str, Any]:
    """Return the position of an item in a total order, or of its key if the order is ()."""
    names = [one.attribute for one in order] or meta.key.attributes
    return {name: meta.attributes[name].get(item) for name in names}


def beyond(meta: StoreMeta[Any], order: tuple[OrderBy, ...], position: Mapping[str, Any]) -> Filter:
    """Return the filter for items after `position`. Raise `InvalidCursor` if the position has other attributes than the order."""
    if len(position) != len(order):  # an order names each attribute once
        raise InvalidCursor()
    found: Filter = NOTHING
    for one in reversed(order):
        if one.attribute not in position:
            raise InvalidCursor()
        found = _after(one, position[one.attribute], meta.attributes[one.attribute].optional, found)
    return found


def _after(one: OrderBy, value: Any, optional: bool, tied: Filter) -> Filter:
    """Return the filter for items that are after `value` by this term, or equal by it and matching `tied`."""
    if value is None:
        return combine(And, [Compare(one.attribute, "null", True), tied])  # nulls are last
    strict, level = ("lt", "le") if one.descending else ("gt", "ge")
    further = Compare(one.attribute, strict, value)
    if optional:
        same = combine(And, [Compare(one.attribute, "eq", value), tied])
        return combine(Or, [further, Compare(one.attribute, "null", True), same])
    if tied == NOTHING:
        return further
    return combine(And, [Compare(one.attribute, level, value), combine(Or, [further, tied])])
