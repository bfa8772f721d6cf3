"""The schema of the items in a table: its columns and indexes, with the types of the schema that was applied last.

Several types share a column type, so the table alone does not determine whether a text is a string or a date. The applied schema does, as long as
the column has the type that it implies; otherwise the declaration does, and last the column itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import groupby
from typing import Any

from msgspec import Struct, structs

from ...model.schema import AttributeSchema, IndexSchema, Schema
from ...model.schema_differences import form
from ...model.schema_types import (
    Anything,
    Binary,
    Boolean,
    Date,
    Datetime,
    Dict,
    Float,
    Integer,
    Number,
    String,
    Type,
    Uuid,
)
from ...model.types import Kind
from ...model.value_conversions import kind_of_form
from .dialect import Dialect

Rows = Callable[..., list[tuple[Any, ...]]]
"""A function that runs a statement and returns its rows."""
COLLATION = re.compile(r' COLLATE "?\w+"?', re.IGNORECASE)
SAME = {"character varying": "text"}
"""Type of a column → the type that stores the same values."""
SCALARS: dict[Kind, Type] = {
    Kind.STRING: String(),
    Kind.INTEGER: Integer(),
    Kind.FLOAT: Float(),
    Kind.BOOLEAN: Boolean(),
    Kind.DATETIME: Datetime(),
    Kind.DATE: Date(),
    Kind.UUID: Uuid(),
    Kind.DECIMAL: Number(),
    Kind.BYTES: Binary(),
}
"""Kind → its type. Of kinds that share a column type, the first one is chosen."""
UNKNOWN = Dict(keys=String(), values=Anything())
"""The type of a column that persisty did not create. It is not converted."""


class StoredColumn(Struct, frozen=True):
    """A column as the database describes it. `place`: its position in the primary key, from 1; 0 if it is not a part of the key."""

    name: str
    type: str
    required: bool
    has_default: bool
    place: int

    def is_of_type(self, other: StoredColumn) -> bool:
        """Return whether both columns store the same values."""
        return comparable(self.type) == comparable(other.type)


class StoredIndex(Struct, frozen=True):
    """An index except that of the primary key. `valid`: False if PostgreSQL has not finished building it."""

    name: str
    unique: bool
    columns: tuple[str, ...]
    valid: bool


def stored_columns(rows: Rows, table: str, dialect: Dialect) -> dict[str, StoredColumn]:
    """Return the columns of a table by name."""
    return {
        name: StoredColumn(name, type_, bool(required), bool(has_default), int(place))
        for name, type_, required, has_default, place in rows(dialect.columns_of, (table,))
    }


def stored_indexes(rows: Rows, table: str, dialect: Dialect) -> list[StoredIndex]:
    """Return the indexes of a table."""
    found = groupby(rows(dialect.indexes_of, (table,)), lambda row: (row[0], bool(row[1]), bool(row[3])))
    return [StoredIndex(name, unique, tuple(row[2] for row in some), valid) for (name, unique, valid), some in found]


def comparable(type_: str) -> str:
    """Return the canonical spelling of a column type among those that store the same values."""
    spelled = type_.casefold()
    return SAME.get(spelled, spelled)


def column_type(kind: Kind, dialect: Dialect) -> str:
    """Return the column type of a kind, as the database describes it."""
    text: str = dialect.columns[kind].type.compile(dialect=dialect.compiler)
    return comparable(COLLATION.sub("", text))


def stored_schema(
    table: str,
    columns: Mapping[str, StoredColumn],
    indexes: Iterable[StoredIndex],
    record: Schema | None,
    declared: Schema | None,
    dialect: Dialect,
) -> Schema | None:
    """Return the schema of a table; None for a table without columns."""
    base = record or declared
    if base is None or not columns:
        return None
    schemas = [schema for schema in (record, declared) if schema is not None]
    types = {name: one for schema in reversed(schemas) for name, one in schema.types.items()}
    key = tuple(one.name for one in sorted(columns.values(), key=lambda one: one.place) if one.place)
    return structs.replace(
        base,
        attributes=tuple(_attribute(column, schemas, dialect) for column in columns.values()),
        key=key,
        indexes=tuple(
            _index(one, key, schemas, columns) for one in indexes if one.valid and one.name.startswith(f"{table}-")
        ),
        types=types,
    )


def _attribute(column: StoredColumn, schemas: Iterable[Schema], dialect: Dialect) -> AttributeSchema:
    """Return the attribute of a column."""
    type_, name = comparable(column.type), column.name
    optional = not column.required and not column.place
    for schema in schemas:
        declared = [one for one in schema.attributes if name in (one.name, *one.former_names)]
        for one in sorted(declared, key=lambda one: one.name != name):
            if column_type(kind_of_form(form(schema, one)), dialect) == type_:
                return structs.replace(one, id=name, name=name, optional=optional, former_names=())
    found = next((made for kind, made in SCALARS.items() if column_type(kind, dialect) == type_), UNKNOWN)
    return AttributeSchema(id=name, name=name, type=found, optional=optional)


def _index(
    index: StoredIndex, key: tuple[str, ...], schemas: Iterable[Schema], columns: Collection[str]
) -> IndexSchema:
    """Return the declared form of an index. Of several with the same columns, return the currently declared one."""
    for schema in reversed([*schemas]):
        names = former_columns(schema, columns)
        for one in schema.indexes:
            attributes = tuple(names.get(name, name) for name in one.attributes)
            if one.unique == index.unique and columns_of(attributes, key, unique=one.unique) == index.columns:
                return IndexSchema(attributes=attributes, unique=one.unique)
    return IndexSchema(attributes=index.columns, unique=index.unique)


def former_columns(schema: Schema, columns: Collection[str]) -> dict[str, str]:
    """Return attribute → the column that has its values under a former name."""
    declared = {one.name for one in schema.attributes}
    return {
        one.name: former
        for one in schema.attributes
        for former in one.former_names
        if one.name not in columns and former in columns and former not in declared
    }


def columns_of(attributes: Iterable[str], key: Iterable[str], *, unique: bool) -> tuple[str, ...]:
    """Return the columns of an index: one that is not unique ends on the key, as every order does."""
    return tuple(attributes) if unique else tuple(dict.fromkeys((*attributes, *key)))
