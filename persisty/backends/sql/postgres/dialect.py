"""PostgreSQL's dialect: kinds of column, text, nested values, plans."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from typing import Any

import msgspec
from msgspec import structs
from sqlalchemy import (
    TIMESTAMP,
    BigInteger,
    Boolean,
    Date,
    Double,
    LargeBinary,
    Numeric,
    Table,
    Text,
    Uuid,
    case,
    cast,
    collate,
    func,
    literal_column,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.dialects.postgresql.base import PGDialect

from ....model.types import DECIMAL_DIGITS, Kind
from ..columns import json_text
from ..dialect import Column, ColumnKind, Dialect, EnginePlan, Search
from .conversions import converting
from .nested_values import BY_CODE_POINT, is_json_null, lacks, nested
from .text import escaped, escaped_json, folding, unescaped, unescaped_json

WIDE = Context(prec=1_000)


def _decimal(text: str) -> Decimal:
    """Return a number normalised like `Decimal`s: PostgreSQL returns trailing zeros."""
    value = Decimal(text)
    is_normal = len(text.lstrip("-")) <= DECIMAL_DIGITS and ("." not in text or not text.endswith("0"))
    return value if is_normal else WIDE.normalize(value)


def _moment(text: str) -> datetime:
    """Return a moment in UTC, independent of the session's time zone, which persisty cannot set behind a pooler."""
    value = datetime.fromisoformat(text)
    return value if value.tzinfo is UTC else value.astimezone(UTC)


def _moments(column: Sequence[Any]) -> list[datetime | None]:
    """Return the `_moment`s of a column. It is faster to check the joined texts for UTC than each of them."""
    if None in column:
        return [None if text is None else _moment(text) for text in column]
    in_utc = "\n".join((*column, "")).count("+00\n") == len(column)
    return list(map(datetime.fromisoformat if in_utc else _moment, column))


def _json(value: Any) -> str:
    return escaped_json(json_text(value))


COLUMNS = {
    Kind.STRING: ColumnKind(Text(collation=BY_CODE_POINT), escaped, unescaped),
    Kind.INTEGER: ColumnKind(BigInteger(), str),
    Kind.FLOAT: ColumnKind(Double(), repr),
    Kind.BOOLEAN: ColumnKind(Boolean(), str),
    Kind.DATETIME: ColumnKind(TIMESTAMP(timezone=True), msgspec.to_builtins, _moment, _moments),
    Kind.DATE: ColumnKind(Date(), date.isoformat, date.fromisoformat),
    Kind.UUID: ColumnKind(Uuid(), msgspec.to_builtins),
    Kind.DECIMAL: ColumnKind(Numeric(), str, _decimal),
    Kind.BYTES: ColumnKind(LargeBinary(), lambda value: "\\x" + value.hex()),
    Kind.JSON: ColumnKind(Text(), _json, unescaped_json),
}
"""Values are sent as text, and the server infers the type from the context. So a statement is prepared once, not once for each
set of argument types when some are null."""

ZERO: Column = literal_column("0")


def _search(folded: str) -> Search:
    """For text beyond ASCII: the characters that fold to a character of the searched text, and each that folds to several."""
    stored = escaped(folded)
    singles, become, several = folding(folded)
    pairs = [escaped(part) for pair in several for part in pair]
    return Search((folded.isascii(), len(several)), (stored, singles, become, *pairs))


def _icontains(column: Column, bind: Any, ascii_only: bool, several: int) -> Column:
    substring = bind()
    text = func.translate(column, bind(), bind())
    for _ in range(several):
        text = func.replace(text, bind(), bind())
    found = func.strpos(text, substring) > ZERO
    is_ascii = func.octet_length(column) == func.length(column)
    lower = func.strpos(func.lower(collate(column, BY_CODE_POINT)), substring) > ZERO
    return case((is_ascii, lower if ascii_only else literal_column("false")), else_=found)


def _aggregate(function: str, column: Column, kind: Kind) -> Column:
    """PostgreSQL has no `min` of UUIDs, so their texts are used, which have the same order."""
    called: Callable[[Column], Column] = getattr(func, function)
    if kind is Kind.UUID and function != "count":
        return cast(called(collate(cast(column, Text), BY_CODE_POINT)), Uuid)
    return called(column)


