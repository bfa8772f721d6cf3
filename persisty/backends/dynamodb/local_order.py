"""Order matches here, where DynamoDB does not: the ties of an index, the queries of a union, and the first items of each value of a scan.

A match may be unreadable, so that a value of the order cannot be decoded. Such a match has no place in the order: no cursor leads to it. An index
returns it by its stored value, so among the matches of several queries it has the place of that value. If the stored value is of another type, the match
stays between its neighbours.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain, groupby, islice
from operator import eq, itemgetter
from typing import Any, TypeVar

from msgspec import UNSET
from msgspec.structs import replace

from ...model.expressions import OrderBy
from ...model.meta import StoreMeta
from ...model.stored_objects import stored_value
from ...model.unreadable_items import unreadable
from ...query.evaluation import Predicate, sort_key
from ...store.limits import MAX_PAGE_BYTES
from ...store.page_bytes import Total, item_size, large_attributes

T = TypeVar("T")


def has_place(meta: StoreMeta[Any], order: Sequence[OrderBy]) -> Predicate:
    """Return a function that returns whether all values of the order can be decoded in an item."""
    names = {one.attribute for one in order}
    return lambda item: type(item) is meta.item or names.isdisjoint(unreadable(item))


def as_stored(item: Any, names: Collection[str]) -> Any:
    """Return a match with its stored values for those of `names` that cannot be decoded. None if one of these values is unknown."""
    values = {name: stored_value(item, name) for name in unreadable(item) if name in names}
    return None if None in values.values() else replace(item, **values)


def with_sorted_ties(
    meta: StoreMeta[Any], order: tuple[OrderBy, ...], group: Callable[[Any], Any], found: list[T]
) -> list[T]:
    """Return matches that are in order except for ties. `group`: the value that ties have in common."""
    values = list(map(group, found))
    if not any(map(eq, values, islice(values, 1, None))):
        return found
    rank = sort_key(meta, order)
    return list(chain.from_iterable(sorted(some, key=rank) for _, some in groupby(found, group)))


def merged(meta: StoreMeta[Any], order: tuple[OrderBy, ...], lists: Sequence[list[T]]) -> Iterator[T]:
    """Yield the matches of ordered lists in the order. A match whose stored value is unknown follows the one before it in its list."""
    rank, placed, names = sort_key(meta, order), has_place(meta, order), {one.attribute for one in order}
    if all(map(placed, chain.from_iterable(lists))):
        return heapq.merge(*lists, key=rank)

    def ranked(some: list[T]) -> Iterator[tuple[Any, T]]:
        place: tuple[Any, ...] = ()
        for one in some:
            seen = one if placed(one) else as_stored(one, names)
            place = place if seen is None else rank(seen)
            yield place, one

    return map(itemgetter(1), heapq.merge(*map(ranked, lists), key=itemgetter(0)))


class Unplaced:
    """Matches without a place in the order, in a list. Beyond `MAX_PAGE_BYTES`, they are stored without large values: their errors need the keys only."""

    def __init__(self, meta: StoreMeta[Any], order: tuple[OrderBy, ...], found: list[Any]) -> None:
        self._placed, self._size, self._found = has_place(meta, order), item_size(meta), found
        self._needed = {*meta.key.attributes, *(one.attribute for one in order)}
        self._large = frozenset(large_attributes(meta)) - self._needed
        self._bytes = 0

    def without(self, items: Iterable[T]) -> Iterator[T]:
        """Yield the items that have a place, and record the others."""
        for item in items:
            if self._placed(item):
                yield item
            else:
                self._add(item)

    def _add(self, item: Any) -> None:
        self._bytes += self._size(item)
        if self._bytes > MAX_PAGE_BYTES:
            blank = self._large.difference(unreadable(item))
            item = replace(item, **dict.fromkeys(blank, UNSET))
        self._found.append(item)


class Groups:
    """The first `limit` matches of each value of an attribute, and one more. `AnswerTooLarge` if these have more than `max_bytes` together."""

    def __init__(
        self, meta: StoreMeta[Any], order: tuple[OrderBy, ...], values: Sequence[Any], limit: int, max_bytes: int | None
    ) -> None:
        self._rank = sort_key(meta, order) if order else None
        self._size, self._limit, self._max_bytes = item_size(meta), limit, max_bytes
        self._groups: dict[Any, list[Any]] = {value: [] for value in values}
        self._bytes = 0

    def add(self, value: Any, item: Any) -> None:
        group = self._groups[value]
        if self._rank is None and len(group) > self._limit:
            return
        group.append(item)
        if self._max_bytes is not None:
            self._bytes += self._size(item)
        if len(group) > 2 * (self._limit + 1):
            self._cut(value)
        if self._max_bytes is not None and self._bytes > self._max_bytes:
            self._check()

    def first(self, value: Any) -> list[Any]:
        """Return the matches of a value."""
        return self._cut(value)

    def _cut(self, value: Any) -> list[Any]:
        group = self._groups[value]
        if self._rank is not None:
            group.sort(key=self._rank)
            for item in group[self._limit + 1 :]:
                self._bytes -= 0 if self._max_bytes is None else self._size(item)
            del group[self._limit + 1 :]
        return group

    def _check(self) -> None:
        for value in self._groups:
            self._cut(value)
        Total(self._max_bytes).add(self._bytes)
