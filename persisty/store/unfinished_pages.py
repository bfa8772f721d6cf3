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
    asked: Query,
    query: Callable[[Query], Page[T]],
) -> Page[T]:
    """Return the page of a query that is not the last one. `names`: the attributes of a position. `query` reads another page."""
    if not unreadable(items[-1]):
        return Page(items, position(items[-1]))
    needed = {*names, *meta.key.attributes}
    known = _known(items, needed)
    if known:
        return Page(items[: known[-1] + 1], position(items[known[-1]]))
    wider = replace(asked, limit=asked.limit * WIDER)
    is_cut = len(items) < asked.limit  # it ended at `max_bytes`, and would end there again
    if not is_cut and size_of_all(meta, items) * WIDER <= SMALL_PAGE:
        page = query(replace(wider, max_bytes=SMALL_PAGE))
        known = _known(page.items, needed)
        return page if not known else Page(page.items[: known[0] + 1], position(page.items[known[0]]))
    large = frozenset(large_attributes(meta)) - needed
    small = tuple(name for name in asked.select or meta.attributes if name not in large)
    page = query(replace(wider, select=small, max_bytes=None))
    known = _known(page.items, needed)
    if not known:
        return page
    first = page.items[known[0]]
    keys = [Compare(name, "eq", meta.attributes[name].get(first)) for name in meta.key.attributes]
    whole = query(replace(asked, where=combine(And, [asked.where, *keys]), after=None, limit=1, max_bytes=None))
    return Page([*page.items[: known[0]], *whole.items], position(first))


def _known(items: list[Any], needed: set[str]) -> list[int]:
    """Return the places of the items whose position is known."""
    return [place for place, one in enumerate(items) if needed.isdisjoint(unreadable(one))]
