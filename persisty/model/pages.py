"""Pages of items: the results of searches and of loaded links."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

from msgspec import Struct

from ..errors import UnreadableItem

T = TypeVar("T")


class ResultPage(Struct, Generic[T], frozen=True):
    """A page of matches, iterable. `cursor` continues the same query; None on the last page."""

    items: list[T]
    cursor: str | None = None

    @property
    def errors(self) -> tuple[UnreadableItem, ...]:
        """The errors of matches, and of items behind loaded links, that are missing from this page because they cannot be read."""
        return ()

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


class IncompletePage(ResultPage[T], Generic[T], frozen=True, rename={"unreadable": "errors"}):
    """A page that lacks matches that cannot be read. `items` are the readable matches."""

    unreadable: tuple[Any, ...] = ()

    @property
    def errors(self) -> tuple[UnreadableItem, ...]:
        return self.unreadable


def page_like(page: ResultPage[Any], items: list[Any], further: Iterable[UnreadableItem] = ()) -> ResultPage[Any]:
    """Return the page with other items instead of its own. `further`: errors to append, one for each item."""
    errors = list(page.errors)
    for one in further:
        if one not in errors and all(one.details != other.details for other in errors):
            errors.append(one)
    return IncompletePage(items, page.cursor, tuple(errors)) if errors else ResultPage(items, page.cursor)
