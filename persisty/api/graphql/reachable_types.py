"""The object types that root fields lead to, and the links on the way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from msgspec import Struct

from ...model.meta import StoreMeta
from ..operations import Operation
from .result_types import LinkField, link_fields, offered_in, result_ref
from .types import ListOf, Record, Ref


class Reach(Struct, frozen=True):
    """The types that some root fields reach, and the links below them as (type, field, link)."""

    types: dict[str, Record]
    links: tuple[tuple[Record, str, LinkField], ...]


def _anything(meta: StoreMeta[Any]) -> bool:
    return True


def reach(
    operations: Iterable[Operation],
    offered: Collection[StoreMeta[Any]],
    through: Callable[[StoreMeta[Any]], bool] = _anything,
) -> Reach:
    """Return the types and links that these root fields reach.

    `offered`: the items of the whole schema that links may lead to. `through`: whether links to one of these are followed.
    """
    left = [result_ref(one) for one in operations]
    types: dict[str, Record] = {}
    links: list[tuple[Record, str, LinkField]] = []
    while left:
        for record in _records(left.pop()):
            if record.name in types:
                continue
            types[record.name] = record
            left += [field.answered for field in record.fields if field.readable is not False]
            for name, link in {} if record.meta is None else link_fields(record.meta, offered).items():
                if through(link.target):
                    links.append((record, name, link))
                    left.append(link.ref)
    return Reach(types, tuple(links))


def everywhere(operations: Collection[Operation]) -> Reach:
    """Return the types and links that the whole schema reaches."""
    return reach(operations, offered_in(operations))


def _records(ref: Ref) -> Iterator[Record]:
    found = ref.type
    while isinstance(found, ListOf):
        found = found.item.type
    if isinstance(found, Record):
        yield found
