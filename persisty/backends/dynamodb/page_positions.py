"""Positions: the values of the last item of a page in a cursor, and the point from which an unordered plan continues.

With an order, a position is the values of the order's attributes; the filter "after them" selects the next page. Without an order, it is
the key and the key attributes of the indexes that are read, from which DynamoDB's ExclusiveStartKey is made. In a union they also determine
the query of the item: the first whose conditions the item meets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import InvalidCursor
from ...model.expressions import OrderBy
from ...model.meta import StoreMeta
from ...query.evaluation import matcher
from ...query.keyset import position_of
from .access_paths import QueryPlan, membership, over_values
from .codec import WireCodec
from .planner import KeyPlan, Plan, UnionPlan
from .wire_kinds import Wire

Position = Mapping[str, Any]


class Positions:
    def __init__(self, meta: StoreMeta[Any], codec: WireCodec) -> None:
        self._meta, self._codec = meta, codec
        self._values = over_values(meta)

    def names(self, plan: Plan, order: tuple[OrderBy, ...] = ()) -> Sequence[str]:
        """Return the attributes of a position."""
        if order:
            return [one.attribute for one in order]
        queries: Sequence[QueryPlan] = ()
        if not isinstance(plan, KeyPlan):
            queries = plan.queries if isinstance(plan, UnionPlan) else (plan,)
        indexed = (name for one in queries for name in _indexed(one))
        return list(dict.fromkeys((*self._meta.key.attributes, *indexed)))

    def of(self, plan: Plan, order: tuple[OrderBy, ...], last: Any) -> dict[str, Any]:
        """Return the position of an item."""
        if order:
            return position_of(self._meta, order, last)
        values = {name: self._meta.attributes[name].get(last) for name in self.names(plan)}
        return {name: value for name, value in values.items() if value is not None}

    def check(self, plan: Plan, after: Position) -> None:
        """Raise `InvalidCursor` for a position with other attributes than those of this plan."""
        names = self.names(plan)
        if len(after) != len(names) or any(after.get(name) is None for name in names):
            raise InvalidCursor()

    def start(self, one: QueryPlan, after: Position) -> Wire:
        """Return the key after which an unordered query continues."""
        self.check(one, after)
        try:
            start = self._codec.key(tuple(after[name] for name in self._meta.key.attributes))
            return {
                **start,
                **{self._codec.stored[name]: self._codec.value(name, after[name]) for name in _indexed(one)},
            }
        except (TypeError, AttributeError) as error:
            raise InvalidCursor() from error

    def resume(self, union: UnionPlan, after: Position) -> tuple[int, Wire]:
        """Return (the query of the item at a position, the key after which it continues)."""
        is_complete = after.keys() <= {*self.names(union)}
        for position, one in enumerate(union.queries):
            if is_complete and matcher(self._values, membership(one))(after):
                return position, self.start(one, {name: after.get(name) for name in self.names(one)})
        raise InvalidCursor()


def _indexed(one: QueryPlan) -> tuple[str, ...]:
    """Return the attributes of the key of the index that a query reads. Some may be parts of the item's key."""
    path = one.path
    return () if path is None or path.index is None else (path.partition, *path.sorts)
