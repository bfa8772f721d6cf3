"""The tables of a SQLite file after steps that are only planned: an empty copy of its tables in memory, on which the steps are run.

So the statements of later steps are exact. The numbers of items are those of the file.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ...store.backend import StoredTable
from ...store.migration import Evolution, Migrator, Report, Step
from .dialect import Connection
from .sqlite import SQLITE
from .sqlite_connection import SqliteConnection
from .sqlite_migrator import SqliteMigrator

OBJECTS = """
SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
ORDER BY sql LIKE 'CREATE VIRTUAL%' DESC, type <> 'table', rowid
""".strip()
"""The statements that create everything in a file. A virtual table comes first, because it creates tables of its own."""
EXISTS = "SELECT 1 FROM sqlite_master WHERE name = ?"


class ForeseenSqlite(SqliteMigrator):
    """The copy of the file of a connection."""

    def __init__(self, file: Connection) -> None:
        copy = SqliteConnection(":memory:")
        for name, statement in file.rows(OBJECTS):
            if not copy.rows(EXISTS, (name,)):
                copy.rows(statement)
        super().__init__(copy, SQLITE, local=True)
        self._file, self._items = SqliteMigrator(file, SQLITE, local=True), dict[str, int]()

    def count(self, name: str) -> int:
        if name not in self._items:
            self._items[name] = self._file.count(name) if self._file.columns(name) else 0
        return self._items[name]

    def migrator(self) -> Migrator:
        return self

    def is_empty(self, name: str) -> bool:
        return not self.columns(name) or self.count(name) == 0

    def table(self, name: str) -> StoredTable | None:
        columns = frozenset(self.columns(name))
        return StoredTable(self.place(name), columns) if columns else None

    def advance(self, evolution: Evolution, steps: Sequence[Step], allowed: Collection[str]) -> None:
        former, declared = evolution.table, evolution.declared
        for step in steps:
            step.run(Report(lambda items: None))
        if declared is None:
            self._items[former] = 0 if steps else self.count(former)
        elif declared.table != former:
            self._items[declared.table], self._items[former] = self.count(former), 0
