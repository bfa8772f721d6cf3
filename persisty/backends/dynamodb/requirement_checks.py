"""Checks of the items that writes require, in the transaction of the write.

A transaction takes no item twice. So an item that several writes require is checked once, and one that the transaction itself writes is not
checked at all: it is there if the transaction is carried out, unless it is deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from ...errors import Unsupported
from ...model.expressions import ALL
from ...model.keys import KeyValues
from ...model.meta import StoreMeta
from ...query.evaluation import matcher
from ...store.backend import Delete, Outcome, Put, Requirement, Write, WriteResult
from .codec import WireCodec
from .expressions import split
from .requests import Requests

TableOf = Callable[[StoreMeta[Any]], str]
Place = tuple[str, KeyValues]
"""An item: its store's name, and its key."""


class Check(Struct):
    """An action that checks an item, and the writes that require it: their positions, each with the attribute that leads there."""

    body: dict[str, Any]
    required: dict[int, str]


StoredWrite = tuple[StoreMeta[Any], Write]
"""A write, and the store that it is of."""


class RequirementChecks:
    """The requirements of writes, which may be of several stores."""

    def __init__(self, table_of: TableOf) -> None:
        self._table_of = table_of
        self._requests: dict[StoreMeta[Any], Requests] = {}

    def checks(self, writes: Sequence[StoredWrite]) -> list[Check]:
        """The checks that go with these writes."""
        found: dict[Place, Check] = {}
        written = _by_place(writes)
        for position, (_, write) in enumerate(writes):
            for one in required_by(write):
                place = (one.meta.name, one.key)
                if place in written:
                    continue
                check = found.get(place)
                if check is None:
                    check = found[place] = Check(self._body(one), {})
                check.required[position] = one.attribute
        return list(found.values())

    def unmet(self, writes: Sequence[StoredWrite]) -> dict[int, WriteResult]:
        """Position → the result of a write whose required item the same transaction deletes, or creates so that it does not match."""
        written = _by_place(writes)
        found: dict[int, WriteResult] = {}
        for position, (_, write) in enumerate(writes):
            for one in required_by(write):
                other = written.get((one.meta.name, one.key))
                made = isinstance(other, Put) and not matcher(one.meta, one.where)(other.item)
                if isinstance(other, Delete) or made:
                    found[position] = WriteResult(Outcome.UNRELATED, index=one.attribute)
        return found

    def _body(self, one: Requirement) -> dict[str, Any]:
        native, local = split(one.meta, one.where)
        if local != ALL:
            raise Unsupported(f"DynamoDB cannot tell in a transaction whether {one.meta.name} is such that {local}")
        requests = self._requests.get(one.meta)
        if requests is None:
            requests = self._requests[one.meta] = Requests(one.meta, WireCodec(one.meta), self._table_of(one.meta))
        return {"ConditionCheck": requests.write(Delete(one.key), native)}


def _by_place(writes: Sequence[StoredWrite]) -> dict[Place, Write]:
    return {
        (meta.name, meta.key_values(write.item) if isinstance(write, Put) else write.key): write
        for meta, write in writes
    }


def required_by(write: Write) -> tuple[Requirement, ...]:
    """Return the requirements of a write. A delete has none."""
    return () if isinstance(write, Delete) else write.requires
