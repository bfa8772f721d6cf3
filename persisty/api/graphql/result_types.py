"""Result types of fields: of root fields and of the links below items, shared by the schema text and the plans."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Any

from msgspec import Struct

from ...errors import Fault
from ...model.meta import Link, StoreMeta, per_meta
from ...model.pages import ResultPage
from ...naming import pascal
from ..operations import MultiStoreOperation, Operation, StoreOperation
from .described_types import annotation_ref, item_record
from .types import BOOLEAN, INT, STRING, Field, ListOf, Record, Ref

ANY_STORE = "AnyStore"
"""Prefix of the names of types for edits of several stores."""
ANY_ITEM = f"{ANY_STORE}Item"
"""The type with a member for the item of each of these stores."""


@per_meta
def edit_result_record(meta: StoreMeta[Any]) -> Record:
    """Return the record of the result of one edit of a batch."""
    return _edit_result(pascal(meta.name), item_record(meta))


def any_edit_result_record(stores: Iterable[StoreMeta[Any]]) -> Record:
    """Return the record of the result of one edit in a batch of several stores. Its item is in the member of its store."""
    items = (Field(meta.name, meta.name, Ref(item_record(meta), nullable=True)) for meta in stores)
    return _edit_result(ANY_STORE, Record(ANY_ITEM, tuple(items), description="At most one of its members."))


def _edit_result(name: str, item: Record) -> Record:
    strings = Ref(ListOf(Ref(STRING)), nullable=True)
    lines: tuple[tuple[str, Ref, str | None], ...] = (
        ("code", Ref(STRING), "`ok`, or the error code of an edit that was not done"),
        ("message", Ref(STRING, nullable=True), None),
        ("item", Ref(item, nullable=True), "The created or updated item, or the current one if `when` did not match"),
        ("faults", Ref(annotation_ref(list[Fault]).type, nullable=True), None),
        ("attributes", strings, "For a conflict, the attributes whose values are taken"),
    )
    fields = tuple(Field(name, name, ref, True, description) for name, ref, description in lines)
    return Record(name + "EditResult", fields)


def page_ref(meta: StoreMeta[Any]) -> Ref:
    """Return the type of a page of items."""
    return Ref(annotation_ref(ResultPage[meta.item]).type, nullable=True)  # type: ignore[name-defined]


RESULTS: dict[str, Callable[[StoreMeta[Any]], Ref]] = {
    "item": lambda meta: Ref(item_record(meta), nullable=True),
    "item?": lambda meta: Ref(item_record(meta), nullable=True),
    "deleted": lambda meta: Ref(BOOLEAN, nullable=True),
    "page": page_ref,
    "count": lambda meta: Ref(INT, nullable=True),
    "items?": lambda meta: Ref(ListOf(Ref(item_record(meta), nullable=True)), nullable=True),
    "results": lambda meta: Ref(ListOf(Ref(edit_result_record(meta))), nullable=True),
}
"""Shape of a store's result → its type. It is nullable, so that a root field that fails does not affect the others."""


def result_ref(operation: Operation) -> Ref:
    """Return the type of a root field: by the shape of a store's result, or by the annotation of an action's."""
    if isinstance(operation, StoreOperation):
        return RESULTS[operation.result](operation.meta)
    if isinstance(operation, MultiStoreOperation):
        return Ref(ListOf(Ref(any_edit_result_record(operation.stores))), nullable=True)
    return Ref(annotation_ref(operation.result).type, nullable=True)


class LinkField(Struct, frozen=True):
    """A link as a field of its item. `parameters`: the names of its arguments, which are those of a search."""

    link: Link
    ref: Ref
    parameters: tuple[str, ...] = ()

    @property
    def target(self) -> StoreMeta[Any]:
        return self.link.ends.target


LINKS: dict[str, tuple[Callable[[StoreMeta[Any]], Ref], tuple[str, ...]]] = {
    "belongs_to": (RESULTS["item?"], ()),
    "has_one": (RESULTS["item?"], ()),
    "has_many": (page_ref, ("where", "order", "limit", "cursor")),
    "has_count": (RESULTS["count"], ("where",)),
}
"""Kind of link → its type and its arguments. Each type is nullable, so that a link that fails does not affect its item."""


def link_fields(meta: StoreMeta[Any], offered: Container[StoreMeta[Any]]) -> dict[str, LinkField]:
    """Return the links of an item to offered items, by name."""
    found: dict[str, LinkField] = {}
    for name, link in meta.links.items():
        ends = link.ends
        if ends.target in offered and meta.attributes[ends.local].readable is not False:
            make, parameters = LINKS[link.kind]
            found[name] = LinkField(link, make(ends.target), parameters)
    return found


def offered_in(operations: Iterable[Operation]) -> frozenset[StoreMeta[Any]]:
    """Return the items that some caller may read. Links may lead to these."""
    return frozenset(one.meta for one in operations if isinstance(one, StoreOperation) and one.verb == "read")
