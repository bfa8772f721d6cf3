"""What must hold of an item so that a filter holds of it after some changes.

A rule has to hold of an item that was changed, too, or an update could hand it to somebody else. What the changes set is known, so
that part of the filter is decided here; the rest is about attributes that stay as they are, and is a condition on the item before,
which travels with the write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..model.expressions import ALL, NOTHING, And, Compare, Exists, Filter, Not, Or
from ..model.generators import Add, Append
from ..model.meta import StoreMeta
from ..model.types import INTEGER_MAX, INTEGER_MIN
from .evaluation import COMPARISONS, matcher
from .filter_algebra import combine, opposite

Decide = Callable[[Exists, Any], bool]
"""(an `Exists`, the value that its attribute is set to) → is there such an item?"""


def after(meta: StoreMeta[Any], where: Filter, changes: Mapping[str, Any], decide: Decide) -> Filter:
    """The condition on the item before the changes, in normal form. `decide` is asked of links whose attribute is changed."""
    match where:
        case And(filters):
            return combine(And, [after(meta, one, changes, decide) for one in filters])
        case Or(filters):
            return combine(Or, [after(meta, one, changes, decide) for one in filters])
        case Not(inner):
            return opposite(meta, after(meta, inner, changes, decide))
        case Exists(attribute) if attribute in changes:
            value = changes[attribute]
            return ALL if value is not None and decide(where, value) else NOTHING
        case Compare(name):
            root = name.partition(".")[0]
            if root in changes:
                return _changed(meta, where, root, changes[root])
    return where


def _changed(meta: StoreMeta[Any], where: Compare, name: str, change: Any) -> Filter:
    if isinstance(change, Append):  # of a list nothing can be asked but whether it is null
        return NOTHING if where.value else ALL
    if isinstance(change, Add):
        return _added(where, change.amount)
    blank = meta.item(**{**dict.fromkeys(meta.attributes), name: change})
    return ALL if matcher(meta, where)(blank) else NOTHING


def _added(where: Compare, amount: int) -> Filter:
    """The comparison of a sum, as one of the number before it, which counts as 0 where it is null."""
    name, operator, value = where.attribute, where.operator, where.value
    if operator == "null":
        return NOTHING if value else ALL
    less = tuple(one - amount for one in value) if operator == "oneof" else value - amount
    if not all(INTEGER_MIN <= one <= INTEGER_MAX for one in (less if operator == "oneof" else (less,))):
        return NOTHING  # no engine compares such a number, and a rule that cannot be checked does not hold
    found = Compare(name, operator, less)
    if amount != value if operator == "ne" else COMPARISONS[operator](amount, value):
        return combine(Or, [found, Compare(name, "null", True)])
    return combine(And, [found, Compare(name, "null", False)])
