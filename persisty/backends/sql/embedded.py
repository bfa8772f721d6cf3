"""The SQLite engine: `sqlite:///messenger.db` is a file below the working directory, `sqlite://` is in memory.

In this process another statement costs microseconds: a write that did nothing is looked into by a second one, in a
transaction in which nothing can change between the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import Table

from ...model.expressions import And, Compare, Filter
from ...model.keys import KeyValues
from ...model.meta import StoreMeta
from ...query.filter_algebra import combine
from ...store.backend import Delete, Outcome, Patch, Put, Write, WriteResult
from .backend import SqlBackend, undone
from .dialect import UniqueTaken
from .engine import SqlEngine
from .sqlite import SQLITE, SqliteConnection

T = TypeVar("T")
DONE, MISSING, EXISTS = (WriteResult(outcome) for outcome in (Outcome.DONE, Outcome.MISSING, Outcome.EXISTS))


class _RolledBackError(Exception):
    """Leaves the transaction of an atomic batch that cannot be done."""


class SqliteBackend(SqlBackend[T]):
    def __init__(self, meta: StoreMeta[T], table: Table, connection: SqliteConnection) -> None:
        super().__init__(meta, table, SQLITE, connection, embedded=True)
        self._sqlite = connection

    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        if len(writes) == 1:
            return [self._one(writes[0])]
        puts = [write for write in writes if isinstance(write, Put) and not write.requires]
        if len(puts) == len(writes) and self._create(puts):
            return [WriteResult(Outcome.DONE, put.item) for put in puts]
        results: list[WriteResult] = []
        try:
            with self._sqlite.transaction():
                results.extend(map(self._in_transaction, writes))
                if atomic and any(result.outcome is not Outcome.DONE for result in results):
                    raise _RolledBackError
        except _RolledBackError:
            return undone(results)
        return results

    def _one(self, write: Write) -> WriteResult:
        """One write, one statement. Only a write that did nothing is looked at again, to tell why."""
        result = self._try(write)
        if result is not None:
            return result
        with self._sqlite.transaction():
            return self._in_transaction(write)

    def _create(self, puts: Sequence[Put]) -> bool:
        """Put all in one go; False if a key or a unique value is taken, and nothing is written then.

        A savepoint instead of a transaction of its own would double the time: SQLite copies every page that it changes.
        """
        statement = self._statements.get("insert")
        rows = [statement.arguments(self._codec.row(put.item)) for put in puts]
        try:
            with self._sqlite.transaction():
                if self._sqlite.each_changed(statement.text, rows) < len(rows):
                    raise _RolledBackError
        except (_RolledBackError, UniqueTaken):
            return False
        return True

    def _in_transaction(self, write: Write) -> WriteResult:
        """The write, and if it did nothing, why: nothing can change in between."""
        result = self._try(write)
        if result is not None:
            return result
        key = self._key_of(write)
        [current] = self.read((key,))
        if isinstance(write, Put):
            return EXISTS if current is not None else self._unmet(write) or EXISTS
        if current is None:
            return MISSING
        if isinstance(write, Patch) and write.requires and self._matches(key, write.when):
            return self._unmet(write) or WriteResult(Outcome.FAILED, current)
        return WriteResult(Outcome.FAILED, current)

    def _matches(self, key: KeyValues, when: Filter) -> bool:
        names = self.meta.key.attributes
        same = [Compare(name, "eq", value) for name, value in zip(names, key, strict=True)]
        return bool(self.count(combine(And, [*same, when])))

    def _try(self, write: Write) -> WriteResult | None:
        """The result, or None where a Patch or Delete found nothing to do, or a Put not all that it requires."""
        values: list[Any]
        try:
            match write:
                case Put(item, ()):
                    statement = self._statements.get("insert")
                    count = self._sqlite.changed(statement.text, statement.arguments(self._codec.row(item)))
                    return WriteResult(Outcome.DONE, item) if count else EXISTS
                case Put(item, requires):
                    values = self._codec.row(item)
                    statement = self._statements.get("insert_required", self._required(requires, values))
                    count = self._sqlite.changed(statement.text, statement.arguments(values))
                    return WriteResult(Outcome.DONE, item) if count else None
                case Patch(key, changes, when, requires):
                    values = []
                    shape = self._changes(changes, values)
                    values.extend(self._key(key))
                    condition = self._shape(when, values)
                    required = self._required(requires, values) if requires else ()
                    statement = self._statements.get("update", shape, condition, required)
                    rows = self._sqlite.rows(statement.text, statement.arguments(values))
                    return WriteResult(Outcome.DONE, self._codec.item(rows[0])) if rows else None
                case Delete(key, when):
                    values = self._key(key)
                    statement = self._statements.get("delete", self._shape(when, values))
                    return DONE if self._sqlite.changed(statement.text, statement.arguments(values)) else None
        except UniqueTaken as taken:
            return self._taken(taken)
        raise TypeError(f"not a write: {write!r}")


def connect(url: str, *, app: str, stage: str) -> SqlEngine:
    """The engine of a `sqlite:` URL; without a path, a database in memory that goes with the engine."""
    path = url.removeprefix("sqlite://").removeprefix("/") or ":memory:"
    connection = SqliteConnection(path)
    return SqlEngine(SQLITE, connection, lambda meta, table: SqliteBackend(meta, table, connection), embedded=True)
