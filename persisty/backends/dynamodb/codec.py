"""Item ⇄ DynamoDB's wire JSON, compiled once per item: one row per kind with its type tag and two functions.

Every value at the top of an item is kept as a type that can be an index key (S, N, B), so that an index declared later
never changes how stored data is read: booleans are numbers, and text or bytes that are empty (no index key may be) or start
with a zero get a zero before them, which keeps their order. Null is the absence of the attribute.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from ...model.keys import KeyValues
from ...model.meta import Attribute, StoreMeta
from ...model.types import NORMALISE, Kind, bare, datetime_text

SORT = "persisty_sort"
"""The sort key attribute of items whose key has more than two parts: the parts after the first, joined."""

MAX_PARTITION, MAX_SORT = 2048, 1024
"""Bytes of a partition key, and of all that sorts under it."""

Wire = dict[str, dict[str, Any]]
Convert = Callable[[Any], Any]


def escape(text: str) -> str:
    return "\0" + text if not text or text[0] == "\0" else text


def unescape(text: str) -> str:
    return text[1:] if text and text[0] == "\0" else text


def _base64(value: bytes) -> str:
    return b64encode(value if value and value[0] else b"\0" + value).decode()


def _bytes(text: str) -> bytes:
    value = b64decode(text)
    return value[1:] if value and not value[0] else value


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _flag(value: bool) -> str:
    return "1" if value else "0"


def _decimal(text: str) -> Decimal:
    if "E" not in text and "e" not in text and not ("." in text and text[-1] == "0"):
        return Decimal(text)  # nearly always: DynamoDB gives a number's one spelling, but for powers of ten
    exact: Decimal = NORMALISE[Kind.DECIMAL](Decimal(text))
    return exact


def _integer(text: str) -> int:
    return int(text) if "." not in text and "E" not in text and "e" not in text else int(Decimal(text))


class WireKind(Struct, frozen=True):
    tag: str
    encode: Convert
    decode: Convert


WIRE: dict[Kind, WireKind] = {
    Kind.STRING: WireKind("S", escape, unescape),
    Kind.INTEGER: WireKind("N", str, _integer),
    Kind.FLOAT: WireKind("N", repr, float),
    Kind.BOOLEAN: WireKind("N", _flag, lambda text: text != "0"),
    Kind.DATETIME: WireKind("S", datetime_text, datetime.fromisoformat),
    Kind.DATE: WireKind("S", date.isoformat, date.fromisoformat),
    Kind.UUID: WireKind("S", str, partial(msgspec.convert, type=UUID)),
    Kind.DECIMAL: WireKind("N", str, _decimal),
    Kind.BYTES: WireKind("B", _base64, _bytes),
}
"""Enums and JSON depend on the attribute and have no row: see `wire_kind`."""


def wire_kind(attribute: Attribute) -> WireKind:
    """The row of the attribute's kind."""
    if attribute.kind is Kind.ENUM:
        members = tuple(bare(attribute.type))
        numeric = all(isinstance(member.value, int) for member in members)
        spelled = {member: str(member.value) if numeric else escape(member.value) for member in members}
        read = {text: member for member, text in spelled.items()}
        return WireKind("N" if numeric else "S", spelled.__getitem__, read.__getitem__)
    if attribute.kind is Kind.JSON:
        return WireKind("S", _json, msgspec.json.Decoder(attribute.type).decode)
    return WIRE[attribute.kind]


class WireCodec:
    def __init__(self, meta: StoreMeta[Any]) -> None:
        self._kinds = {name: wire_kind(attribute) for name, attribute in meta.attributes.items()}
        self._encoders = tuple(
            (name, meta.attributes[name].get, kind.tag, kind.encode) for name, kind in self._kinds.items()
        )
        self._decoders = {name: (kind.tag, kind.decode) for name, kind in self._kinds.items()}
        self._item = meta.item
        self._meta = meta
        self._nulls = dict.fromkeys(meta.attributes)
        self._joined = len(meta.key.attributes) > 2

    @property
    def schema(self) -> tuple[str, ...]:
        """The attributes of the table's key: partition key, and sort key if there is one."""
        key = self._meta.key.attributes
        return (key[0], SORT) if self._joined else key

    def tag(self, name: str) -> str:
        return "S" if name == SORT else self._kinds[name].tag

    def item(self, wire: Mapping[str, Mapping[str, Any]]) -> Any:
        """The item of an answer."""
        values: dict[str, Any] = self._nulls.copy()
        decoders = self._decoders
        for name, tagged in wire.items():
            if name in decoders:  # else it is the joined sort key, or of another version of the declaration
                tag, decode = decoders[name]
                values[name] = decode(tagged[tag])
        return self._item(**values)

    def wire(self, item: Any) -> Wire:
        """The attributes of an item that are not null."""
        wire: Wire = {
            name: {tag: encode(value)} for name, get, tag, encode in self._encoders if (value := get(item)) is not None
        }
        if self._joined:
            wire[SORT] = self._sort(self._meta.key_values(item))
        return wire

    def value(self, name: str, value: Any) -> dict[str, Any]:
        """One value that is not None."""
        kind = self._kinds[name]
        return {kind.tag: kind.encode(value)}

    def key(self, key: KeyValues) -> Wire:
        """The table's key attributes."""
        names = self._meta.key.attributes
        if self._joined:
            return {names[0]: self.value(names[0], key[0]), SORT: self._sort(key)}
        return {name: self.value(name, value) for name, value in zip(names, key, strict=True)}

    def storable(self, key: KeyValues) -> bool:
        """Is the key within DynamoDB's limits? There is no item with one that is not."""
        sizes = [len(value.encode()) for one in self.key(key).values() for value in one.values()]
        return all(size <= limit for size, limit in zip(sizes, (MAX_PARTITION, MAX_SORT), strict=False))

    def _sort(self, key: KeyValues) -> dict[str, Any]:
        parts = self._meta.key_codec.text(key).partition("~")[2]
        return {"S": parts}
