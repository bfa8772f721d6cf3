"""Explanations of `store.explain`: how an engine would run a query, its cost, and the index that would make it cheap."""

from __future__ import annotations

from msgspec import Struct

from ..model.expressions import ALL, And, Compare, Filter
from ..model.indexes import Index

RANGES = frozenset({"lt", "le", "gt", "ge", "startswith"})
"""Operators that an index can serve after its equalities."""


class Explanation(Struct, frozen=True):
    """The plan of an engine for a query. `str()` returns one line for each known field.

    `access`: `key` (items by their keys), `index` (only items that an index points at), `union` (several of these, merged), or `scan` (every item).
    `index`: the index used, None for the table itself. `keys`: the key condition, as text. `native`: the filter that the engine applies to the items
    that it reads. `local`: the filter that persisty applies. `sorted_by`: `index` (items come in order), `engine`, or `local`; None without an order.

    `requests` and `read_units` are estimates for one page, None if the engine has no such measure. A unit reads 4 KB consistently, half a unit from an
    index (DynamoDB's definition). `items`: number of items of the table, if the engine has counted them. `advice`: the index that would make the query cheap,
    None if it is cheap or no index can help. `detail`: lines of the engine's own explanation.
    """

    engine: str
    access: str
    index: str | None
    keys: tuple[str, ...]
    native: Filter
    local: Filter
    sorted_by: str | None
    requests: int | None = None
    read_units: float | None = None
    items: int | None = None
    advice: Index | None = None
    detail: tuple[str, ...] = ()

    def __str__(self) -> str:
        fields = (
            ("by", self.index),
            ("keys", ", ".join(self.keys)),
            ("engine filters", "" if self.native == ALL else self.native),
            ("filtered here", "" if self.local == ALL else self.local),
            ("sorted by", self.sorted_by),
            ("requests", self.requests),
            ("read units", self.read_units),
            ("items", self.items),
            ("advice", self.advice),
            *(("detail", line) for line in self.detail),
        )
        lines = [f"{name:16}{value}" for name, value in fields if value not in (None, "")]
        return "\n".join([f"{self.engine + ':':16}{self.access}", *lines])


def advised_index(equal: tuple[str, ...], ordered: tuple[str, ...], ranged: tuple[str, ...]) -> Index | None:
    """Return the index for a query: its equalities, then its order, or else one range.

    An index has up to five attributes. A query without an equality has no index: return None.
    """
    sorts = [name for name in ordered or ranged[:1] if name not in equal]
    return Index(*(*equal, *sorts)[:5]) if equal else None


def compared_attributes(where: Filter) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the attributes that the filter compares for equality in every match, and those that it bounds."""
    parts = where.filters if isinstance(where, And) else (where,)
    comparisons = [one for one in parts if isinstance(one, Compare) and "." not in one.attribute]
    equal = dict.fromkeys(one.attribute for one in comparisons if one.operator in ("eq", "oneof"))
    ranged = dict.fromkeys(one.attribute for one in comparisons if one.operator in RANGES)
    return tuple(equal), tuple(name for name in ranged if name not in equal)
