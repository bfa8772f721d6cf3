"""Item ⇄ DynamoDB's wire JSON, compiled once per item: one row per kind with its type tag and two functions.

Every value that has an order is kept as a type that can be an index key (S, N, B), so that an index declared later never
changes how stored data is read: booleans are numbers, and text or bytes that are empty (no index key may be) or start with a
zero get a zero before them, which keeps their order. Objects are JSON text; a list is one of its values' JSON texts, so that
DynamoDB can append to it.

Null is the absence of the attribute, except where an attribute that is absent has a value (see `model.stored_before`): there a null of
an optional attribute is DynamoDB's NULL. Of the optional attributes that are in an index, whose keys DynamoDB does not let be NULL, null
is always the absence.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import replace

from ...model.expressions import Compare, Filter
from ...model.generators import Add, Append
from ...model.keys import KeyValues
from ...model.meta import Attribute, StoreMeta
from ...model.stored_before import value_before
from ...model.types import DECIMAL_DIGITS, NORMALISE, Kind, bare, datetime_text, is_list
from ...model.validation import changed
from ...query.evaluation import matcher
from ...store.backend import Patch, Write

SORT = "persisty_sort"
"""The sort key attribute of items whose key has more than two parts: the parts after the first, joined."""

MAX_PARTITION, MAX_SORT = 2048, 1024
"""Bytes of a partition key, and of all that sorts under it."""

MAX_PARTIAL = 200
"""Selections of attributes whose compiled readers a table keeps; past that it starts over."""

CELLS = 256
"""Types of tagged values that are cached: items share most of theirs."""


@lru_cache(CELLS)
def _cell(tag: str, type_: Any) -> Any:
    """A tagged value such as `{"S": "text"}`."""
    return msgspec.defstruct(f"Cell{tag}", [(tag, type_)], gc=False)


@lru_cache(CELLS)
def _nullable_cell(tag: str, type_: Any) -> Any:
    """A tagged value, or `{"NULL": true}`, of which the tag's value is None."""
    return msgspec.defstruct(f"NullableCell{tag}", [(tag, type_ | None, None)], gc=False)


NULL: dict[str, Any] = {"NULL": True}
W = TypeVar("W")
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
    decode = msgspec.json.Decoder(annotation).decode
    return lambda cells: decode(f"[{','.join([cell.S for cell in cells])}]")


def _flag(value: bool) -> str:
    return "1" if value else "0"


def _decimal(text: str) -> Decimal:
    if len(text) <= DECIMAL_DIGITS and "E" not in text and "e" not in text and not ("." in text and text[-1] == "0"):
        return Decimal(text)  # nearly always: DynamoDB gives a number's one spelling, but for very large ones
    exact: Decimal = NORMALISE[Kind.DECIMAL](Decimal(text))
    return exact


def _integer(text: str) -> int:
    return int(text) if "." not in text and "E" not in text and "e" not in text else int(Decimal(text))


class WireKind(Struct, frozen=True):
    """`tag` is DynamoDB's type. An answer is decoded to `type` along with its JSON, and from there by `decode`, if any.

    `inline`: the same as an expression of `{text}` and `{decode}`, for kinds that nearly every item has: a page has many.
    """

    tag: str
    encode: Convert
    decode: Convert | None
    type: Any = str
    inline: str = "{decode}({text})"


WIRE: dict[Kind, WireKind] = {
    Kind.STRING: WireKind("S", escape, unescape, inline="{text} if {text}[:1] != '\\0' else {decode}({text})"),
    Kind.INTEGER: WireKind("N", str, _integer, inline="int({text}) if {text}.isdigit() else {decode}({text})"),
    Kind.FLOAT: WireKind("N", repr, float),
    Kind.BOOLEAN: WireKind("N", _flag, lambda text: text != "0"),
    Kind.DATETIME: WireKind("S", datetime_text, None, datetime),
    Kind.DATE: WireKind("S", date.isoformat, None, date),
    Kind.UUID: WireKind("S", msgspec.to_builtins, None, UUID),
    Kind.DECIMAL: WireKind("N", str, _decimal),
    Kind.BYTES: WireKind("B", _base64, _bytes, bytes),
}
"""Enums and JSON depend on the attribute and have no row: see `wire_kind`."""
UNBOUNDED = frozenset({Kind.STRING, Kind.BYTES, Kind.ENUM, Kind.JSON})
"""Kinds whose values may be longer than a key may be."""


