"""The PostgreSQL backend: one write is one statement, a batch is one transaction in one pipeline.

```
write    its statement, see `steps`                    one round trip
Puts     one INSERT of many rows … RETURNING key       a key that is not returned: EXISTS
batch    BEGIN, its writes, COMMIT in one round trip   atomic: COMMIT or ROLLBACK in a second one, after all results
```

Batches lock their items in the order of the keys, so two batches do not deadlock. If unique
values may move, or an edit depends on another item of the batch, the order is the caller's; the server then breaks a deadlock and
the batch is repeated. An error ends a transaction, so a batch with a taken unique value, or with a value that the server
cannot store, is repeated with a savepoint before each write, which finds the write that failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from operator import itemgetter
from time import sleep
from typing import Any, TypeVar

from msgspec import Struct, structs
from psycopg import errors
from sqlalchemy import Table

from ....backoff import ATTEMPTS, backoff
from ....errors import BackendUnavailable, Fault, InvalidInput
from ....model.expressions import ALL
from ....model.meta import StoreMeta
from ....model.msgspec_faults import pointer
from ....query.explain import Explanation
from ....query.filter_algebra import stores_behind
from ....store.backend import Delete, Outcome, Patch, Put, Query, Requirement, Write, WriteResult
from ....store.in_doubt_writes import repeatable
from ....store.outbox import NewEvent
from ....store.write_results import undone
from ..columns import index_name
from ..dialect import Dialect, UniqueTaken
from ..outbox import SqlOutbox
from .connection import PostgresConnection
from .creates_with_events import MOST_EVENTS, creating_with
from .pool import typed
from .session import BEGIN, COMMIT, ROLLBACK, Answer, Session, Statement
from .steps import EXISTS, PostgresSteps, Step
from .transaction_status import ABORTED, COMMITTED, status_of

T = TypeVar("T")
MOST_ROWS = 64
"""Most items of an INSERT."""
LARGE = 10_000
"""Least number of items of a table for which `explain` returns the plan that the server chooses."""
COUNTED = "SELECT (SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass($1))"
NUMBER = Statement("SELECT pg_current_xact_id()::text")


class Call(Struct, frozen=True):
    """A statement of one or several writes, and the meaning of its response for each."""

    statement: Statement
    results: Callable[[Answer], list[WriteResult]]


class Commit(Struct, frozen=True):
    """The result of a batch after its commit, and the number that identifies its transaction on the server."""

    transaction: str
    results: list[WriteResult]


Run = Callable[[Statement], Answer]
Way = Callable[[Session, Sequence[Step], bool, list[Commit]], list[WriteResult]]
"""A function that writes a batch: session, steps, atomic or not, and a list to which it appends each pending commit."""


def _requires(write: Write) -> tuple[Requirement, ...]:
    return () if isinstance(write, Delete) else write.requires


class _UndoneError(Exception):
    """Rolls back an atomic batch within a transaction."""


class PostgresBackend(PostgresSteps[T]):
    def __init__(self, meta: StoreMeta[T], table: Table, dialect: Dialect, connection: PostgresConnection) -> None:
        super().__init__(meta, table, dialect, connection)
        self._postgres = connection
        self._table = dialect.compiler.identifier_preparer.format_table(table)
        connection.uniques |= {index_name(meta, index): index.attributes for index in meta.uniques}
        self._moving = {name for index in meta.uniques for name in index.attributes}
        self._primitives = [attribute.primitive for attribute in meta.key_attributes]

    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        steps = list(map(self._step, writes))
        if self._postgres.inside:
            return self._within(steps, atomic)
        if len(steps) == 1:
            write, result = writes[0], self._alone(steps[0])
            if result.outcome is Outcome.UNRELATED and not isinstance(write, Delete):
                result = self._unique_first(write, result)
            return [result]
        try:
            return self._together(steps, atomic, self._batch)
        except (UniqueTaken, InvalidInput):
            return self._together(steps, atomic, self._one_by_one)

    def create_with_events(self, put: Put, events: Sequence[NewEvent], outbox: SqlOutbox) -> WriteResult | None:
        if put.requires or len(events) > MOST_EVENTS:
            return None
        return self._alone(creating_with(self._step(put), outbox, events))

    def write_with_before(self, write: Write) -> tuple[T | None, WriteResult]:
        step, locking = self._step(write), self._locking([self._key_of(write)])
        rows: list[Any] = []

        def run(session: Session, statement: Statement) -> Answer:
            before, answer = session.pipelined((locking, statement))
            rows.extend(before.rows)
            return answer

        [result] = self._postgres.run(lambda session: self._each(session, [step], partial(run, session)))
        return self._codec.item(rows[0]) if rows and result.outcome is Outcome.DONE else None, result

    def allocate(self, sequence: str, count: int) -> int:
        """Reserve numbers of a sequence. A lost response leaves a gap."""
        statement = Statement(*self._allocation(sequence, count))
        [(last,)] = self._postgres.run(lambda session: session.run(statement), repeatable=True).rows
        return int(last) - count + 1

    def _within(self, steps: Sequence[Step], atomic: bool) -> list[WriteResult]:
        """Return the results of writes in the transaction of this thread. If it fails, the caller repeats it."""
        if len(steps) == 1:
            brief = self._postgres.brief
            return self._postgres.run(
                lambda session: self._each(session, steps, session.run if brief else session.alone)
            )
        results: list[WriteResult] = []
        try:
            with self._postgres.transaction():
                results = self._postgres.run(
                    lambda session: self._each(session, steps, session.alone, self._in_order(steps))
                )
                if atomic and any(result.outcome is not Outcome.DONE for result in results):
                    raise _UndoneError
        except _UndoneError:
            return undone(results)
        return results

    def _alone(self, step: Step, *, in_doubt: bool = False) -> WriteResult:
        """Return the result of a single write. `in_doubt`: an earlier attempt may have been carried out."""
        again = repeatable(self.meta, step.write)
        for attempt in range(ATTEMPTS):
            if in_doubt and not again:
                break
            try:
                result = self._once(step)
            except BackendUnavailable as error:
                lost = "in_doubt" in error.details
                if in_doubt:
                    error.details["in_doubt"] = True
                if not lost or attempt == ATTEMPTS - 1:
                    raise
                in_doubt = True
                sleep(backoff(attempt))
                continue
            # if a unique index refuses the write, the key was free, so no attempt was carried out
            if not in_doubt or result.outcome is Outcome.DONE or result.index is not None:
                return result
            item = self._current(step.write) if result.item is None else result.item
            return WriteResult(Outcome.IN_DOUBT, item, refusal=result.outcome)
        return WriteResult(Outcome.IN_DOUBT, self._current(step.write))

    def _current(self, write: Write) -> T | None:
        """Return the current item of a write, None if it cannot be read."""
        try:
            return self.read((self._key_of(write),))[0]
        except BackendUnavailable:
            return None

    def _together(self, steps: Sequence[Step], atomic: bool, way: Way) -> list[WriteResult]:
        """Return the results of a batch. If the response to its COMMIT was lost, query the server for the fate of the transaction. If all
        responses were lost, examine the item of each write."""
        for attempt in range(ATTEMPTS):
            commits: list[Commit] = []
            try:
                return self._postgres.run(lambda session: way(session, steps, atomic, commits))  # noqa: B023
            except BackendUnavailable as error:
                if "in_doubt" not in error.details:
                    raise
                if not commits:
                    return self._apart(steps)
                status = status_of(self._postgres, commits[-1].transaction)
                if status == COMMITTED:
                    return commits[-1].results
                if status != ABORTED:
                    raise
            sleep(backoff(attempt))
        raise BackendUnavailable()

    def _apart(self, steps: Sequence[Step]) -> list[WriteResult]:
        """Return the results of the writes of a batch that may have been carried out."""
        keys = [self._key_of(step.write) for step in steps]
        in_doubt = WriteResult(Outcome.IN_DOUBT)  # the stored item does not show which of several writes was done
        try:
            return [
                self._alone(step, in_doubt=True) if keys.count(key) == 1 else in_doubt
                for step, key in zip(steps, keys, strict=True)
            ]
        except BackendUnavailable as error:
            error.details["in_doubt"] = True
            raise

    def _once(self, step: Step) -> WriteResult:
        try:
            return step.result(self._postgres.run(lambda session: session.run(step.statement)))
        except (UniqueTaken, InvalidInput) as error:
            return self._refused(error, step.write)

    def _batch(self, session: Session, steps: Sequence[Step], atomic: bool, commits: list[Commit]) -> list[WriteResult]:
        order = self._in_order(steps)
        calls = list(self._calls([steps[position] for position in order]))
        inside = [BEGIN, *(call.statement for call in calls)]
        # for a write whose target is missing, taken unique values must be read at its place: the batch is repeated then
        open_ended = bool(self._moving) and any(_requires(step.write) for step in steps)
        answers = session.pipelined([*inside, NUMBER if atomic or open_ended else COMMIT])
        found = [result for call, answer in zip(calls, answers[1:], strict=False) for result in call.results(answer)]
        results = [result for _, result in sorted(zip(order, found, strict=True), key=itemgetter(0))]
        if open_ended and any(result.outcome is Outcome.UNRELATED for result in results):
            session.run(ROLLBACK)
            return self._one_by_one(session, steps, atomic, commits)
        if not atomic and not open_ended:
            return results
        commit = Commit(answers[-1].rows[0][0], results)
        return self._settle(session, commit, commits) if atomic else self._commit(session, commit, commits)

    def _calls(self, steps: Sequence[Step]) -> Iterator[Call]:
        """Return the statements of a batch. Consecutive creates are one statement, of a power of two so that there are few texts."""
        for batchable, group in groupby(steps, lambda step: isinstance(step.write, Put) and not step.write.requires):
            some = list(group)
            while some:
                size = 1 << (len(some).bit_length() - 1) if batchable else 1
                now, some = some[: min(size, MOST_ROWS)], some[min(size, MOST_ROWS) :]
                yield self._creating(now) if len(now) > 1 else Call(now[0].statement, now[0].results)

    def _creating(self, steps: Sequence[Step]) -> Call:
        compiled = self._statements.get("insert_many", len(steps))
        values = [value for step in steps for value in step.statement.arguments]
        items = [step.write.item for step in steps]  # type: ignore[union-attr]

        def results(answer: Answer) -> list[WriteResult]:
            if answer.changed == len(items):
                return [WriteResult(Outcome.DONE, item) for item in items]
            made = {self.meta.key_values(one) for one in self._keys.items(answer.rows)}
            found = []
            for item in items:
                key = self.meta.key_values(item)
                found.append(WriteResult(Outcome.DONE, item) if key in made else EXISTS)
                made.discard(key)  # of two with one key, the first was created
            return found

        return Call(Statement(compiled.text, compiled.arguments(values)), results)

    def _one_by_one(
        self, session: Session, steps: Sequence[Step], atomic: bool, commits: list[Commit]
    ) -> list[WriteResult]:
        session.run(BEGIN)
        try:
            results = self._each(session, steps, session.alone)
        except InvalidInput:
            session.run(ROLLBACK)
            raise
        commit = Commit(session.run(NUMBER).rows[0][0], results)
        return self._settle(session, commit, commits) if atomic else self._commit(session, commit, commits)

    def _each(
        self, session: Session, steps: Sequence[Step], run: Run, order: Sequence[int] | None = None
    ) -> list[WriteResult]:
        """Return the results of writes, which are made one after the other. Raises `InvalidInput` for values that the server cannot store."""
        results: dict[int, WriteResult] = {}
        faults: list[Fault] = []

        def rows(text: str, arguments: Sequence[Any]) -> list[tuple[Any, ...]]:
            return session.run(Statement(text, arguments)).rows

        for position in range(len(steps)) if order is None else order:
            step = steps[position]
            try:
                result = step.result(run(step.statement))
                if result.outcome is Outcome.UNRELATED and not isinstance(step.write, Delete):
                    result = self._unique_first(step.write, result, rows)
                results[position] = result
            except errors.UniqueViolation as error:
                results[position] = self._taken(self._postgres.taken(error))
            except errors.DivisionByZero as error:
                results[position] = WriteResult(Outcome.ERROR, error=typed(error))
            except errors.ProgramLimitExceeded as error:
                faults += self._too_long(error, step.write, pointer(position) if len(steps) > 1 else "")
        if faults:
            raise InvalidInput(faults=faults)
        return [results[position] for position in range(len(steps))]

    def _settle(self, session: Session, commit: Commit, commits: list[Commit]) -> list[WriteResult]:
        """Commit if all writes are done."""
        if all(result.outcome is Outcome.DONE for result in commit.results):
            return self._commit(session, commit, commits)
        session.run(ROLLBACK)
        return undone(commit.results)

    def _commit(self, session: Session, commit: Commit, commits: list[Commit]) -> list[WriteResult]:
        commits.append(commit)
        session.run(COMMIT)
        return commit.results

    def _in_order(self, steps: Sequence[Step]) -> Sequence[int]:
        """Return the positions in the order in which the items are locked. Writes of one item stay in order."""
        if (self._moving and any(map(self._moves, steps))) or self._linked(steps):
            return range(len(steps))

        def key(position: int) -> tuple[Any, ...]:
            values = self._key_of(steps[position].write)
            return tuple(primitive(value) for primitive, value in zip(self._primitives, values, strict=True))

        return sorted(range(len(steps)), key=key)

    def _linked(self, steps: Sequence[Step]) -> bool:
        """Return whether the result of a step may depend on the steps before it: it requires an item that one of them writes, or its
        condition reads other items of this table."""
        required = [one.key for step in steps for one in _requires(step.write) if one.meta is self.meta]
        if required and not {self._key_of(step.write) for step in steps}.isdisjoint(required):
            return True
        wheres = [one.where for step in steps for one in _requires(step.write)]
        wheres += [step.write.when for step in steps if not isinstance(step.write, Put)]
        return any(self.meta.name in stores_behind(where) for where in wheres if where is not ALL)

    def _moves(self, step: Step) -> bool:
        """Return whether the step may take a unique value, or free one for another write."""
        return not isinstance(step.write, Patch) or not self._moving.isdisjoint(step.write.changes)

    def explain(self, query: Query) -> Explanation:
        return structs.replace(super().explain(query), items=self._items())

    def _plan(self, text: str, arguments: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return the plan. For a small table, which the server always reads whole, return the plan of a large one."""
        with self._postgres.transaction():
            if (self._items() or 0) < LARGE:
                self._postgres.rows("SET LOCAL enable_seqscan = off")
                self._postgres.rows("SET LOCAL random_page_cost = 1")
            return self._postgres.rows(text, arguments)

    def _items(self) -> int | None:
        """Return the approximate number of items at the server's last count, None if it has not counted yet."""
        [(items,)] = self._postgres.rows(COUNTED, (self._table,))
        return None if items is None or items < 0 else int(items)
