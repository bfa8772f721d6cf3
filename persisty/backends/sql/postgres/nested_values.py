"""Values of fields within PostgreSQL's stored JSON, null if they do not have the declared type (`model.stored_objects` has the rule).

A cast of any other text would fail the statement, so that one item would hide all others. `CASE` decides first: the patterns allow the JSON that msgspec decodes
to the kind and PostgreSQL casts.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Boolean, Date, Double, Numeric, Text, Uuid, and_, case, cast, collate, func, literal_column
from sqlalchemy.dialects.postgresql import JSON, TIMESTAMP

from ....model.meta import Attribute
from ....model.stored_members import stored_kind
from ....model.types import Kind
from ..computed_once import COMPUTED, ComputedOnce
from ..dialect import Column

BY_CODE_POINT = "C"
"""The collation that compares the bytes of UTF-8, independent of the database's collation."""
_YEAR = "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
_LEAP = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_DAY = (
    f"(?:{_YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    f"|02-(?:0[1-9]|1[0-9]|2[0-8]))|{_LEAP}-02-29)"
)
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?"
_OFFSET = "(?:[zZ]|[-+](?:[01][0-9]|2[0-3]):?[0-5][0-9])"
_HEX = "[0-9a-fA-F]"
_BASE64 = "[A-Za-z0-9+/]"
_DIGITS = r"[0-9]+(?:\.[0-9]+)?"
_SCIENTIFIC = r"[0-9]{1,40}(?:\.[0-9]{1,40})?[eE]"
_FLOAT = (
    rf"{_SCIENTIFIC}[-+]?[0-9]{{1,2}}|[1-9](?:\.[0-9]{{1,30}})?[eE](?:\+?(?:[12][0-9]{{2}}|30[0-7])"
    r"|-(?:[12][0-9]{2}|3[01][0-9]|32[0-3]))|[3-9](?:\.[0-9]{1,30})?[eE]-324"
)
"""Numbers with an exponent, as far as a float reaches: a number beyond is no value of a float, and the cast would fail."""
_DECIMAL = rf"(?:{_DIGITS}|[0-9]+\.|\.[0-9]+|{_SCIENTIFIC}[-+]?[0-9]{{1,3}})"
PATTERNS: dict[Kind, str] = {
    Kind.INTEGER: "-?[0-9]+",
    Kind.FLOAT: f"-?(?:{_DIGITS}|{_FLOAT})",
    Kind.BOOLEAN: "true|false",
    Kind.DATE: f'"{_DAY}"',
    Kind.DATETIME: f'"{_DAY}[Tt ]{_TIME}{_OFFSET}?"',
    Kind.UUID: f'"(?:{_HEX}{{32}}|{_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}})"',
    Kind.DECIMAL: f'"[-+]?{_DECIMAL}"|-?{_DECIMAL}',
    Kind.BYTES: f'"(?:{_BASE64}{{4}})*(?:{_BASE64}{{2}}==|{_BASE64}{{3}}=)?"',
}
"""Kind → the pattern of its JSON. Its syntax means the same in Python and in PostgreSQL, which evaluates it several times faster without captures, lookahead and
large bounds."""
_LONGEST: Column = literal_column("300")
"""Digits of a number that are cast: more than any value that a write accepts. More digits could be too many for the cast."""
_WITHOUT_ZONE: Column = literal_column("'[Tt ][^-+zZ]*$'")
_IN_UTC: Column = literal_column(r"E'\\&Z'")
"""Pattern of the time in a nested datetime without a zone, and its replacement. The session's time zone may be that of another client of a pooler."""
_PLAIN: Column = func.btrim(COMPUTED, literal_column("'\"'"))
"""The text of a value whose JSON fits a pattern, so it has no escapes."""
VALUES: dict[Kind, Column] = {
    Kind.INTEGER: cast(func.left(COMPUTED, _LONGEST), Numeric),  # a nested value may be larger than a column's
    Kind.FLOAT: cast(func.left(COMPUTED, _LONGEST), Double),
    Kind.BOOLEAN: cast(COMPUTED, Boolean),
    Kind.DATE: cast(_PLAIN, Date),
    Kind.DATETIME: cast(func.regexp_replace(_PLAIN, _WITHOUT_ZONE, _IN_UTC), TIMESTAMP(timezone=True)),
    Kind.UUID: cast(_PLAIN, Uuid),
    Kind.DECIMAL: cast(func.left(_PLAIN, _LONGEST), Numeric),
    Kind.BYTES: func.decode(_PLAIN, literal_column("'base64'")),
}
"""Kind → the value of a column, from JSON that fits the kind's pattern."""
_COMMON_DAY = "[0-9]{3}[1-9]-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
COMMON: dict[Kind, tuple[str, Column]] = {
    Kind.DATE: (f'"{_COMMON_DAY}"', VALUES[Kind.DATE]),
    Kind.DATETIME: (
        f'"{_COMMON_DAY}T(?:0[0-9]|1[0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z"',
        cast(_PLAIN, TIMESTAMP(timezone=True)),
    ),
    Kind.DECIMAL: ('"[0-9]+"', VALUES[Kind.DECIMAL]),
}
"""Kind → the pattern of most of its JSON, which takes less time, and the value of a column."""


def nested(column: Column, attribute: Attribute) -> Column:
    """Return the expression of a nested value in a column of JSON."""
    kind, at = stored_kind(attribute), _path(attribute.path)
    json = cast(column, JSON).op("#>", return_type=JSON())(at)
    if kind in (Kind.STRING, Kind.JSON):
        text = cast(column, JSON).op("#>>", return_type=Text())(at)
        is_text = func.json_typeof(json) == literal_column("'string'")
        return text if kind is Kind.JSON else case((is_text, collate(text, BY_CODE_POINT)))
    fits = [COMMON[kind], (PATTERNS[kind], VALUES[kind])] if kind in COMMON else [(PATTERNS[kind], VALUES[kind])]
    return ComputedOnce(cast(json, Text), case(*((_matches(pattern), value) for pattern, value in fits)))


def _matches(pattern: str) -> Column:
    return COMPUTED.op("~", is_comparison=True)(literal_column(f"'^(?:{pattern})$'"))


def is_json_null(column: Column, path: tuple[str, ...]) -> Column:
    """Return whether the JSON has a null at a path."""
    at = cast(column, JSON).op("#>", return_type=JSON())(_path(path))
    return func.json_typeof(at) == literal_column("'null'")


def lacks(column: Column, path: tuple[str, ...]) -> Column:
    """Return whether the object before the last step of a path lacks that member."""
    at = cast(column, JSON).op("#>", return_type=JSON())
    return and_(at(_path(path)).is_(None), func.json_typeof(at(_path(path[:-1]))) == literal_column("'object'"))


def _path(path: Sequence[str]) -> Column:
    steps = ",".join('"' + step.replace("\\", "\\\\").replace('"', '\\"') + '"' for step in path)
    return literal_column("'{" + steps.replace("'", "''") + "}'")
