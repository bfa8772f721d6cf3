"""Writing to a table: the conditions travel with the writes.

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

from collections.abc import Callable, Mapping, Sequence
from time import sleep
from typing import Any, Generic, TypeVar

from ...errors import BackendUnavailable, BatchTooLarge
from ...model.expressions import ALL, And, Compare, Filter
from ...model.keys import KeyValues
from ...model.meta import StoreMeta
from ...query.match import matcher
from ...query.resolve import combine
from ...store.backend import Delete, Outcome, Patch, Put, Write, WriteResult
from ...store.backoff import ATTEMPTS, backoff
from .codec import Wire, WireCodec
from .expressions import attributes_of, split
from .parallel import in_parallel
from .reads import Reads
from .requests import OPERATIONS, Requests
from .transport import (
    CONDITION_FAILED,
    JSON,
    TRANSACTION_CANCELED,
    AwsError,
    Transport,
    as_error,
    exhausted,
)

T = TypeVar("T")
MAX_ATOMIC = 100
"""Actions a TransactWriteItems takes."""
CONFLICTS = frozenset({None, "None", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
"""Reasons of a cancelled transaction that say nothing against another attempt."""
DONE, MISSING, EXISTS, ABORTED = map(WriteResult, (Outcome.DONE, Outcome.MISSING, Outcome.EXISTS, Outcome.ABORTED))


class Writes(Generic[T]):
    def __init__(
        self, meta: StoreMeta[T], codec: WireCodec, requests: Requests, transport: Transport, reads: Reads[T]
    ) -> None:
        self.meta = meta
        self._codec = codec
        self._requests = requests
        self._transport = transport
        self._read = reads.read

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
            [current] = self._read((write.key,))
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
        read = self._read([self._key(writes[position]) for position in undecided]) if undecided else ()
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
        new = iter(self._read(patched) if patched else ())
        answers: dict[type, Callable[[Any], WriteResult]] = {
            Put: lambda write: WriteResult(Outcome.DONE, write.item),
            Patch: lambda write: WriteResult(Outcome.DONE, next(new)),
            Delete: lambda write: DONE,
        }
        return [answers[type(write)](write) for write in writes]
