"""The PostgreSQL backend: one write is one statement, a batch is one transaction sent in one go.

```
write    its statement, see `steps`                    one round trip
Puts     one INSERT of many rows … RETURNING key       a key that is not among them: EXISTS
batch    BEGIN, its writes, COMMIT in one round trip   atomic: COMMIT or ROLLBACK in a second, when all is known
```

Batches lock their items in the order of the keys, so that two of them wait for each other but not in a circle. Where unique
values may move, or an edit depends on another item of the batch, the order is the caller's; a circle is then broken by the server and
the batch begun again. An error ends a transaction, so a batch in which a unique value is taken, or that holds what the server
cannot store, is begun again with a savepoint before each write, which tells which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
from ....store.write_results import undone
from ..columns import index_name
from ..dialect import Dialect, UniqueTaken
from .connection import PostgresConnection
from .pool import typed
from .session import BEGIN, COMMIT, ROLLBACK, Answer, Session, Statement
from .steps import EXISTS, PostgresSteps, Step

T = TypeVar("T")
MOST_ROWS = 64
"""Items that one INSERT puts."""
LARGE = 10_000
"""Items of a table from which on `explain` returns the plan that the server chooses."""
COUNTED = "SELECT (SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass($1))"
STATUS_ATTEMPTS = 15
"""Times the server is asked about a transaction whose connection it may not have missed yet: some ten seconds."""
STATUS = "SELECT pg_xact_status($1::xid8)"
COMMITTED, ABORTED, IN_PROGRESS = "committed", "aborted", "in progress"
NUMBER = Statement("SELECT pg_current_xact_id()::text")


class Call(Struct, frozen=True):
    """A statement of one write or more, and what its answer means for each."""

    statement: Statement
    results: Callable[[Answer], list[WriteResult]]


class Commit(Struct, frozen=True):
    """The result of a batch after its commit, and the number that identifies its transaction on the server."""

    transaction: str
    results: list[WriteResult]


Way = Callable[[Session, Sequence[Step], bool, list[Commit]], list[WriteResult]]
"""Function that writes a batch: session, steps, atomic or not, and a list to which it appends each pending commit."""


def _requires(write: Write) -> tuple[Requirement, ...]:
    return () if isinstance(write, Delete) else write.requires


class _UndoneError(Exception):
    """Leaves the part of a transaction that an atomic batch is, where it cannot be done."""


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

    def allocate(self, sequence: str, count: int) -> int:
        """A lost answer leaves a gap."""
        statement = Statement(*self._allocation(sequence, count))
        [(last,)] = self._postgres.run(lambda session: session.run(statement), repeatable=True).rows
        return int(last) - count + 1

    def _within(self, steps: Sequence[Step], atomic: bool) -> list[WriteResult]:
        """The results of writes in the transaction of this thread, which is the caller's to repeat if it fails."""
        results: list[WriteResult] = []
        try:
            with self._postgres.transaction():
                results = self._postgres.run(lambda session: self._each(session, steps))
                if atomic and any(result.outcome is not Outcome.DONE for result in results):
                    raise _UndoneError
        except _UndoneError:
            return undone(results)
        return results

    def _alone(self, step: Step, *, doubt: bool = False) -> WriteResult:
        """The result of a write by itself. `doubt`: it may have been carried out already."""
        again = repeatable(self.meta, step.write)
        for attempt in range(ATTEMPTS):
            if doubt and not again:
                break
            try:
                result = self._once(step)
            except BackendUnavailable as error:
                lost = "in_doubt" in error.details
                if doubt:
                    error.details["in_doubt"] = True
                if not lost or attempt == ATTEMPTS - 1:
                    raise
                doubt = True
                sleep(backoff(attempt))
                continue
            # the key was free if it is a unique index that refuses, so no attempt was carried out
            if not doubt or result.outcome is Outcome.DONE or result.index is not None:
                return result
            item = self._current(step.write) if result.item is None else result.item
            return WriteResult(Outcome.IN_DOUBT, item, refusal=result.outcome)
        return WriteResult(Outcome.IN_DOUBT, self._current(step.write))

    def _current(self, write: Write) -> T | None:
        """The item of a write as it is now, as far as that can be had."""
        try:
            return self.read((self._key_of(write),))[0]
        except BackendUnavailable:
            return None

    def _together(self, steps: Sequence[Step], atomic: bool, way: Way) -> list[WriteResult]:
        """The results of a batch. Where the answer to its COMMIT was lost, the server is asked for its fate; where all
        answers were, each write is looked at by itself."""
        for attempt in range(ATTEMPTS):
            commits: list[Commit] = []
            try:
                return self._postgres.run(lambda session: way(session, steps, atomic, commits))  # noqa: B023
            except BackendUnavailable as error:
                if "in_doubt" not in error.details:
                    raise
                if not commits:
                    return self._apart(steps)
                status = self._status(commits[-1].transaction)
                if status == COMMITTED:
                    return commits[-1].results
                if status != ABORTED:
                    raise
            sleep(backoff(attempt))
        raise BackendUnavailable()

    def _apart(self, steps: Sequence[Step]) -> list[WriteResult]:
        """The results of the writes of a batch that may have been carried out."""
        keys = [self._key_of(step.write) for step in steps]
        doubt = WriteResult(Outcome.IN_DOUBT)  # the stored item does not show which of several writes was done
        try:
            return [
                self._alone(step, doubt=True) if keys.count(key) == 1 else doubt
                for step, key in zip(steps, keys, strict=True)
            ]
        except BackendUnavailable as error:
            error.details["in_doubt"] = True
            raise

    def _status(self, transaction: str) -> str | None:
        """Return the status of a transaction, or None if it is unknown."""
        try:
            for attempt in range(STATUS_ATTEMPTS):
                [(status,)] = self._postgres.rows(STATUS, (transaction,))
                if status != IN_PROGRESS:
                    return None if status is None else str(status)
                sleep(backoff(attempt))  # the server has yet to hear that the connection is lost
        except BackendUnavailable:
            return None
        return None

    def _once(self, step: Step) -> WriteResult:
        try:
            return step.result(self._postgres.run(lambda session: session.run(step.statement)))
        except UniqueTaken as taken:
            return self._taken(taken)

    def _batch(self, session: Session, steps: Sequence[Step], atomic: bool, commits: list[Commit]) -> list[WriteResult]:
        order = self._in_order(steps)
        calls = list(self._calls([steps[position] for position in order]))
        inside = [BEGIN, *(call.statement for call in calls)]
        # which unique values are taken is asked at the place of a write whose target is missing: then the batch is begun again
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
        """The statements of a batch. Consecutive creates are one, of a power of two so that there are few texts."""
        for plain, group in groupby(steps, lambda step: isinstance(step.write, Put) and not step.write.requires):
            some = list(group)
            while some:
                size = 1 << (len(some).bit_length() - 1) if plain else 1
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
                made.discard(key)  # of two with one key the first was put
            return found

        return Call(Statement(compiled.text, compiled.arguments(values)), results)

    def _one_by_one(
        self, session: Session, steps: Sequence[Step], atomic: bool, commits: list[Commit]
    ) -> list[WriteResult]:
        session.run(BEGIN)
        try:
            results = self._each(session, steps)
        except InvalidInput:
            session.run(ROLLBACK)
            raise
        commit = Commit(session.run(NUMBER).rows[0][0], results)
        return self._settle(session, commit, commits) if atomic else self._commit(session, commit, commits)

    def _each(self, session: Session, steps: Sequence[Step]) -> list[WriteResult]:
        """The results of writes one after the other, each of which is undone by itself. Raises `InvalidInput` for what the server
        cannot store."""
        results: list[WriteResult] = []
        faults: list[Fault] = []

        def rows(text: str, arguments: Sequence[Any]) -> list[tuple[Any, ...]]:
            return session.run(Statement(text, arguments)).rows

        for position, step in enumerate(steps):
            try:
                result = step.result(session.alone(step.statement))
                if result.outcome is Outcome.UNRELATED and not isinstance(step.write, Delete):
                    result = self._unique_first(step.write, result, rows)
                results.append(result)
            except errors.UniqueViolation as error:
                results.append(self._taken(self._postgres.taken(error)))
            except errors.DivisionByZero as error:
                results.append(WriteResult(Outcome.ERROR, error=typed(error)))
            except errors.ProgramLimitExceeded as error:
                faults += [Fault(pointer(position), fault.message) for fault in typed(error).faults]
        if faults:
            raise InvalidInput(faults=faults)
        return results

    def _settle(self, session: Session, commit: Commit, commits: list[Commit]) -> list[WriteResult]:
        """Commit if all is done."""
        if all(result.outcome is Outcome.DONE for result in commit.results):
            return self._commit(session, commit, commits)
        session.run(ROLLBACK)
        return undone(commit.results)

    def _commit(self, session: Session, commit: Commit, commits: list[Commit]) -> list[WriteResult]:
        commits.append(commit)
        session.run(COMMIT)
        return commit.results

    def _in_order(self, steps: Sequence[Step]) -> Sequence[int]:
        """The positions in the order in which they are locked; writes of one item stay as they are."""
        if (self._moving and any(map(self._moves, steps))) or self._linked(steps):
            return range(len(steps))

        def key(position: int) -> tuple[Any, ...]:
            values = self._key_of(steps[position].write)
            return tuple(primitive(value) for primitive, value in zip(self._primitives, values, strict=True))

        return sorted(range(len(steps)), key=key)

    def _linked(self, steps: Sequence[Step]) -> bool:
        """Return whether the outcome of a step may depend on the steps before it: it requires an item that one of them writes, or has a
        condition that leads to items of this table."""
        required = [one.key for step in steps for one in _requires(step.write) if one.meta is self.meta]
        if required and not {self._key_of(step.write) for step in steps}.isdisjoint(required):
            return True
        wheres = [one.where for step in steps for one in _requires(step.write)]
        wheres += [step.write.when for step in steps if not isinstance(step.write, Put)]
        return any(self.meta.name in stores_behind(where) for where in wheres if where is not ALL)

    def _moves(self, step: Step) -> bool:
        """Return whether the step may take a unique value, or free one for another write."""
        return not isinstance(step.write, Patch) or not self._moving.isdisjoint(step.write.changes)

    def explain(self, asked: Query) -> Explanation:
        return structs.replace(super().explain(asked), items=self._items())

    def _plan(self, text: str, arguments: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The plan; of a small table, what it would be if it were large: the server reads those whole, indexes or not."""
        with self._postgres.transaction():
            if (self._items() or 0) < LARGE:
                self._postgres.rows("SET LOCAL enable_seqscan = off")
                self._postgres.rows("SET LOCAL random_page_cost = 1")
            return self._postgres.rows(text, arguments)

    def _items(self) -> int | None:
        """About how many items there are, as the server last counted; None if it never has."""
        [(items,)] = self._postgres.rows(COUNTED, (self._table,))
        return None if items is None or items < 0 else int(items)
