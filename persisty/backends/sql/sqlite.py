"""SQLite's dialect: kinds of column, the functions that persisty registers with a connection, and plans."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import BigInteger, Float, Integer, LargeBinary, Text, cast, func, literal_column
from sqlalchemy.dialects import sqlite

from ...model.types import DATETIME_WIDTH, Kind, datetime_text
from ...model.value_conversions import INEXACT, convert, kind_of_form
from ...query.aggregate import add_up
from .columns import json_text
from .computed_once import VALUES
from .dialect import Column, ColumnKind, Dialect, EnginePlan, Search
from .sqlite_nested_values import DECIMAL_COLLATION, ZERO, add_nested_functions, is_json_null, lacks, nested


def _compare_decimals(left: str, right: str) -> int:
    try:
        a, b = Decimal(left), Decimal(right)
        return (a > b) - (a < b)
    except InvalidOperation:  # an item with such a text cannot be read
        return _compare_any(left, right)


def _compare_any(left: str, right: str) -> int:
    """Compare texts of which some are no numbers: numbers first, then the others by their text."""
    one, other = _place(left), _place(right)
    return (one > other) - (one < other)


def _place(text: str) -> tuple[bool, Decimal, str]:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return True, Decimal(0), text
    return (True, Decimal(0), text) if number.is_nan() else (False, number, "")


def _icontains(value: str | None, folded: str) -> bool | None:
    return None if value is None else folded in value.casefold()


def _endswith(value: str | None, text: str) -> bool | None:
    return None if value is None else value.endswith(text)


class _DecimalSum:
    """Add decimals exactly. SQLite's own function adds floats."""

    def __init__(self) -> None:
        self._total = Decimal(0)

    def step(self, value: str | None) -> None:
        if value is not None:
            self._total = add_up(self._total, Decimal(value))

    def finalize(self) -> str:
        return str(self._total)


def _datetime_texts(column: Sequence[datetime | None]) -> list[str | None]:
    """Return the `datetime_text` of a column, in one call of msgspec."""
    texts = msgspec.to_builtins(column)
    return [one if one is None or len(one) == DATETIME_WIDTH else one[:-1] + ".000000Z" for one in texts]


COLUMNS = {
    Kind.STRING: ColumnKind(Text()),
    Kind.INTEGER: ColumnKind(BigInteger()),
    Kind.FLOAT: ColumnKind(Float(), None, float),  # RETURNING returns 1 for 1.0
    Kind.BOOLEAN: ColumnKind(Integer(), int, {0: False, 1: True}.__getitem__),
    Kind.DATETIME: ColumnKind(Text(), datetime_text, datetime.fromisoformat, encode_all=_datetime_texts),
    Kind.DATE: ColumnKind(Text(), date.isoformat, date.fromisoformat),
    Kind.UUID: ColumnKind(
        Text(),
        msgspec.to_builtins,
        partial(msgspec.convert, type=UUID),
        partial(msgspec.convert, type=list[UUID | None]),
        msgspec.to_builtins,
        partial(msgspec.convert, type=list[UUID]),
    ),
    Kind.DECIMAL: ColumnKind(Text(collation=DECIMAL_COLLATION), str, Decimal),
    Kind.BYTES: ColumnKind(LargeBinary()),
    Kind.JSON: ColumnKind(Text(), json_text),
}


def _aggregate(function: str, column: Column, kind: Kind) -> Column:
    called = func.persisty_sum if function == "sum" and kind is Kind.DECIMAL else getattr(func, function)
    return called(column)


_PLAN = re.compile(
    r"(?P<how>SCAN|SEARCH) .*?(?: USING (?:COVERING )?(?:INDEX (?P<index>\S+)|.*PRIMARY KEY))?(?: \(.*\))?$"
)


COMPUTING = ("SCAN CONSTANT ROW", f"SCAN {VALUES}")
"""Lines of a plan that compute a nested value: see `computed_once`."""


