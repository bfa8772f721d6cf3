"""A requested page, and how its plan reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from ...model.expressions import OrderBy
from ...model.meta import StoreMeta
from .access_paths import QueryPlan
from .costs import Size
from .parallel import MAX_THREADS
from .planner import Plan, UnionPlan

SEGMENT = 4 * 1024 * 1024
"""Bytes of a segment when a whole table is scanned."""


class Asked(Struct, frozen=True):
    """A page. `after`: the position to continue from without an order; with one, the plan has it. `names`: the attributes to fetch,
    None for all."""

    order: tuple[OrderBy, ...]
    after: Mapping[str, Any] | None
    limit: int
    names: frozenset[str] | None
    unplaced: list[Any] = []
    """Matches without a place in the order, because a value of the order cannot be decoded. They are part of the first page."""


def through_index(plan: Plan) -> bool:
    """Return whether a plan reads items from an index in the requested order, and no others."""
    queries = plan.queries if isinstance(plan, UnionPlan) else (plan,)
    return all(isinstance(one, QueryPlan) and one.path is not None and one.ordered and one.exact for one in queries)


def ties(meta: StoreMeta[Any], names: Sequence[str]) -> Callable[[Any], Any]:
    """Return the function from an item to a value that is equal for items that tie in these attributes."""
    gets = [meta.attributes[name].get for name in names]
    return gets[0] if len(gets) == 1 else lambda item: [get(item) for get in gets]


def segments_of(size: Size) -> int:
    """Return the number of segments for a scan of a whole table."""
    return max(1, min(MAX_THREADS, size.total // SEGMENT))