def wire_kind(attribute: Attribute) -> WireKind:
    """The row of the attribute's kind."""
    if attribute.kind is Kind.ENUM:
        members = tuple(bare(attribute.type))
        numeric = all(isinstance(member.value, int) for member in members)
        spelled = {member: str(member.value) if numeric else escape(member.value) for member in members}
        read = {text: member for member, text in spelled.items()}
        return WireKind("N" if numeric else "S", spelled.__getitem__, read.__getitem__)
    if attribute.kind is Kind.JSON and is_list(attribute.type):
        return WireKind("L", _listed, _list_of(attribute.type), list[_cell("S", str)])  # type: ignore[misc]
    if attribute.kind is Kind.JSON:
        return WireKind("S", _json, msgspec.json.Decoder(attribute.type).decode)
    return WIRE[attribute.kind]


class Got(Struct, Generic[W]):
    """Answer of `GetItem`."""

    Item: W | None = None


class Updated(Struct, Generic[W]):
    """Answer of `UpdateItem`."""

    Attributes: W


class Found(Struct, Generic[W]):
    """Answer of `Query` and `Scan`."""

    Items: list[W] = []
    Count: int = 0
    LastEvaluatedKey: Wire | None = None


class Refused(Struct, Generic[W]):
    """Why a statement of a batch did nothing, and the item that is there, if it was for its condition."""

    Code: str = ""
    Item: W | None = None


class Executed(Struct, Generic[W]):
    """The result of one statement of a batch."""

    Item: W | None = None
    Error: Refused[W] | None = None

    @property
    def in_doubt(self) -> bool:
        """It failed in a way that leaves open whether it was carried out."""
        return self.Error is not None and self.Error.Code == "InternalServerError"


class ExecutedBatch(Struct, Generic[W]):
    """Answer of `BatchExecuteStatement`."""

    Responses: list[Executed[W]]


class Batch(Struct, Generic[W]):
    """Answer of `BatchGetItem`."""

    Responses: dict[str, list[W]]
    UnprocessedKeys: dict[str, Any] = {}


def _reader(
    item: Any,
    kinds: Mapping[str, WireKind],
    before: Mapping[str, Callable[[], Any]],
    nullable: frozenset[str],
    unset: Iterable[str] = (),
) -> Convert:
    """Row → item, as one expression: a third of the time of a loop over the attributes, and most of a page's. `before`: the values of
    attributes that are absent.

    `lambda row: item(id=None if (cell := row.id) is None else decode_id(cell.S), …)`
    """
    terms = [f"{name}=UNSET" for name in unset]
    names: dict[str, Any] = {"item": item, "UNSET": UNSET}
    for name, kind in kinds.items():  # attribute names: Python has checked that they are identifiers
        names[f"decode_{name}"] = kind.decode
        text = f"cell.{kind.tag}"
        value = text if kind.decode is None else kind.inline.format(text=text, decode=f"decode_{name}")
        if name in nullable:
            value = f"None if {text} is None else {value}"
        absent = "None"
        if name in before:
            names[f"before_{name}"], absent = before[name], f"before_{name}()"
        terms.append(f"{name}={absent} if (cell := row.{name}) is None else {value}")
    compiled: Convert = eval(f"lambda row: item({', '.join(terms)})", names)
    return compiled


