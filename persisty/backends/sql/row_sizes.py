"""Sizes of rows, so that a page ends before its rows fill the memory; see `store.page_bytes`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...model.meta import StoreMeta
from ...model.types import Kind
from ...store.limits import COMPLETE_PAGE
from ...store.page_bytes import Total, fitting, large_attributes

Row = tuple[Any, ...]


MANY, FEW = 128, 32
"""Rows that are loaded before their size is looked at, and the same number once rows of the store have been large: each look takes time."""
LARGE = 10_000
"""Bytes beyond which rows are large, on average."""
PICKED = 2
"""The most columns that are picked out of the rows one by one, in a third of the time. For more of them, to transpose all columns is faster."""


class RowSizes:
    """Measures the rows of some columns. `at_once`: the rows to load before their size is looked at."""

    def __init__(self, meta: StoreMeta[Any], names: Sequence[str]) -> None:
        self.at_once = MANY
        large = large_attributes(meta)
        self._columns = [
            (place, b"".join if meta.attributes[name].kind is Kind.BYTES else "".join, meta.attributes[name].optional)
            for place, name in enumerate(names)
            if name in large
        ]

    def of(self, rows: list[Row]) -> int:
        """Return the size of several rows, and note whether they are large."""
        size = self._sum(rows)
        if size > LARGE * len(rows):
            self.at_once = FEW
        return size

    def _sum(self, rows: list[Row]) -> int:
        if not self._columns or not rows:
            return 0
        columns = list(zip(*rows, strict=True)) if len(self._columns) > PICKED else None
        total = 0
        for place, join, optional in self._columns:  # to join is the fastest way to add up lengths
            values: Any = [row[place] for row in rows] if columns is None else columns[place]
            try:
                total += len(join(filter(None, values) if optional else values))
            except TypeError:  # a missing row, or a value of another type than the declared one
                total += sum(len(str(value)) for value in values if value is not None)
        return total


class RefusedRows:
    """The rows of one statement of a call that loads at most the bytes of `loaded`. Raises `AnswerTooLarge` if there are more."""

    def __init__(self, sizes: RowSizes, loaded: Total) -> None:
        self._sizes, self._loaded, self._before = sizes, loaded, loaded.bytes
        self.at_once = sizes.at_once

    def __call__(self, rows: list[Row]) -> bool:
        self._loaded.add(self._sizes.of(rows))
        return False

    def restart(self) -> None:
        self._loaded.bytes = self._before


class PageRows:
    """The rows of one page. Called with the next rows, returns whether the page is complete with them."""

    def __init__(self, sizes: RowSizes, max_bytes: int) -> None:
        self._sizes, self._max_bytes = sizes, max_bytes
        self.at_once = sizes.at_once
        self._rows = self._bytes = 0

    def __call__(self, rows: list[Row]) -> bool:
        self._rows += len(rows)
        self._bytes += self._sizes.of(rows)
        return self._rows >= COMPLETE_PAGE and self._bytes > self._max_bytes

    def restart(self) -> None:
        """Forget the rows: those of another statement follow."""
        self._rows = self._bytes = 0

    def fitting(self, rows: list[Row], limit: int) -> int:
        """Return how many of the received rows make a page of at most `limit`."""
        if self._bytes <= self._max_bytes:
            return limit
        return fitting(rows[:limit], lambda row: self._sizes.of([row]), self._max_bytes)
