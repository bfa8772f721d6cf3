"""Operations on filters in normal form: join them, negate them, follow a link. The results are in normal form.

`persisty.query.resolution` defines normal form.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from ..model.expressions import ALL, NOTHING, And, Compare, Exists, Filter, Not, Or
from ..model.meta import Ends, StoreMeta
from .visibility import View

OPPOSITES = {"eq": "ne", "ne": "eq", "lt": "ge", "ge": "lt", "le": "gt", "gt": "le"}


def combine(connective: type[And | Or], filters: Iterable[Filter]) -> Filter:
    """Join the filters: flatten them, and drop constants and repetitions."""
    neutral, absorbing = (ALL, NOTHING) if connective is And else (NOTHING, ALL)
    flat: dict[Filter | int, Filter] = {}
    for one in filters:
        if one == absorbing:
            return absorbing
        if one != neutral:
            for part in one.filters if isinstance(one, connective) else (one,):
                flat[_identity(part)] = part
    parts = tuple(flat.values())
    return parts[0] if len(parts) == 1 else connective(parts) if parts else neutral


def all_of(where: Filter) -> tuple[Filter, ...]:
    """Return the filters that must all match."""
    return where.filters if isinstance(where, And) else (where,)


def _identity(where: Filter) -> Filter | int:
    try:
        hash(where)
    except TypeError:
        return id(where)
    return where


def opposite(meta: StoreMeta[Any], where: Filter) -> Filter:
    """Return the filter that is true exactly where `where` is false, nulls included."""
    match where:
        case Compare(name, ("null" | "declared_null") as operator, value):
            return Compare(name, operator, not value)
        case Compare(name, ("eq" | "ne") as operator, value):
            return Compare(name, OPPOSITES[operator], value)
        case Compare(name, operator, value) if operator in OPPOSITES:
            negated = Compare(name, OPPOSITES[operator], value)
            return Or((negated, Compare(name, "null", True))) if meta.attribute(name).optional else negated
        case And(filters):
            return combine(Or, [opposite(meta, one) for one in filters])
        case Or(filters):
            return combine(And, [opposite(meta, one) for one in filters])
        case Not(inner):
            return inner
    return Not(where)


def narrowed(where: Filter, view: View) -> Filter:
    """Return the filter that treats a partially visible attribute as null on the items on which the view does not see it."""
    if not view.partial:
        return where
    match where:
        case And(filters):
            return combine(And, [narrowed(one, view) for one in filters])
        case Or(filters):
            return combine(Or, [narrowed(one, view) for one in filters])
        case Not(inner):
            return opposite(view.meta, narrowed(inner, view))
        case Compare(name, operator, value):
            seen, of_null = (
                view.partial.get(name.partition(".")[0]),
                (operator, value) == ("null", True) or operator == "ne",
            )
        case Exists(name):
            seen, of_null = view.partial.get(name), False
        case _:
            return where
    if seen is None:
        return where
    return combine(Or, [opposite(view.meta, seen), where]) if of_null else combine(And, [seen, where])


def exists(ends: Ends, where: Filter, view: View | None = None) -> Filter:
    """Return the filter for items with a linked item that matches the resolved filter. The view must also see the join item."""
    if where == NOTHING:
        return NOTHING
    if ends.middle is None:
        return Exists(ends.local, ends.target, ends.remote, where)
    between = ALL if view is None else _visible_join_items(view.view_of(ends.middle), ends.near, ends.far)
    far = combine(And, [Exists(ends.far, ends.target, ends.remote, where), between])
    return NOTHING if far == NOTHING else Exists(ends.local, ends.middle, ends.near, far)


def visible_where(view: View, *names: str) -> Filter:
    """Return the filter for items on which the view sees these attributes. A link by a hidden attribute would reveal it."""
    return combine(And, [view.partial[name] for name in names if name in view.partial])


def _visible_join_items(view: View, *names: str) -> Filter:
    return combine(And, [view.row_filter, visible_where(view, *names)])


def follows_links(where: Filter) -> bool:
    """Return whether the filter contains an `Exists`."""
    if type(where) is Compare:  # the fast path for most filters
        return False
    match where:
        case Exists():
            return True
        case Not(inner):
            return follows_links(inner)
        case And(filters) | Or(filters):
            return any(type(one) is not Compare and follows_links(one) for one in filters)
    return False


def stores_behind(where: Filter) -> frozenset[str]:
    """Return the names of the items that the links in the filter lead to."""
    match where:
        case Exists(_, meta, _, inner):
            return stores_behind(inner) | {meta.name}
        case Not(inner):
            return stores_behind(inner)
        case And(filters) | Or(filters):
            return frozenset[str]().union(*map(stores_behind, filters))
    return frozenset()


def required_values(filters: Iterable[Filter]) -> dict[str, Any] | None:
    """Return the values that attributes must have to meet all filters, as far as equality decides. None if no item meets them, because an attribute would
    have two values."""
    values: dict[str, Any] = {}
    pending = list(filters)
    while pending:
        one = pending.pop()
        if one == NOTHING:
            return None
        if isinstance(one, And):
            pending.extend(one.filters)
        elif (
            isinstance(one, Compare)
            and one.operator == "eq"
            and values.setdefault(one.attribute, one.value) != one.value
        ):
            return None
    return values


def names_in(where: Filter) -> frozenset[str]:
    """Return the item's attributes that the filter names."""
    match where:
        case Compare(name):
            return frozenset((name.partition(".")[0],))
        case Exists(name):
            return frozenset((name,))
        case Not(inner):
            return names_in(inner)
        case And(filters) | Or(filters):
            return frozenset[str]().union(*map(names_in, filters))
    return frozenset()


def joined(meta: StoreMeta[Any], where: Filter, join: Callable[[Exists], Filter]) -> Filter:
    """Return the filter with each `Exists` replaced by `join(exists)`."""
    match where:
        case Exists():
            return join(where)
        case Not(inner):
            return opposite(meta, joined(meta, inner, join))
        case And(filters):
            return combine(And, [joined(meta, one, join) for one in filters])
        case Or(filters):
            return combine(Or, [joined(meta, one, join) for one in filters])
    return where


def among(attribute: str, values: Collection[Any]) -> Filter:
    """Return the filter for items whose attribute has one of these values, none of which is null."""
    if len(values) > 1:
        return Compare(attribute, "oneof", tuple(values))
    return next((Compare(attribute, "eq", value) for value in values), NOTHING)
