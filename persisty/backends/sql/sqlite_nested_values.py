"""Values of fields within SQLite's stored JSON, null if they do not have the declared type (`model.stored_objects` has the rule).

The functions are registered with each connection. They decode texts as msgspec does, which decides whether the item can be read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import product
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Text, and_, case, cast, collate, func, literal_column, not_, or_

from ...model.meta import Attribute
from ...model.stored_members import stored_kind
from ...model.types import TEXT, Kind, datetime_text
from ...model.unreadable_items import FAULTS
from .computed_once import COMPUTED, ComputedOnce
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
        read = getattr(func, f"persisty_nested_{kind}")
        value = ComputedOnce(value, case(*COMMON[kind], else_=read(COMPUTED))) if kind in COMMON else read(value)
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
_HEX, _DIGIT = "[0-9a-f]", "[0-9]"
_DATES = [f"{_DIGIT * 4}-{month}-{day}" for month, day in product(("0[1-9]", "1[0-2]"), ("0[1-9]", "1[0-9]", "2[0-8]"))]
"""Patterns of the days that every month has. SQLite has no alternatives within a pattern."""
_TIMES = [f"T{hour}:[0-5]{_DIGIT}:[0-5]{_DIGIT}Z" for hour in ("[01][0-9]", "2[0-3]")]


def _like(*patterns: str) -> Column:
    return or_(*(COMPUTED.op("GLOB", is_comparison=True)(_literal(one)) for one in patterns))


def _has_year() -> Column:
    return _literal("0001") <= COMPUTED


_MOMENT: Column = func.replace(COMPUTED, _literal("Z"), _literal(".000000Z"))
COMMON: dict[Kind, tuple[tuple[Column, Column], ...]] = {
    Kind.DATETIME: (
        (and_(_like(*map("".join, product(_DATES, _TIMES))), _has_year()), _MOMENT),
        (and_(func.strftime(_TIME, COMPUTED, _NORMAL) == COMPUTED, _has_year()), _MOMENT),
    ),
    Kind.DATE: (
        (and_(_like(*_DATES), _has_year()), COMPUTED),
        (and_(func.date(COMPUTED, _NORMAL) == COMPUTED, _has_year()), COMPUTED),
    ),
    Kind.UUID: ((_like("-".join(_HEX * count for count in (8, 4, 4, 4, 12))), COMPUTED),),
    Kind.DECIMAL: ((and_(func.length(COMPUTED) > ZERO, not_(_like("*[^0-9]*"))), cast(COMPUTED, Text)),),
}
"""Kind → (condition of its most common texts, their value). Patterns take a third of the time of SQLite's functions of dates, and these a tenth of a call of
Python."""
READERS = {
    Kind.DATETIME: _instant,
    Kind.DECIMAL: _decimal,
    Kind.DATE: _date,
    Kind.UUID: _uuid,
    Kind.BYTES: _bytes,
}
"""Kind whose JSON is a text → the function from the text to the value of a column, None if the text is none of that kind."""
