"""Values of fields within SQLite's stored JSON, null if they do not have the declared type (`model.stored_objects` has the rule).

The functions are registered with each connection. They decode texts as msgspec does, which decides whether the item can be read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Text, and_, case, cast, collate, func, literal_column, not_

from ...model.meta import Attribute
from ...model.stored_members import stored_kind
from ...model.types import TEXT, Kind, datetime_text
from ...model.unreadable_items import FAULTS
from .dialect import Column

DECIMAL_COLLATION = "persisty_decimal"
ZERO: Column = literal_column("0")
TYPES: dict[Kind, tuple[str, ...]] = {
    Kind.STRING: ("text",),
    Kind.INTEGER: ("integer",),
    Kind.FLOAT: ("integer", "real"),
    Kind.BOOLEAN: ("true", "false"),
    Kind.DECIMAL: ("text", "integer", "real"),
}
"""Kind → the types of JSON that its values have, as `json_type` names them. Every other kind is read by a row of `READERS`, or is JSON."""


def nested(column: Column, attribute: Attribute) -> Column:
    """Return the expression of a nested value in a column of JSON."""
    kind, at = stored_kind(attribute), _path(attribute.path)
    value: Column = func.json_extract(column, at)
    if kind in TEXT:
        steps = _literal(msgspec.json.encode(attribute.path).decode())
        has_zero = func.instr(column, _literal(r"\u0000")) > ZERO
        value = case((has_zero, func.persisty_nested_text(column, steps)), else_=value)
    if kind in READERS:
        read = getattr(func, f"persisty_nested_{kind}")(value)
        value = case(COMMON[kind](value), else_=read) if kind in COMMON else read
    if kind in TYPES:
        value = case((func.json_type(column, at).in_(list(map(_literal, TYPES[kind]))), value))
    return collate(value, DECIMAL_COLLATION) if kind is Kind.DECIMAL else value


def is_json_null(column: Column, path: tuple[str, ...]) -> Column:
    """Return whether the JSON has a null at a path."""
    return func.json_type(column, _path(path)) == _literal("null")


def lacks(column: Column, path: tuple[str, ...]) -> Column:
    """Return whether the object before the last step of a path lacks that member."""
    within = func.json_type(column, _path(path[:-1])) == _literal("object")
    return and_(func.json_type(column, _path(path)).is_(None), within)


def add_nested_functions(connection: sqlite3.Connection) -> None:
    """Give a connection the functions of these expressions."""
    connection.create_function("persisty_nested_text", 2, _text, deterministic=True)
    for kind, read in READERS.items():
        connection.create_function(f"persisty_nested_{kind}", 1, read, deterministic=True)


def _literal(text: str) -> Column:
    return literal_column("'" + text.replace("'", "''") + "'")


def _path(steps: Sequence[str]) -> Column:
    return _literal("$" + "".join(f'."{step}"' for step in steps))


def _text(document: str, path: str) -> str | None:
    """Return the value of `json_extract`, which would end a text at its first U+0000."""
    value = msgspec.json.decode(document)
    for step in msgspec.json.decode(path):
        value = value.get(step) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def _instant(text: Any) -> str | None:
    """Return a datetime at the fixed width that sorts. Without a zone it is UTC."""
    try:
        moment = msgspec.convert(text, datetime)
        return datetime_text(moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC))
    except FAULTS:
        return None


def _decimal(value: Any) -> str | None:
    text = str(value)
    try:
        return text if Decimal(text).is_finite() else None
    except FAULTS:
        return None


def _date(text: Any) -> str | None:
    try:
        msgspec.convert(text, date)
    except FAULTS:
        return None
    return str(text)


def _uuid(text: Any) -> str | None:
    try:
        return str(msgspec.convert(text, UUID))
    except FAULTS:
        return None


def _bytes(text: Any) -> bytes | None:
    try:
        return msgspec.convert(text, bytes) if isinstance(text, str) else None
    except FAULTS:
        return None


_TIME = _literal("%Y-%m-%dT%H:%M:%SZ")
_NORMAL = _literal("+0 days")
"""A modifier: with one, SQLite changes the day 02-30, so that the text differs."""
_HEX = "[0-9a-f]"
_UUID = _literal("-".join(_HEX * count for count in (8, 4, 4, 4, 12)))
COMMON: dict[Kind, Callable[[Column], tuple[Column, Column]]] = {
    Kind.DATETIME: lambda text: (
        and_(func.strftime(_TIME, text, _NORMAL) == text, text >= _literal("0001")),
        func.replace(text, _literal("Z"), _literal(".000000Z")),
    ),
    Kind.DATE: lambda text: (and_(func.date(text, _NORMAL) == text, text >= _literal("0001")), text),
    Kind.UUID: lambda text: (text.op("GLOB", is_comparison=True)(_UUID), text),
    Kind.DECIMAL: lambda text: (
        and_(func.length(text) > ZERO, not_(text.op("GLOB", is_comparison=True)(_literal("*[^0-9]*")))),
        cast(text, Text),
    ),
}
"""Kind → the condition of its most common texts, and their value: an expression of SQLite takes a tenth of a call of Python."""
READERS = {
    Kind.DATETIME: _instant,
    Kind.DECIMAL: _decimal,
    Kind.DATE: _date,
    Kind.UUID: _uuid,
    Kind.BYTES: _bytes,
}
"""Kind whose JSON is a text → the function from the text to the value of a column, None if the text is none of that kind."""
