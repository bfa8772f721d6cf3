"""Choose the requests that answer a query, and what is left to filter and sort.

```
keys      the filter pins whole keys                                 GetItem, BatchGetItem: consistent, a unit an item
query     a path's partition key is pinned                           Query
union     `oneof` pins it, or each arm of an `or` has a path         a Query for each value and arm, merged
scan      no path                                                    Scan
```

The plan with the fewest estimated read units is chosen. The choice depends on the filter and the order only, not on a page's limit, a
cursor or the size of the table, so a cursor always continues the plan that made it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import product
from math import prod
from typing import Any

from msgspec import Struct

from ...model.expressions import ALL, NOTHING, And, Compare, Filter, Or, OrderBy
from ...model.key_bounds import MAX_SORT
from ...model.keys import KeyValues
from ...model.meta import StoreMeta
from ...query.filter_algebra import combine
from .access_paths import (
    MAX_QUERIES,
    AccessPath,
    Conjunction,
    QueryPlan,
    access_paths,
    over_values,
    parts_of,
    queries_of_path,
    remaining_filter,
    resumed,
)
from .codec import WireCodec
from .costs import Cost, cost_of_keys, cost_of_queries, share

MAX_KEYS = 1_000
"""Most keys of a plan."""
MAX_FORMS = 1_000
"""Most plans of equalities that a table caches. The cache is cleared when it is full."""
BRIEF = MAX_SORT // 4 - 1
"""Characters of a value that is short enough for any key: a character has at most 4 bytes, and the encoding one byte more."""


class KeyPlan(Struct, frozen=True):
    """A plan that reads the items of these keys that match `rest`."""

    keys: tuple[KeyValues, ...]
    rest: Filter


class UnionPlan(Struct, frozen=True):
    """A plan of several queries, each filtered by all of `where`. An item belongs to the first query whose
    conditions it meets. `disjoint`: no item meets the conditions of two queries."""

    queries: tuple[QueryPlan, ...]
    disjoint: bool


Plan = KeyPlan | QueryPlan | UnionPlan


class _Form(Struct, frozen=True):
    """A plan of one query for any filter of equalities of the same attributes. `conditions`, `rest`: the places of the comparisons in the filter."""

    plan: QueryPlan
    conditions: tuple[int, ...]
    rest: tuple[int, ...]

    def of(self, parts: tuple[Filter, ...]) -> QueryPlan:
        """Return the plan for a filter of these parts."""
        one = self.plan
        rest = combine(And, [parts[place] for place in self.rest]) if self.rest else ALL
        conditions: Any = tuple([parts[place] for place in self.conditions])
        return QueryPlan(one.path, conditions, rest, one.ordered, one.backward, one.grouping, one.exact)


class _Way(Struct, frozen=True):
    """A way to find the items: by `keys`, or by `queries` whose `rest` is not set yet."""

    keys: tuple[KeyValues, ...] = ()
    queries: tuple[QueryPlan, ...] = ()


class Planner:
    """`index_attributes`: the most attributes of an index. `moving`: attributes that change while the plan
    runs; a union over their values would return items again. `incomplete`: returns the stored names of the indexes that may miss items."""

    def __init__(
        self,
        meta: StoreMeta[Any],
        codec: WireCodec,
        index_attributes: int = 8,
        moving: frozenset[str] = frozenset(),
        incomplete: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._moving, self.incomplete = moving, incomplete
        self.meta, self.codec, self.index_attributes = meta, codec, index_attributes
        self._paths = access_paths(meta, codec, index_attributes)
        self._doubtful = frozenset(path.partition for path in self._paths if path.defaulted)
        """The partition keys of the indexes that may be incomplete. A plan over them depends on the values in the filter."""
        self._values = over_values(meta)
        self._forms: dict[tuple[tuple[str, ...], tuple[OrderBy, ...]], _Form | None] = {}

    def plan(self, where: Filter, order: tuple[OrderBy, ...] = (), following: Filter = ALL) -> Plan:
        """Return the cheapest plan. `following`: the filter of the items after a cursor; it may narrow a range, and stays in the rest too."""
        parts = parts_of(where)
        pinned = [one.attribute for one in parts if isinstance(one, Compare) and one.operator == "eq"]
        doubtful = self._doubtful and not self._doubtful.isdisjoint(pinned)
        if doubtful or following is not ALL or len(pinned) < len(parts) or not all(map(_brief, parts)):
            return self._planned(where, parts, pinned, order, following)
        key = tuple(pinned), order
        form = self._forms.get(key)
        if form is not None:
            return form.of(parts)
        plan = self._planned(where, parts, pinned, order, following)
        if key not in self._forms and len({*pinned}) == len(pinned):
            if len(self._forms) >= MAX_FORMS:
                self._forms.clear()
            self._forms[key] = _form_of(plan, parts)
        return plan

    def _planned(
        self,
        where: Filter,
        parts: tuple[Filter, ...],
        pinned: Sequence[str],
        order: tuple[OrderBy, ...],
        following: Filter,
    ) -> Plan:
        way = self._best(parts, order, pinned)
        if way is None:
            return QueryPlan(None, (), combine(And, [where, following]), not order, exact=where == ALL)
        if way.keys:
            return self._keyed(way.keys, where, following)
        found = [self._finished(one, where, order, following) for one in way.queries]
        queries = tuple([one for one in found if one.rest != NOTHING])
        if len(queries) == 1:
            return queries[0]
        return UnionPlan(queries, _disjoint(queries)) if queries else KeyPlan((), NOTHING)

    def _best(self, parts: tuple[Filter, ...], order: tuple[OrderBy, ...], pinned: Sequence[str]) -> _Way | None:
        best: _Way | None = None
        best_cost: Cost | None = None
        matching: float | None = None
        for way in self._ways(parts, order, pinned):
            if len(way.queries) > 1 and self._moving and self._moves(way):
                continue
            if _perfect(way, parts):
                return way
            if matching is None:
                matching = share(And(parts))
            cost = cost_of_keys(len(way.keys)) if way.keys else cost_of_queries(way.queries, matching, bool(order))
            if best_cost is None or cost < best_cost:
                best, best_cost = way, cost
        return best

    def _moves(self, way: _Way) -> bool:
        return any(one.path is not None and one.path.partition in self._moving for one in way.queries)

    def _ways(self, parts: tuple[Filter, ...], order: tuple[OrderBy, ...], pinned: Sequence[str]) -> Iterator[_Way]:
        conjunction = Conjunction(parts)
        if keys := self._keys(conjunction):
            yield _Way(keys)
        for path in self._paths:
            if path.partition not in conjunction.equal and path.partition not in conjunction.several:
                continue
            if path.partition in self._doubtful and self._may_miss(path, parts):
                continue
            for queries in queries_of_path(self.meta, path, conjunction, order, pinned):
                yield _Way(queries=tuple(queries))
        for one in parts:
            if isinstance(one, Or) and one.filters and (way := self._of_arms(one, parts, order, pinned)) is not None:
                yield way

    def _may_miss(self, path: AccessPath, parts: tuple[Filter, ...]) -> bool:
        """Return whether an index may lack matches: items without one of its attributes, whose default meets the filter."""
        incomplete = self.incomplete() if path.defaulted else ()
        if path.defaulted and not incomplete:
            self._doubtful = frozenset()  # indexes that are complete stay so
        if path.index not in incomplete:
            return False
        for name in path.defaulted:
            about = [one for one in parts if isinstance(one, Compare) and one.attribute == name]
            if all(self.codec.absent_matches(one) for one in about):
                return True
        return False

    def _keys(self, conjunction: Conjunction) -> tuple[KeyValues, ...]:
        """Return the keys of which an item must have one. Empty if they are not pinned or too many."""
        values: list[tuple[Any, ...]] = []
        for name in self.meta.key.attributes:
            equal, several = conjunction.equal.get(name), conjunction.several.get(name)
            if equal is None and several is None:
                return ()
            values.append((equal.value,) if equal is not None else several.value if several is not None else ())
        return tuple(product(*values)) if prod(map(len, values)) <= MAX_KEYS else ()

    def _of_arms(
        self, either: Or, parts: tuple[Filter, ...], order: tuple[OrderBy, ...], pinned: Sequence[str]
    ) -> _Way | None:
        """Return the best ways of all arms together, None if an arm has none or if there are too many."""
        comparisons = [one for one in parts if isinstance(one, Compare)]
        keys: dict[KeyValues, None] = {}
        queries: list[QueryPlan] = []
        for arm in either.filters:
            way = self._best((*parts_of(arm), *comparisons), order, pinned)
            if way is None:
                return None
            keys.update(dict.fromkeys(way.keys))
            queries += way.queries
        if not queries:
            return _Way(tuple(keys)) if len(keys) <= MAX_KEYS else None
        queries += [self._query_of_key(key, order) for key in keys if self.codec.storable(key)]
        distinct = _uncovered(queries)
        return _Way(queries=distinct) if len(distinct) <= MAX_QUERIES else None

    def _query_of_key(self, key: KeyValues, order: tuple[OrderBy, ...]) -> QueryPlan:
        """Return the query of the table that finds an item by its key, or the items under the first part of a joined key."""
        values = dict(zip(self.meta.key.attributes, key, strict=True))
        table = self._paths[0]
        conditions = tuple(_equal(name, values[name]) for name in (table.partition, *table.sorts))
        return QueryPlan(table, conditions, ALL, not order or len(conditions) == len(values))

    def _finished(self, one: QueryPlan, where: Filter, order: tuple[OrderBy, ...], following: Filter) -> QueryPlan:
        """Return the query with its `rest`. The filter of the items after a cursor applies to this query alone: in another
        partition, the same attribute may have any value."""
        conditions = one.conditions
        if following != ALL:
            following = remaining_filter(self._values, following, conditions)
            conditions = resumed(self.meta, one, following)
        remaining = remaining_filter(self._values, where, conditions)
        rest = combine(And, [remaining, following]) if following != ALL else remaining
        return QueryPlan(
            one.path, conditions, rest, one.ordered, one.backward, one.grouping, remaining == ALL, following
        )

    def _keyed(self, keys: tuple[KeyValues, ...], where: Filter, following: Filter) -> KeyPlan:
        """Return the keys that the filter does not exclude, and the part of the filter that the keys do not decide."""
        names = self.meta.key.attributes
        rests = {key: remaining_filter(self._values, where, tuple(map(_equal, names, key))) for key in keys}
        possible = tuple([key for key in keys if rests[key] != NOTHING])
        same = all(rests[key] == rests[possible[0]] for key in possible)
        return KeyPlan(
            possible, combine(And, [rests[possible[0]] if same else where, following]) if possible else NOTHING
        )


def _brief(part: Filter) -> bool:
    """Return whether the value of an equality is certainly short enough for any key."""
    value = part.value if isinstance(part, Compare) else None
    return len(value) < BRIEF if isinstance(value, str | bytes) else True


def _form_of(plan: Plan, parts: tuple[Filter, ...]) -> _Form | None:
    """Return the form of a plan for equalities of distinct attributes, None if the plan is not one query."""
    if not isinstance(plan, QueryPlan):
        return None
    places = {id(one): place for place, one in enumerate(parts)}  # a value may have no hash
    rest = () if plan.rest == ALL else parts_of(plan.rest)
    return _Form(plan, tuple(places[id(one)] for one in plan.conditions), tuple(places[id(one)] for one in rest))


def _equal(name: str, value: Any) -> Compare:
    return Compare(name, "eq", value)


def _perfect(way: _Way, parts: tuple[Filter, ...]) -> bool:
    """Return whether no plan can be cheaper: this one reads a key, or a query returns exactly the requested items in order."""
    if way.keys:
        return len(way.keys) == 1
    [first, *more] = way.queries
    return not more and first.ordered and all(one in first.conditions for one in parts)


def _uncovered(queries: Sequence[QueryPlan]) -> tuple[QueryPlan, ...]:
    """Return the queries without those whose matches another query finds too."""
    uncovered: list[tuple[QueryPlan, frozenset[Compare]]] = []
    for one in sorted(queries, key=lambda query: len(query.conditions)):
        conditions = frozenset(one.conditions)
        if not any(other.path == one.path and covering <= conditions for other, covering in uncovered):
            uncovered.append((one, conditions))
    return tuple(one for one, _ in uncovered)


def _disjoint(queries: Sequence[QueryPlan]) -> bool:
    """Return whether all queries pin the same attributes, each to another combination of values."""
    pinned = [{one.attribute: one.value for one in query.conditions if one.operator == "eq"} for query in queries]
    common = [name for name in pinned[0] if all(name in one for one in pinned)]
    return len({tuple(one[name] for name in common) for one in pinned}) == len(queries)
