"""A page of items, as a search and a loaded link give it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

from msgspec import Struct

from ..errors import UnreadableItem

T = TypeVar("T")


class ResultPage(Struct, Generic[T], frozen=True):
    """A page of matches, iterable. `cursor` continues the same query; None when there is nothing more."""

    items: list[T]
    cursor: str | None = None

    @property
    def errors(self) -> tuple[UnreadableItem, ...]:
        """The matches that this page lacks because they cannot be read, and the items behind loaded links that it lacks; see `UnreadableItem`."""
        return ()

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


class IncompletePage(ResultPage[T], Generic[T], frozen=True, rename={"unreadable": "errors"}):
    """A page some of whose matches cannot be read. `items` are the others."""

    unreadable: tuple[Any, ...] = ()

    @property
    def errors(self) -> tuple[UnreadableItem, ...]:
        return self.unreadable


def page_like(page: ResultPage[Any], items: list[Any], further: Iterable[UnreadableItem] = ()) -> ResultPage[Any]:
    """Return the page with other items in the place of its own. `further`: errors to append, each item once."""
    errors = list(page.errors)
    for one in further:
        if one not in errors and all(one.details != other.details for other in errors):
            errors.append(one)
    return IncompletePage(items, page.cursor, tuple(errors)) if errors else ResultPage(items, page.cursor)
