"""Unique values as guard rows: for each there is one row of the system table, written in the transaction of its item.

An item that gains a value puts the value's row, on the condition that there is none; one that loses it deletes the row. Which
value an item loses is known only from reading it, so its write depends on that being unchanged.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any
from urllib.parse import quote

from ...model.meta import StoreMeta
from ...store.backend import Patch, Put, Write
from .codec import WireCodec

MAX_ID = 1024
"""Characters of a guard's id beyond which its values are hashed; a key of DynamoDB's holds 2048 bytes."""


class Guards:
    """The guard rows of one store."""

    def __init__(self, meta: StoreMeta[Any], codec: WireCodec) -> None:
        self._meta, self._codec = meta, codec
        self._attributes = frozenset(name for index in meta.uniques for name in index.attributes)

    @property
    def attributes(self) -> frozenset[str]:
        """The attributes that unique values are made of."""
        return self._attributes

    def concern(self, write: Write) -> bool:
        """Return whether the write may set or free a unique value."""
        if not self._attributes:
            return False
        if isinstance(write, Put):
            return bool(self.of(write.item))
        return not isinstance(write, Patch) or not self._attributes.isdisjoint(write.changes)

    def of(self, item: Any) -> dict[str, str]:
        """Guard → the unique index it belongs to, for the values that an item has. Null in an index frees the item of it."""
        found: dict[str, str] = {}
        for index in self._meta.uniques:
            values = [(name, self._meta.attributes[name].get(item)) for name in index.attributes]
            if all(value is not None for _, value in values):
                found[self._id(index.name, values)] = index.name
        return found

    def _id(self, index: str, values: list[tuple[str, Any]]) -> str:
        wires = [self._codec.value(name, value) for name, value in values]
        text = "/".join(tag + quote(value, safe="") for wire in wires for tag, value in wire.items())
        if len(text) > MAX_ID:
            text = "#" + sha256(text.encode()).hexdigest()
        return f"unique/{self._meta.name}/{index}/{text}"
