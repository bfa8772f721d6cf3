"""The tables of PostgreSQL after steps that are only planned: a model of the parts of the catalogue that the planning of steps reads.

A table is read from the server when it is first needed. Nothing is created there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import Table

from ....model.meta import StoreMeta
from ....model.schema import Schema
from ....store.backend import StoredTable
from ....store.migration import Evolution, Migrator, Step, check_kinds
from ..columns import table_of
from ..dialect import Dialect
from ..migrator import allowed_changes
from ..stored_schema import COLLATION, StoredColumn, StoredIndex
from ..stored_values import StoredValues
from .connection import PostgresConnection
from .migrator import KEY_LENGTH, PostgresMigrator
from .mirrored_columns import Mirror, MirroredColumns

NAME_BYTES = 58
"""Bytes of a table's name in the name that PostgreSQL gives the constraint of its key."""


class ForeseenTable(Struct, frozen=True):
    """A table as the planning of steps sees it. `items`: the number of its items."""

    columns: Mapping[str, StoredColumn]
    indexes: Sequence[StoredIndex]
    mirrors: Sequence[Mirror]
    key_names: Sequence[str]
    items: int


NONE = ForeseenTable({}, (), (), (), 0)
"""A table that does not exist."""


class ForeseenPostgres(PostgresMigrator):
    def __init__(self, connection: PostgresConnection, dialect: Dialect, schema: str | None) -> None:
        super().__init__(connection, dialect, schema)
        self._tables: dict[str, ForeseenTable] = {}

    def _at(self, name: str) -> ForeseenTable:
        if name not in self._tables:
            columns = super().columns(name)
            self._tables[name] = NONE
            if columns:
                self._tables[name] = ForeseenTable(
                    columns, super().indexes(name), super().mirrors(name), super().key_names(name), super().count(name)
                )
        return self._tables[name]

    def columns(self, name: str) -> dict[str, StoredColumn]:
        return dict(self._at(name).columns)

    def indexes(self, name: str) -> list[StoredIndex]:
        return [*self._at(name).indexes]

    def mirrors(self, table: str) -> list[Mirror]:
        return [*self._at(table).mirrors]

    def key_names(self, table: str) -> list[str]:
        return [*self._at(table).key_names]

    def count(self, name: str) -> int:
        return self._at(name).items

    def check(self, evolution: Evolution, allowed: Collection[str]) -> None:
        """Check the kinds of changes. The values are checked when the steps are run."""
        check_kinds(evolution, self.kinds)

    def migrator(self) -> Migrator:
        return self

    def is_empty(self, name: str) -> bool:
        return self.count(name) == 0

    def table(self, name: str) -> StoredTable | None:
        found = self._at(name)
        mirrored = frozenset(column for one in found.mirrors if one.filled for column in (one.old, one.new))
        return StoredTable(self.place(name), frozenset(found.columns), mirrored) if found.columns else None

    def advance(self, evolution: Evolution, steps: Sequence[Step], allowed: Collection[str]) -> None:
        former, stored, declared = evolution.table, evolution.stored, evolution.declared
        if declared is None:
            self._tables[former] = NONE if steps else self._at(former)
        elif stored is None:
            self._tables[declared.table] = self._created(declared)
        else:
            altered = self._altered(evolution, stored, declared, allowed)
            self._tables |= {former: NONE, declared.table: altered}

    def _created(self, declared: StoreMeta[Any]) -> ForeseenTable:
        table = table_of(declared, self._dialect)
        name = declared.table.encode()[:NAME_BYTES].decode(errors="ignore")
        columns = {column.name: self._column(table, column.name) for column in table.columns}
        return ForeseenTable(columns, _indexes(table), (), (f"{name}_pkey",), 0)

    def _altered(
        self, evolution: Evolution, stored: Schema, declared: StoreMeta[Any], allowed: Collection[str]
    ) -> ForeseenTable:
        """Return a table after the steps of `altering`."""
        former, changes = evolution.table, allowed_changes(evolution.changes, allowed)
        before, values = self._at(former), self.values(former, stored, declared)
        target = self.target(declared, values)
        removed = {one.name for one in changes if one.kind == "attribute_removed"}
        doubled = {old: new for new, old in values.sources.items() if self.doubled(old, new, values, before.items)}
        renamed = {old: new for new, old in values.sources.items() if old not in doubled}
        mirrored = self._mirrored_after(target.name, values, removed, doubled, renamed)
        gone = removed | {one.new for one in self.abandoned(former, values)}
        required = {one.name for one in changes if one.kind == "attribute_required"}
        kept = {renamed.get(name, name): one for name, one in before.columns.items() if name not in gone}
        required |= {name for name, one in kept.items() if one.required and name not in doubled}
        null = {name for name in mirrored.columns if name not in required}
        names = dict.fromkeys([*kept, *(one.name for one in changes if one.name in target.c), *target.c.keys()])
        replaced = {*self.unneeded_indexes(former, target, values, before.items), *(one.name for one in target.indexes)}
        others = [
            structs.replace(one, columns=tuple(renamed.get(column, column) for column in one.columns))
            for one in before.indexes
            if one.name not in replaced and gone.isdisjoint(one.columns)
        ]
        columns = {name: self._column(target, name, kept.get(name), null, mirrored.columns) for name in names}
        for name in [one.name for one in changes if one.kind == "attribute_retyped"]:
            source = before.columns.get(values.sources.get(name, name))
            for other in mirrored.group(name)[1:]:
                if source is not None and other in before.columns and source.is_of_type(before.columns[other]):
                    columns[other] = structs.replace(columns[other], type=columns[name].type)
        has_new_key = any(one.kind == "key_changed" for one in changes)
        return ForeseenTable(
            columns,
            _indexes(target, others),
            mirrored.mirrors,
            (f"{target.name[:KEY_LENGTH]}_pkey",) if has_new_key else before.key_names,
            before.items,
        )

    def _mirrored_after(
        self,
        table: str,
        values: StoredValues,
        removed: Collection[str],
        doubled: Mapping[str, str],
        renamed: Mapping[str, str],
    ) -> MirroredColumns:
        found = self.mirrored(values.table, table)
        for name in {one.new for one in self.abandoned(values.table, values)}:
            found.remove(name, None)
        for old, new in renamed.items():
            found.rename(old, new, None)
        for old, new in doubled.items():
            found.add(old, new, None)
        for name in removed:
            found.remove(name, None)
        found.mirrors = [structs.replace(one, filled=True) for one in found.mirrors]
        return found

    def _column(
        self,
        target: Table,
        name: str,
        before: StoredColumn | None = None,
        null: Collection[str] = (),
        mirrored: Collection[str] = (),
    ) -> StoredColumn:
        """Return a column of the declared table, or one that is no longer declared: new items leave it out. `null`: those that may be null because a trigger
        fills them. `mirrored`: those without a default."""
        column = target.c.get(name)
        if column is None:
            if before is None:
                raise KeyError(name)
            has_default = before.has_default and name not in mirrored
            return structs.replace(before, name=name, required=False, has_default=has_default, place=0)
        type_ = COLLATION.sub("", column.type.compile(dialect=self._dialect.compiler))
        key = [one.name for one in target.primary_key.columns]
        place = key.index(name) + 1 if name in key else 0
        required = not column.nullable and name not in null
        has_default = column.server_default is not None and name not in mirrored
        return StoredColumn(name, type_, required, has_default, place)


def _indexes(table: Table, others: Sequence[StoredIndex] = ()) -> list[StoredIndex]:
    """Return the declared indexes of a table and others, by name."""
    declared = [
        StoredIndex(str(one.name), bool(one.unique), tuple(column.name for column in one.columns), valid=True)
        for one in table.indexes
    ]
    return sorted([*declared, *others], key=lambda one: one.name)
