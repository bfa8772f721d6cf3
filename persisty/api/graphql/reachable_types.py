"""The object types that root fields reach, and the links between them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from msgspec import Struct

from ...model.meta import StoreMeta
from ..operations import Operation
from .result_types import ANY_ITEM, LinkField, link_fields, offered_in, result_ref
from .types import Field, Record, Ref, within_lists


class Reach(Struct, frozen=True):
    """The types that some root fields reach, the links of these types as (type, field, link), and the stores whose edits a multi-store batch
    returns."""

    types: dict[str, Record]
    links: tuple[tuple[Record, str, LinkField], ...]
    edited: tuple[str, ...]


def _anything(meta: StoreMeta[Any], verb: str) -> bool:
    return True


def reach(
    operations: Iterable[Operation],
    offered: Collection[StoreMeta[Any]],
    through: Callable[[StoreMeta[Any], str], bool] = _anything,
) -> Reach:
    """Return the types and links that these root fields reach.

    `offered`: the items of the whole schema that links may lead to. `through`: whether links to one of these
    (`read`) and the results of its edits (`edit_batch`) are followed.
    """
    left = [result_ref(one) for one in operations]
    types: dict[str, Record] = {}
    links: list[tuple[Record, str, LinkField]] = []
    edited: list[str] = []
    while left:
        for record in _records(left.pop()):
            if record.name in types:
                continue
            types[record.name] = record
            fields = [field for field in record.fields if field.readable is not False]
            if record.name == ANY_ITEM:
                fields = [field for field in fields if all(through(meta, "edit_batch") for meta in _items(field))]
                edited += [field.name for field in fields]
            left += [field.answered for field in fields]
            for name, link in {} if record.meta is None else link_fields(record.meta, offered).items():
                if through(link.target, "read"):
                    links.append((record, name, link))
                    left.append(link.ref)
    return Reach(types, tuple(links), tuple(edited))


def everywhere(operations: Collection[Operation]) -> Reach:
    """Return the types and links that the whole schema reaches."""
    return reach(operations, offered_in(operations))


def _items(field: Field) -> Iterator[StoreMeta[Any]]:
    """Return the stored items in the type of a field."""
    return (record.meta for record in _records(field.ref) if record.meta is not None)


def _records(ref: Ref) -> Iterator[Record]:
    if isinstance(found := within_lists(ref), Record):
        yield found


def records_in(ref: Ref) -> dict[str, Record]:
    """Return the records of a type and of the values in it, without those of links, by name."""
    found: dict[str, Record] = {}
    left = [ref]
    while left:
        for record in _records(left.pop()):
            if record.name not in found:
                found[record.name] = record
                left += [field.ref for field in record.fields if field.readable is not False]
    return found
