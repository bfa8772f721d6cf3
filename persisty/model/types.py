"""The kinds of values of attributes, and tables of the operations of each kind.

A `Kind` decides how a value is checked, compared and written as text. Backends have one encoder for each kind. To support a
new type, add a row to each table here and in each backend.
"""

from __future__ import annotations

import enum
import math
import types
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

import msgspec
from msgspec import UnsetType


class Kind(enum.StrEnum):
    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    DATE = "date"
    UUID = "uuid"
    DECIMAL = "decimal"
    ENUM = "enum"
    BYTES = "bytes"
    JSON = "json"


KINDS: dict[type, Kind] = {
    str: Kind.STRING,
    bool: Kind.BOOLEAN,
    int: Kind.INTEGER,
    float: Kind.FLOAT,
    datetime: Kind.DATETIME,
    date: Kind.DATE,
    UUID: Kind.UUID,
    Decimal: Kind.DECIMAL,
    bytes: Kind.BYTES,
}

EVERY = frozenset(Kind)
SORTABLE = EVERY - {Kind.JSON}
"""Kinds with a total order that every engine agrees on (text by code point, enums by their value)."""
KEYABLE = frozenset({Kind.STRING, Kind.INTEGER, Kind.UUID, Kind.DATETIME, Kind.DATE, Kind.ENUM})
"""Kinds that can be part of a key: each value has exactly one form as text."""
TEXT = frozenset({Kind.STRING})

OPERATORS: dict[str, frozenset[Kind]] = {
    "eq": SORTABLE,
    "ne": SORTABLE,
    "lt": SORTABLE - {Kind.BOOLEAN, Kind.ENUM},
    "le": SORTABLE - {Kind.BOOLEAN, Kind.ENUM},
    "gt": SORTABLE - {Kind.BOOLEAN, Kind.ENUM},
    "ge": SORTABLE - {Kind.BOOLEAN, Kind.ENUM},
    "oneof": SORTABLE,
    "contains": TEXT,
    "startswith": TEXT,
    "endswith": TEXT,
    "icontains": TEXT,
    "null": EVERY,
}
"""Operator → the kinds it applies to."""

STORED_AS = {Kind.JSON: "stored as JSON"}
"""Kind → its word in messages, if that is not its name: a set, a list or a duration is not declared as JSON."""


def attributes_of(kind: Kind) -> str:
    """Return the phrase for attributes of a kind in a message."""
    return f"attributes {STORED_AS[kind]}" if kind in STORED_AS else f"{kind} attributes"


NUMERIC = frozenset({Kind.INTEGER, Kind.FLOAT, Kind.DECIMAL})
AGGREGATES: dict[str, frozenset[Kind]] = {
    "min": OPERATORS["lt"] - {Kind.BYTES},
    "max": OPERATORS["lt"] - {Kind.BYTES},
    "sum": NUMERIC,
    "avg": NUMERIC,
}
"""Aggregate → the kinds it applies to; `count` needs no attribute."""

INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1
FLOAT_MIN, FLOAT_MAX = 1e-130, 1e125
"""Magnitudes that every engine stores exactly: DynamoDB numbers reach from 1e-130 to 9.9e125."""
DECIMAL_DIGITS = 38
"""Significant digits of a Decimal: DynamoDB's limit. PostgreSQL and SQLite accept more."""
DECIMAL_LEAST, DECIMAL_MOST = -130, 125
"""Range of the exponent of a Decimal's first digit."""

IMPLICIT: dict[Kind, dict[str, Any]] = {
    Kind.INTEGER: {"ge": INTEGER_MIN, "le": INTEGER_MAX},
    Kind.DATETIME: {"tz": True},
}
"""Arguments of `msgspec.Meta` that msgspec checks for every attribute of the kind, unless the declaration sets the same constraint."""


def unwrap(annotation: Any) -> tuple[Any, bool]:
    """Split `T | None` into (`T`, True); `Annotated` on the outside stays with `T`. `Any` may be None too."""
    if isinstance(annotation, type) and annotation in KINDS:
        return annotation, False  # the most common annotations; `typing` is slow
    if get_origin(annotation) is Annotated:
        inner, *metas = get_args(annotation)
        bare, optional = unwrap(inner)
        return Annotated[bare, *metas], optional
    if get_origin(annotation) in (Union, types.UnionType):
        arms = [arm for arm in get_args(annotation) if arm is not UnsetType]
        rest = tuple(arm for arm in arms if arm is not type(None))
        return Union[rest], len(rest) < len(arms)  # noqa: UP007 - built at run time
    if get_origin(annotation) is Literal and None in get_args(annotation):
        rest = tuple(arm for arm in get_args(annotation) if arm is not None)
        return (Literal[rest], True) if rest else (annotation, True)
    return annotation, annotation in (Any, type(None))


def bare(annotation: Any) -> Any:
    """Return the annotation without `Annotated`."""
    return annotation.__origin__ if hasattr(annotation, "__metadata__") else annotation


STRICTER = {"ge": "gt", "le": "lt"}
"""Constraint → the other constraint of the same side, which msgspec does not accept together with it."""


def metas_of(annotation: Any) -> list[msgspec.Meta]:
    """Return the constraints of an annotation."""
    return [meta for meta in getattr(annotation, "__metadata__", ()) if isinstance(meta, msgspec.Meta)]


