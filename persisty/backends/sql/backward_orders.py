"""Descending orders in SQLite: read an index backwards, as long as no two rows tie.

Every order ends on the key, ascending, and so does every index. An index therefore has `created_at DESC, id ASC` in neither direction, and
SQLite would sort the rows of each timestamp, which took half the time of a page. The index does have `created_at DESC, id DESC`. Both orders are the
same if no two rows have equal values before the key. If two rows do, the rows are read again in the requested order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from msgspec import Struct

from ...model.expressions import OrderBy
from ...model.meta import StoreMeta
from ...model.types import Kind
from .statements import MAX_CACHED

Total = tuple[OrderBy, ...]
PAUSE = 64
"""Queries that use the requested order after one with ties. Reading twice each time would cost more than sorting."""


class Backward(Struct):
    """`order`: the order that an index has backwards. `before_key`: the attributes before the key. `pause`: queries until the backward order is tried again.
    `read`: columns of rows → the function that reads these attributes."""

    order: Total
    before_key: tuple[str, ...]
    pause: int = 0
    read: dict[tuple[str, ...], Callable[[Any], Any]] = {}

    def skips(self) -> bool:
        """Return whether this query uses the requested order, because a recent query had ties."""
        if self.pause:
            self.pause -= 1
        return self.pause > 0

    def tied(self, rows: Sequence[Sequence[Any]], names: tuple[str, ...]) -> bool:
        """Return whether two rows tie. `names`: the columns of the rows."""
        of = self.read.get(names)
        if of is None:
            of = self.read[names] = itemgetter(*map(names.index, self.before_key))
        if len(set(map(of, rows))) == len(rows):
            return False
        self.pause = PAUSE
        return True


class BackwardOrders:
    """The orders of one item that an index may have backwards."""

    def __init__(self, meta: StoreMeta[Any]) -> None:
        self._meta = meta
        self._cached: dict[Total, Backward | None] = {}

    def of(self, total: Total) -> Backward | None:
        """Return the backward form of a total order, or None if no index has it."""
        if total in self._cached:
            return self._cached[total]
        if len(self._cached) >= MAX_CACHED:
            self._cached.clear()
        found = self._cached[total] = self._backward(total)
        return found

    def _backward(self, total: Total) -> Backward | None:
        meta, count = self._meta, sum(one.descending for one in total)
        before, key = total[:count], total[count:]
        names = tuple(one.attribute for one in before)
        if not (names and key) or not all(one.descending for one in before):
            return None
        if any(one.attribute not in meta.key.attributes for one in key) or not all(
            map(self._has_exact_equality, names)
        ):
            return None
        if not any(_follow(names, index.attributes) for index in meta.indexes):
            return None
        return Backward((*before, *(OrderBy(one.attribute, descending=True) for one in key)), names)

    def _has_exact_equality(self, name: str) -> bool:
        """Return whether Python and SQLite agree on which values of a column are equal, and no value is null."""
        attribute = self._meta.attributes.get(name)
        return attribute is not None and not attribute.optional and attribute.kind is not Kind.DECIMAL


def _follow(names: Sequence[str], attributes: Sequence[str]) -> bool:
    """Return whether these names are consecutive attributes of an index."""
    return any(tuple(attributes[at : at + len(names)]) == names for at in range(len(attributes)))
