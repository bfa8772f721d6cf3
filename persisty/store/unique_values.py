"""Find the values of an item that no other item may have, for engines that check uniqueness themselves."""

from __future__ import annotations

from typing import TypeVar

from ..model.keys import KeyValues
from ..model.meta import StoreMeta

T = TypeVar("T")


def unique_values(meta: StoreMeta[T], item: T | None) -> list[tuple[str, KeyValues]]:
    """Return (index, values) for each unique index that the item is in."""
    if item is None:
        return []
    read = meta.attributes
    values = [(index.name, tuple(read[name].get(item) for name in index.attributes)) for index in meta.uniques]
    return [one for one in values if None not in one[1]]
