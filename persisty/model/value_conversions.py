"""Convert stored values when the type of an attribute changes.

A conversion is exact: neither `"1.5"` nor the float 1.5 becomes an integer. If a value has no exact counterpart, the migration lists its item
and changes nothing. A text is converted only if it has one of the forms in `TEXT`, which every engine uses. Python and databases accept further
forms, and each accepts other ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from .types import NORMALISE, Kind, datetime_text

SMALLEST, LARGEST = -(1 << 63), (1 << 63) - 1
_NUMBER = r"-?(0|[1-9][0-9]{0,199})(\.[0-9]{1,199})?([eE][-+]?[0-9]{1,3})?"
_DAY = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?"
_OFFSET = "(Z|[-+]([01][0-9]|2[0-3])(:?[0-5][0-9])?)"
_HEX = "[0-9a-fA-F]"
TEXT: dict[str, str] = {
    "integer": "-?(0|[1-9][0-9]{0,18})",
    "float": _NUMBER,
    "decimal": _NUMBER,
    "boolean": "[tT][rR][uU][eE]|[fF][aA][lL][sS][eE]|1|0",
    "datetime": f"{_DAY}[T ]{_TIME}{_OFFSET}",
    "date": _DAY,
    "uuid": f"{_HEX}{{32}}|{_HEX}{{8}}(-{_HEX}{{4}}){{3}}-{_HEX}{{12}}",
}
"""Declared form → the regular expression of the texts that are converted to it. Its syntax means the same in Python and PostgreSQL. Such a text may still
have no counterpart: the day 2026-02-30, or a number out of range."""
_IS_TEXT = {form: re.compile(pattern).fullmatch for form, pattern in TEXT.items()}


def _integer(value: Any) -> int:
    number = int(value)
    if not isinstance(value, str) and number != value:
        raise ValueError(value)
    if not SMALLEST <= number <= LARGEST:
        raise ValueError(value)
    return number


def _float(value: Any) -> float:
    number: float = NORMALISE[Kind.FLOAT](float(value))
    if Decimal(repr(number)) != (Decimal(value) if isinstance(value, str) else value):
        raise ValueError(value)
    return number


def _decimal(value: Any) -> Decimal:
    number: Decimal = NORMALISE[Kind.DECIMAL](Decimal(repr(value) if isinstance(value, float) else value))
    return number


def _boolean(value: Any) -> bool:
    return {"true": True, "false": False, "1": True, "0": False}[str(value).lower()]


def _datetime(value: Any) -> datetime:
    if type(value) is date:
        return datetime.combine(value, time(), UTC)
    return datetime.fromisoformat(value).astimezone(UTC)


def _date(value: Any) -> date:
    if isinstance(value, datetime):
        if value.astimezone(UTC).time() != time():
            raise ValueError(value)
        return value.astimezone(UTC).date()
    return date.fromisoformat(value)


def _string(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return datetime_text(value)
        case date():
            return value.isoformat()
        case float() | Decimal():
            number = Decimal(repr(value)) if isinstance(value, float) else value
            return format(number.normalize(), "f") if number else "0"
    return str(value)


CONVERSIONS: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("string", "integer"): _integer,
    ("string", "float"): _float,
    ("string", "decimal"): _decimal,
    ("string", "boolean"): _boolean,
    ("string", "datetime"): _datetime,
    ("string", "date"): _date,
    ("string", "uuid"): UUID,
    ("integer", "string"): _string,
    ("integer", "float"): _float,
    ("integer", "decimal"): _decimal,
    ("integer", "boolean"): _boolean,
    ("float", "string"): _string,
    ("float", "integer"): _integer,
    ("float", "decimal"): _decimal,
    ("decimal", "string"): _string,
    ("decimal", "integer"): _integer,
    ("decimal", "float"): _float,
    ("boolean", "string"): _string,
    ("boolean", "integer"): int,
    ("datetime", "string"): _string,
    ("datetime", "date"): _date,
    ("date", "string"): _string,
    ("date", "datetime"): _datetime,
    ("uuid", "string"): _string,
}
"""(stored form, declared form) → function that converts a value, or raises one of `INEXACT`."""
INEXACT = (ValueError, TypeError, ArithmeticError, KeyError, msgspec.ValidationError)
KIND_OF: dict[str, Kind] = {kind.value: kind for kind in Kind if kind not in {Kind.ENUM, Kind.JSON}}
"""Stored form → the kind whose column it has. Every other form is stored as JSON."""


def convert(before: str, after: str, value: Any) -> Any:
    """Return a value of the form `before` in the form `after`. Raises one of `INEXACT` if it has no exact counterpart."""
    if before == "string" and not _IS_TEXT[after](value):
        raise ValueError(value)
    return CONVERSIONS[before, after](value)


def kind_of_form(form: str) -> Kind:
    """Return the kind of the values of a stored form."""
    return KIND_OF.get(form, Kind.JSON)
