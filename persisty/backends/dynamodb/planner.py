"""The planner: which table or index answers a query, with which key condition, and what is left to filter and sort.

A table or index can be queried when the filter pins its partition key; its sort attributes are then used from left to
right, equalities first, one range last. An index holds only items whose attributes in it are not null, so it is used
only where the filter or the declaration says that they are not. Without one, the table is scanned.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from ...model.expressions import And, Compare, Filter, OrderBy
from ...model.meta import StoreMeta
from ...query.resolve import combine
from .codec import MAX_PARTITION, MAX_SORT, SORT, WireCodec

RANGES = frozenset({"lt", "le", "gt", "ge", "startswith"})


class AccessPath(Struct, frozen=True):
    """A table (`index` None) or an index: its partition key, and its sort attributes in order."""

    index: str | None
    partition: str
    sorts: tuple[str, ...]


class QueryPlan(Struct, frozen=True):
    """How a query is answered.

    `path` None scans the table. `conditions` make the key condition, `rest` is the filter without them. `ordered` tells
    that the path gives items in the order asked, but for ties: `grouping` names the attributes whose equality is a tie.
    """

    path: AccessPath | None
    conditions: tuple[Compare, ...]
    rest: Filter
    ordered: bool
    backward: bool = False
    grouping: tuple[str, ...] = ()


def access_paths(meta: StoreMeta[Any], codec: WireCodec) -> tuple[AccessPath, ...]:
    """The table, then its indexes."""
    partition, *sorts = codec.schema
    table = AccessPath(None, partition, tuple(name for name in sorts if name != SORT))
    return (table, *(AccessPath(one.name, one.attributes[0], one.attributes[1:]) for one in meta.indexes))


def plan(
    meta: StoreMeta[Any], paths: Iterable[AccessPath], where: Filter, order: tuple[OrderBy, ...], following: Filter
) -> QueryPlan:
    """The cheapest plan. `following` is what lies beyond a cursor; it may narrow a range, and stays in `rest` too."""
    best = QueryPlan(None, (), combine(And, [where, following]), not order)
    best_score = (0, False, 0)
    for path in paths:
        found = _through(meta, path, where, order, following)
        if found is not None:
            score = (1, found.ordered, len(found.conditions))
            if score > best_score:
                best, best_score = found, score
    return best


def _through(
    meta: StoreMeta[Any], path: AccessPath, where: Filter, order: tuple[OrderBy, ...], following: Filter
) -> QueryPlan | None:
    parts = [one for one in (where.filters if isinstance(where, And) else (where,)) if isinstance(one, Compare)]
    equal = {one.attribute: one for one in parts if one.operator == "eq"}
    if path.partition not in equal or not _short(equal[path.partition], MAX_PARTITION):
        return None
    if path.index is not None and not all(_present(meta, name, parts) for name in path.sorts):
        return None
    conditions = [equal[path.partition]]
    sorts = list(path.sorts)
    while sorts and sorts[0] in equal and _short(equal[sorts[0]], MAX_SORT):
        conditions.append(equal[sorts.pop(0)])
    ordered, backward, grouping = _serves(meta, order, frozenset(equal), sorts)
    used: list[Compare] = []
    if sorts:
        bounds = [
            one for one in parts if one.attribute == sorts[0] and one.operator in RANGES and _short(one, MAX_SORT)
        ]
        resume = _resume(following, sorts[0]) if ordered and order else None
        used = _range(meta, bounds, resume)
    taken = [*conditions, *(one for one in used if one in parts)]
    rest = combine(And, [*(one for one in _parts(where) if one not in taken), following])
    return QueryPlan(path, (*conditions, *used), rest, ordered, backward, grouping)


def _short(one: Compare, limit: int) -> bool:
    """May the value stand in a key condition? Its encoding is longer than itself by one byte at most."""
    value = one.value
    return len(value.encode() if isinstance(value, str) else value) < limit if isinstance(value, str | bytes) else True


def _parts(where: Filter) -> tuple[Filter, ...]:
    return where.filters if isinstance(where, And) else (where,)


def _present(meta: StoreMeta[Any], name: str, parts: list[Compare]) -> bool:
    """Every item that matches has this attribute."""
    if not meta.attributes[name].optional:
        return True
    return any(
        (one.attribute == name and one.operator not in ("ne", "null")) or one == Compare(name, "null", False)
        for one in parts
    )


def _serves(
    meta: StoreMeta[Any], order: tuple[OrderBy, ...], pinned: frozenset[str], sorts: list[str]
) -> tuple[bool, bool, tuple[str, ...]]:
    """Does a path with these free sort attributes give this order? (ordered, backward, attributes whose ties remain)"""
    open_terms = [one for one in order if one.attribute not in pinned]
    key = [one for one in open_terms if one.attribute in meta.key.attributes and one.attribute not in sorts]
    leading = open_terms[: len(open_terms) - len(key)]
    if open_terms[len(leading) :] != key or any(one.descending for one in key) or (key and not leading):
        return False, False, ()  # where everything ties, everything would be read in pages as small as the limit
    names = [one.attribute for one in leading]
    if names != sorts[: len(names)] or len({one.descending for one in leading}) > 1:
        return not open_terms, False, ()
    return True, bool(leading and leading[0].descending), tuple(names)


def _range(meta: StoreMeta[Any], bounds: list[Compare], resume: Compare | None) -> list[Compare]:
    """What one key condition takes of these bounds: one end, both ends as a pair that makes BETWEEN, or a prefix.

    BETWEEN includes its ends; where a bound does not, it stays in the rest of the filter as well.
    """
    low = next((one for one in bounds if one.operator in ("gt", "ge")), None)
    high = next((one for one in bounds if one.operator in ("lt", "le")), None)
    if resume is not None:  # a cursor lies within the bounds, so its side is the tighter one
        low, high = (resume, high) if resume.operator == "ge" else (low, resume)
    if low is not None and high is not None:
        primitive = meta.attributes[low.attribute].primitive
        if primitive(low.value) > primitive(high.value):
            return [low]  # nothing lies between; DynamoDB refuses such a pair
        return [Compare(low.attribute, "ge", low.value), Compare(high.attribute, "le", high.value)]
    found = (
        low
        if low is not None
        else high
        if high is not None
        else next((one for one in bounds if one.operator == "startswith" and one.value), None)
    )
    return [] if found is None else [found]


def _resume(following: Filter, name: str) -> Compare | None:
    """The range that "beyond the cursor" implies for the first term of the order: its ties, and what lies further."""
    found = next((one for one in _all(following) if one.attribute == name and one.operator in ("lt", "gt")), None)
    return None if found is None else Compare(name, "le" if found.operator == "lt" else "ge", found.value)


def _all(where: Filter) -> Iterable[Compare]:
    if isinstance(where, Compare):
        yield where
    for one in getattr(where, "filters", ()):
        yield from _all(one)