class WireCodec:
    """`cells`: attribute → the tag and the encoder of its value. `got`, `updated`, `found`, `batch` are the shapes of answers with items, and
    `item` makes an item of a row in one of them. It leaves out stored attributes that the declaration does not know.

    `before`: attribute → what makes its value in an item that lacks it, and `absent` its value there, where that is not null. `nullable`:
    those of them whose null is a NULL."""

    def __init__(self, meta: StoreMeta[Any]) -> None:
        self._kinds = {name: wire_kind(attribute) for name, attribute in meta.attributes.items()}
        self._encoders = tuple(
            (name, meta.attributes[name].get, kind.tag, kind.encode) for name, kind in self._kinds.items()
        )
        self.cells = {name: (kind.tag, kind.encode) for name, kind in self._kinds.items()}
        indexed = {name for index in meta.indexes for name in index.attributes}
        self.before = {
            name: value
            for name, attribute in meta.attributes.items()
            if name not in meta.key.attributes
            and not (attribute.optional and name in indexed)
            and (value := value_before(attribute)) is not None
        }
        self.absent = {name: value() for name, value in self.before.items()}
        self.nullable = frozenset(name for name in self.before if meta.attributes[name].optional)
        self._nulls = tuple((name, meta.attributes[name].get) for name in self.nullable)
        cells = {
            name: (_nullable_cell if name in self.nullable else _cell)(kind.tag, kind.type)
            for name, kind in self._kinds.items()
        }
        row: Any = msgspec.defstruct("Row", [(name, cell | None, None) for name, cell in cells.items()], gc=False)
        self._row = row
        self.item = _reader(meta.item, self._kinds, self.before, self.nullable)
        self._bare = self.item(row())
        self.got, self.updated, self.found, self.batch = Got[row], Updated[row], Found[row], Batch[row]
        self.executed = ExecutedBatch[row]
        self._partial: dict[tuple[str, ...], Convert] = {}
        self._meta = meta
        self._joined = len(meta.key.attributes) > 2
        self._key = tuple((name, self._kinds[name].tag, self._kinds[name].encode) for name in meta.key.attributes)
        self._short = not self._joined and all(one.kind not in UNBOUNDED for one in meta.key_attributes)

    def absent_matches(self, comparison: Compare) -> bool | None:
        """Return whether an item that lacks the attribute matches by its value there, None where that is null."""
        name = comparison.attribute
        if name not in self.absent:
            return None
        if comparison.operator == "eq":
            return bool(comparison.value == self.absent[name])
        return matcher(self._meta, comparison)(self._bare)

    @property
    def schema(self) -> tuple[str, ...]:
        """The attributes of the table's key: partition key, and sort key if there is one."""
        key = self._meta.key.attributes
        return (key[0], SORT) if self._joined else key

    def tag(self, name: str) -> str:
        return "S" if name == SORT else self._kinds[name].tag

    def read(self, wire: Mapping[str, Mapping[str, Any]]) -> Any:
        """The item of wire JSON, such as a refusal carries."""
        return self.item(msgspec.convert(wire, self._row))

    def partial(self, names: tuple[str, ...]) -> Convert:
        """Row → an item in which all but these attributes are UNSET."""
        found = self._partial.get(names)
        if found is None:
            if len(self._partial) >= MAX_PARTIAL:
                self._partial.clear()
            kinds = {name: self._kinds[name] for name in names}
            found = self._partial[names] = _reader(
                self._meta.item, kinds, self.before, self.nullable, self._kinds.keys() - kinds.keys()
            )
        return found

    def wire(self, item: Any) -> Wire:
        """The attributes of an item that are not null, and the nulls that are not an absence."""
        wire: Wire = {
            name: {tag: encode(value)} for name, get, tag, encode in self._encoders if (value := get(item)) is not None
        }
        for name, get in self._nulls:
            if get(item) is None:
                wire[name] = NULL
        if self._joined:
            wire[SORT] = self._sort(self._meta.key_values(item))
        return wire

    def value(self, name: str, value: Any) -> dict[str, Any]:
        """One value that is not None."""
        tag, encode = self.cells[name]
        return {tag: encode(value)}

    def starts_from_null(self, write: Write) -> frozenset[str]:
        """The attributes of a patch that `add` or `append` changes and that may be a NULL, from which DynamoDB does neither."""
        if not self.nullable or not isinstance(write, Patch):
            return frozenset()
        return frozenset([name for name in self.nullable if isinstance(write.changes.get(name), Add | Append)])

    def started(self, write: Write, item: Any) -> tuple[Write, list[Filter]]:
        """The write in which these changes are values where the item's are null, and what has to hold of the item for that."""
        names = sorted(self.starts_from_null(write))
        if not names or not isinstance(write, Patch):
            return write, []
        null = {name: self._meta.attributes[name].get(item) is None for name in names}
        after = changed(self._meta, item, write.changes)
        values = {name: self._meta.attributes[name].get(after) for name in names if null[name]}
        return replace(write, changes={**write.changes, **values}), [Compare(one, "null", null[one]) for one in names]

    def start(self, name: str, otherwise: dict[str, Any]) -> dict[str, Any]:
        """Return the value that an absent attribute is changed from, by `add` and `append`: its value, or `otherwise`."""
        return self.value(name, self.absent[name]) if name in self.absent else otherwise

    def key(self, key: KeyValues) -> Wire:
        """The table's key attributes."""
        name, tag, encode = self._key[0]
        wire: Wire = {name: {tag: encode(key[0])}}
        if self._joined:
            wire[SORT] = self._sort(key)
        elif len(key) == 2:
            name, tag, encode = self._key[1]
            wire[name] = {tag: encode(key[1])}
        return wire

    def keys(self, keys: Sequence[KeyValues]) -> list[Wire]:
        """`key` of each."""
        if len(self._key) > 1:
            return [self.key(key) for key in keys]
        [(name, tag, encode)] = self._key
        return [{name: {tag: encode(value)}} for (value,) in keys]

    def storable(self, key: KeyValues) -> bool:
        """Return whether the key is within DynamoDB's limits. No item has a key beyond them."""
        if self._short:
            return True
        if not self._joined and all(not isinstance(part, str) or len(part) < MAX_SORT // 4 for part in key):
            return True  # a character has at most 4 bytes
        sizes = [len(value.encode()) for one in self.key(key).values() for value in one.values()]
        return all(size <= limit for size, limit in zip(sizes, (MAX_PARTITION, MAX_SORT), strict=False))

    def _sort(self, key: KeyValues) -> dict[str, Any]:
        parts = self._meta.key_codec.text(key).partition("~")[2]
        return {"S": parts}
