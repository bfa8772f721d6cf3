"""Streams of results: each reads one Query or Scan page by page, and evaluates the rest of the filter.

A plan is read through one stream, or through several in parallel: the queries of a union, the segments of a large table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from msgspec import Struct

from ...aws.retries import AwsError
from ...model.expressions import ALL, And, Filter, Not
from ...model.meta import StoreMeta
from ...model.unreadable_items import unreadable
from ...query.evaluation import Predicate, matcher
from ...query.filter_algebra import combine, names_in
from .access_paths import QueryPlan, hidden_attributes, membership, parts_of
from .codec import WireCodec
from .expressions import split
from .local_order import as_stored
from .planner import UnionPlan
from .requests import Requests
from .transport import Transport, as_error
from .wire_answers import Found, Sizes
from .wire_kinds import Wire

T = TypeVar("T")
GROWTH = 4
"""Growth of the next request of a filtered query. DynamoDB charges for the items it reads, and a request costs a round trip."""
MAX_READ_LIMIT = 1_000_000
"""A limit above the number of items in the megabyte of a request. DynamoDB takes limits of 32 bits only."""


class Fields(Struct, frozen=True):
    """The fetched attributes, None for all, and the function from a row to an item."""

    names: tuple[str, ...] | None
    item: Callable[[Any], Any]


class ResultStream(Struct, Generic[T]):
    """The results of one Query or Scan. `local_filter`: decides the part of the filter that DynamoDB does not; None if there is none."""

    operation: str
    payload: dict[str, Any]
    item: Callable[[Any], T]
    local_filter: Predicate | None

    def chosen(self, items: list[T]) -> list[T]:
        """Return the items that match."""
        return items if self.local_filter is None else list(filter(self.local_filter, items))


class ResultStreams(Generic[T]):
    """Makes the streams of plans and reads them."""

    def __init__(self, meta: StoreMeta[T], codec: WireCodec, requests: Requests, transport: Transport) -> None:
        self._meta, self._codec, self._requests, self._transport = meta, codec, requests, transport
        self._whole = Fields(None, codec.item)

    def fields(self, names: Iterable[str] | None) -> Fields:
        """Return the attributes to fetch for these attributes and the keys, or None for whole items."""
        if names is None:
            return self._whole
        selected = {*names, *self._meta.key.attributes}
        listed = tuple(name for name in self._meta.attributes if name in selected)
        return Fields(listed, self._codec.partial(listed)) if len(listed) < len(self._meta.attributes) else self._whole

    def stream(self, one: QueryPlan, names: Iterable[str] | None = None, *also: Filter) -> ResultStream[T]:
        """Return the stream of a query or a scan for items with these attributes, None for all of them, () to count them.

        `also`: a second filter, which is evaluated here.
        """
        native, local = split(self._meta, one.rest, hidden_attributes(one))
        if also:
            local = combine(And, [local, *also])
        if local == ALL and names == ():
            operation, payload = self._requests.query(one, native)
            return ResultStream(operation, {**payload, "Select": "COUNT"}, self._whole.item, None)
        fields = self._whole if names is None else self.fields({*names, *names_in(local)})
        operation, payload = self._requests.query(one, native, fields.names)
        return ResultStream(operation, payload, fields.item, None if local == ALL else self._local_filter(one, local))

    def _local_filter(self, one: QueryPlan, local: Filter) -> Predicate:
        """Return the function that decides the local part of a filter. A cursor compares the stored values of an unreadable item. If they are unknown, the
        item is after any cursor: the key condition has excluded the items before."""
        is_match, cursor = matcher(self._meta, local), parts_of(one.following)
        not_cursor = [part for part in parts_of(local) if part not in cursor]
        if one.path is None or not one.grouping or len(not_cursor) == len(parts_of(local)):
            return is_match
        is_chosen, is_after = matcher(self._meta, combine(And, not_cursor)), matcher(self._meta, one.following)
        names, readable = names_in(one.following).union(one.grouping), self._meta.item

        def decide(item: Any) -> bool:
            if type(item) is readable or names.isdisjoint(unreadable(item)):
                return is_match(item)
            seen = as_stored(item, names)
            return is_chosen(item) and (seen is None or is_after(seen))

        return decide

    def of_union(self, union: UnionPlan, names: Iterable[str] | None = None) -> list[ResultStream[T]]:
        """Return a stream for each query, without the items that belong to an earlier one."""
        if union.disjoint:
            return [self.stream(one, names) for one in union.queries]
        return [
            self.stream(one, names, *(Not(membership(before)) for before in union.queries[:position]))
            for position, one in enumerate(union.queries)
        ]

    def segments(self, scan: QueryPlan, count: int, names: Iterable[str] | None = None) -> list[ResultStream[T]]:
        """Return the streams that scan the table together."""
        whole: ResultStream[T] = self.stream(scan, names)
        if count < 2:
            return [whole]
        parts = ({**whole.payload, "Segment": segment, "TotalSegments": count} for segment in range(count))
        return [ResultStream(whole.operation, payload, whole.item, whole.local_filter) for payload in parts]

    def items(
        self, stream: ResultStream[T], sizes: Sizes, limit: int | None = None, start: Wire | None = None
    ) -> Iterator[list[T]]:
        """Yield the items of a stream before the filter is evaluated, a list for each request: to process a list costs half
        of processing each item.

        `sizes` receives the size of each response. `limit`: the number of items that the first request reads; None for as many as possible.
        """
        payload = stream.payload
        if limit is not None:
            payload = {**payload, "Limit": limit}
        if start is not None:
            payload = {**payload, "ExclusiveStartKey": start}
        for page in self.pages(stream.operation, payload):
            sizes.append(page.size)
            yield list(map(stream.item, page.Items))

    def matches(self, stream: ResultStream[T], sizes: Sizes) -> Iterator[list[T]]:
        """Yield the matches, a list for each request. `sizes` receives the size of each response."""
        for items in self.items(stream, sizes):
            yield stream.chosen(items)

    def counts(self, stream: ResultStream[T]) -> Iterator[int]:
        """Yield the number of matches of each request."""
        if stream.local_filter is not None:
            yield from map(len, self.matches(stream, []))
        else:
            for page in self.pages(stream.operation, stream.payload):
                yield page.Count

    def pages(self, operation: str, payload: dict[str, Any]) -> Iterator[Found[Any]]:
        while True:
            page: Found[Any] = self.call(operation, payload, self._codec.found)
            yield page
            if not page.LastEvaluatedKey:
                return
            payload = {**payload, "ExclusiveStartKey": page.LastEvaluatedKey}
            if "Limit" in payload:
                payload["Limit"] = min(payload["Limit"] * GROWTH, MAX_READ_LIMIT)

    def call(self, operation: str, payload: dict[str, Any], shape: Any) -> Any:
        try:
            return self._transport.call(operation, payload, shape)
        except AwsError as error:
            raise as_error(error) from error
