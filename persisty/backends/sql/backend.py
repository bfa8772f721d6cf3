"""The SQL backend: each primitive is one statement of `Statements`, run on the driver's connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Generic, TypeVar

from sqlalchemy import Table
from sqlalchemy.engine import Dialect

from ...model.expressions import ALL, And, Filter, OrderBy
from ...model.generators import Add
from ...model.keys import KeyValues
from ...model.meta import StoreMeta
from ...query.keyset import beyond, position_of
from ...query.resolve import combine
from ...query.shape import Shape
from ...store.backend import Capabilities, Delete, Outcome, Page, Patch, Put, Write, WriteResult
from .columns import RowCodec
from .sqlite import SqliteConnection
from .statements import Statements, shape_of

T = TypeVar("T")
MAX_ATOMIC = 10_000
DONE, MISSING, EXISTS = (WriteResult(outcome) for outcome in (Outcome.DONE, Outcome.MISSING, Outcome.EXISTS))


class _RolledBackError(Exception):
    """Leaves the transaction of an atomic batch that cannot be done."""


class SqlBackend(Generic[T]):
    def __init__(self, meta: StoreMeta[T], table: Table, dialect: Dialect, connection: SqliteConnection) -> None:
        self.meta = meta
        self.capabilities = Capabilities(embedded=True, max_atomic=MAX_ATOMIC, snapshot_reads=True)
        self._connection = connection
        self._codec = RowCodec(meta)
        self._statements = Statements(meta, table, dialect)
        self._key_order = tuple(OrderBy(name) for name in meta.key.attributes)

    def read(self, keys: Sequence[KeyValues]) -> list[T | None]:
        values = [value for key in keys for value in self._key(key)]
        statement = self._statements.get("read", len(keys))
        rows = self._connection.rows(statement.text, statement.arguments(values))
        if len(keys) == 1:
            return [self._codec.item(rows[0]) if rows else None]
        found = {self.meta.key_values(item): item for item in self._codec.items(rows)}
        return [found.get(key) for key in keys]

    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        if len(writes) == 1:
            return [self._one(writes[0])]
        results: list[WriteResult] = []
        try:
            with self._connection.transaction():
                for kind, group in groupby(writes, type):
                    some = list(group)
                    results.extend(self._create(some) if kind is Put else map(self._in_transaction, some))
                if atomic and any(result.outcome is not Outcome.DONE for result in results):
                    raise _RolledBackError
        except _RolledBackError:
            aborted = WriteResult(Outcome.ABORTED)
            return [aborted if result.outcome is Outcome.DONE else result for result in results]
        return results

    def query(self, where: Filter, order: tuple[OrderBy, ...], after: Mapping[str, Any] | None, limit: int) -> Page[T]:
        total = order or self._key_order
        wanted = where if after is None else combine(And, [where, beyond(self.meta, total, after)])
        values: list[Any] = []
        statement = self._statements.get("query", shape_of(wanted, self._codec, values), total)
        values.append(limit + 1)
        rows = self._connection.rows(statement.text, statement.arguments(values))
        items = self._codec.items(rows[:limit])
        return Page(items, position_of(self.meta, total, items[-1]) if len(rows) > limit else None)

    def count(self, where: Filter) -> int:
        values: list[Any] = []
        statement = self._statements.get("count", shape_of(where, self._codec, values))
        [(count,)] = self._connection.rows(statement.text, statement.arguments(values))
        return int(count)

    def _one(self, write: Write) -> WriteResult:
        """One write, one statement. Only a write that did nothing is looked at again, to tell why."""
        result = self._try(write)
        if result is not None:
            return result
        with self._connection.transaction():
            return self._in_transaction(write)

    def _create(self, puts: Sequence[Any]) -> list[WriteResult]:
        """Puts in a transaction: all in one go, and only if a key was taken, one by one."""
        statement = self._statements.get("insert")
        rows = [statement.arguments(self._codec.row(put.item)) for put in puts]
        if self._connection.each_changed(statement.text, rows):
            return [WriteResult(Outcome.DONE, put.item) for put in puts]
        return list(map(self._in_transaction, puts))

    def _in_transaction(self, write: Write) -> WriteResult:
        """The write, and if it did nothing, why: nothing can change in between."""
        result = self._try(write)
        if result is not None:
            return result
        [current] = self.read((write.key,))  # type: ignore[union-attr]
        return MISSING if current is None else WriteResult(Outcome.FAILED, current)

    def _try(self, write: Write) -> WriteResult | None:
        """The result, or None where a Patch or Delete found nothing to do."""
        match write:
            case Put(item):
                statement = self._statements.get("insert")
                count = self._connection.changed(statement.text, statement.arguments(self._codec.row(item)))
                return WriteResult(Outcome.DONE, item) if count else EXISTS
            case Patch(key, changes, when):
                values = [self._change(name, value) for name, value in changes.items()]
                shape = tuple((name, isinstance(value, Add)) for name, value in changes.items())
                values.extend(self._key(key))
                statement = self._statements.get("update", shape, self._shape(when, values))
                rows = self._connection.rows(statement.text, statement.arguments(values))
                return WriteResult(Outcome.DONE, self._codec.item(rows[0])) if rows else None
            case Delete(key, when):
                values = self._key(key)
                statement = self._statements.get("delete", self._shape(when, values))
                return DONE if self._connection.changed(statement.text, statement.arguments(values)) else None
        raise TypeError(f"not a write: {write!r}")

    def _shape(self, when: Filter, values: list[Any]) -> Shape:
        return ("and",) if when is ALL else shape_of(when, self._codec, values)

    def _change(self, name: str, value: Any) -> Any:
        return value.amount if isinstance(value, Add) else self._codec.value(name, value)

    def _key(self, key: KeyValues) -> list[Any]:
        return [self._codec.value(name, value) for name, value in zip(self.meta.key.attributes, key, strict=True)]
