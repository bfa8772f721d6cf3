"""The wire form of values: one row for each kind, with its type tag and two functions.

Every value with an order is stored as a type that can be an index key (S, N, B), so an index declared later never
changes the encoding of stored data. Booleans are numbers. Text or bytes that are empty (an index key may not be) or start with a
zero get a zero in front, which preserves their order. Objects are JSON text. A list is a list of the JSON texts of its values, so that
DynamoDB can append to it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from ...model.absent_members import stored_decoder
from ...model.meta import Attribute
from ...model.stored_members import StoredChoices, members_of, stored_kind
from ...model.types import DATETIME_WIDTH, DECIMAL_DIGITS, NORMALISE, Kind, datetime_text, is_list

CELLS = 256
"""Types of tagged values that are cached, because items share them."""


@lru_cache(CELLS)
def cell(tag: str, type_: Any) -> Any:
    """A tagged value such as `{"S": "text"}`."""
    return msgspec.defstruct(f"Cell{tag}", [(tag, type_)], gc=False)


@lru_cache(CELLS)
def nullable_cell(tag: str, type_: Any) -> Any:
    """A tagged value, or `{"NULL": true}`, of which the tag's value is None."""
    return msgspec.defstruct(f"NullableCell{tag}", [(tag, type_ | None, None), ("NULL", bool, False)], gc=False)


NULL: dict[str, Any] = {"NULL": True}
Wire = dict[str, dict[str, Any]]
Convert = Callable[[Any], Any]


def escape(text: str) -> str:
    return "\0" + text if not text or text[0] == "\0" else text


def unescape(text: str) -> str:
    return text[1:] if text and text[0] == "\0" else text


def _base64(value: bytes) -> str:
    return b64encode(value if value and value[0] else b"\0" + value).decode()


def _bytes(value: bytes) -> bytes:
    return value[1:] if value and not value[0] else value


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _listed(values: Sequence[Any]) -> list[dict[str, str]]:
    """The values of a list, each as JSON: DynamoDB can append to that."""
    return [{"S": _json(value)} for value in values]


def _list_of(annotation: Any) -> Convert:
    decode = stored_decoder(annotation)
    return lambda cells: decode(f"[{','.join([cell.S for cell in cells])}]")


def _flag(value: bool) -> str:
    return "1" if value else "0"


def _decimal(text: str) -> Decimal:
    if len(text) <= DECIMAL_DIGITS and "E" not in text and "e" not in text and not ("." in text and text[-1] == "0"):
        return Decimal(text)  # nearly always: DynamoDB returns one spelling of a number, except for very large ones
    exact: Decimal = NORMALISE[Kind.DECIMAL](Decimal(text))
    return exact


def _integer(text: str) -> int:
    """Return a whole number. Raises `ValueError` for one with a fraction, which other programs may have stored."""
    if "." not in text and "E" not in text and "e" not in text:
        return int(text)
    number = Decimal(text)
    whole = int(number)
    if whole != number:
        raise ValueError("Expected a whole number")
    return whole


def _moments(values: Sequence[datetime]) -> list[str]:
    """Return the `datetime_text` of each."""
    texts: list[str] = msgspec.to_builtins(values)
    return [text if len(text) == DATETIME_WIDTH else text[:-1] + ".000000Z" for text in texts]


class WireKind(Struct, frozen=True):
    """`tag`: DynamoDB's type. msgspec decodes the JSON of a value to `type`, and `decode`, if any, makes the value.

    `inline`: the same as an expression of `{text}` and `{decode}`, for the most common kinds. `encode_all` encodes several values at once, where that is
    faster.
    """

    tag: str
    encode: Convert
    decode: Convert | None
    type: Any = str
    inline: str = "{decode}({text})"
    encode_all: Convert | None = None


WIRE: dict[Kind, WireKind] = {
    Kind.STRING: WireKind("S", escape, unescape, inline="{text} if {text}[:1] != '\\0' else {decode}({text})"),
    Kind.INTEGER: WireKind("N", str, _integer, inline="int({text}) if {text}.isdigit() else {decode}({text})"),
    Kind.FLOAT: WireKind("N", repr, float),
    Kind.BOOLEAN: WireKind("N", _flag, lambda text: text != "0"),
    Kind.DATETIME: WireKind("S", datetime_text, None, datetime, encode_all=_moments),
    Kind.DATE: WireKind("S", date.isoformat, None, date),
    Kind.UUID: WireKind("S", msgspec.to_builtins, None, UUID, encode_all=msgspec.to_builtins),
    Kind.DECIMAL: WireKind("N", str, _decimal),
    Kind.BYTES: WireKind("B", _base64, _bytes, bytes),
}
"""Enums and JSON depend on the attribute and have no row: see `wire_kind`."""
UNBOUNDED = frozenset({Kind.STRING, Kind.BYTES, Kind.ENUM, Kind.JSON})
"""Kinds whose values may be longer than the longest key."""


def wire_kind(attribute: Attribute) -> WireKind:
    """Return the row of the attribute's kind."""
    if attribute.kind is Kind.JSON and is_list(attribute.type):
        return WireKind("L", _listed, _list_of(attribute.type), list[cell("S", str)])  # type: ignore[misc]
    if attribute.kind is Kind.JSON:
        return WireKind("S", _json, stored_decoder(attribute.type))
    row, members = WIRE[stored_kind(attribute)], members_of(attribute)
    if members is None:
        return row
    read = {row.encode(value): member for value, member in members.items()}
    spelled = StoredChoices({member: text for text, member in read.items()}, row.encode)
    return WireKind(row.tag, spelled.__getitem__ if attribute.kind is Kind.ENUM else row.encode, read.__getitem__)


def decoded(kind: WireKind, cell: Mapping[str, Any]) -> Any:
    """Return the value of a cell. Raises one of `FAULTS` if it is not of the kind."""
    value = msgspec.convert(cell[kind.tag], kind.type)
    return value if kind.decode is None else kind.decode(value)
