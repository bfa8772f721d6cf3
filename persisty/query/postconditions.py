"""Postconditions: the condition on an item before a change under which a filter matches it after the change.

A rule must also match the changed item; otherwise an update could give it to another owner. The values that a change sets are known,
so this part of the filter is decided here. The rest is about unchanged attributes: it becomes a condition on the item before the
change, which is sent with the write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..model.expressions import ALL, NOTHING, And, Compare, Exists, Filter, Not, Or
from ..model.generators import Add, Append, UpdateOperator
from ..model.meta import StoreMeta
from ..model.types import INTEGER_MAX, INTEGER_MIN
from .evaluation import COMPARISONS, matcher
from .filter_algebra import combine, opposite

Decide = Callable[[Exists, Any], bool]
"""(an `Exists`, the new value of its attribute) → whether a linked item exists."""


def after(meta: StoreMeta[Any], where: Filter, changes: Mapping[str, Any], decide: Decide) -> Filter:
    """Return the condition on the item before the changes, in normal form. `decide` answers for links whose attribute changes."""
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
    if isinstance(change, Append):  # the only comparison of a list is with null
        return NOTHING if where.value else ALL
    if isinstance(change, Add):
        return _added(where, change.amount)
    if isinstance(change, UpdateOperator):
        raise NotImplementedError(f"no condition before {type(change).__name__}")
    blank = meta.item(**{**dict.fromkeys(meta.attributes), name: change})
    return ALL if matcher(meta, where)(blank) else NOTHING


def _added(where: Compare, amount: int) -> Filter:
    """Return the comparison of a sum as one of the number before it. Null counts as 0."""
    name, operator, value = where.attribute, where.operator, where.value
    if operator == "null":
        return NOTHING if value else ALL
    less = tuple(one - amount for one in value) if operator == "oneof" else value - amount
    if not all(INTEGER_MIN <= one <= INTEGER_MAX for one in (less if operator == "oneof" else (less,))):
        return NOTHING  # engines cannot compare such a number; a rule that cannot be checked fails
    found = Compare(name, operator, less)
    if amount != value if operator == "ne" else COMPARISONS[operator](amount, value):
        return combine(Or, [found, Compare(name, "null", True)])
    return combine(And, [found, Compare(name, "null", False)])
