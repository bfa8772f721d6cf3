"""Checks of the items that writes require, in the transaction of the write.

A transaction takes no item twice. So an item that several writes require is checked once, and an item that the transaction itself writes is not
checked: it exists if the transaction is carried out, unless it is deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from msgspec import Struct

from ...errors import Unsupported
from ...model.expressions import ALL, NOTHING
from ...model.keys import KeyValues
from ...model.meta import StoreMeta
from ...store.backend import Delete, Put, Requirement, Write
from .codec import WireCodec
from .expressions import split
from .requests import Requests

TableOf = Callable[[StoreMeta[Any]], str]
Place = tuple[str, KeyValues]
"""An item: its store's name, and its key."""


class Check(Struct):
    """An action that checks an item, and the writes that require it: their positions, each with the attribute of the foreign key. An action without a
    `body` fails."""

    body: dict[str, Any] | None
    required: dict[int, str]


StoredWrite = tuple[StoreMeta[Any], Write]
"""A write and its store."""


class RequirementChecks:
    """Checks the requirements of writes, which may be of several stores."""

    def __init__(self, table_of: TableOf) -> None:
        self._table_of = table_of
        self._requests: dict[StoreMeta[Any], Requests] = {}

    def checks(self, writes: Sequence[StoredWrite]) -> list[Check]:
        """Return the checks of these writes."""
        found: dict[Place, Check] = {}
        impossible: list[Check] = []
        written = _by_place(writes)
        for position, (_, write) in enumerate(writes):
            for one in required_by(write):
                place = (one.meta.name, one.key)
                if one.where == NOTHING:
                    impossible.append(Check(None, {position: one.attribute}))
                elif place not in written:
                    check = found.setdefault(place, Check(None, {}))
                    check.body = check.body or self._body(one)
                    check.required[position] = one.attribute
        return [*found.values(), *impossible]

    def written(self, writes: Sequence[StoredWrite], missing: Collection[int]) -> list[tuple[int, str]]:
        """Return (position, attribute) of the writes that require an item which the write at one of these positions did not find."""
        written = _by_place(writes)
        places = {place for place, position in written.items() if position in missing}
        return [
            (position, one.attribute)
            for position, (_, write) in enumerate(writes)
            for one in required_by(write)
            if (one.meta.name, one.key) in places
        ]

    def _body(self, one: Requirement) -> dict[str, Any]:
        native, local = split(one.meta, one.where)
        if local != ALL:
            raise Unsupported(f"DynamoDB cannot decide in a transaction whether {one.meta.name} matches {local}")
        requests = self._requests.get(one.meta)
        if requests is None:
            requests = self._requests[one.meta] = Requests(one.meta, WireCodec(one.meta), self._table_of(one.meta))
        return {"ConditionCheck": requests.write(Delete(one.key), native)}


def _by_place(writes: Sequence[StoredWrite]) -> dict[Place, int]:
    return {
        (meta.name, meta.key_values(write.item) if isinstance(write, Put) else write.key): position
        for position, (meta, write) in enumerate(writes)
    }


def required_by(write: Write) -> tuple[Requirement, ...]:
    """Return the requirements of a write. A delete has none."""
    return () if isinstance(write, Delete) else write.requires
