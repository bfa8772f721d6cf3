"""Pages that contain unreadable items and are followed by others: such a page ends at an item whose position is known.

The position of an item consists of the attributes of the order. If one of these cannot be decoded, the page ends before that item, which
is the first of the next page. If no item of a page has a position, the page is extended to the first item with a position.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from ..model.meta import StoreMeta
from ..model.unreadable_items import unreadable
from .backend import Page

T = TypeVar("T")
WIDER = 4
"""Factor by which a page grows if none of its items has a position."""


def unfinished_page(
    meta: StoreMeta[Any],
    names: Iterable[str],
    items: list[T],
    position: Callable[[T], dict[str, Any]],
    wider: Callable[[], Page[T]],
) -> Page[T]:
    """Return a page that is not the last one. `names`: the attributes of a position. `wider` reads a larger page."""
    if not unreadable(items[-1]):
        return Page(items, position(items[-1]))
    needed = {*names, *meta.key.attributes}
    known = [place for place, one in enumerate(items) if needed.isdisjoint(unreadable(one))]
    if known:
        return Page(items[: known[-1] + 1], position(items[known[-1]]))
    page = wider()
    first = next((place for place, one in enumerate(page.items) if needed.isdisjoint(unreadable(one))), None)
    return page if first is None else Page(page.items[: first + 1], position(page.items[first]))
