"""Pages that contain unreadable items and are followed by others: such a page ends at an item whose position is known.

The position of an item consists of the attributes of the order. If one of these cannot be decoded, the page ends before that item, which
is the first of the next page. If no item of a page has a position, the page is extended to the first item with a position. Large values of the items
before that one are not read: the errors of these items need the keys only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from msgspec.structs import replace

from ..model.expressions import And, Compare
from ..model.meta import StoreMeta
from ..model.unreadable_items import unreadable
from ..query.filter_algebra import combine
from .backend import Page, Query
from .page_bytes import large_attributes, size_of_all

T = TypeVar("T")
WIDER = 4
"""Factor by which a page grows if none of its items has a position."""
SMALL_PAGE = 256_000
"""Bytes of a page that grows with whole items."""


def unfinished_page(
    meta: StoreMeta[Any],
    names: Iterable[str],
    items: list[T],
    position: Callable[[T], dict[str, Any]],
    query: Query,
    read_page: Callable[[Query], Page[T]],
) -> Page[T]:
    """Return the page of a query that is not the last one. `names`: the attributes of a position. `read_page` reads another page."""
    if not unreadable(items[-1]):
        return Page(items, position(items[-1]))
    needed = {*names, *meta.key.attributes}
    positioned = _with_position(items, needed)
    if positioned:
        return Page(items[: positioned[-1] + 1], position(items[positioned[-1]]))
    wider = replace(query, limit=query.limit * WIDER)
    is_cut = len(items) < query.limit  # it ended at `max_bytes`, and would end there again
    if not is_cut and size_of_all(meta, items) * WIDER <= SMALL_PAGE:
        page = read_page(replace(wider, max_bytes=SMALL_PAGE))
        positioned = _with_position(page.items, needed)
        return page if not positioned else Page(page.items[: positioned[0] + 1], position(page.items[positioned[0]]))
    large = frozenset(large_attributes(meta)) - needed
    small = tuple(name for name in query.select or meta.attributes if name not in large)
    page = read_page(replace(wider, select=small, max_bytes=None))
    positioned = _with_position(page.items, needed)
    if not positioned:
        return page
    first = page.items[positioned[0]]
    keys = [Compare(name, "eq", meta.attributes[name].get(first)) for name in meta.key.attributes]
    whole = read_page(replace(query, where=combine(And, [query.where, *keys]), after=None, limit=1, max_bytes=None))
    return Page([*page.items[: positioned[0]], *whole.items], position(first))


def _with_position(items: list[Any], needed: set[str]) -> list[int]:
    """Return the places of the items whose position is known."""
    return [place for place, one in enumerate(items) if needed.isdisjoint(unreadable(one))]
