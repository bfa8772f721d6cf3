"""Migrations of SQLite: all steps of an app run in one transaction, so a migration has all of its effects or none.

SQLite alters a table only by adding, renaming and dropping columns. For anything else the table is rebuilt, as "Making Other Kinds Of Table Schema
Changes" in the manual of ALTER TABLE says: a new table, the converted rows, and the name of the old one. The user's own indexes and triggers are
created again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Column, Table
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.types import UserDefinedType

from ...model.meta import StoreMeta
from ...model.schema import Schema
from ...model.schema_changes import Change
from ...store.migration import Evolution, Step
from .dialect import Connection, Dialect
from .migrator import WITHOUT_STEP, SqlMigrator, allowed_changes, by_name
from .stored_values import StoredValues

REBUILT = frozenset({"attribute_optional", "attribute_required", "attribute_retyped", "key_changed"})
"""Kinds of changes for which a table is rebuilt."""
IN_PLACE = frozenset({"attribute_renamed", "attribute_added", "attribute_removed"})
"""Kinds of changes that `_in_place` makes."""
OWN_PARTS = """
SELECT sql FROM sqlite_master WHERE tbl_name = ? AND type IN ('index', 'trigger') AND sql IS NOT NULL AND substr(name, 1, length(?)) <> ?
""".strip()
"""The statements that create the indexes and triggers of a table, except persisty's."""


class Written(UserDefinedType[Any]):
    """A column type, as the database describes it."""

    cache_ok = True

    def __init__(self, text: str) -> None:
        self._text = text

    def get_col_spec(self, **_: Any) -> str:
        return self._text


class SqliteMigrator(SqlMigrator):
    """`local`: the database is a file of this machine, not in memory."""

    kinds = WITHOUT_STEP | REBUILT | IN_PLACE

    def __init__(self, connection: Connection, dialect: Dialect, *, local: bool) -> None:
        super().__init__(connection, dialect)
        self.local = local

    def together(self) -> AbstractContextManager[None]:
        return self._connection.transaction()

    def altering(
        self, evolution: Evolution, stored: Schema, declared: StoreMeta[Any], allowed: Collection[str]
    ) -> Iterator[Step]:
        former, name = evolution.table, declared.table
        changes = allowed_changes(evolution.changes, allowed)
        values = self.values(former, stored, declared)
        target, items = self.target(declared, values), self.count(former)
        stale, missing = self.differing_indexes(former, target, values)
        if former != name:
            yield self.step(
                f"Rename the table {former} to {name}", [self.ddl.text(lambda op: op.rename_table(former, name))]
            )
        undeclared = self.undeclared(stored, values, changes)
        redeclared = {one.name for one in changes if one.kind == "attribute_removed"} & {*declared.attributes}
        rebuilt = [one for one in changes if one.kind in REBUILT or one.blocked is not None or one.name in redeclared]
        required = [one.name for one in undeclared if not one.optional]
        if rebuilt or required:
            why = [one.message for one in changes if one.kind.startswith(("attribute_", "key_", "members_"))]
            why += [f"{name} is no longer declared, and its values stay" for name in required]
            statements = self._rebuild(former, target, values, [one.name for one in undeclared])
            yield self.step(f"Rebuild the table {name}: {'; '.join(why)}", statements, items)
            return
        if stale:
            dropping = [f"DROP INDEX {self.quoted(one)}" for one in stale]
            yield self.step(f"Drop the index{'' if len(stale) == 1 else 'es'} {', '.join(stale)}", dropping)
        yield from self._in_place(name, changes, target)
        for index in missing:
            creating = str(CreateIndex(index).compile(dialect=self._dialect.compiler))
            yield self.step(f"Create the index {index.name}", [creating], items)

    def _in_place(self, table: str, changes: Sequence[Change], target: Table) -> Iterator[Step]:
        """Yield the steps that SQLite makes without a new table."""
        for one in changes:
            name, before = one.name, one.before
            match one.kind:
                case "attribute_renamed":
                    text = self.ddl.text(lambda op: op.alter_column(table, before, new_column_name=name))  # noqa: B023
                case "attribute_added":
                    text = self.ddl.text(lambda op: op.add_column(table, self.column(target, name)))  # noqa: B023
                case "attribute_removed":
                    text = self.ddl.text(lambda op: op.drop_column(table, name))  # noqa: B023
                case kind if kind in IN_PLACE:
                    raise NotImplementedError(f"no step of {kind}")
                case _:
                    continue
            yield self.step(one.message, [text])

    def _rebuild(self, former: str, target: Table, values: StoredValues, undeclared: Sequence[str]) -> list[str]:
        """Return the statements that make the declared table of the stored one. The `undeclared` columns are not declared, and may be null."""
        name = target.name
        temporary = f"{name}-migrating"
        types = {one.name: one.type for one in self.columns(former).values()}
        own = [row[0] for row in self._connection.rows(OWN_PARTS, (former, f"{former}-", f"{former}-"))]
        indexes = [str(CreateIndex(one).compile(dialect=self._dialect.compiler)) for one in by_name(target.indexes)]
        names = ", ".join(map(self.quoted, [*values.declared.attributes, *undeclared]))
        found = ", ".join([*map(values.value, values.declared.attributes), *map(self.quoted, undeclared)])
        for one in undeclared:
            target.append_column(Column(one, Written(types[one]), nullable=True))
        target.name = temporary
        return [
            str(CreateTable(target).compile(dialect=self._dialect.compiler)).strip(),
            f"INSERT INTO {self.quoted(temporary)} ({names}) SELECT {found} FROM {self.quoted(name)}",
            f"DROP TABLE {self.quoted(name)}",
            f"ALTER TABLE {self.quoted(temporary)} RENAME TO {self.quoted(name)}",
            *indexes,
            *own,
        ]
