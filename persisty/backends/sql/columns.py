"""How values are kept in columns: one row per kind with the column type and the functions to and from it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)
from sqlalchemy.types import TypeEngine

from ...model.meta import Attribute, StoreMeta
from ...model.types import Kind, bare, datetime_text

DECIMAL_COLLATION = "persisty_decimal"

Convert = Callable[[Any], Any]


class ColumnKind(Struct, frozen=True):
    """`encode`/`decode` never see None; None in their place means that the driver's value is the item's."""

    type: TypeEngine[Any]
    encode: Convert | None = None
    decode: Convert | None = None


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


COLUMNS: dict[Kind, ColumnKind] = {
    Kind.STRING: ColumnKind(Text()),
    Kind.INTEGER: ColumnKind(BigInteger()),
    Kind.FLOAT: ColumnKind(Float(), None, float),  # SQLite's RETURNING gives 1 for 1.0
    Kind.BOOLEAN: ColumnKind(Integer(), int, bool),
    Kind.DATETIME: ColumnKind(Text(), datetime_text, datetime.fromisoformat),
    Kind.DATE: ColumnKind(Text(), date.isoformat, date.fromisoformat),
    Kind.UUID: ColumnKind(Text(), str, partial(msgspec.convert, type=UUID)),
    Kind.DECIMAL: ColumnKind(Text(collation=DECIMAL_COLLATION), str, Decimal),
    Kind.BYTES: ColumnKind(LargeBinary()),
}
"""Enums and JSON depend on the attribute and have no row: see `column_kind`."""


def column_kind(attribute: Attribute) -> ColumnKind:
    """The row of the attribute's kind."""
    if attribute.kind is Kind.ENUM:
        enum = bare(attribute.type)
        whole = all(isinstance(member.value, int) for member in enum)
        return ColumnKind(BigInteger() if whole else Text(), lambda member: member.value, enum)
    if attribute.kind is Kind.JSON:
        return ColumnKind(Text(), _json, msgspec.json.Decoder(attribute.type).decode)
    return COLUMNS[attribute.kind]


def table_of(meta: StoreMeta[Any]) -> Table:
    """The table of an item, in key order, with an index for each one declared."""
    columns = [
        Column(name, column_kind(attribute).type, nullable=attribute.optional)
        for name, attribute in meta.attributes.items()
    ]
    table = Table(meta.name, MetaData(), *columns, PrimaryKeyConstraint(*meta.key.attributes), sqlite_with_rowid=False)
    for index in meta.indexes:
        Index(f"{meta.name}-{index.name}", *(table.c[name] for name in index.attributes))
    return table


class RowCodec:
    """Item ⇄ row, compiled once per item."""

    def __init__(self, meta: StoreMeta[Any]) -> None:
        kinds = {name: column_kind(attribute) for name, attribute in meta.attributes.items()}
        self.encoders: dict[str, Convert | None] = {name: kind.encode for name, kind in kinds.items()}
        self._item = meta.item
        self._names = tuple(meta.attributes)
        self._columns = tuple((meta.attributes[name].get, kind.encode) for name, kind in kinds.items())
        self._decoders = tuple((name, kind.decode) for name, kind in kinds.items() if kind.decode is not None)

    def row(self, item: Any) -> list[Any]:
        """The values of an item's columns, in the order of the attributes."""
        return [
            value if (value := get(item)) is None or encode is None else encode(value) for get, encode in self._columns
        ]

    def value(self, name: str, value: Any) -> Any:
        """One value as its column keeps it."""
        encode = self.encoders[name]
        return value if value is None or encode is None else encode(value)

    def item(self, row: tuple[Any, ...]) -> Any:
        """The item of a row whose columns are in the order of the attributes."""
        values = dict(zip(self._names, row, strict=True))
        for name, decode in self._decoders:
            value = values[name]
            if value is not None:
                values[name] = decode(value)
        return self._item(**values)