def constrained(annotation: Any, constraints: Mapping[str, Any]) -> Any:
    """Add the constraints that the declaration does not set itself (msgspec refuses one set twice, and any of literals)."""
    if not constraints or is_literal(annotation):
        return annotation
    metas = metas_of(annotation)
    missing = {
        name: value
        for name, value in constraints.items()
        if all(getattr(meta, other) is None for meta in metas for other in (name, STRICTER.get(name, name)))
    }
    return Annotated[annotation, msgspec.Meta(**missing)] if missing else annotation


def kind_of(annotation: Any) -> Kind:
    """Return the kind of an annotation without None. Every type that is not a scalar is stored as JSON."""
    target = comparable(annotation)
    if isinstance(target, type) and issubclass(target, enum.Enum):
        return Kind.ENUM
    return KINDS.get(target, Kind.JSON)


def is_literal(annotation: Any) -> bool:
    target = bare(annotation)
    return not isinstance(target, type) and get_origin(target) is Literal


def comparable(annotation: Any) -> Any:
    """Return the type for comparisons with a value: the annotation without its constraints, `str` for `Literal["a", "b"]`."""
    target = bare(annotation)
    if is_literal(target):
        types_of_values = {type(value) for value in get_args(target)}
        return types_of_values.pop() if len(types_of_values) == 1 else target
    return target


def stored_type(annotation: Any) -> type | None:
    """Return the type of the stored values of an enum or a `Literal`, `int` or `str`. None for other types."""
    target = bare(annotation)
    if isinstance(target, type) and issubclass(target, enum.Enum):
        return int if all(isinstance(member.value, int) for member in target) else str
    return comparable(target) if is_literal(target) else None


def is_list(annotation: Any) -> bool:
    """Return whether the annotation is a list, and not another collection."""
    target = bare(annotation)
    return target is list or get_origin(target) is list


def unicode(value: str) -> str:
    """Return the text. Raise `ValueError` if it contains lone surrogates, which UTF-8 cannot encode."""
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("Expected Unicode text, got lone surrogates") from None
    return value


def utc(value: datetime) -> datetime:
    try:
        return value if value.tzinfo is UTC else value.astimezone(UTC)
    except OverflowError:
        raise ValueError("Expected a datetime of the years 1 to 9999 in UTC") from None


def _finite(value: float) -> float:
    magnitude = abs(value)
    if magnitude == 0 or FLOAT_MIN <= magnitude <= FLOAT_MAX:
        return value + 0.0  # -0.0 becomes 0.0: engines do not store the sign of zero
    what = "finite number" if not math.isfinite(value) else f"magnitude from {FLOAT_MIN} to {FLOAT_MAX}, or 0"
    raise ValueError(f"Expected a {what}")


def exact(value: Decimal) -> Decimal:
    """Return the only form of a number: no trailing zeros after the point, and no exponent if the digits fit without one. Raises `ValueError` for a number that
    no engine stores."""
    if not value.is_finite():
        raise ValueError("Expected a finite decimal")
    sign, digits, exponent = value.as_tuple()
    power, count = int(exponent), len(digits)
    while count > 1 and digits[count - 1] == 0 and power < 0:
        count, power = count - 1, power + 1
    if not value:
        return Decimal(0)
    while count > 1 and digits[count - 1] == 0 and count + power > DECIMAL_DIGITS:
        count, power = count - 1, power + 1
    if count > DECIMAL_DIGITS or not DECIMAL_LEAST <= power + count - 1 <= DECIMAL_MOST:
        raise ValueError(f"Expected a decimal of at most {DECIMAL_DIGITS} digits between 1E-130 and 9.9E+125")
    if power > 0 and count + power <= DECIMAL_DIGITS:
        return Decimal((sign, digits[:count] + (0,) * power, 0))
    return Decimal((sign, digits[:count], power))


NORMALISE: dict[Kind, Callable[[Any], Any]] = {
    Kind.STRING: unicode,
    Kind.DATETIME: utc,
    Kind.FLOAT: _finite,
    Kind.DECIMAL: exact,
}
"""Kind → function that makes equal values identical after msgspec accepted them. Raises `ValueError` for values that no engine can store."""


def datetime_text(value: datetime) -> str:
    """Return a datetime in UTC at fixed width, with microseconds and `Z`: its text sorts in the order of time."""
    text: str = msgspec.to_builtins(value)  # several times faster than isoformat, but leaves out a fraction of zero
    return text if len(text) == DATETIME_WIDTH else text[:-1] + ".000000Z"


DATETIME_WIDTH = len("2026-01-01T00:00:00.000000Z")


def _enum_text(value: enum.Enum | str | int) -> str:
    """Return the text of a member, or of a stored value that is no member any more."""
    return str(value.value if isinstance(value, enum.Enum) else value)


TO_TEXT: dict[Kind, Callable[[Any], str]] = {
    Kind.STRING: str,
    Kind.INTEGER: str,
    Kind.UUID: msgspec.to_builtins,
    Kind.DATETIME: datetime_text,
    Kind.DATE: date.isoformat,
    Kind.ENUM: _enum_text,
}
"""Keyable kind → function that returns the only form of a value in a key."""


def identity(value: Any) -> Any:
    return value


def _value(value: Any) -> Any:
    return value.value if isinstance(value, enum.Enum) else value


PRIMITIVE: dict[Kind, Callable[[Any], Any]] = {Kind.UUID: str, Kind.ENUM: _value}
"""Kind → function to a Python value that orders as on every engine. Values of all other kinds are ordered unchanged."""