def _read_plan(lines: Sequence[str], firsts: Mapping[str, str]) -> EnginePlan:
    """Source of the format: "EXPLAIN QUERY PLAN" in SQLite's documentation."""
    accesses = [found for line in lines if line not in COMPUTING and (found := _PLAN.match(line))]
    scans = any(one["how"] == "SCAN" for one in accesses)
    named = next((one["index"] for one in accesses if one["index"]), None)
    index = None if named is None or named.startswith("sqlite_autoindex_") else named
    access = "scan" if scans else "union" if len(accesses) > 1 else "key" if index is None else "index"
    return EnginePlan(access, index, "engine" if any("TEMP B-TREE" in line for line in lines) else "index")


def _converting(before: str, after: str, column: str) -> tuple[str, str | None]:
    if (before, after) == ("integer", "string"):
        return f"CAST({column} AS TEXT)", None
    if (before, after) == ("string", "integer"):  # several times faster than a Python call for each value
        differs = f"CAST(CAST({column} AS INTEGER) AS TEXT) <> {column} AND {column} <> '-0'"
        return f"CAST({column} AS INTEGER)", differs
    expression = f"persisty_convert('{before}', '{after}', {column})"
    return expression, f"{expression} IS NULL"


def _converted(before: str, after: str, stored: Any) -> Any:
    """Return the column value of a stored value with another form, None if it has no exact counterpart."""
    source, target = COLUMNS[kind_of_form(before)], COLUMNS[kind_of_form(after)]
    try:
        value = convert(before, after, stored if source.decode is None else source.decode(stored))
        return value if target.encode is None else target.encode(value)
    except INEXACT:
        return None


_REWRITE = "`persisty migrate` rebuilds the table {table}"
REMEDIES = {
    "key": _REWRITE,
    "type": _REWRITE,
    "null": _REWRITE,
    "dropped": "`persisty migrate` lets new items leave it out, and keeps its values. To drop it with its values: ALTER TABLE {table} DROP COLUMN {column}",
}

SQLITE = Dialect(
    name="sqlite",
    compiler=sqlite.dialect(paramstyle="qmark"),
    insert=sqlite.insert,
    columns=COLUMNS,
    contains=lambda column, text: func.instr(column, text) > ZERO,
    endswith=lambda column, text: func.persisty_endswith(column, text) > ZERO,
    search=lambda folded: Search((), (folded,)),
    icontains=lambda column, bind: func.persisty_icontains(column, bind()) > ZERO,
    nested=nested,
    lacks=lacks,
    is_json_null=is_json_null,
    aggregate=_aggregate,
    octets=lambda text: func.length(cast(text, LargeBinary)),
    too_long=lambda text: func.zeroblob(literal_column(str(2**31 - 1))),  # longer than a value may be: SQLITE_TOOBIG
    columns_of='SELECT name, type, "notnull", dflt_value IS NOT NULL, pk FROM pragma_table_info(?)',
    indexes_of=(
        'SELECT l.name, l."unique", i.name, 1 FROM pragma_index_list(?) l, pragma_index_info(l.name) i '
        "WHERE l.origin = 'c' ORDER BY l.name, i.seqno"
    ),
    converting=_converting,
    remedies=REMEDIES,
    explain="EXPLAIN QUERY PLAN ",
    reads_each=True,
    explained=_read_plan,
)


def add_functions(connection: sqlite3.Connection) -> None:
    """Give a connection the functions and the collation that the statements use."""
    connection.create_collation(DECIMAL_COLLATION, _compare_decimals)
    connection.create_function("persisty_icontains", 2, _icontains, deterministic=True)
    connection.create_function("persisty_endswith", 2, _endswith, deterministic=True)
    connection.create_function("persisty_convert", 3, _converted, deterministic=True)
    add_nested_functions(connection)
    connection.create_aggregate("persisty_sum", 1, _DecimalSum)  # type: ignore[arg-type]
