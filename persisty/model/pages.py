"""A page of items, as a search and a loaded link give it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")


class ResultPage(Struct, Generic[T], frozen=True):
    """A page of matches, iterable. `cursor` continues the same query; None when there is nothing more."""

    items: list[T]
    cursor: str | None = None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)
