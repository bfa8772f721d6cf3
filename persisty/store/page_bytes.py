"""Bounds in bytes of the items that an engine loads for one call.

A search, an export or a list of links may request 1,000 items, each of which may have hundreds of kilobytes. A page therefore ends at the item with
which it exceeds `Query.max_bytes`, and its position leads to the rest. The first `COMPLETE_PAGE` items always come, so that pages of the default size
cost nothing to measure. The pages of `query_each` cannot end early: one that is too large raises `AnswerTooLarge`.

Only text, bytes and JSON are counted. Values of other kinds have a few bytes each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import Lock
from typing import Any, TypeVar

from msgspec import UNSET
from msgspec.json import encode

from ..errors import AnswerTooLarge, Fault
from ..model.meta import StoreMeta, per_meta
from ..model.msgspec_faults import pointer
from ..model.types import Kind
from .limits import COMPLETE_PAGE

T = TypeVar("T")
Size = Callable[[Any], int]


def _length(value: Any) -> int:
    try:
        return len(value)
    except TypeError:  # a value that was stored under another type
        return len(str(value))


SIZES: dict[Kind, Size] = {
    Kind.STRING: _length,
    Kind.BYTES: _length,
    Kind.JSON: lambda value: len(_joined([value])) - len("[]"),
}
"""Kind whose values may be large → function from a value to its size."""
SMALL = 256
"""Largest `max_length` of text that is not counted."""


@per_meta
def large_attributes(meta: StoreMeta[Any]) -> tuple[str, ...]:
    """Return the attributes whose values are counted."""
    return tuple(
        name
        for name, one in meta.attributes.items()
        if one.kind in SIZES and (getattr(one.described, "max_length", None) or SMALL + 1) > SMALL
    )


@per_meta
def item_size(meta: StoreMeta[Any]) -> Size:
    """Return a function from an item to the bytes of its text, bytes and JSON. An item that cannot be read counts as far as it can."""
    counted = [(name, SIZES[meta.attributes[name].kind]) for name in large_attributes(meta)]

    def size(item: Any) -> int:
        total = 0
        for name, measure in counted:
            value = getattr(item, name, None)
            if value is not None and value is not UNSET:
                total += measure(value)
        return total

    return size


def fitting(found: Iterable[T], size: Size, max_bytes: int | None) -> int:
    """Return how many of the items make a page: up to the one with which they exceed the bytes, and at least `COMPLETE_PAGE`."""
    total = count = 0
    for one in found:
        total += size(one)
        count += 1
        if max_bytes is not None and total > max_bytes and count >= COMPLETE_PAGE:
            break
    return count


JOINERS: dict[Kind, Callable[[Iterable[Any]], Any]] = {Kind.STRING: "".join, Kind.BYTES: b"".join}
"""Kind → function that joins values, none of which is null: the fastest way to add up their lengths."""


def _joined(values: Iterable[Any]) -> bytes:
    return encode(list(values))


def size_of_all(meta: StoreMeta[Any], items: Sequence[Any]) -> int:
    """Return the size of several items, or a little more: a column at a time, which takes a fraction of the time of an item at a time."""
    total = 0
    for name in large_attributes(meta):
        attribute = meta.attributes[name]
        values = [value for value in map(attribute.get, items) if value is not None and value is not UNSET]
        join: Callable[[Iterable[Any]], Any] = JOINERS.get(attribute.kind, _joined)
        try:
            total += len(join(values))
        except TypeError:  # a value that was stored under another type
            total += sum(map(_length, values))
    return total


def items_of_page(meta: StoreMeta[Any], items: Sequence[Any], max_bytes: int | None) -> int:
    """Return how many of the items make a page."""
    if max_bytes is None or size_of_all(meta, items) <= max_bytes:
        return len(items)
    return fitting(items, item_size(meta), max_bytes)


def enough_for_page(found: Iterable[T], size: Size, max_bytes: int | None) -> Iterator[T]:
    """Yield the items of a page, and one more if there are more."""
    total = 0
    for count, one in enumerate(found):
        yield one
        if max_bytes is not None and total > max_bytes and count >= COMPLETE_PAGE:
            return
        total += size(one)


class Total:
    """The bytes that one call has loaded. `AnswerTooLarge` beyond the most."""

    def __init__(self, max_bytes: int | None) -> None:
        self.max_bytes, self.bytes = max_bytes, 0
        self._at_most = 0
        self._unmeasured: list[Callable[[], int]] = []
        self._lock = Lock()

    def add_at_most(self, most: int, measure: Callable[[], int]) -> None:
        """Add the size of some items, which is not more than `most`. They are measured only if all of them together may be too large. Threads may
        call this at the same time."""
        with self._lock:
            self._at_most += most
            self._unmeasured.append(measure)
            if self.max_bytes is not None and self._at_most > self.max_bytes:
                waiting, self._unmeasured = self._unmeasured, []
                self.add(sum(one() for one in waiting))
                self._at_most = self.bytes

    def add(self, size: int) -> None:
        self.bytes += size
        if self.max_bytes is not None and self.bytes > self.max_bytes:
            raise AnswerTooLarge(
                f"The items have more than {self.max_bytes} bytes together; request fewer", limit=self.max_bytes
            )


def link_too_large(link: str, error: AnswerTooLarge) -> AnswerTooLarge:
    """Return the error of a link whose items are too large together. It names the link."""
    limit = error.details["limit"]
    message = f"The items of the link {link} have more than {limit} bytes together; request fewer items or fewer links"
    return AnswerTooLarge(message, limit=limit, faults=[Fault(pointer(link), "Too large", f"at most {limit} bytes")])
