"""The steps of renamed attributes on PostgreSQL: a mirrored column for as long as older code runs, see `mirrored_columns`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import structs
from sqlalchemy import Column, Table

from ....model.meta import StoreMeta
from ....model.schema import Schema
from ....model.schema_changes import Change
from ....store.migration import Step
from ..dialect import Dialect
from ..migrator import SqlMigrator
from ..stored_schema import stored_schema
from ..stored_values import StoredValues
from .backfills import backfill
from .connection import PostgresConnection
from .mirrored_columns import Mirror, MirroredColumns, filled, mirror_of, mirrors
from .required_columns import RequiredColumns


class RenamingMigrator(SqlMigrator):
    """The part of PostgreSQL's migrator that renames attributes."""

    def __init__(self, connection: PostgresConnection, dialect: Dialect, schema: str | None) -> None:
        super().__init__(connection, dialect, schema=schema)
        self._postgres = connection
        self._required = RequiredColumns(self, connection.rows, dialect)
        self._in_schema = f"{self.quoted(schema)}." if schema else ""

    def mirrors(self, table: str) -> list[Mirror]:
        """Return the renamed columns of a table that older code still uses."""
        return mirrors(self._connection.rows, table, self._schema)

    def mirrored(self, former: str, name: str | None = None) -> MirroredColumns:
        """Return the mirrored columns of a table. `name`: its name when the steps run."""
        name = name or former
        return MirroredColumns(name, self.mirrors(former), self.place(name), self._in_schema)

    def stored(self, name: str, record: Schema | None, declared: StoreMeta[Any] | None) -> Schema | None:
        """Return the schema of a table. A column that is not filled yet is left out, so that the rename goes on. One that is filled may be null, so it is required if
        the attribute was required under any of its names."""
        columns, schema = self.columns(name), None if declared is None else declared.schema
        described = record or schema
        applied = {} if described is None else {one.name: one for one in described.attributes}
        names = applied.keys() | ({one.name for one in schema.attributes} if schema else set())
        mirrored = self.mirrored(name)
        for one in mirrored.mirrors:
            if not one.filled:
                columns.pop(one.new, None)
        mirrored.mirrors = [one for one in mirrored.mirrors if one.filled]
        for column in columns.keys() & names & {*mirrored.columns}:
            known = next((applied[each] for each in mirrored.group(column) if each in applied), None)
            required = known is not None and not known.optional
            columns[column] = structs.replace(columns[column], required=required)
        return stored_schema(name, columns, self.indexes(name), record, schema, self._dialect)

    def abandoned(self, former: str, values: StoredValues) -> list[Mirror]:
        """Return the renames that were interrupted and are no longer declared."""
        columns = self.columns(former)
        return [
            one
            for one in self.mirrors(former)
            if not one.filled and one.old in columns and values.sources.get(one.new) != one.old
        ]

    def doubled(self, old: str, new: str, values: StoredValues, items: int) -> bool:
        """Return whether a renamed column is mirrored for older code: not for an empty table, a key or another type."""
        if (
            old in values.stored.key
            or new in values.declared.key.attributes
            or values.converted(new)[0] != self.quoted(old)
        ):
            return False
        return items > 0 or new in self.columns(values.table)

    def _taken_back(self, values: StoredValues, target: Table, mirrored: MirroredColumns) -> Iterator[Step]:
        """Yield the steps that drop the unfilled copies of a rename that was interrupted and is no longer declared. No code has read or written them."""
        for one in self.abandoned(values.table, values):
            default = self._default_of(mirrored.group(one.old), target, values)
            statements = [*mirrored.remove(one.new, default), self._dropped(target.name, one.new)]
            yield self.step(f"The rename of {one.old} to {one.new} was interrupted: drop its copies", statements)

    def _without_defaults(self, table: str, former: str, mirrored: MirroredColumns) -> Iterator[Step]:
        """Yield the step that drops the defaults of mirrored columns, which would replace the values of other code."""
        columns = self.columns(former)
        names = [one for one in mirrored.columns if one in columns and columns[one].has_default]
        if names:
            dropping = ", ".join(f"ALTER COLUMN {self.quoted(one)} DROP DEFAULT" for one in names)
            title = f"The values of older code count, not the defaults of {', '.join(names)}"
            yield self.step(title, [f"ALTER TABLE {self.place(table)} {dropping}"])

    def _renamed(
        self, one: Change, target: Table, values: StoredValues, items: int, mirrored: MirroredColumns
    ) -> Iterator[Step]:
        """Yield the steps of a rename: in place if there are no items or the column cannot be mirrored, otherwise with a mirrored column."""
        table, old, new = target.name, str(one.before), one.name
        default = self._default_of((new,), target, values)
        if not self.doubled(old, new, values, items):
            text = self.ddl.text(lambda op: op.alter_column(table, old, new_column_name=new, schema=self._schema))
            yield self.step(one.message, [text, *mirrored.rename(old, new, default)])
            return
        place, added = self.place(table), Column(new, target.c[new].type, nullable=True)
        exists = new in self.columns(values.table)
        adding = self.ddl.text(lambda op: op.add_column(table, added, schema=self._schema))
        statements = [
            *([] if exists else [adding]),
            f"ALTER TABLE {place} ALTER COLUMN {self.quoted(old)} DROP DEFAULT, ALTER COLUMN {self.quoted(old)} DROP NOT NULL",
            *mirrored.add(old, new, default),
        ]
        yield self.step(f"{one.message}: both are written until {old} is dropped", statements)
        missing = f"{self.quoted(new)} IS NULL AND {self.quoted(old)} IS NOT NULL"
        assignment = f"{self.quoted(new)} = {self.quoted(old)}"
        yield self._backfill(f"Copy {old} to {new}", target, values, assignment, missing, items)
        yield self.step(f"{new} has all values", [filled(mirror_of(table, old, new), place)])

    def _removed(self, one: Change, target: Table, values: StoredValues, mirrored: MirroredColumns) -> Iterator[Step]:
        """Yield the steps that drop a column. The last one of a group gets the default, and is required, as if it had never been mirrored."""
        name, [_, *others] = one.name, mirrored.group(one.name)
        statements = mirrored.remove(name, self._default_of(others, target, values))
        statements.append(self._dropped(target.name, name))
        last = others[0] if len(others) == 1 and others[0] in target.c else None
        default = None if last is None else values.default(last)
        if last is not None and default is not None:
            statements.append(self._defaulting(target.name, last, default))
        yield self.step(one.message, statements)
        if last is not None and not target.c[last].nullable:
            fill = None if default is None else self._filling(f"{last} has all values", last, default, target, values)
            yield from self._required.steps(target, values.declared, last, None, fill)

    def _filled_with_default(
        self, one: Change, target: Table, values: StoredValues, items: int, mirrored: MirroredColumns
    ) -> Iterator[Step]:
        """Yield the steps that give items without a value the declared default."""
        default = values.default(one.name)
        if default is None:
            return
        setting = [self._defaulting(target.name, one.name, default)]
        yield self.step(f"{one.name} has a default", mirrored.functions(one.name, default) or setting)
        yield self._filling(one.message, one.name, default, target, values, items)

    def _default_of(self, columns: tuple[str, ...] | list[str], target: Table, values: StoredValues) -> str | None:
        """Return the default of the required attribute among mirrored columns, in SQL. An optional one has None where no value was written."""
        name = next((one for one in columns if one in target.c and not target.c[one].nullable), None)
        return None if name is None else values.default(name)

    def _filling(
        self, title: str, name: str, default: str, target: Table, values: StoredValues, items: int | None = None
    ) -> Step:
        column = self.quoted(name)
        return self._backfill(title, target, values, f"{column} = {default}", f"{column} IS NULL", items)

    def _backfill(
        self, title: str, target: Table, values: StoredValues, assignment: str, missing: str, items: int | None
    ) -> Step:
        rows, place = self._connection.rows, self.place(target.name)
        return backfill(rows, values, place, title, assignment=assignment, missing=missing, items=items)

    def _defaulting(self, table: str, name: str, default: str) -> str:
        return f"ALTER TABLE {self.place(table)} ALTER COLUMN {self.quoted(name)} SET DEFAULT {default}"

    def _dropped(self, table: str, name: str) -> str:
        return self.ddl.text(lambda op: op.drop_column(table, name, schema=self._schema))
