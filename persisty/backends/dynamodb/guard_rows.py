"""Unique values as guard rows: each value has one row in the system table, written in the transaction of its item.

A write that gives an item a value puts the row, on the condition that there is none. A write that removes the value deletes the row. The
old value is known only from reading the item, so the write requires that it is unchanged.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any
from urllib.parse import quote

from ...model.meta import StoreMeta
from ...model.stored_names import stored_index
from ...store.backend import Patch, Put, Write
from .codec import WireCodec

MAX_ID = 1024
"""Most characters of a guard's id. Values of longer ones are hashed: a key of DynamoDB has at most 2048 bytes."""


class Guards:
    """The guard rows of one table."""

    def __init__(self, meta: StoreMeta[Any], codec: WireCodec) -> None:
        self._meta, self._codec = meta, codec
        self._attributes = frozenset(name for index in meta.uniques for name in index.attributes)

    @property
    def attributes(self) -> frozenset[str]:
        """Return the attributes of the unique indexes."""
        return self._attributes

    def concern(self, write: Write) -> bool:
        """Return whether the write may set or free a unique value."""
        if not self._attributes:
            return False
        if isinstance(write, Put):
            return bool(self.of(write.item))
        return not isinstance(write, Patch) or not self._attributes.isdisjoint(write.changes)

    def of(self, item: Any) -> dict[str, str]:
        """Return guard → its unique index, for the values of an item. An item with a null in an index has no guard for it."""
        found: dict[str, str] = {}
        for index in self._meta.uniques:
            values = [(name, self._meta.attributes[name].get(item)) for name in index.attributes]
            if all(value is not None for _, value in values):
                found[self._id(stored_index(self._meta, index), values)] = index.name
        return found

    def _id(self, index: str, values: list[tuple[str, Any]]) -> str:
        wires = [self._codec.value(name, value) for name, value in values]
        text = "/".join(tag + quote(value, safe="") for wire in wires for tag, value in wire.items())
        if len(text) > MAX_ID:
            text = "#" + sha256(text.encode()).hexdigest()
        return f"unique/{self._meta.table}/{index}/{text}"
