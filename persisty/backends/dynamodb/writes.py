"""Write to a table. Conditions are part of the writes.

```
Put      PutItem     if attribute_not_exists(key)                                    taken → EXISTS
Patch    UpdateItem  if attribute_exists(key) and when   ALL_NEW   failed, ALL_OLD → the current item, or MISSING
Delete   DeleteItem  if attribute_exists(key) and when             likewise
atomic   TransactWriteItems of the same conditions                                   see `transactions`
```

A condition that DynamoDB cannot decide (`endswith`, `icontains`) is decided here over the item as it was read. The write then requires that
every attribute of the condition is unchanged, so a concurrent change makes it fail.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from time import sleep
from typing import Any, Generic, TypeVar

from ...aws.retries import AwsError
from ...backoff import ATTEMPTS, backoff
from ...errors import BackendUnavailable, PersistyError, Throttled
from ...model.expressions import ALL, And, Filter
from ...model.keys import KeyValues
from ...model.meta import StoreMeta
from ...model.stored_names import stored_names_of
from ...query.evaluation import matcher
from ...query.filter_algebra import combine, names_in
from ...store.backend import Bulk, BulkWrite, Delete, Outcome, Patch, Put, Write, WriteResult
from ...store.bulk_walk import walk
from ...store.in_doubt_writes import repeatable, settled
from ...store.write_results import conflict, in_doubt
from .batch_results import Results
from .batch_statements import MAX_STATEMENTS, Statements, rounds
from .codec import WireCodec
from .expressions import split
from .limits import Limits
from .parallel import in_parallel
from .reads import Reads
from .requests import OPERATIONS, Requests
from .requirement_checks import TableOf, required_by
from .system_table import SystemTable
from .transactions import Part, Transactions
from .transport import CONDITION_FAILED, JSON, StartingTransport, Transport, as_error
from .unchanged_values import unchanged
from .wire_answers import Executed
from .wire_kinds import Wire

T = TypeVar("T")
Stated = tuple[int, dict[str, Any]]
"""The position of a write, and its statement; empty where it has none."""
NO_STATEMENTS = frozenset({"AccessDeniedException", "UnknownOperationException"})
"""Refusals of a whole batch after which single writes may succeed. Nothing was written."""
MAX_STARTED = 8
"""Requests that are sent before the first response is read."""
CHUNK = 500
"""Items that a bulk write changes between two positions to resume from."""
DONE, MISSING, EXISTS, ABORTED = map(WriteResult, (Outcome.DONE, Outcome.MISSING, Outcome.EXISTS, Outcome.ABORTED))


class Writes(Generic[T]):
    """`partiql`: batches are PartiQL statements; otherwise single writes in parallel."""

    def __init__(
        self,
        meta: StoreMeta[T],
        codec: WireCodec,
        requests: Requests,
        transport: Transport,
        reads: Reads[T],
        system: SystemTable,
        *,
        partiql: bool,
        table_of: TableOf,
    ) -> None:
        self.meta = meta
        self._codec = codec
        self._requests = requests
        self._transport = transport
        self._starting = transport if isinstance(transport, StartingTransport) else None
        self._reads = reads
        self._read = reads.read
        self.part = Part(meta, codec, requests, reads.read_stored)
        self.transactions = Transactions(transport, system, table_of)
        self._guards = self.part.guards
        self._unique = bool(meta.uniques)
        self._partiql = partiql
        self._statements = Statements(meta, codec, requests.table)
        self.limits = Limits(meta, codec)
        self._system = system

    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        self.limits.check(writes, atomic=atomic)
        if len(writes) == 1:
            return [self._one(writes[0])]
        if atomic:
            return self.transactions.run([(self.part, write) for write in writes])
        results = Results(len(writes))
        keys = [self._key(write) for write in writes]
        requires = [self._required(write) for write in writes]
        guarded: set[KeyValues] = set()
        if self._unique:
            guarded = {key for key, write in zip(keys, writes, strict=True) if self._guards.concern(write)}
            if guarded and not {*keys}.isdisjoint(one for some in requires for one in some):
                guarded = {*keys}  # one may require an item that releases or assigns a value
        free = [
            (at, key, needs) for at, (key, needs) in enumerate(zip(keys, requires, strict=True)) if key not in guarded
        ]
        for positions in rounds(free):
            self._side_by_side(writes, positions, results)
        for position, key in enumerate(keys):
            if key in guarded:  # in order: one may release the value that the next assigns
                results.record(position, partial(self._one, writes[position]))
        return results.all()

    def write_all(self, bulk: BulkWrite) -> Bulk:
        """Write the matches in pages, each in the fewest requests, after reading their keys."""
        reads = self._reads.for_changes(bulk.changes or {})
        changed, position = 0, None if bulk.after is None else dict(bulk.after)
        try:
            for page in walk(self.meta, reads.query, bulk, CHUNK):
                keys = [self.meta.key_values(item) for item in page.items]
                results = self._write_each(bulk, keys)
                changed += sum(result.outcome is Outcome.DONE for result in results)
                self._check(results)
                position = page.position
        except PersistyError as error:
            return Bulk(changed, position, error)
        return Bulk(changed, position)

    def _write_each(self, bulk: BulkWrite, keys: Sequence[KeyValues]) -> list[WriteResult]:
        """Write the items of these keys, each on the condition that it still matches."""
        changes, where = bulk.changes, bulk.where
        writes = [Delete(one, where) if changes is None else Patch(one, changes, where) for one in keys]
        results = self.write(writes, atomic=False) if writes else []
        return [self._counted(write, result) for write, result in zip(writes, results, strict=True)]

    def _check(self, results: Sequence[WriteResult]) -> None:
        """Raise the first error after which nothing more is changed."""
        error = next((one for one in map(self._stopping, results) if one is not None), None)
        if error is not None:
            if any(one.outcome is Outcome.IN_DOUBT for one in results):
                error.details["in_doubt"] = True
            raise error

    def _counted(self, write: Write, result: WriteResult) -> WriteResult:
        """Return the result of one of many writes. A write in doubt is settled if its item shows the outcome."""
        if result.outcome is not Outcome.IN_DOUBT:
            return result
        if isinstance(write, Delete) and result.refusal is Outcome.MISSING:
            return DONE  # it existed and matched a moment ago
        return settled(self.meta, write, {}, result)

    def _stopping(self, result: WriteResult) -> PersistyError | None:
        """Return the error of a result after which nothing more is changed, or None."""
        match result.outcome:
            case Outcome.EXISTS:
                return conflict(self.meta, result)
            case Outcome.ERROR:
                return result.error
            case Outcome.IN_DOUBT:
                return in_doubt()
        return None

    def allocate(self, sequence: str, count: int) -> int:
        return self._system.allocate(self.meta.table, stored_names_of(self.meta)[sequence], count)

    def _side_by_side(self, writes: Sequence[Write], positions: Sequence[int], results: Results) -> None:
        """Write distinct items: as statements, and one by one if a statement cannot express the write or does not settle it."""
        single: list[int] = []
        stated: list[Stated] = []
        batched = self._partiql and len(positions) > 1
        statements = self._statements.of_all([writes[one] for one in positions]) if batched else [None] * len(positions)
        for position, statement in zip(positions, statements, strict=True):
            if statement is None:
                single.append(position)
            else:
                stated.append((position, statement))

        def run(some: list[Stated], wait: Callable[[], Any] | None = None) -> None:
            answers: Sequence[Executed[Any]] = ()
            response_lost = False
            if wait is not None or (some[0][1] and results.failure is None):
                try:
                    answers, response_lost = self._execute(wait or partial(self._call, some))
                except PersistyError as error:
                    results.fail([position for position, _ in some], error)
                    return
            for place, (position, _) in enumerate(some):
                write, answer = writes[position], answers[place] if answers else None
                result = None if answer is None else self._statements.result(write, answer)
                is_in_doubt = response_lost or (answer is not None and answer.in_doubt)
                if result is None:
                    results.record(position, partial(self._one, write, in_doubt=is_in_doubt), in_doubt=is_in_doubt)
                else:
                    results.by_position[position] = result

        chunks = [stated[start : start + MAX_STATEMENTS] for start in range(0, len(stated), MAX_STATEMENTS)]
        alone: list[list[Stated]] = [[(position, {})] for position in single]
        if self._starting is None:
            in_parallel(run, chunks + alone)
            return
        for start in range(0, len(chunks), MAX_STARTED):
            begin = self._starting.begin if results.failure is None else None  # otherwise the rest would fail, too
            some = chunks[start : start + MAX_STARTED]
            waits = [None if begin is None else begin(*self._batch(one), once=True) for one in some]
            for one, wait in zip(some, waits, strict=True):
                run(one, wait)
        in_parallel(run, alone)

    def _call(self, some: list[Stated]) -> Any:
        return self._transport.call(*self._batch(some), once=True)

    def _batch(self, some: list[Stated]) -> tuple[str, dict[str, Any], Any]:
        return "BatchExecuteStatement", {"Statements": [statement for _, statement in some]}, self._codec.executed

    def _execute(self, call: Callable[[], Any]) -> tuple[Sequence[Executed[Any]], bool]:
        """Return the responses, and whether the statements may have been carried out without a response. There are no responses if the engine does
        not support such statements, or the role may not send them."""
        try:
            return call().Responses, False
        except AwsError as error:
            if error.kind not in NO_STATEMENTS:
                raise as_error(error) from error
            self._partiql = False
            return (), False
        except PersistyError as error:
            if "in_doubt" not in error.details:
                raise
            return (), True

    def _required(self, write: Write) -> list[KeyValues]:
        """Return the keys of the items of this table that a write requires."""
        return [one.key for one in required_by(write) if one.meta is self.meta]

    def _key(self, write: Write) -> KeyValues:
        return self.meta.key_values(write.item) if isinstance(write, Put) else write.key

    def _one(self, write: Write, *, in_doubt: bool = False) -> WriteResult:
        """Do one write. `in_doubt`: an earlier attempt may have been carried out."""
        if required_by(write) or (self._unique and self._guards.concern(write)):
            return self.transactions.run([(self.part, write)])[0]
        if isinstance(write, Put):
            return self._conditional(write, ALL, in_doubt)
        if not self._codec.storable(write.key):
            return MISSING
        native, local = split(self.meta, write.when)
        if local == ALL and not self._codec.starts_from_null(write):
            return self._conditional(write, native, in_doubt)
        return self._optimistic(write, native, local)

    def _conditional(self, write: Write, when: Filter, in_doubt: bool = False) -> WriteResult:
        once = not repeatable(self.meta, write)
        if once and in_doubt:
            return self._in_doubt(write)
        payload = self._requests.write(write, when)
        shape: Any = JSON
        if isinstance(write, Patch):
            payload["ReturnValues"], shape = "ALL_NEW", self._codec.updated
        try:
            answer = self._transport.call(OPERATIONS[type(write)][0], payload, shape, once=once)
        except AwsError as error:
            if error.kind != CONDITION_FAILED:
                raise as_error(error) from error
            current = error.body.get("Item")
            refused = self._refused(write, current)
            if in_doubt or error.in_doubt:
                item = self._codec.read(current) if current else None
                return WriteResult(Outcome.IN_DOUBT, item, refusal=refused.outcome)
            return refused
        except PersistyError as error:
            if once and "in_doubt" in error.details:
                return self._in_doubt(write)
            raise
        if isinstance(write, Patch):
            return WriteResult(Outcome.DONE, self._codec.item(answer.Attributes))
        return WriteResult(Outcome.DONE, write.item) if isinstance(write, Put) else DONE

    def _in_doubt(self, write: Write) -> WriteResult:
        """Return the result of a write that may have been carried out and must not be sent again, with the item as it is now."""
        try:
            return WriteResult(Outcome.IN_DOUBT, self._read((self._key(write),))[0])
        except (BackendUnavailable, Throttled):
            return WriteResult(Outcome.IN_DOUBT)

    def _refused(self, write: Write, current: Wire | None) -> WriteResult:
        if isinstance(write, Put):
            return EXISTS
        return WriteResult(Outcome.FAILED, self._codec.read(current)) if current else MISSING

    def _optimistic(self, write: Patch | Delete, native: Filter, local: Filter) -> WriteResult:
        """Decide the condition over the item as read, and write only if the attributes of the condition have not changed since."""
        is_match = matcher(self.meta, write.when)
        for attempt in range(ATTEMPTS):
            [stored] = self._reads.read_stored((write.key,))
            if stored is None:
                return MISSING
            current = stored.item
            if not is_match(current):
                return WriteResult(Outcome.FAILED, current)
            started, same = self._codec.started(write, current)
            same += unchanged(self.meta, stored, names_in(local))
            result = self._conditional(started, combine(And, [native, *same]))
            if result.outcome is not Outcome.FAILED:
                return result
            sleep(backoff(attempt))
        raise BackendUnavailable("DynamoDB: the item changed at every attempt")
