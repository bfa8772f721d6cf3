"""What `store.explain` tells: how an engine would answer a query, what that costs, and what would make it cheap."""

from __future__ import annotations

from msgspec import Struct

from ..model.expressions import ALL, And, Compare, Filter
from ..model.indexes import Index

RANGES = frozenset({"lt", "le", "gt", "ge", "startswith"})
"""Operators that an index serves after its equalities."""


class Explanation(Struct, frozen=True):
    """How a query is answered; as text, a line for each thing there is to tell.

    `access`: `key` (items by their keys), `index` (only what an index points at is read), `union` (several of these,
    merged), or `scan` (every item is looked at). `index`: the index used, None for the table itself. `keys`: what the
    engine looks up, as text. `native`: the filter the engine applies to what it looks at; `local`: what persisty applies
    itself. `sorted_by`: `index` (items come in order), `engine`, or `local`; None without an order.

    `requests` and `read_units` are estimates for one page, None where the engine has no such measure: a unit reads 4 KB
    consistently, half a unit from an index (DynamoDB's definition). `items`: how many items the table holds, where the
    engine knows. `advice`: the index that would make the query cheap, None if it is cheap or no index can help.
    `detail`: the engine's own words, a line each.
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
        told = (
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
        lines = [f"{name:16}{value}" for name, value in told if value not in (None, "")]
        return "\n".join([f"{self.engine + ':':16}{self.access}", *lines])


def advised_index(equal: tuple[str, ...], ordered: tuple[str, ...], ranged: tuple[str, ...]) -> Index | None:
    """The index for a query: what is compared for equality, then what it is ordered by, or else one range. An index holds
    up to five attributes, and there is none without an equality."""
    sorts = [name for name in ordered or ranged[:1] if name not in equal]
    return Index(*(*equal, *sorts)[:5]) if equal else None


def asked_of(where: Filter) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The attributes that a filter compares for equality in every match, and those that it bounds."""
    parts = where.filters if isinstance(where, And) else (where,)
    comparisons = [one for one in parts if isinstance(one, Compare) and "." not in one.attribute]
    equal = dict.fromkeys(one.attribute for one in comparisons if one.operator in ("eq", "oneof"))
    ranged = dict.fromkeys(one.attribute for one in comparisons if one.operator in RANGES)
    return tuple(equal), tuple(name for name in ranged if name not in equal)
