"""Compare the table of a database with the declaration of its item, before the first read.

Each difference that matters is a fault with the column, the stored type, the declared type, and the statement that resolves it. These differences
are harmless and pass: a column without an attribute that is nullable or has a default, and a nullable column of a required attribute in which
no item has a null.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Table
from sqlalchemy.sql import quoted_name

from ...errors import Fault, SchemaMismatch
from ...model.meta import StoreMeta
from ...model.missing_values import value_before
from ...model.schema import AttributeSchema
from ...model.schema_differences import named_before, remedy
from .added_columns import adding_column
from .columns import RowCodec, table_text
from .dialect import Dialect
from .row_keys import key_of_row
from .stored_schema import COLLATION, Rows, StoredColumn, comparable, stored_columns, stored_indexes


class Comparison:
    """Finds the differences between one table and its declaration."""

    def __init__(self, meta: StoreMeta[Any], table: Table, dialect: Dialect, rows: Rows) -> None:
        self._meta, self._table, self._dialect, self._rows = meta, table, dialect, rows
        self._codec, self._place = RowCodec(meta, dialect), table_text(table, dialect)
        self._stored = stored_columns(rows, table.name, dialect)

    @property
    def missing(self) -> list[str]:
        """The attributes without a column."""
        return [column.name for column in self._table.columns if column.name not in self._stored]

    @property
    def _renamed(self) -> dict[str, str]:
        """Column → the missing attribute whose former name it has."""
        missing = {*self.missing}
        return {
            former: one.name
            for one in self._meta.schema.attributes
            for former in one.former_names
            if one.name in missing and former in self._stored and former not in self._table.c
        }

    def adding(self, name: str) -> str | None:
        """Return the statement that adds a column, None if stored items have no value for it."""
        return adding_column(self._meta, self._table, name, self._codec, self._dialect)

    def check(self, *, adds_columns: bool) -> None:
        """Raise `SchemaMismatch` with every difference that matters. `adds_columns`: the engine adds columns that it can add."""
        faults = [fault for fault in self._missing(adds_columns) if fault is not None]
        faults += self._key()
        for name, stored in self._stored.items():
            faults += self._declared_column(stored) if name in self._table.c else self._undeclared_column(stored)
        faults += self._uniques()
        if faults:
            raise SchemaMismatch(faults=faults)

    def _fault(self, name: str, message: str, expected: str | None = None, found: str | None = None) -> Fault:
        return Fault(f"/{self._meta.name}/{name}", message, expected, found)

    def _attribute(self, name: str) -> AttributeSchema:
        return next(one for one in self._meta.schema.attributes if one.name == name)

    def _missing(self, adds_columns: bool) -> Iterator[Fault | None]:
        former = {name: was for was, name in self._renamed.items()}
        for name in self.missing:
            if name in former:
                table, was = self._place, former[name]
                renaming = f"ALTER TABLE {table} RENAME COLUMN {self._quoted(was)} TO {self._quoted(name)}"
                yield self._fault(
                    name, f"The column has its former name. `persisty migrate` renames it. By hand: {renaming}"
                )
                continue
            statement = self.adding(name)
            if statement is None:
                yield self._fault(
                    name,
                    f"The table lacks the column, and stored items have no value for it: {remedy(self._attribute(name))}",
                )
            elif not adds_columns:
                yield self._fault(name, f"The table lacks the column. `persisty migrate` adds it. By hand: {statement}")

    def _key(self) -> Iterator[Fault]:
        keyed = sorted((one for one in self._stored.values() if one.place), key=lambda one: one.place)
        stored, declared = [one.name for one in keyed], list(self._meta.key.attributes)
        if stored != declared:
            yield Fault(
                f"/{self._meta.name}",
                "The table has another key. " + self._dialect.remedies["key"].format(table=self._place),
                ", ".join(declared),
                ", ".join(stored) or "none",
            )

    def _declared_column(self, stored: StoredColumn) -> Iterator[Fault]:
        """Yield the faults of a column that has an attribute."""
        name, declared = stored.name, self._declared(stored.name)
        attribute = self._meta.attributes[name]
        if comparable(stored.type) != comparable(declared):
            yield self._fault(name, f"The column has another type. {self._remedy('type', name)}", declared, stored.type)
        elif attribute.optional and stored.required and not stored.place:
            yield self._fault(
                name, f"The column does not allow null. {self._remedy('null', name)}", f"{declared} or null", declared
            )
        elif not attribute.optional and not stored.required and not stored.place:
            yield from self._nulls(name, declared)

    def _nulls(self, name: str, declared: str) -> Iterator[Fault]:
        """Yield a fault if an item has a null in a required attribute."""
        key = ", ".join(map(self._quoted, self._meta.key.attributes))
        column, has_default = self._quoted(name), value_before(self._meta.attributes[name]) is not None
        place = self._dialect.compiler.identifier_preparer.format_table(self._table)
        remedy = (
            "`persisty migrate` gives it the default"
            if has_default
            else "Give it one with code in which the attribute may be None, then run `persisty migrate`, or declare a default"
        )
        found = self._rows(f"SELECT {key} FROM {place} WHERE {column} IS NULL LIMIT 1")
        for values in found:
            item = key_of_row(self._meta, self._dialect, values)
            message = f"The attribute is required, but the item {item} has no value. {remedy}"
            yield self._fault(name, message, declared, "null")

    def _undeclared_column(self, stored: StoredColumn) -> Iterator[Fault]:
        """Yield a fault if a new item cannot leave the column out."""
        if stored.required and not stored.has_default and stored.name not in self._renamed:
            yield self._fault(
                stored.name,
                "The column has no attribute and requires a value, so no item can be created. "
                + self._former_name(stored)
                + self._remedy("dropped", stored.name),
                found=f"{stored.type} NOT NULL",
            )

    def _former_name(self, stored: StoredColumn) -> str:
        """Return the advice to rename the column for an attribute without one. Empty if no such attribute has its type."""
        type_ = comparable(stored.type)
        candidates = [name for name in self.missing if comparable(self._declared(name)) == type_]
        if not candidates:
            return ""
        return f"If {' or '.join(candidates)} is its new name, declare {named_before(stored.name)} there. Otherwise: "

    def _uniques(self) -> Iterator[Fault]:
        """Yield a fault for each unique index that persisty made for a `Unique` which is no longer declared. An index over a column without an attribute
        refuses no new item."""
        declared = {str(index.name) for index in self._table.indexes}
        schema, dot, _ = self._place.rpartition(".")
        for one in stored_indexes(self._rows, self._table.name, self._dialect):
            name, has_attributes = one.name, all(column in self._table.c for column in one.columns)
            if (
                one.unique
                and has_attributes
                and name.startswith(f"{self._table.name}-unique-")
                and name not in declared
            ):
                yield Fault(
                    f"/{self._meta.name}",
                    f"The table has a unique index that is not declared. `persisty migrate` drops it. By hand: DROP INDEX {schema}{dot}{self._quoted(name)}",
                    found=name,
                )

    def _declared(self, name: str) -> str:
        return COLLATION.sub("", self._table.c[name].type.compile(dialect=self._dialect.compiler))

    def _remedy(self, difference: str, name: str) -> str:
        column = self._table.c.get(name)
        return self._dialect.remedies[difference].format(
            table=self._place,
            column=self._quoted(name),
            type="" if column is None else self._declared(name),
        )

    def _quoted(self, name: str) -> str:
        return self._dialect.compiler.identifier_preparer.quote(quoted_name(name, quote=True))
