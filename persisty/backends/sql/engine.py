"""SQL engines: the tables of one database, created from the declarations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from sqlalchemy import Table
from sqlalchemy.schema import CreateIndex, CreateTable

from ...errors import BackendUnavailable, Conflict, InvalidInput
from ...model.meta import StoreMeta
from ...store.backend import Backend, Outcome, Write, WriteResult
from ...store.write_results import relocated, undone
from .added_columns import adding_column
from .columns import SEQUENCES, RowCodec, table_of
from .dialect import Connection, Dialect, UniqueTaken

T = TypeVar("T")
MakeBackend = Callable[[StoreMeta[Any], Table], Backend[Any]]


class _UndoneError(Exception):
    """Leaves the transaction of writes that are to be all or none."""


class SqlEngine:
    """The tables of one database. Where it is embedded, a table that is missing is created when its store is opened."""

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
            for meta in metas:
                self._create(self._table(meta), meta)
            if any(meta.sequences for meta in metas):
                self._create(SEQUENCES, None)
        self._prepared.update(metas)

    def write_together(self, writes: Sequence[tuple[Backend[Any], Write]]) -> list[WriteResult]:
        """Each write is a statement in one transaction; neighbours of one store are sent together."""
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

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _preparing(self) -> Iterator[None]:
        """All tables are created, or none is."""
        with self._connection.transaction():
            yield

    def _table(self, meta: StoreMeta[Any]) -> Table:
        table = self._tables.get(meta)
        if table is None:
            table = self._tables[meta] = table_of(meta, self._dialect)
        return table

    def _create(self, table: Table, meta: StoreMeta[Any] | None) -> None:
        self._connection.rows(self._text(CreateTable(table, if_not_exists=True)))
        kept = {name for (name,) in self._connection.rows(self._dialect.names, (table.name,))}
        missing = [column.name for column in table.columns if column.name not in kept]
        if missing:
            self._add(table, meta, missing)
        for index in sorted(table.indexes, key=lambda one: str(one.name)):
            try:
                self._connection.rows(self._text(CreateIndex(index, if_not_exists=True)))
            except UniqueTaken as taken:
                names = [column.name for column in index.columns]
                told = f"Items of {table.name} share what is to be unique: {', '.join(names)}"
                raise Conflict(told, attributes=names) from taken

    def _add(self, table: Table, meta: StoreMeta[Any] | None, missing: Sequence[str]) -> None:
        """Add columns of attributes that are new, where the engine is embedded and items stored before have a value for each."""
        if meta is None or not self.embedded:
            raise BackendUnavailable(f"The table {table.name} of this database lacks: {', '.join(missing)}")
        codec = RowCodec(meta, self._dialect)
        found = {name: adding_column(meta, table, name, codec, self._dialect) for name in missing}
        if impossible := [name for name, statement in found.items() if statement is None]:
            raise BackendUnavailable(
                f"The table {table.name} of this database lacks: {', '.join(impossible)}. "
                "Items that are stored have no value for it: give it a default, or let it be None"
            )
        for statement in found.values():
            self._connection.rows(statement or "")

    def _text(self, statement: CreateTable | CreateIndex) -> str:
        return str(statement.compile(dialect=self._dialect.compiler))
