"""Statements that change tables, rendered by Alembic's operations. They are printed first, then run on persisty's own connections.

Alembic takes 450 ms to import, so only a migration imports it. Its batch mode would rebuild SQLite's tables from their reflection, without the
collation of decimals: `sqlite_migrator` rebuilds from the declaration instead.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from sqlalchemy import DDLElement, Table
from sqlalchemy.schema import CreateIndex, CreateTable

from ...drivers import driver
from .dialect import Dialect


class Ddl:
    """Renders statements for one dialect. `schema`: the schema of the tables, None for that of the session."""

    def __init__(self, dialect: Dialect, schema: str | None = None) -> None:
        self._dialect, self._buffer = dialect, io.StringIO()
        self.schema = schema
        options = {"as_sql": True, "output_buffer": self._buffer, "literal_binds": True}
        context = driver("alembic.runtime.migration").MigrationContext.configure(dialect=dialect.compiler, opts=options)
        self.operations = driver("alembic.operations").Operations(context)

    def text(self, operate: Callable[[Any], Any]) -> str:
        """Return the statements of one or several operations, without the last semicolon."""
        self._buffer.seek(0)
        self._buffer.truncate()
        operate(self.operations)
        return self._buffer.getvalue().strip().rstrip(";")

    def create(self, table: Table) -> list[str]:
        """Return the statements that create a table and its indexes."""
        indexes = sorted(table.indexes, key=lambda one: str(one.name))
        compiled: list[DDLElement] = [CreateTable(table), *map(CreateIndex, indexes)]
        return [str(one.compile(dialect=self._dialect.compiler)).strip() for one in compiled]
