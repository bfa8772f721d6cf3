"""SQL engines: the tables of one database, created from the declarations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from sqlalchemy import MetaData, Table
from sqlalchemy.schema import CreateIndex, CreateTable

from ...errors import Conflict, Fault, InvalidInput, SchemaMismatch
from ...model.meta import StoreMeta
from ...store.backend import Backend, Outcome, StoredTable, Write, WriteResult
from ...store.write_results import relocated, undone
from .columns import SEQUENCES, table_of, table_text
from .dialect import Connection, Dialect, UniqueTaken
from .existing_tables import Comparison
from .missing_columns import MISMATCH
from .outbox import SqlOutbox

T = TypeVar("T")
MakeBackend = Callable[[StoreMeta[Any], Table], Backend[Any]]


class _UndoneError(Exception):
    """Rolls back the transaction of an atomic batch."""


class SqlEngine:
    """The tables of one database. If it is embedded, a missing table is created when its store is opened."""

    deployed = False
    outbox: SqlOutbox

    def __init__(self, dialect: Dialect, connection: Connection, make: MakeBackend, *, embedded: bool) -> None:
        self.embedded = embedded
        self._make = make
        self._dialect = dialect
        self._connection = connection
        self._tables: WeakKeyDictionary[StoreMeta[Any], Table] = WeakKeyDictionary()
        self._prepared: WeakSet[StoreMeta[Any]] = WeakSet()

    def open(self, meta: StoreMeta[T]) -> Backend[T]:
        if self.embedded and meta not in self._prepared:
            self.prepare((meta,))
        return self._make(meta, self._table(meta))

    def prepare(self, metas: Sequence[StoreMeta[Any]]) -> None:
        with self._preparing():
            existing = self._existing()
            faults: list[Fault] = []
            for meta in metas:
                try:
                    self._create(self._table(meta), meta, existing)
                except SchemaMismatch as error:
                    faults += error.faults
            if faults:
                raise SchemaMismatch(MISMATCH, faults=faults)
            if any(meta.sequences for meta in metas):
                self._create(SEQUENCES, None, existing)
        self._prepared.update(metas)

    def is_empty(self, name: str) -> bool:
        if not self._connection.rows(self._dialect.columns_of, (name,)):
            return True
        table = table_text(Table(name, MetaData()), self._dialect)
        return not self._connection.rows(f"SELECT 1 FROM {table} LIMIT 1")

    def table(self, name: str) -> StoredTable | None:
        columns = frozenset(row[0] for row in self._connection.rows(self._dialect.columns_of, (name,)))
        return StoredTable(table_text(Table(name, MetaData()), self._dialect), columns) if columns else None

    def verify(self, metas: Sequence[StoreMeta[Any]]) -> None:
        self.prepare(metas)

    def write_together(self, writes: Sequence[tuple[Backend[Any], Write]]) -> list[WriteResult]:
        """Do the writes in one transaction, each as a statement. Consecutive writes of one store are sent together."""
        results: list[WriteResult] = []
        try:
            with self.transaction():
                for backend, group in groupby(writes, itemgetter(0)):
                    some = [write for _, write in group]
                    try:
                        results += backend.write(some, atomic=False)
                    except InvalidInput as error:
                        raise relocated(error, range(len(results), len(results) + len(some))) from error
                if any(result.outcome is not Outcome.DONE for result in results):
                    raise _UndoneError
        except _UndoneError:
            return undone(results)
        return results

    def transaction(self) -> AbstractContextManager[None]:
        return self._connection.transaction()

    def check_writes(self) -> None:
        self._connection.check_writes()

    def close(self) -> None:
        self.outbox.close()
        self._connection.close()

    @contextmanager
    def _preparing(self) -> Iterator[None]:
        """Create all tables, or none if one fails."""
        with self._connection.transaction():
            yield

    def _table(self, meta: StoreMeta[Any]) -> Table:
        table = self._tables.get(meta)
        if table is None:
            table = self._tables[meta] = table_of(meta, self._dialect)
        return table

    def _existing(self) -> frozenset[str]:
        """Return the existing tables and indexes. No statement is sent for them, because it would need a permission that serving does not need."""
        return frozenset()

    def _create(self, table: Table, meta: StoreMeta[Any] | None, existing: frozenset[str]) -> None:
        if table.name not in existing:
            self._connection.rows(self._text(CreateTable(table, if_not_exists=True)))
        if meta is not None:
            self._fit(table, meta)
        for index in sorted(table.indexes, key=lambda one: str(one.name)):
            if index.name in existing:
                continue
            try:
                self._connection.rows(self._text(CreateIndex(index, if_not_exists=True)))
            except UniqueTaken as taken:
                names = [column.name for column in index.columns]
                message = f"Items of {table.name} share values that have to be unique: {', '.join(names)}"
                raise Conflict(message, attributes=names) from taken

    def _fit(self, table: Table, meta: StoreMeta[Any]) -> None:
        """Raise `SchemaMismatch` if the table does not fit its declaration. An embedded engine first adds columns for which stored items have a
        value."""
        compared = Comparison(meta, table, self._dialect, self._connection.rows)
        compared.check(adds_columns=self.embedded)
        for name in compared.missing:
            self._connection.rows(compared.adding(name) or "")

    def _text(self, statement: CreateTable | CreateIndex) -> str:
        return str(statement.compile(dialect=self._dialect.compiler))
