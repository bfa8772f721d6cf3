"""Keyset paging: the rows beyond a position, as a filter that any engine compiles like any other.

For the order `a desc, key` and the position (a0, k0) that is `a < a0 or a is null or (a = a0 and key > k0)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InvalidCursor
from ..model.expressions import NOTHING, And, Compare, Filter, Or, OrderBy
from ..model.meta import StoreMeta
from .resolve import combine


def position_of(meta: StoreMeta[Any], order: tuple[OrderBy, ...], item: Any) -> dict[str, Any]:
    """The position of an item in a total order (of its key, where the order is ())."""
    names = [one.attribute for one in order] or meta.key.attributes
    return {name: meta.attributes[name].get(item) for name in names}


def beyond(meta: StoreMeta[Any], order: tuple[OrderBy, ...], position: Mapping[str, Any]) -> Filter:
    """The items after `position`; `InvalidCursor` where the position lacks an attribute of the order."""
    ways: list[Filter] = []
    same: list[Filter] = []
    for one in order:
        if one.attribute not in position:
            raise InvalidCursor()
        value = position[one.attribute]
        optional = meta.attributes[one.attribute].optional
        ways.append(combine(And, [*same, _after(one, value, optional)]))
        same.append(Compare(one.attribute, "null", True) if value is None else Compare(one.attribute, "eq", value))
    return combine(Or, ways)


def _after(one: OrderBy, value: Any, optional: bool) -> Filter:
    if value is None:
        return NOTHING  # nulls are last: beyond them there is only the next term
    further = Compare(one.attribute, "lt" if one.descending else "gt", value)
    return Or((further, Compare(one.attribute, "null", True))) if optional else further
