"""Migrations of SQL tables: the parts that both engines share. A step is a list of statements; the engines differ in how they avoid long locks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any

from sqlalchemy import Column, DefaultClause, Index, MetaData, Table, literal_column
from sqlalchemy.sql import quoted_name

from ...errors import SchemaMismatch
from ...model.meta import StoreMeta
from ...model.schema import AttributeSchema, Schema
from ...model.schema_changes import Change, Effect
from ...model.stored_names import predecessors
from ...store.migration import Evolution, Report, Step, check_kinds
from .columns import SEQUENCES, table_of, table_text
from .ddl import Ddl
from .dialect import Connection, Dialect
from .stored_schema import StoredColumn, StoredIndex, stored_columns, stored_indexes, stored_schema
from .stored_values import StoredValues

COMPARED = frozenset({"unique_added", "key_changed"})
"""Kinds of changes that compare items with each other. They are checked after all values are known to be convertible."""
WITHOUT_STEP = frozenset(
    {
        *("item_added", "item_renamed", "table_changed", "item_removed", "engine_changed"),
        *("index_added", "index_removed", "unique_added", "unique_removed"),
        *(
            "members_added",
            "members_removed",
            "constraints_changed",
            "nested_changed",
            "nested_narrowed",
            "default_changed",
        ),
        *("link_added", "link_removed", "link_changed", "expires_changed"),
    }
)
"""Kinds of changes without a step: changes of a whole table, of indexes (found by comparison), and changes that columns do not show."""


class SqlMigrator:
    """Plans and makes the changes of the tables of one database. `schema`: the schema of the tables, None for the session's. `local`: the database is a file of this machine."""

    local = copies = False
    kinds: frozenset[str] = WITHOUT_STEP
    """The kinds of changes that the engine's migrator makes. Any other is refused."""

    def __init__(self, connection: Connection, dialect: Dialect, *, schema: str | None = None) -> None:
        self.engine = dialect.name
        self._connection, self._dialect, self._schema = connection, dialect, schema

    @cached_property
    def ddl(self) -> Ddl:
        return Ddl(self._dialect, self._schema)

    def stored(self, table: str, record: Schema | None, declared: StoreMeta[Any] | None) -> Schema | None:
        schema = None if declared is None else declared.schema
        return stored_schema(table, self.columns(table), self.indexes(table), record, schema, self._dialect)

    def columns(self, name: str) -> dict[str, StoredColumn]:
        """Return the columns of a table by name, none if there is no table."""
        return stored_columns(self._connection.rows, name, self._dialect)

    def indexes(self, name: str) -> list[StoredIndex]:
        """Return the indexes of a table except that of its key."""
        return sorted(stored_indexes(self._connection.rows, name, self._dialect), key=lambda one: one.name)

    def has_values(self, table: str, attribute: str) -> bool:
        """Return False: the stored schema has every column."""
        return False

    def count(self, table: str) -> int:
        [(count,)] = self._connection.rows(f"SELECT count(*) FROM {self.place(table)}")
        return int(count)

    def filled(self, table: str, attribute: str) -> int:
        if attribute not in self.columns(table):
            return 0
        text = f"SELECT count(*) FROM {self.place(table)} WHERE {self.quoted(attribute)} IS NOT NULL"
        [(count,)] = self._connection.rows(text)
        return int(count)

    def check(self, evolution: Evolution, allowed: Collection[str]) -> None:
        if evolution.stored is None or evolution.declared is None:
            return
        check_kinds(evolution, self.kinds)
        values = self.values(evolution.table, evolution.stored, evolution.declared)
        compared = [one for one in evolution.changes if one.kind in COMPARED]
        for changes in ([one for one in evolution.changes if one not in compared], compared):
            faults = [fault for change in changes for fault in values.faults(change, self._connection.rows)]
            if faults:
                message = "The stored items do not survive the changes, so nothing was changed"
                raise SchemaMismatch(message, faults=faults)

    def together(self) -> AbstractContextManager[None]:
        return nullcontext()

    def steps(self, evolution: Evolution, allowed: Collection[str]) -> Sequence[Step]:
        """Return the steps of an item that is new, removed or changed."""
        if evolution.declared is None:
            return list(self._removal(evolution, allowed))
        if evolution.stored is None:
            title = f"Create the table {evolution.declared.table}"
            return [self.step(title, self.ddl.create(table_of(evolution.declared, self._dialect)))]
        return [
            *self._sequences(evolution.name, evolution.stored, evolution.declared),
            *self.altering(evolution, evolution.stored, evolution.declared, allowed),
        ]

    def _sequences(self, former: str, stored: Schema, declared: StoreMeta[Any]) -> Iterator[Step]:
        """Yield the step that continues the sequences of a renamed item, or of renamed attributes, from their last numbers."""
        before, place = predecessors(stored, declared.schema), self.place(str(SEQUENCES.name))
        names = {
            f"{former}.{before[one].name}": f"{declared.name}.{one}" for one in declared.sequences if one in before
        }
        statements = [
            f"INSERT INTO {place} (name, last) SELECT '{name}', last FROM {place} WHERE name = '{old}' "
            f"ON CONFLICT (name) DO UPDATE SET last = excluded.last WHERE {place}.last < excluded.last"
            for old, name in names.items()
            if old != name
        ]
        if statements and self._connection.rows(self._dialect.columns_of, (SEQUENCES.name,)):
            yield self.step(f"Continue the sequences {', '.join(names)} as {', '.join(names.values())}", statements)

    def altering(
        self, evolution: Evolution, stored: Schema, declared: StoreMeta[Any], allowed: Collection[str]
    ) -> Iterator[Step]:
        """Yield the steps of an item that is stored and declared."""
        raise NotImplementedError

    def step(
        self,
        title: str,
        statements: Sequence[str],
        items: int | None = None,
    ) -> Step:
        """Return a step that runs statements."""

        def run(report: Report) -> None:
            self.execute(statements)
            report(items or 0)

        return Step(title=title, statements=tuple(statements), run=run, items=items)

    def execute(self, statements: Sequence[str]) -> None:
        """Run the statements of a step."""
        with self._connection.transaction():
            for statement in statements:
                self._connection.rows(statement)

    def values(self, name: str, stored: Schema, declared: StoreMeta[Any]) -> StoredValues:
        """Return the declared values in terms of the stored columns."""
        return StoredValues(name, stored, declared, self._dialect)

    def place(self, name: str) -> str:
        """Return the name of a table in SQL."""
        return table_text(Table(name, MetaData()), self._dialect)

    def quoted(self, name: str) -> str:
        """Return a name in SQL."""
        return self._dialect.compiler.identifier_preparer.quote(quoted_name(name, quote=True))

    def target(self, declared: StoreMeta[Any], values: StoredValues) -> Table:
        """Return the declared table. Its columns have the defaults of stored items, so that older code can still create items."""
        table = table_of(declared, self._dialect)
        for column in table.columns:
            default = values.default(column.name)
            if default is not None:
                column.server_default = DefaultClause(
                    literal_column(default)
                )  # `text` would read `:x` in it as a parameter
        return table

    def column(self, target: Table, name: str) -> Column[Any]:
        """Return a column of the declared table that belongs to no table yet."""
        found = target.c[name]
        return Column(name, found.type, nullable=found.nullable, server_default=found.server_default)

    def undeclared(self, stored: Schema, values: StoredValues, changes: Sequence[Change]) -> list[AttributeSchema]:
        """Return the stored attributes that are not declared and not deleted by one of these changes."""
        removed = {one.name for one in changes if one.kind == "attribute_removed"}
        sources, declared = {*values.sources.values()}, values.declared.attributes
        return [one for one in stored.attributes if one.name not in {*declared, *sources, *removed}]

    def differing_indexes(self, former: str, target: Table, values: StoredValues) -> tuple[list[str], list[Index]]:
        """Return the names of persisty's indexes that are not declared or unfinished, and the declared ones that are missing."""
        names = {source: name for name, source in values.sources.items()}
        declared = {str(one.name): one for one in by_name(target.indexes)}
        renamed, stale = self.renamed_indexes(former, target), list[str]()
        for one in self.indexes(former):
            if not one.name.startswith(f"{former}-"):
                continue
            new_name = renamed.get(one.name, one.name)
            index = declared.get(new_name)
            columns = tuple(names.get(column, column) for column in one.columns)
            if index is not None and one.valid and columns == tuple(column.name for column in index.columns):
                del declared[new_name]
            else:
                stale.append(one.name)
        return stale, [*declared.values()]

    def renamed_indexes(self, former: str, target: Table) -> dict[str, str]:
        """Return the indexes that get new names together with their table, with these names."""
        return {}

    def _removal(self, evolution: Evolution, allowed: Collection[str]) -> Iterator[Step]:
        """Yield the step that drops the table of an item that is no longer declared, if that is allowed."""
        if any(change.allow in allowed for change in evolution.changes):
            items = self.count(evolution.table)
            yield self.step(f"Drop the table {evolution.table}", [f"DROP TABLE {self.place(evolution.table)}"], items)


def by_name(indexes: Iterable[Index]) -> list[Index]:
    """Return indexes in the order of their names."""
    return sorted(indexes, key=lambda one: str(one.name))


def allowed_changes(changes: Sequence[Change], allowed: Collection[str]) -> list[Change]:
    """Return the changes without those that delete values and are not allowed."""
    return [one for one in changes if one.effect is not Effect.DESTRUCTIVE or one.allow in allowed]
