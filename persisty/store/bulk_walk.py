"""The matches of a bulk write that an engine writes one by one: which items, and in which order.

```
keys are read ahead of the writes      so that the walk ends even if other callers keep creating matches
a sum over unique values               items that move up are written from the highest value down, the others from the lowest up:
                                       no item conflicts with the old value of an item that follows
```
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

from ..model.generators import Add
from ..model.meta import StoreMeta
from .backend import BulkWrite, Page, Query

X = TypeVar("X")
AHEAD = 50_000
"""Items whose keys are read before the first of them is written."""


def summed_uniques(meta: StoreMeta[Any], changes: Mapping[str, Any] | None) -> list[str]:
    """Return the attributes of unique indexes that the changes add to."""
    if not changes or not meta.uniques:
        return []
    unique = dict.fromkeys(name for index in meta.uniques for name in index.attributes)
    return [name for name in unique if isinstance(changes.get(name), Add)]


def walk(meta: StoreMeta[Any], query: Callable[[Query], Page[Any]], bulk: BulkWrite, size: int) -> Iterator[Page[Any]]:
    """Yield the matches, `asked.limit` of them, in pages of up to `size` in the order of the writes. The key attributes of the items are set.

    The `position` of a page is where the walk continues after it; None at the end.
    """
    changes = bulk.changes or {}
    summed = summed_uniques(meta, changes)
    pages = _pages(query, bulk, size, (*meta.key.attributes, *summed))
    if not summed:
        yield from read_ahead(pages, AHEAD // size)
        return
    found = list(pages)
    items = [item for page in found for item in page.items]
    get = meta.attributes[summed[0]].get
    items.sort(key=lambda item: _number(get(item)), reverse=changes[summed[0]].amount > 0)
    after = None if bulk.after is None else dict(bulk.after)
    for start in range(0, len(items), size):
        last = start + size >= len(items)
        yield Page(items[start : start + size], found[-1].position if last else after)


def read_ahead(pages: Iterable[X], count: int) -> Iterator[X]:
    """Yield the pages. Read `count` of them before the first is yielded."""
    rest = iter(pages)
    while some := list(islice(rest, count)):
        yield from some


def _pages(
    query: Callable[[Query], Page[Any]], bulk: BulkWrite, size: int, select: tuple[str, ...]
) -> Iterator[Page[Any]]:
    position, remaining = bulk.after, bulk.limit
    while True:
        limit = size if remaining is None else min(size, remaining)
        page = query(Query(bulk.where, (), position, limit, select, bulk.allow_scan))
        yield page
        position, remaining = page.position, None if remaining is None else remaining - len(page.items)
        if position is None or (remaining is not None and remaining <= 0):  # a page may have more items than its limit
            return


def _number(value: Any) -> int:
    """Return the number before the sum. Null counts as 0."""
    return value if isinstance(value, int) else 0
