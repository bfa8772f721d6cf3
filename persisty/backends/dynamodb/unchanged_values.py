"""Conditions that an item still has the values on which a write was decided here, because DynamoDB cannot decide them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from ...model.expressions import Compare, Filter
from ...model.meta import StoreMeta
from ...model.types import Kind
from ...model.unreadable_items import unreadable


class StoredItem(Struct, frozen=True, gc=False):
    """An item and the row that it was decoded from."""

    item: Any
    row: Any


class StoredCell(Struct, frozen=True):
    """A value in its stored form, instead of a value of an attribute."""

    wire: dict[str, Any]


def unchanged(meta: StoreMeta[Any], stored: StoredItem, names: Iterable[str]) -> list[Filter]:
    """Return the conditions that these attributes of an item still have the values of its row.

    JSON is compared as it is stored: encoded again, it may differ, because it was stored without a member that has a default, or by another class.
    """
    found: list[Filter] = []
    broken = unreadable(stored.item)
    for name in sorted(names):
        value = meta.attributes[name].get(stored.item)
        cell = getattr(stored.row, name)
        if cell is not None and (name in broken or (value is not None and meta.attributes[name].kind is Kind.JSON)):
            value = StoredCell(cell if isinstance(cell, dict) else _wire(cell))
        found.append(Compare(name, "null", True) if value is None else Compare(name, "eq", value))
    return found


def _wire(cell: Any) -> dict[str, Any]:
    """Return the wire JSON of a cell of a row."""
    wire: dict[str, Any] = msgspec.to_builtins(cell)
    return {tag: value for tag, value in wire.items() if value is not None and value is not False}
