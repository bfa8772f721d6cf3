"""Reading from a table: items by key, and queries that are filled up to their limit."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from time import sleep
from typing import Any, Generic, TypeVar

from ...errors import InvalidCursor
from ...model.expressions import ALL, Aggregate, Filter, OrderBy
from ...model.keys import KeyValues
from ...model.meta import StoreMeta
from ...query.aggregate import Accumulator, Group
from ...query.keyset import beyond, position_of
from ...query.match import matcher, sort_key
from ...store.backend import Page
from .codec import Found, Wire, WireCodec
from .expressions import split
from .planner import AccessPath, QueryPlan, access_paths, plan
from .requests import Requests
from .transport import ATTEMPTS, AwsError, Transport, as_error, backoff, exhausted

T = TypeVar("T")
MAX_READ = 100
"""Keys a BatchGetItem takes."""
LOOKAHEAD, GROWTH = 8, 4
"""A query with a filter looks at so many times its limit, then at so many times more with each request: DynamoDB charges
for what it looks at, and a request costs a round trip."""


class Reads(Generic[T]):
    def __init__(self, meta: StoreMeta[T], codec: WireCodec, requests: Requests, transport: Transport) -> None:
        self.meta = meta
        self._codec = codec
        self._requests = requests
        self._transport = transport
        self._paths = access_paths(meta, codec)

    def read(self, keys: Sequence[KeyValues]) -> list[T | None]:
        if len(keys) == 1:
            if not self._codec.storable(keys[0]):
                return [None]
            row = self._call("GetItem", self._requests.read(keys[0]), self._codec.got).Item
            return [None if row is None else self._codec.item(row)]
        found: dict[KeyValues, T] = {}
        distinct = [key for key in dict.fromkeys(keys) if self._codec.storable(key)]
        for start in range(0, len(distinct), MAX_READ):
            for item in self._read_some(distinct[start : start + MAX_READ]):
                found[self.meta.key_values(item)] = item
        return [found.get(key) for key in keys]

    def query(
        self,
        where: Filter,
        order: tuple[OrderBy, ...],
        after: Mapping[str, Any] | None,
        limit: int,
        *,
        select: tuple[str, ...] | None = None,
        allow_scan: bool = False,
    ) -> Page[T]:
        following = beyond(self.meta, order, after) if order and after is not None else ALL
        chosen = plan(self.meta, self._paths, where, order, following)
        start = None if after is None or order else self._start(chosen, after)
        exact = chosen.ordered and chosen.rest == following
        enough = limit + 2  # one more tells that there is more, another that its ties are complete
        look = (enough if exact else enough * LOOKAHEAD) if chosen.ordered else None
        matches = self._matches(chosen, look, start)
        if not order:
            found = [
                item for _, item in zip(range(limit + 1), (one for one, wanted in matches if wanted), strict=False)
            ]
        elif chosen.ordered:
            found = self._complete_ties(chosen, matches, limit, order)
        else:
            found = heapq.nsmallest(limit + 1, (one for one, wanted in matches if wanted), sort_key(self.meta, order))
        page = found[:limit]
        return Page(page, self._position(chosen, order, page[-1]) if len(found) > limit else None)

    def count(self, where: Filter, *, allow_scan: bool = False) -> int:
        chosen = plan(self.meta, self._paths, where, (), ALL)
        native, local = split(self.meta, chosen.rest, self._hidden(chosen))
        if local != ALL:
            return sum(wanted for _, wanted in self._matches(chosen, None, None))
        operation, payload = self._requests.query(chosen, native)
        return sum(page.Count for page in self._pages(operation, {**payload, "Select": "COUNT"}))

    def aggregate(
        self, measures: tuple[Aggregate, ...], by: tuple[str, ...], where: Filter, *, allow_scan: bool = False
    ) -> list[Group]:
        accumulator = Accumulator(self.meta, measures, by)
        for item, wanted in self._matches(plan(self.meta, self._paths, where, (), ALL), None, None):
            if wanted:
                accumulator.add(item)
        return accumulator.groups()

    def _read_some(self, keys: Sequence[KeyValues]) -> Iterator[T]:
        """One BatchGetItem, and again for what it left unprocessed."""
        table = self._requests.table
        request: Any = {table: {"Keys": [self._codec.key(key) for key in keys], "ConsistentRead": True}}
        attempt = 0
        while attempt < ATTEMPTS:
            answer = self._call("BatchGetItem", {"RequestItems": request}, self._codec.batch)
            found = answer.Responses.get(table, ())
            yield from map(self._codec.item, found)
            request = answer.UnprocessedKeys
            if not request:
                return
            if not found:  # else they did not fit into 16 MB
                sleep(backoff(attempt))
                attempt += 1
        raise exhausted(AwsError("ThrottlingException", "keys stay unprocessed", {}))

    def _matches(self, chosen: QueryPlan, look: int | None, start: Wire | None) -> Iterator[tuple[T, bool]]:
        """The items of a plan as they come, each with whether it matches what DynamoDB did not decide.

        `look`: how many items the first request looks at; None for as many as there are, all of them being wanted.
        """
        native, local = split(self.meta, chosen.rest, self._hidden(chosen))
        operation, payload = self._requests.query(chosen, native)
        if look is not None:
            payload["Limit"] = look
        if start is not None:
            payload["ExclusiveStartKey"] = start
        wanted = None if local == ALL else matcher(self.meta, local)
        for page in self._pages(operation, payload):
            for item in map(self._codec.item, page.Items):
                yield item, wanted is None or wanted(item)

    def _pages(self, operation: str, payload: dict[str, Any]) -> Iterator[Found[Any]]:
        while True:
            page: Found[Any] = self._call(operation, payload, self._codec.found)
            yield page
            if not page.LastEvaluatedKey:
                return
            payload = {**payload, "ExclusiveStartKey": page.LastEvaluatedKey}
            if "Limit" in payload:
                payload["Limit"] *= GROWTH

    def _complete_ties(
        self, chosen: QueryPlan, matches: Iterator[tuple[T, bool]], limit: int, order: tuple[OrderBy, ...]
    ) -> list[T]:
        """More than `limit` matches in the order, with all that tie with the last of them: DynamoDB does not say how
        ties are ordered, so where there are any they are sorted here, once they are complete."""
        group = [self.meta.attributes[name].get for name in chosen.grouping]
        found: list[T] = []
        last: list[Any] | None = None
        tied = False
        for item, wanted in matches:
            value = [get(item) for get in group]
            if len(found) > limit and value != last:
                break
            if wanted:
                tied = tied or value == last
                last = value
                found.append(item)
        return sorted(found, key=sort_key(self.meta, order)) if tied else found

    def _hidden(self, chosen: QueryPlan) -> frozenset[str]:
        """Key attributes of the queried path: a filter expression may not mention them."""
        return frozenset() if chosen.path is None else frozenset((chosen.path.partition, *chosen.path.sorts))

    def _position(self, chosen: QueryPlan, order: tuple[OrderBy, ...], last: T) -> dict[str, Any]:
        position = position_of(self.meta, order, last)
        if not order and chosen.path is not None and chosen.path.index is not None:
            for name in (chosen.path.partition, *chosen.path.sorts):
                position[name] = self.meta.attributes[name].get(last)
        return position

    def _start(self, chosen: QueryPlan, after: Mapping[str, Any]) -> Wire:
        """The key after which an unordered query goes on."""
        path: AccessPath | None = chosen.path
        names = () if path is None or path.index is None else (path.partition, *path.sorts)
        try:
            start = self._codec.key(tuple(after[name] for name in self.meta.key.attributes))
            return {**start, **{name: self._codec.value(name, after[name]) for name in names}}
        except (KeyError, TypeError, AttributeError) as error:
            raise InvalidCursor() from error

    def _call(self, operation: str, payload: dict[str, Any], shape: Any) -> Any:
        try:
            return self._transport.call(operation, payload, shape)
        except AwsError as error:
            raise as_error(error) from error
