"""The DynamoDB backend: conditions travel with the writes, and queries are filled up to their limit.

```
Put      PutItem     if attribute_not_exists(key)                                    taken → EXISTS
Patch    UpdateItem  if attribute_exists(key) and when   ALL_NEW   failed, ALL_OLD → the current item, or MISSING
Delete   DeleteItem  if attribute_exists(key) and when             likewise
atomic   TransactWriteItems of the same conditions
```

What a condition says that DynamoDB cannot decide (`endswith`, `icontains`) is decided here over the item as it was read,
and the write is made conditional on every attribute that was looked at being unchanged: the race is lost, not won twice.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import sleep
from typing import Any, Generic, TypeVar

from ...errors import BackendUnavailable, BatchTooLarge, InvalidCursor
from ...model.expressions import ALL, And, Compare, Filter, OrderBy
from ...model.keys import KeyValues
from ...model.meta import StoreMeta
from ...query.keyset import beyond, position_of
from ...query.match import matcher, sort_key
from ...query.resolve import combine
from ...store.backend import Capabilities, Delete, Outcome, Page, Patch, Put, Write, WriteResult
from .codec import Found, Wire, WireCodec
from .expressions import attributes_of, split
from .parallel import in_parallel
from .planner import AccessPath, QueryPlan, access_paths, plan
from .requests import OPERATIONS, Requests
from .transport import (
    ATTEMPTS,
    CONDITION_FAILED,
    JSON,
    TRANSACTION_CANCELED,
    AwsError,
    Transport,
    as_error,
    backoff,
    exhausted,
)

T = TypeVar("T")
MAX_READ, MAX_ATOMIC = 100, 100
"""Keys a BatchGetItem and actions a TransactWriteItems take."""
LOOKAHEAD, GROWTH = 8, 4
"""A query with a filter looks at so many times its limit, then at so many times more with each request: DynamoDB charges
for what it looks at, and a request costs a round trip."""
CONFLICTS = frozenset({None, "None", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
"""Reasons of a cancelled transaction that say nothing against another attempt."""
DONE, MISSING, EXISTS, ABORTED = map(WriteResult, (Outcome.DONE, Outcome.MISSING, Outcome.EXISTS, Outcome.ABORTED))


class DynamoDbBackend(Generic[T]):
    def __init__(self, meta: StoreMeta[T], table: str, transport: Transport) -> None:
        self.meta = meta
        self.capabilities = Capabilities(embedded=False, max_atomic=MAX_ATOMIC)
        self._transport = transport
        self._codec = WireCodec(meta)
        self._requests = Requests(meta, self._codec, table)
        self._paths = access_paths(meta, self._codec)

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

    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        if len(writes) == 1:
            return [self._one(writes[0])]
        if atomic:
            return self._transact(writes)
        groups: dict[KeyValues, list[int]] = {}
        for position, write in enumerate(writes):
            groups.setdefault(self._key(write), []).append(position)  # writes of one item stay in order
        results: list[WriteResult] = [ABORTED] * len(writes)

        def run(positions: list[int]) -> None:
            for position in positions:
                results[position] = self._one(writes[position])

        in_parallel(run, list(groups.values()))
        return results

    def query(self, where: Filter, order: tuple[OrderBy, ...], after: Mapping[str, Any] | None, limit: int) -> Page[T]:
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

    def count(self, where: Filter) -> int:
        chosen = plan(self.meta, self._paths, where, (), ALL)
        native, local = split(self.meta, chosen.rest, self._hidden(chosen))
        if local != ALL:
            return sum(wanted for _, wanted in self._matches(chosen, None, None))
        operation, payload = self._requests.query(chosen, native)
        return sum(page.Count for page in self._pages(operation, {**payload, "Select": "COUNT"}))

    # Reading

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

    # Writing

    def _key(self, write: Write) -> KeyValues:
        return self.meta.key_values(write.item) if isinstance(write, Put) else write.key

    def _one(self, write: Write) -> WriteResult:
        if isinstance(write, Put):
            return self._conditional(write, ALL)
        if not self._codec.storable(write.key):
            return MISSING
        native, local = split(self.meta, write.when)
        if local == ALL:
            return self._conditional(write, native)
        return self._optimistic(write, native, local)

    def _conditional(self, write: Write, when: Filter) -> WriteResult:
        payload = self._requests.write(write, when)
        shape: Any = JSON
        if isinstance(write, Patch):
            payload["ReturnValues"], shape = "ALL_NEW", self._codec.updated
        try:
            answer = self._transport.call(OPERATIONS[type(write)][0], payload, shape)
        except AwsError as error:
            if error.kind != CONDITION_FAILED:
                raise as_error(error) from error
            current = error.body.get("Item")
            if isinstance(write, Put) and error.in_doubt and current and self._codec.read(current) == write.item:
                return WriteResult(Outcome.DONE, write.item)  # it is there because the attempt before put it there
            return self._refused(write, current)
        if isinstance(write, Patch):
            return WriteResult(Outcome.DONE, self._codec.item(answer.Attributes))
        return WriteResult(Outcome.DONE, write.item) if isinstance(write, Put) else DONE

    def _refused(self, write: Write, current: Wire | None) -> WriteResult:
        if isinstance(write, Put):
            return EXISTS
        return WriteResult(Outcome.FAILED, self._codec.read(current)) if current else MISSING

    def _optimistic(self, write: Patch | Delete, native: Filter, local: Filter) -> WriteResult:
        """Decide over the item as read, and write only if nothing that was looked at has changed since."""
        holds = matcher(self.meta, write.when)
        for attempt in range(ATTEMPTS):
            [current] = self.read((write.key,))
            if current is None:
                return MISSING
            if not holds(current):
                return WriteResult(Outcome.FAILED, current)
            result = self._conditional(write, combine(And, [native, self._unchanged(current, local)]))
            if result.outcome is not Outcome.FAILED:
                return result
            sleep(backoff(attempt))
        raise BackendUnavailable("DynamoDB: the item changed at every attempt")

    def _unchanged(self, item: T, where: Filter) -> Filter:
        def same(name: str) -> Filter:
            value = self.meta.attributes[name].get(item)
            return Compare(name, "null", True) if value is None else Compare(name, "eq", value)

        return combine(And, map(same, sorted(attributes_of(where))))

    def _transact(self, writes: Sequence[Write]) -> list[WriteResult]:
        if len(writes) > MAX_ATOMIC:
            raise BatchTooLarge(f"DynamoDB writes at most {MAX_ATOMIC} items atomically", limit=MAX_ATOMIC)
        for attempt in range(ATTEMPTS):
            whens, failed = self._decide(writes)
            if failed is not None:
                return failed
            actions = [
                {OPERATIONS[type(write)][1]: self._requests.write(write, when)}
                for write, when in zip(writes, whens, strict=True)
            ]
            try:
                self._transport.call("TransactWriteItems", {"TransactItems": actions})
            except AwsError as error:
                if error.kind != TRANSACTION_CANCELED:
                    raise as_error(error) from error
                results = self._canceled(writes, error)
                if results is not None:
                    return results
                sleep(backoff(attempt))
                continue
            return self._committed(writes)
        raise exhausted(AwsError("ThrottlingException", "the transaction kept conflicting with others", {}))

    def _decide(self, writes: Sequence[Write]) -> tuple[list[Filter], list[WriteResult] | None]:
        """Each write's condition as DynamoDB decides it; what it cannot is decided over the items as read."""
        parts = [(ALL, ALL) if isinstance(write, Put) else split(self.meta, write.when) for write in writes]
        undecided = [position for position, (_, local) in enumerate(parts) if local != ALL]
        whens = [native for native, _ in parts]
        results = [ABORTED if self._possible(write) else MISSING for write in writes]
        read = self.read([self._key(writes[position]) for position in undecided]) if undecided else ()
        for position, current in zip(undecided, read, strict=True):
            native, local = parts[position]
            if current is None:
                results[position] = MISSING
            elif not matcher(self.meta, And((native, local)))(current):
                results[position] = WriteResult(Outcome.FAILED, current)
            else:
                whens[position] = combine(And, [native, self._unchanged(current, local)])
        return whens, results if any(one is not ABORTED for one in results) else None

    def _possible(self, write: Write) -> bool:
        """May there be an item to write to? (A `Put` that cannot be is invalid, which DynamoDB says.)"""
        return isinstance(write, Put) or self._codec.storable(write.key)

    def _canceled(self, writes: Sequence[Write], error: AwsError) -> list[WriteResult] | None:
        """What became of each write of a cancelled transaction; None if it only met with another and may be tried again."""
        reasons: Sequence[Mapping[str, Any]] = error.body.get("CancellationReasons") or ()
        codes = [reason.get("Code") for reason in reasons]
        if "ConditionalCheckFailed" in codes:
            return [
                self._refused(write, reason.get("Item")) if reason.get("Code") == "ConditionalCheckFailed" else ABORTED
                for write, reason in zip(writes, reasons, strict=True)
            ]
        if CONFLICTS.issuperset(codes):
            return None
        first = next(reason for reason in reasons if reason.get("Code") not in (None, "None"))
        raise as_error(AwsError("ValidationException", str(first.get("Message")), {})) from error

    def _committed(self, writes: Sequence[Write]) -> list[WriteResult]:
        """A transaction does not return what it wrote: new items of patches are read, the others are known."""
        patched = [write.key for write in writes if isinstance(write, Patch)]
        new = iter(self.read(patched) if patched else ())
        answers: dict[type, Callable[[Any], WriteResult]] = {
            Put: lambda write: WriteResult(Outcome.DONE, write.item),
            Patch: lambda write: WriteResult(Outcome.DONE, next(new)),
            Delete: lambda write: DONE,
        }
        return [answers[type(write)](write) for write in writes]

    def _call(self, operation: str, payload: dict[str, Any], shape: Any) -> Any:
        try:
            return self._transport.call(operation, payload, shape)
        except AwsError as error:
            raise as_error(error) from error
