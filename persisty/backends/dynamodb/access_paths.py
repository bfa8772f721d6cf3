"""Access paths: the table and its indexes, and the key conditions under which one of them finds the matches of a filter.

A path can be queried if the filter pins its partition key. Its sort attributes are then used from left to right,
equalities first, one range last. `oneof` pins several values, and each makes its own query. An index contains only items
whose indexed attributes are not null, so it is used only if the filter or the declaration excludes nulls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ...model.expressions import ALL, NOTHING, And, Compare, Filter, Not, Or, OrderBy
from ...model.key_bounds import MAX_PARTITION, MAX_SORT
from ...model.meta import StoreMeta
from ...model.stored_names import stored_index
from ...query.evaluation import matcher
from ...query.filter_algebra import combine
from .codec import SORT, WireCodec

RANGES = frozenset({"lt", "le", "gt", "ge", "startswith"})
MAX_QUERIES = 100
"""Most queries of a union. With more, a scan needs fewer requests and reads hardly more."""


class AccessPath(Struct, frozen=True):
    """A table (`index` None) or an index: its partition key, and its sort attributes in order. `optional`: those that may be null. `defaulted`: its attributes that
    items stored before their declaration may lack; these items have the default, and are not in the index until it is completed."""

    index: str | None
    partition: str
    sorts: tuple[str, ...]
    optional: tuple[str, ...] = ()
    defaulted: tuple[str, ...] = ()


class QueryPlan(Struct, frozen=True):
    """One query of a path, or a scan of the table where `path` is None.

    `conditions` make the key condition; `rest` is the filter without what they imply. `ordered`: the path returns items in
    the requested order, except for ties: `grouping` names the attributes whose equality is a tie. `exact`: all items that it reads
    are matches, except perhaps some before a cursor. `following`: the part of `rest` that selects the items after a cursor.
    """

    path: AccessPath | None
    conditions: tuple[Compare, ...]
    rest: Filter
    ordered: bool
    backward: bool = False
    grouping: tuple[str, ...] = ()
    exact: bool = False
    following: Filter = ALL


def access_paths(meta: StoreMeta[Any], codec: WireCodec, index_attributes: int) -> tuple[AccessPath, ...]:
    """Return the table, then its indexes, each cut to the number of attributes that the engine allows."""
    partition, *sorts = codec.schema
    paths = [AccessPath(None, partition, tuple(name for name in sorts if name != SORT))]
    for index in meta.indexes:
        first, *index_sorts = indexed = index.attributes[:index_attributes]
        optional = tuple(name for name in index_sorts if meta.attributes[name].optional)
        defaulted = tuple(name for name in indexed if name in codec.absent)
        paths.append(AccessPath(stored_index(meta, index), first, tuple(index_sorts), optional, defaulted))
    return tuple(paths)


class Conjunction:
    """Comparisons of a conjunction, grouped by their use in a key condition."""

    def __init__(self, parts: Iterable[Filter]) -> None:
        self.equal: dict[str, Compare] = {}
        self.several: dict[str, Compare] = {}
        self.ranges: dict[str, list[Compare]] = {}
        self.present: set[str] = set()
        for one in parts:
            if not isinstance(one, Compare) or one.operator == "ne":
                continue
            name, operator = one.attribute, one.operator
            if operator == "null":
                if one.value:
                    continue
            elif operator == "eq":
                self.equal[name] = one
            elif operator == "oneof":
                self.several[name] = one
            elif operator in RANGES:
                self.ranges.setdefault(name, []).append(one)
            self.present.add(name)

    def choices(self, name: str, size: int) -> Sequence[Compare]:
        """Return the equalities of which one holds. Empty if the attribute is not pinned, or if a value is longer than `size` bytes."""
        if (equal := self.equal.get(name)) is not None:
            return (equal,) if _short(equal.value, size) else ()
        if (several := self.several.get(name)) is not None and all(_short(one, size) for one in several.value):
            return [Compare(name, "eq", one) for one in several.value]
        return ()

    def bounds(self, name: str) -> list[Compare]:
        return [one for one in self.ranges.get(name, ()) if _short(one.value, MAX_SORT)]


def queries_of_path(
    meta: StoreMeta[Any],
    path: AccessPath,
    parts: Conjunction,
    order: tuple[OrderBy, ...],
    pinned: Iterable[str],
) -> Iterator[list[QueryPlan]]:
    """Yield the ways in which a path finds the items: one query, or one for each combination of values. `rest` is left open.

    `pinned`: the attributes that have one value among all matches, independent of the path.
    """
    if path.optional and not parts.present.issuperset(path.optional):
        return
    heads: list[tuple[Compare, ...]] = [(one,) for one in parts.choices(path.partition, MAX_PARTITION)]
    free = path.sorts
    while heads and len(heads) <= MAX_QUERIES:
        values = parts.choices(free[0], MAX_SORT) if free else ()
        if len(values) != 1:
            used = _range(meta, parts.bounds(free[0])) if free and free[0] in parts.ranges else []
            served = _serves(meta, order, {*pinned, *(one.attribute for one in heads[0])}, free)
            yield [QueryPlan(path, (*head, *used), ALL, *served) for head in heads]
        heads = [(*head, one) for head in heads for one in values]
        free = free[1:]


def resumed(meta: StoreMeta[Any], one: QueryPlan, following: Filter) -> tuple[Compare, ...]:
    """Return the key condition of an ordered query, narrowed to the items after a cursor."""
    if one.path is None or not one.ordered:
        return one.conditions
    equal = [condition for condition in one.conditions if condition.operator == "eq"]
    free = one.path.sorts[len(equal) - 1 :]
    resume = _resume(following, free[0]) if free else None
    if resume is None:
        return one.conditions
    return (*equal, *_range(meta, one.conditions[len(equal) :], resume))


def _short(value: Any, size: int) -> bool:
    """Return whether the value is short enough for a key condition. Its encoding is at most one byte longer."""
    return len(value.encode() if isinstance(value, str) else value) < size if isinstance(value, str | bytes) else True


def _serves(
    meta: StoreMeta[Any], order: tuple[OrderBy, ...], pinned: set[str], sorts: tuple[str, ...]
) -> tuple[bool, bool, tuple[str, ...]]:
    """Return whether a path with these free sort attributes has this order, as (ordered, backward, attributes whose ties remain)."""
    open_terms = [one for one in order if one.attribute not in pinned]
    key = [one for one in open_terms if one.attribute in meta.key.attributes and one.attribute not in sorts]
    leading = open_terms[: len(open_terms) - len(key)]
    if open_terms[len(leading) :] != key or any(one.descending for one in key) or (key and not leading):
        return False, False, ()  # if all items tie, all would be read in pages as small as the limit
    names = tuple([one.attribute for one in leading])
    if names != sorts[: len(names)] or len({one.descending for one in leading}) > 1:
        return not open_terms, False, ()
    return True, bool(leading and leading[0].descending), names


def _range(meta: StoreMeta[Any], bounds: Sequence[Compare], resume: Compare | None = None) -> list[Compare]:
    """Return the bounds that one key condition can express: one end, both ends as a pair for BETWEEN, or a prefix.

    BETWEEN includes its ends. An exclusive bound also stays in the rest of the filter.
    """
    low = next((one for one in bounds if one.operator in ("gt", "ge")), None)
    high = next((one for one in bounds if one.operator in ("lt", "le")), None)
    if resume is not None:  # a cursor is within the bounds, so its bound is the tighter one
        low, high = (resume, high) if resume.operator == "ge" else (low, resume)
    if low is not None and high is not None:
        primitive = meta.attributes[low.attribute].primitive
        if primitive(low.value) > primitive(high.value):
            return [low]  # an empty range: DynamoDB refuses such a pair
        return [Compare(low.attribute, "ge", low.value), Compare(high.attribute, "le", high.value)]
    found = high if low is None else low
    if found is None:
        found = next((one for one in bounds if one.operator == "startswith" and one.value), None)
    return [] if found is None else [found]


def _resume(following: Filter, name: str) -> Compare | None:
    """Return the range that "after the cursor" implies for the first term of the order: its ties and the values after them."""
    found = next((one for one in _all(following) if one.attribute == name and one.operator in ("lt", "gt")), None)
    return None if found is None else Compare(name, "le" if found.operator == "lt" else "ge", found.value)


def _all(where: Filter) -> Iterator[Compare]:
    if isinstance(where, Compare):
        yield where
    for one in getattr(where, "filters", ()):
        yield from _all(one)


def parts_of(where: Filter) -> tuple[Filter, ...]:
    """Return the parts of a conjunction: all of them are true if the filter is."""
    return where.filters if isinstance(where, And) else (where,)


def hidden_attributes(one: QueryPlan) -> frozenset[str]:
    """Return the key attributes of the queried path, which a filter expression must not mention."""
    return frozenset() if one.path is None else frozenset((one.path.partition, *one.path.sorts))


def membership(one: QueryPlan) -> Filter:
    """Return the filter for items that a query reads."""
    present = () if one.path is None else one.path.optional
    return combine(And, [*one.conditions, *(Compare(name, "null", False) for name in present)])


def over_values(meta: StoreMeta[Any]) -> StoreMeta[Any]:
    """Return the same declaration for the known values of an item before it is read, a mapping of attributes to values."""

    def of_mapping(name: str) -> Callable[[Mapping[str, Any]], Any]:
        return lambda values: values.get(name)

    attributes = {name: replace(one, get=of_mapping(name)) for name, one in meta.attributes.items()}
    return meta.altered(attributes=attributes, nested={})


def remaining_filter(values: StoreMeta[Any], where: Filter, conditions: tuple[Compare, ...]) -> Filter:
    """Return the rest of a filter for items that meet some conditions: comparisons that these decide become constants.

    `values` is the declaration `over_values`.
    """
    pinned = {one.attribute: one.value for one in conditions if one.operator == "eq"}

    def remaining(one: Filter) -> Filter:
        match one:
            case Compare(name, operator, value):
                if one in conditions:
                    return ALL
                if name not in pinned:
                    return one
                is_true = value == pinned[name] if operator == "eq" else matcher(values, one)(pinned)
                return ALL if is_true else NOTHING
            case And(filters):
                return combine(And, map(remaining, filters))
            case Or(filters):
                return combine(Or, map(remaining, filters))
            case Not(inner):
                rest = remaining(inner)
                return NOTHING if rest == ALL else ALL if rest == NOTHING else Not(rest)
        raise TypeError(f"not a resolved filter: {one!r}")

    return remaining(where)
