"""SQL engines by URL: `sqlite:///messenger.db` (a file below the working directory), `sqlite://` (in memory)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import Table
from sqlalchemy.schema import CreateIndex, CreateTable

from ...errors import BackendUnavailable
from ...model.meta import StoreMeta
from .backend import SqlBackend
from .columns import SEQUENCES, table_of
from .sqlite import SQLITE, SqliteConnection

T = TypeVar("T")


class SqlEngine:
    """The tables of one database. It is embedded, so a table that is missing is created when its store is opened."""

    embedded = True

    def __init__(self, path: str) -> None:
        self._dialect = SQLITE
        self._connection = SqliteConnection(path)
        self._tables: dict[str, Table] = {}

    def open(self, meta: StoreMeta[T]) -> SqlBackend[T]:
        self.prepare((meta,))
        return SqlBackend(meta, self._tables[meta.name], self._dialect, self._connection, embedded=self.embedded)

    def prepare(self, metas: Sequence[StoreMeta[Any]]) -> None:
        for meta in metas:
            if meta.name not in self._tables:
                table = table_of(meta)
                self._create(table)
                if meta.sequences:
                    self._create(SEQUENCES)
                self._tables[meta.name] = table

    def close(self) -> None:
        self._connection.close()

    def _create(self, table: Table) -> None:
        with self._connection.transaction():
            self._connection.rows(self._text(CreateTable(table, if_not_exists=True)))
            kept = {name for _, name, *_ in self._connection.rows(f'PRAGMA table_info("{table.name}")')}
            if missing := [column.name for column in table.columns if column.name not in kept]:
                raise BackendUnavailable(f"The table {table.name} of this database lacks: {', '.join(missing)}")
            for index in table.indexes:
                self._connection.rows(self._text(CreateIndex(index, if_not_exists=True)))

    def _text(self, statement: CreateTable | CreateIndex) -> str:
        return str(statement.compile(dialect=self._dialect.compiler))


def connect(url: str, *, app: str, stage: str) -> SqlEngine:
    """The engine of a `sqlite:` URL; without a path, a database in memory that goes with the engine."""
    return SqlEngine(url.removeprefix("sqlite://").removeprefix("/") or ":memory:")
