"""DynamoDB's limits, checked before anything is sent: the size of an item, of a transaction, and of the values of keys.

Sources: "Item sizes and formats" and "Service, account, and table quotas" in the DynamoDB Developer Guide. The bytes of a number are
measured on DynamoDB Local. For nearly all items, a few lengths show that they are small.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from ...errors import BatchTooLarge, Fault, InvalidInput
from ...model.generators import Add, Append
from ...model.key_bounds import MAX_PARTITION, MAX_SORT
from ...model.meta import Attribute, StoreMeta
from ...model.msgspec_faults import pointer
from ...model.types import Kind, metas_of
from ...store.backend import Delete, Patch, Put, Write
from .codec import SORT, WireCodec
from .wire_kinds import Wire

MAX_ITEM = 400 * 1024
"""Most bytes of an item, including the names of its attributes."""
MAX_TRANSACTION = 4 * 1024 * 1024
"""Most bytes of the items of a transaction."""
CHARACTER = 4
"""Most bytes of a character."""
ESCAPED = 3 * CHARACTER
"""Most bytes of a character of a joined key: each byte may be percent-encoded."""
FIXED = 64
"""Most bytes of a value of a kind of fixed size, including its attribute's overhead."""


def size_of(wire: Wire) -> int:
    """Return the bytes of an item as DynamoDB counts them."""
    return sum(len(name.encode()) + value_size(value) for name, value in wire.items())


def value_size(tagged: Mapping[str, Any]) -> int:
    """Return the bytes of a value: text as UTF-8, a number by pairs of its digits, a list with 3 bytes and 1 for each value."""
    [(tag, value)] = tagged.items()
    if tag == "S":
        return len(value.encode())
    if tag == "NULL":
        return 1
    if tag == "N":
        return _number_size(Decimal(value))
    return len(b64decode(value)) if tag == "B" else 3 + sum(1 + value_size(one) for one in value)


def _number_size(number: Decimal) -> int:
    """Return the bytes of a number: one, one for each digit to base 100, and one for a minus."""
    sign, digits, exponent = number.as_tuple()
    text = "".join(map(str, digits)) + "0" * (int(exponent) % 2)
    pairs = text.zfill(len(text) + len(text) % 2).lstrip("0")
    pairs = pairs.zfill(len(pairs) + len(pairs) % 2)
    while pairs.endswith("00"):
        pairs = pairs[:-2]
    return 1 + len(pairs) // 2 + (sign if pairs else 0)


