"""Find the items that would share the values of a new unique index, or of a new key, before a migration changes anything.

The values are those after the migration: converted, and with the default where a required attribute has none. One pass over the table collects a hash of
each value, 8 bytes an item. Only if two are equal, a second pass reads the keys of their items.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from hashlib import blake2b
from itertools import pairwise
from typing import Any

from ...model.meta import StoreMeta
from ...model.missing_values import value_before
from ...model.schema import Schema
from ...model.stored_names import predecessors, stored_names
from ...model.unreadable_items import FAULTS
from .absent_values import absent_before
from .codec import WireCodec
from .value_conversion import ValueConversion, conversion_of, shown_cell
from .wire_kinds import NULL, Wire


class FutureValue:
    """The value of one attribute after a migration. `place`: the name under which it is stored now."""

    def __init__(self, stored: Schema, applied: Schema, declared: StoreMeta[Any], name: str) -> None:
        attribute, make = declared.attributes[name], value_before(declared.attributes[name])
        known = predecessors(stored, declared.schema).get(name)
        names = stored_names(declared.schema) if known is None else stored_names(stored)
        self.place = names[name if known is None else known.name]
        default = NULL if make is None else WireCodec(declared).value(name, make())
        self._absent = default if known is None else absent_before(applied, known.name)
        self._null = NULL if attribute.optional else default
        self._conversion: ValueConversion | None = conversion_of(stored, declared, name)
        self._is_new = known is None

    def of(self, item: Wire) -> Wire | None:
        """Return the value of an item, None if it is null or has no counterpart."""
        cell = item.get(self.place, self._absent)
        if cell == NULL:
            cell = self._null
        elif self._conversion is not None and not self._is_new:
            try:
                cell = self._conversion.converted(cell)
            except FAULTS:
                return None
        return None if cell == NULL else cell


class SharedValues:
    """The values of a unique index or a key, over these attributes, after a migration."""

    def __init__(self, stored: Schema, applied: Schema, declared: StoreMeta[Any], attributes: Iterable[str]) -> None:
        self._values = [FutureValue(stored, applied, declared, name) for name in attributes]

    @property
    def places(self) -> list[str]:
        """The names under which the attributes of the index are stored now."""
        return [one.place for one in self._values]

    def repeated(self, pages: Iterable[Sequence[Wire]]) -> frozenset[int]:
        """Return the hashes of the values that several items have."""
        hashes = array("Q", (found for page in pages for item in page if (found := self._hash(item)) is not None))
        ordered = sorted(hashes)
        return frozenset(one for one, other in pairwise(ordered) if one == other)

    def sharing(self, pages: Iterable[Sequence[Wire]], repeated: frozenset[int]) -> Iterator[tuple[str, Wire]]:
        """Yield the items that have one of these values, each with the values as a text."""
        for page in pages:
            for item in page:
                if self._hash(item) in repeated:
                    yield ", ".join(shown_cell(cell) for cell in self._cells(item) or ()), item

    def _cells(self, item: Wire) -> list[Wire] | None:
        cells = [one.of(item) for one in self._values]
        return None if None in cells else [cell for cell in cells if cell is not None]

    def _hash(self, item: Wire) -> int | None:
        cells = self._cells(item)
        if cells is None:
            return None
        text = "\0".join(map(_canonical, cells))
        return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def _canonical(cell: Mapping[str, Any]) -> str:
    """Return the same text for equal values. A number can be written in several ways."""
    [(tag, value)] = cell.items()
    return f"{tag}{Decimal(value).normalize() if tag == 'N' else value}"
