"""What writes require of other items: checks of them in the transaction of the write.

A transaction takes no item twice. So items that several writes require are checked once, and one that the transaction itself writes
is not checked at all: it is there if the transaction is carried out, unless it is deleted.
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


class Check(Struct):
    """An action that checks an item, and the writes that require it: their positions, each with the attribute that leads there."""

    body: dict[str, Any]
    required: dict[int, str]


class Required:
    """The requirements of the writes of one store."""

    def __init__(self, meta: StoreMeta[Any], table_of: TableOf) -> None:
        self._meta, self._table_of = meta, table_of
        self._requests: dict[StoreMeta[Any], Requests] = {}

    def checks(self, writes: Sequence[Write]) -> list[Check]:
        """The checks that go with these writes."""
        found: dict[tuple[str, KeyValues], Check] = {}
        written = {self._key(write): write for write in writes}
        for position, write in enumerate(writes):
            for one in required_by(write):
                if one.meta is self._meta and one.key in written:
                    continue
                check = found.get((one.meta.name, one.key))
                if check is None:
                    check = found[one.meta.name, one.key] = Check(self._body(one), {})
                check.required[position] = one.attribute
        return list(found.values())

    def unmet(self, writes: Sequence[Write]) -> dict[int, WriteResult]:
        """Position → the result of a write that requires what the same transaction deletes, or makes so that it is not what is
        required."""
        written = {self._key(write): write for write in writes}
        found: dict[int, WriteResult] = {}
        for position, write in enumerate(writes):
            for one in required_by(write):
                other = written.get(one.key) if one.meta is self._meta else None
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

    def _key(self, write: Write) -> KeyValues:
        return self._meta.key_values(write.item) if isinstance(write, Put) else write.key


def required_by(write: Write) -> tuple[Requirement, ...]:
    """What a write requires; a delete requires nothing."""
    return () if isinstance(write, Delete) else write.requires