_ACCESS = re.compile(
    r"(?:Seq Scan|Index (?:Only )?Scan(?: Backward)?(?: using (?P<used>\S+))?|Bitmap Index Scan) on (?P<on>\S+)"
)
_NAME = re.compile(r"\w+")


def _read_plan(lines: Sequence[str], firsts: Mapping[str, str]) -> EnginePlan:
    """Source of the format: "Using EXPLAIN" in PostgreSQL's documentation.

    An index is searched only if the condition names its first column. Otherwise it is read whole, in its order, which is a scan.
    """
    accesses: list[tuple[str, bool]] = []
    for line in lines:
        if found := _ACCESS.search(line):
            accesses.append(((found["used"] or found["on"]).strip('"'), False))
        elif accesses and line.lstrip().startswith("Index Cond:"):
            on = accesses[-1][0]
            accesses[-1] = (on, on not in firsts or firsts[on] in _NAME.findall(line))
    index = next((one for one, _ in accesses if one in firsts), None)
    scans = not all(bounded for _, bounded in accesses)
    access = "scan" if scans else "union" if len(accesses) > 1 else "key" if index is None else "index"
    sorts = any(line.lstrip(" ->").startswith(("Sort ", "Incremental Sort ")) for line in lines)
    return EnginePlan(access, None if scans else index, "engine" if sorts else "index")


COLUMNS_OF = """
SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef OR a.attidentity <> '',
       coalesce(array_position(i.indkey::int2[], a.attnum) + 1, 0)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
WHERE c.relname = $1 AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
""".strip()
INDEXES_OF = """
SELECT i.relname::text, x.indisunique, a.attname::text, x.indisvalid
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
CROSS JOIN LATERAL unnest(x.indkey::int2[]) WITH ORDINALITY k(attnum, place)
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
WHERE c.relname = $1 AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) AND NOT x.indisprimary
ORDER BY 1, k.place
""".strip()
_COLUMN = "ALTER TABLE {table} ALTER COLUMN {column}"
REMEDIES = {
    "key": "`persisty migrate` changes it",
    "type": "`persisty migrate` converts its values",
    "null": f"`persisty migrate` allows it. By hand: {_COLUMN} DROP NOT NULL",
    "dropped": f"`persisty migrate` lets new items leave it out, and keeps its values. By hand: {_COLUMN} DROP NOT NULL",
}


def quoted(name: str) -> str:
    """Return a quoted name."""
    return '"' + name.replace('"', '""') + '"'


def _divided_by_zero(text: Column) -> Column:
    """Return an expression that fails. It depends on a row, because the server evaluates constants before conditions."""
    zero = func.octet_length(func.coalesce(text, literal_column("''"))) * ZERO
    return cast(func.mod(literal_column("1"), zero), Text)


POSTGRES = Dialect(
    name="postgresql",
    compiler=PGDialect(paramstyle="numeric_dollar"),  # type: ignore[no-untyped-call]
    insert=insert,
    columns=COLUMNS,
    contains=lambda column, text: func.strpos(column, text) > ZERO,
    endswith=lambda column, text: func.right(column, func.length(text)) == text,
    search=_search,
    icontains=_icontains,
    nested=nested,
    lacks=lacks,
    is_json_null=is_json_null,
    aggregate=_aggregate,
    octets=func.octet_length,
    too_long=_divided_by_zero,
    columns_of=COLUMNS_OF,
    indexes_of=INDEXES_OF,
    converting=converting,
    remedies=REMEDIES,
    explain="EXPLAIN ",
    reads_each=False,
    explained=_read_plan,
)


def dialect_of(schema: str | None) -> Dialect:
    """Return the dialect whose statements name the schema of each table. No statement depends on the session's search path, which clients
    share behind a pooler."""
    if schema is None:
        return POSTGRES
    compiler = PGDialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
    compiler.identifier_preparer.schema_for_object = lambda named: schema if isinstance(named, Table) else ""
    place = "'" + schema.replace("'", "''") + "'"
    texts = {"columns_of": COLUMNS_OF, "indexes_of": INDEXES_OF}
    return structs.replace(
        POSTGRES, compiler=compiler, **{name: text.replace("current_schema()", place) for name, text in texts.items()}
    )
