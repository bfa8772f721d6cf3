"""Describe a requested page, choose its items among the matches, and say how its plan reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from msgspec import Struct

from ...model.expressions import OrderBy
from ...model.keys import KeyValues
from ...model.meta import StoreMeta
from ...store.page_bytes import enough_for_page, item_size, items_of_page
from .access_paths import QueryPlan
from .costs import Size
from .parallel import MAX_THREADS
from .planner import Plan, UnionPlan
from .wire_answers import Sizes

T = TypeVar("T")
SEGMENT = 4 * 1024 * 1024
"""Bytes of a segment when a whole table is scanned."""


class PageRequest(Struct, frozen=True):
    """A page. `after`: the position to continue from without an order; with one, the plan has it. `names`: the attributes to fetch,
    None for all. `max_bytes`: the size at which the page ends, None for any size. `sizes`: the sizes of the responses that were read for it."""

    order: tuple[OrderBy, ...]
    after: Mapping[str, Any] | None
    limit: int
    names: frozenset[str] | None
    max_bytes: int | None
    sizes: Sizes
    unplaced: list[Any] = []
    """Matches without a place in the order, because a value of the order cannot be decoded. They are part of the first page."""


def length_of_page(meta: StoreMeta[Any], found: list[Any], request: PageRequest) -> int:
    """Return how many of the matches make a page. If these are all of them, the page may go on."""
    if request.max_bytes is None or sum(request.sizes) <= request.max_bytes:
        return min(len(found), request.limit)
    return items_of_page(meta, found[: request.limit], request.max_bytes)


def up_to_bytes(meta: StoreMeta[Any], items: Iterator[T], request: PageRequest) -> Iterator[T]:
    """Yield the items, which have been read, until a page is complete with them, and one more."""
    if request.max_bytes is None or sum(request.sizes) <= request.max_bytes:
        return items
    return enough_for_page(items, item_size(meta), request.max_bytes)


def distinct(meta: StoreMeta[Any], items: Iterable[T]) -> Iterator[T]:
    """Yield each item once."""
    seen: set[KeyValues] = set()
    for item in items:
        key = meta.key_values(item)
        if key not in seen:
            seen.add(key)
            yield item


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
