"""Writes as statements of PostgreSQL, and the meaning of their responses. The backend decides how to send them.

```
Put      INSERT … ON CONFLICT (key) DO NOTHING         no row: EXISTS; a unique index refuses: EXISTS, by its name
Patch    UPDATE … RETURNING                            no row: MISSING; with a `when`, see `statements`
Delete   DELETE                                        likewise
```
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from msgspec import Struct, structs
from psycopg import errors
from sqlalchemy import Table

from ....errors import Fault, InvalidInput
from ....model.expressions import ALL
from ....model.keys import KeyValues
from ....model.meta import StoreMeta
from ....store.backend import Bulk, BulkWrite, Delete, Outcome, Patch, Put, Requirement, Write, WriteResult
from ..backend import SqlBackend
from ..dialect import Dialect, UniqueTaken
from . import index_sizes
from .connection import PostgresConnection
from .dialect import quoted
from .pool import typed
from .session import Answer, Statement
from .statements import PostgresStatements

T = TypeVar("T")
DONE, MISSING, EXISTS = map(WriteResult, (Outcome.DONE, Outcome.MISSING, Outcome.EXISTS))


class Step(Struct, frozen=True):
    """A write, its statement, and the meaning of the response."""

    write: Write
    statement: Statement
    result: Callable[[Answer], WriteResult]

    def results(self, answer: Answer) -> list[WriteResult]:
        return [self.result(answer)]


def _unrelated(met: Sequence[bool], requires: tuple[Requirement, ...]) -> WriteResult:
    missing = next(one for one, is_met in zip(requires, met, strict=True) if not is_met)
    return WriteResult(Outcome.UNRELATED, index=missing.attribute)


def _put_required(answer: Answer, done: WriteResult, requires: tuple[Requirement, ...]) -> WriteResult:
    put, taken, *met = answer.rows[0]
    return done if put else EXISTS if taken or all(met) else _unrelated(met, requires)


class PostgresSteps(SqlBackend[T]):
    """All methods of a backend except those that send writes."""

    def __init__(self, meta: StoreMeta[T], table: Table, dialect: Dialect, connection: PostgresConnection) -> None:
        super().__init__(meta, table, dialect, connection, embedded=False)
        self._statements = PostgresStatements(meta, table, dialect)

    def write_all(self, bulk: BulkWrite) -> Bulk:
        try:
            return super().write_all(bulk)
        except InvalidInput as error:
            raise index_sizes.named(self.meta, error, bulk.changes) from error.__cause__

    def _refused(self, error: UniqueTaken | InvalidInput, write: Write) -> WriteResult:
        """Return the result of a write whose unique values are taken. Raise the error of a value that the server cannot store, with its attribute."""
        if isinstance(error, UniqueTaken):
            return self._taken(error)
        raise index_sizes.named(self.meta, error, write) from error.__cause__

    def _too_long(self, cause: errors.ProgramLimitExceeded, write: Write, path: str) -> list[Fault]:
        """Return the faults of a write at a place of its batch, whose value is too long for an index."""
        error = typed(cause)
        error.__cause__ = cause
        found = index_sizes.named(self.meta, error, write) if isinstance(error, InvalidInput) else error
        return [structs.replace(one, path=path + one.path) for one in found.faults]

    def read_locked(self, keys: Sequence[KeyValues]) -> list[T | None]:
        """Read items and lock them, in the order of the keys, so that two transactions do not deadlock."""
        statement = self._locking(keys)
        rows = self._connection.rows(statement.text, statement.arguments, self._bound(len(keys)))
        found = {self.meta.key_values(item): item for item in self._codec.items(rows)}
        return [found.get(key) for key in keys]

    def _locking(self, keys: Sequence[KeyValues]) -> Statement:
        """Return the statement that reads items and locks them."""
        compiled = self._statements.get("read", len(keys))
        values = [value for key in keys for value in self._key(key)]
        order = ", ".join(quoted(name) for name in self.meta.key.attributes)
        return Statement(f"{compiled.text} ORDER BY {order} FOR UPDATE", compiled.arguments(values))

    def _step(self, write: Write) -> Step:
        values: list[Any] = []
        match write:
            case Put(item, requires):
                values.extend(self._codec.row(item))
                done = WriteResult(Outcome.DONE, item)
                if requires:
                    parts = ("insert_required", self._required(requires, values))
                    values.extend(self._key(self.meta.key_values(item)))
                    return self._made(write, parts, values, lambda answer: _put_required(answer, done, requires))
                return self._made(write, ("insert",), values, lambda answer: done if answer.changed else EXISTS)
            case Patch(key, changes, when, requires):
                shape = self._changes(changes, values)
                values.extend(self._key(key))
                condition = self._shape(when, values)
                if requires:
                    update = ("update_required", shape, condition, self._required(requires, values))
                    return self._made(write, update, values, lambda answer: self._updated_required(answer, requires))
                if when == ALL:
                    return self._made(write, ("update", shape, condition), values, self._updated)
                return self._made(write, ("update_when", shape, condition), values, self._updated_when)
            case Delete(key, when):
                values.extend(self._key(key))
                condition = self._shape(when, values)
                if when == ALL:
                    return self._made(
                        write, ("delete", condition), values, lambda answer: DONE if answer.changed else MISSING
                    )
                return self._made(write, ("delete_when", condition), values, self._deleted_when)
        raise TypeError(f"not a write: {write!r}")

    def _made(
        self, write: Write, parts: tuple[Any, ...], values: list[Any], result: Callable[[Answer], WriteResult]
    ) -> Step:
        compiled = self._statements.get(*parts)
        return Step(write, Statement(compiled.text, compiled.arguments(values)), result)

    def _updated(self, answer: Answer) -> WriteResult:
        return WriteResult(Outcome.DONE, self._codec.item(answer.rows[0])) if answer.rows else MISSING

    def _updated_when(self, answer: Answer) -> WriteResult:
        if not answer.rows:
            return MISSING
        matches, *row = answer.rows[0]
        return WriteResult(Outcome.DONE if matches else Outcome.FAILED, self._codec.item(row))

    def _updated_required(self, answer: Answer, requires: tuple[Requirement, ...]) -> WriteResult:
        if not answer.rows:
            return MISSING
        done, *row = answer.rows[0]
        columns, (matches, *met) = row[: -len(requires) - 1], row[-len(requires) - 1 :]
        if done or not matches:
            return WriteResult(Outcome.DONE if done else Outcome.FAILED, self._codec.item(columns))
        return _unrelated(met, requires)

    def _deleted_when(self, answer: Answer) -> WriteResult:
        result = self._updated_when(answer)
        return DONE if result.outcome is Outcome.DONE else result