class Limits:
    """Check the items of one table against the limits."""

    def __init__(self, meta: StoreMeta[Any], codec: WireCodec) -> None:
        self._codec = codec
        self._gets = {name: attribute.get for name, attribute in meta.attributes.items()}
        bounds = {name: _bound(one.kind, one.type) for name, one in meta.attributes.items()}
        self._long = tuple(
            [(name, length_of(meta.attributes[name])) for name, bound in bounds.items() if bound is None]
        )
        self._bounded = sum(len(name) + (bound or 0) for name, bound in bounds.items())
        self._keys = _keys(meta, codec)
        self._joined = meta.key.attributes[1:] if SORT in codec.schema else ()

    def check(self, writes: Sequence[Write], *, atomic: bool) -> None:
        """Raise `InvalidInput` for values that DynamoDB does not store, `BatchTooLarge` for more than it writes atomically. In a batch, the
        paths of faults begin with the position of the write."""
        faults: list[Fault] = []
        total = 0
        for position, write in enumerate(writes):
            if isinstance(write, Delete):
                continue
            item, values = (write.item, None) if isinstance(write, Put) else (None, write.changes)
            length = self._length(item, values)
            total += length + self._bounded
            if length + self._bounded > MAX_ITEM or self._long_key(item, values):
                path = pointer(position) if len(writes) > 1 else ""
                faults += self._faults(write, path)
        if faults:
            raise InvalidInput("DynamoDB does not store that", faults=faults)
        if atomic and total > MAX_TRANSACTION and (size := sum(map(self._size, writes))) > MAX_TRANSACTION:
            raise BatchTooLarge("DynamoDB writes at most 4 MB atomically", limit=MAX_TRANSACTION, found=size)

    def _length(self, item: Any, values: Mapping[str, Any] | None) -> int:
        """Return an upper bound of the bytes of the values without a fixed size."""
        length = 0
        for name, length_of_value in self._long:
            value = self._gets[name](item) if values is None else values.get(name)
            if value is not None:
                length += length_of_value(value)
        return length

    def _long_key(self, item: Any, values: Mapping[str, Any] | None) -> bool:
        """Return whether a value may be too long for a key."""
        for name, most in self._keys:
            value = self._gets[name](item) if values is None else values.get(name)
            if value is not None and len(value) * CHARACTER >= most:
                return True
        if values is not None or not self._joined:
            return False  # changes do not affect the key
        parts = (self._gets[name](item) for name in self._joined)
        return sum(len(part) if isinstance(part, str) else FIXED for part in parts) * ESCAPED >= MAX_SORT

    def _faults(self, write: Put | Patch, path: str) -> list[Fault]:
        wire = self._wire(write)
        faults = []
        for name, most in self._keys:
            if name in wire and (size := value_size(wire[name])) > most:
                message = f"Too long for a key or an index: at most {most} bytes"
                faults.append(Fault(path + pointer(name), message, f"at most {most} bytes", f"{size} bytes"))
        if (size := size_of(wire)) > MAX_ITEM:
            message = f"DynamoDB stores items of at most {MAX_ITEM} bytes"
            faults.append(Fault(path, message, f"at most {MAX_ITEM} bytes", f"{size} bytes"))
        if SORT in wire and (size := value_size(wire[SORT])) > MAX_SORT:
            faults.append(Fault(path, "The key is too long", f"at most {MAX_SORT} bytes", f"{size} bytes"))
        return faults

    def _size(self, write: Write) -> int:
        return 0 if isinstance(write, Delete) else size_of(self._wire(write))

    def _wire(self, write: Put | Patch) -> Wire:
        """Return the values that the write stores; for a patch, those that are known."""
        if isinstance(write, Put):
            return self._codec.wire(write.item)
        given = {
            name: value.values if isinstance(value, Append) else value
            for name, value in write.changes.items()
            if value is not None and not isinstance(value, Add)
        }
        return {name: self._codec.value(name, value) for name, value in given.items()}


def length_of(attribute: Attribute) -> Callable[[Any], int]:
    """Return the function from a value to an upper bound of its bytes."""
    if attribute.kind is Kind.JSON:
        return lambda value: 2 * len(msgspec.json.encode(value.values if isinstance(value, Append) else value)) + 3
    return lambda value: len(value) * CHARACTER


def _bound(kind: Kind, annotation: Any) -> int | None:
    """Return the most bytes of any value of an attribute, None if there is no such bound."""
    if kind in (Kind.STRING, Kind.BYTES):
        longest = [meta.max_length for meta in metas_of(annotation) if meta.max_length is not None]
        return min(longest) * CHARACTER if longest else None
    return None if kind is Kind.JSON else FIXED


def _keys(meta: StoreMeta[Any], codec: WireCodec) -> tuple[tuple[str, int], ...]:
    """Return (attribute, most bytes) for the parts of keys that may be too long for them."""
    most: dict[str, int] = {}
    partition, *sorts = codec.schema
    schemas = [(partition, *sorts), *(index.attributes for index in meta.indexes)]
    for first, *sort_names in schemas:
        most[first] = min(most.get(first, MAX_PARTITION), MAX_PARTITION)
        for name in sort_names:
            most[name] = MAX_SORT
    texts = {name for name, one in meta.attributes.items() if one.kind in (Kind.STRING, Kind.BYTES)}
    return tuple((name, size) for name, size in most.items() if name in texts)
