"""`WireCodec`: item ⇄ DynamoDB's wire JSON, compiled once per item.

Null is stored as the absence of the attribute. If an absent attribute has a value (see `model.missing_values`), a null of an optional attribute
is DynamoDB's NULL instead. Keys of an index cannot be NULL, so for optional attributes of an index null is always the absence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from ...model.expressions import Compare, Filter
from ...model.generators import Add, Append
from ...model.key_bounds import MAX_PARTITION, MAX_SORT
from ...model.keys import KeyValues
from ...model.meta import StoreMeta
from ...model.missing_values import value_before
from ...model.stored_members import stored_kind
from ...model.stored_names import stored_names_of
from ...model.types import Kind
from ...model.unreadable_items import FAULTS, UnreadableValue, partly_readable
from ...model.validation import changed
from ...query.evaluation import matcher
from ...store.backend import Patch, Write
from .unchanged_values import StoredCell, StoredItem
from .wire_answers import LOOSE, Batch, ExecutedBatch, Found, Got, Updated
from .wire_kinds import NULL, UNBOUNDED, WIRE, Convert, Wire, WireKind, cell, nullable_cell, wire_kind

SORT = "persisty_sort"
"""The sort key attribute of items whose key has more than two parts. Its value is the parts after the first, joined."""

MAX_PARTIAL = 200
"""Selections of attributes whose compiled readers a table caches. The cache is cleared when it is full."""


def _reader(
    item: Any,
    kinds: Mapping[str, WireKind],
    before: Mapping[str, Callable[[], Any]],
    optional: frozenset[str],
    nullable: frozenset[str],
    partly: Convert,
    unset: Iterable[str] = (),
) -> Convert:
    """Compile the function that makes an item of a row. One expression takes a third of the time of a loop over the attributes, which is most of a
    page's time. `before`: the values of absent attributes. `partly` makes the item of a row with a value that cannot be decoded.

    ```
    def read(row):
        try:
            return item(id=missing() if (cell := row.id) is None else decode_id(cell.S), …)
        except FAULTS:
            return partly(row)
    ```
    """
    terms = [f"{name}=UNSET" for name in unset]
    names: dict[str, Any] = {"item": item, "UNSET": UNSET, "FAULTS": FAULTS, "partly": partly, "missing": _missing}
    for name, kind in kinds.items():  # Python has checked that attribute names are identifiers
        names[f"decode_{name}"] = kind.decode
        text = f"cell.{kind.tag}"
        value = text if kind.decode is None else kind.inline.format(text=text, decode=f"decode_{name}")
        if name in nullable:
            value = f"(None if cell.NULL else missing()) if {text} is None else {value}"
        absent = "None" if name in optional else "missing()"
        if name in before:
            names[f"before_{name}"], absent = before[name], f"before_{name}()"
        terms.append(f"{name}={absent} if (cell := row.{name}) is None else {value}")
    text = f"def read(row):\n try:\n  return item({', '.join(terms)})\n except FAULTS:\n  return partly(row)"
    exec(text, names)
    compiled: Convert = names["read"]
    return compiled


def _missing() -> Any:
    raise UnreadableValue("no value")


class WireCodec:
    """`cells`: attribute → the tag and the encoder of its value. `got`, `updated`, `found`, `batch`: the shapes of responses with items.
    `item` makes an item of a row in one of them, without stored attributes that are not declared.

    `before`: attribute → the function that makes its value in an item that lacks it. `absent`: its value there, if that is not null.
    `nullable`: the attributes of `before` whose null is a NULL. `optional`: all attributes that may be null; an item may have a NULL from before a change
    of the default."""

    def __init__(self, meta: StoreMeta[Any]) -> None:
        self._kinds = {name: wire_kind(attribute) for name, attribute in meta.attributes.items()}
        self.stored = stored = stored_names_of(meta)
        """Attribute → the name under which it is stored."""
        self._encoders = tuple(
            (stored[name], meta.attributes[name].get, kind.tag, kind.encode) for name, kind in self._kinds.items()
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
        self._nulls = tuple((stored[name], meta.attributes[name].get) for name in self.nullable)
        self.optional = frozenset(name for name, attribute in meta.attributes.items() if attribute.optional)
        self._cells = {
            name: (nullable_cell if name in self.nullable else cell)(kind.tag, kind.type)
            for name, kind in self._kinds.items()
        }
        self._loose: Any = msgspec.defstruct(
            "LooseRow", [(name, Any, None) for name in self._cells], rename=stored, gc=False
        )
        row: Any = msgspec.defstruct(
            "Row",
            [(name, type_ | None, None) for name, type_ in self._cells.items()],
            namespace={LOOSE: self._loose},
            rename=stored,
            gc=False,
        )
        self._row = row
        self._meta = meta
        self.item = self._reader(tuple(self._kinds))
        self._bare = self.item(row())
        self.got, self.updated, self.found, self.batch = Got[row], Updated[row], Found[row], Batch[row]
        self.executed = ExecutedBatch[row]
        self._partial: dict[tuple[str, ...], Convert] = {}
        self._joined = len(meta.key.attributes) > 2
        self._key = tuple(
            (stored[name], self._kinds[name].tag, self._kinds[name].encode) for name in meta.key.attributes
        )
        self._encoders_of_all = {
            name: (kind.tag, kind.encode_all or partial(map, kind.encode)) for name, kind in self._kinds.items()
        }
        self._short = not self._joined and all(one.kind not in UNBOUNDED for one in meta.key_attributes)

    def absent_matches(self, comparison: Compare) -> bool | None:
        """Return whether an item that lacks the attribute matches by its default, None if that is null."""
        name = comparison.attribute
        if name not in self.absent:
            return None
        if comparison.operator == "eq":
            return bool(comparison.value == self.absent[name])
        return matcher(self._meta, comparison)(self._bare)

    @property
    def schema(self) -> tuple[str, ...]:
        """Return the attributes of the table's key: the partition key, and the sort key if there is one."""
        key = self._meta.key.attributes
        return (key[0], SORT) if self._joined else key

    @property
    def stored_key(self) -> tuple[str, ...]:
        """The attributes of `schema`, under the names that they are stored by."""
        return tuple(self.stored.get(name, name) for name in self.schema)

    def tag(self, name: str) -> str:
        return "S" if name == SORT else self._kinds[name].tag

    def read(self, wire: Mapping[str, Mapping[str, Any]]) -> Any:
        """Return the item of wire JSON, such as that of a refusal."""
        return self.item(self._row_of(wire))

    def read_stored(self, wire: Mapping[str, Mapping[str, Any]]) -> StoredItem:
        """Return the item of wire JSON with its row."""
        return self.stored_item(self._row_of(wire))

    def stored_item(self, row: Any) -> StoredItem:
        """Return a row with its item."""
        return StoredItem(self.item(row), row)

    def _row_of(self, wire: Mapping[str, Mapping[str, Any]]) -> Any:
        try:
            return msgspec.convert(wire, self._row)
        except msgspec.ValidationError:
            return msgspec.convert(wire, self._loose)

    def _reader(self, names: tuple[str, ...]) -> Convert:
        kinds = {name: self._kinds[name] for name in names}
        unset = self._kinds.keys() - kinds.keys()
        partly = partial(self._partly, names)
        return _reader(self._meta.item, kinds, self.before, self.optional, self.nullable, partly, unset)

    def _partly(self, names: tuple[str, ...], row: Any) -> Any:
        """Return the item of a row with a value that its attribute's type does not allow."""
        return partly_readable(
            self._meta, {name: getattr(row, name) for name in names}, self._checked, names, self._plain
        )

    def _checked(self, name: str, given: Any) -> Any:
        """Decode a cell, of a loose row too. Raises one of `FAULTS` if its attribute's type does not allow the value."""
        kind, null = self._kinds[name], name in self.optional
        if given is None:
            return self.before[name]() if name in self.before else None if null else _missing()
        if isinstance(given, dict):
            if null and given == NULL:
                return None
            try:
                given = msgspec.convert(given, self._cells[name])
            except msgspec.ValidationError as error:  # the path would be that of the cell, not of the value
                raise UnreadableValue(name) from error
        value = getattr(given, kind.tag)
        if value is None:
            return None if given.NULL else _missing()
        return value if kind.decode is None else kind.decode(value)

    def _plain(self, name: str, given: Any) -> Any:
        """Decode a cell whose value may not be of its attribute's type: a scalar's kind, or the JSON text of an object. None for a null."""
        kind, cell = stored_kind(self._meta.attributes[name]), self._cells[name]
        row = self._kinds[name] if kind is Kind.JSON else WIRE[kind]
        value = getattr(msgspec.convert(given, cell) if isinstance(given, dict) else given, row.tag)
        if value is not None and kind is Kind.JSON:
            return value if row.tag == "S" else "[]"  # a list is compared with null only
        return value if value is None or row.decode is None else row.decode(value)

    def partial(self, names: tuple[str, ...]) -> Convert:
        """Return the function from a row to an item in which all other attributes are UNSET."""
        found = self._partial.get(names)
        if found is None:
            if len(self._partial) >= MAX_PARTIAL:
                self._partial.clear()
            found = self._partial[names] = self._reader(names)
        return found

    def wire(self, item: Any) -> Wire:
        """Return the attributes of an item that are not null, and the nulls that are stored as NULL."""
        wire: Wire = {
            name: {tag: encode(value)} for name, get, tag, encode in self._encoders if (value := get(item)) is not None
        }
        for name, get in self._nulls:
            if get(item) is None:
                wire[name] = NULL
        if self._joined:
            wire[SORT] = self._sort(self._meta.key_values(item))
        return wire

    def columns(self, items: Sequence[Any]) -> dict[str, list[dict[str, Any]]] | None:
        """Return the stored attributes of several items with the value of each item. None unless all items store the same attributes. This takes half the
        time of `wire` for each."""
        if self._joined or self._nulls:
            return None
        found: dict[str, list[dict[str, Any]]] = {}
        for name, attribute in self._meta.attributes.items():
            get = attribute.get
            values = [get(item) for item in items]
            nulls = sum(value is None for value in values) if attribute.optional else 0
            if not nulls:
                found[self.stored[name]] = self.column(name, values)
            elif nulls < len(values):
                return None
        return found

    def column(self, name: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        """Encode several values of one attribute that are not None."""
        tag, encode_all = self._encoders_of_all[name]
        return [{tag: value} for value in encode_all(values)]

    def key_columns(self, keys: Sequence[KeyValues]) -> list[Sequence[dict[str, Any]]]:
        """Return the values of the table's key attributes in several keys, a list for each attribute."""
        if self._joined:
            return list(zip(*(self.key(key).values() for key in keys), strict=True))
        return [self.column(name, [key[place] for key in keys]) for place, name in enumerate(self._meta.key.attributes)]

    def value(self, name: str, value: Any) -> dict[str, Any]:
        """Encode one value that is not None."""
        if type(value) is StoredCell:
            return value.wire
        tag, encode = self.cells[name]
        return {tag: encode(value)}

    def starts_from_null(self, write: Write) -> frozenset[str]:
        """Return the attributes of a patch that `add` or `append` changes and that may be a NULL, which DynamoDB cannot change so."""
        if not self.nullable or not isinstance(write, Patch):
            return frozenset()
        return frozenset([name for name in self.nullable if isinstance(write.changes.get(name), Add | Append)])

    def started(self, write: Write, item: Any) -> tuple[Write, list[Filter]]:
        """Return the write with values instead of these changes if the item's are null, and the condition on the item that makes it valid."""
        names = sorted(self.starts_from_null(write))
        if not names or not isinstance(write, Patch):
            return write, []
        null = {name: self._meta.attributes[name].get(item) is None for name in names}
        after = changed(self._meta, item, write.changes)
        values = {name: self._meta.attributes[name].get(after) for name in names if null[name]}
        return replace(write, changes={**write.changes, **values}), [Compare(one, "null", null[one]) for one in names]

    def start(self, name: str, otherwise: dict[str, Any]) -> dict[str, Any]:
        """Return the value from which `add` and `append` change an absent attribute: its default, or `otherwise`."""
        return self.value(name, self.absent[name]) if name in self.absent else otherwise

    def key(self, key: KeyValues) -> Wire:
        """Return the table's key attributes with their values."""
        name, tag, encode = self._key[0]
        wire: Wire = {name: {tag: encode(key[0])}}
        if self._joined:
            wire[SORT] = self._sort(key)
        elif len(key) == 2:
            name, tag, encode = self._key[1]
            wire[name] = {tag: encode(key[1])}
        return wire

    def keys(self, keys: Sequence[KeyValues]) -> list[Wire]:
        """Return the `key` of each."""
        if len(self._key) > 1:
            return [self.key(key) for key in keys]
        [(name, tag, encode)] = self._key
        return [{name: {tag: encode(value)}} for (value,) in keys]

    def storable(self, key: KeyValues) -> bool:
        """Return whether the key is within DynamoDB's limits. No item has a longer key."""
        if self._short:
            return True
        if not self._joined and all(not isinstance(part, str) or len(part) < MAX_SORT // 4 for part in key):
            return True  # a character has at most 4 bytes
        sizes = [len(value.encode()) for one in self.key(key).values() for value in one.values()]
        return all(size <= limit for size, limit in zip(sizes, (MAX_PARTITION, MAX_SORT), strict=False))

    def _sort(self, key: KeyValues) -> dict[str, Any]:
        parts = self._meta.key_codec.text(key).partition("~")[2]
        return {"S": parts}
