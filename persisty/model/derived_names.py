"""Names that surfaces derive from an item's: those of its types in GraphQL and OpenAPI, and those of its paths.

An item must not have the derived name of another one. `customer` has pages of the type `CustomerPage`, so an item `customer_page` has no name left.
The app refuses such a pair when it is declared. Items that no surface offers have no derived names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..errors import Fault
from ..naming import pascal
from .meta import StoreMeta, per_meta
from .verbs import VERBS

TYPES: Mapping[str, str] = {
    "Create": "new items",
    "Edit": "edits of a batch",
    "EditDelete": "deletes in a batch",
    "EditResult": "results of a batch",
    "EditUpdate": "updates in a batch",
    "Fields": "items with some of their fields",
    "FieldsPage": "pages of items with some of their fields",
    "Input": "items as arguments of actions",
    "Order": "orders",
    "Page": "pages",
    "Update": "changes",
    "Where": "filters",
}
"""Suffix of a type in GraphQL or OpenAPI → what the type is."""
PATHS: Mapping[str, str] = {"Batch": "batches", "Count": "counts"}
"""Suffix of a path in REST, `/api/customer-batch`, as a part of a type's name → what is at the path."""
SUFFIXES: Mapping[str, str] = {**TYPES, **PATHS}
RESERVED: frozenset[str] = frozenset(
    {
        "AnyStore",
        "AnyStoreEdit",
        "AnyStoreEditResult",
        "AnyStoreItem",
        "Boolean",
        "Fault",
        "Float",
        "ID",
        "Int",
        "Mutation",
        "Problem",
        "Query",
        "String",
        "Subscription",
    }
)
"""Types that every API has."""
WAY_OUT = "another class name, or @stored(name=…)"


@per_meta
def type_name(meta: StoreMeta[Any]) -> str:
    """Return the name of the item's type in GraphQL and OpenAPI."""
    return pascal(meta.name)


def derived_name_faults(metas: Mapping[str, StoreMeta[Any]], changed: Iterable[str]) -> Iterator[Fault]:
    """Return a fault for each of the `changed` items whose name is derived from that of another item, or the reverse."""
    named: dict[str, str] = {}
    twins: set[str] = set()
    for name, meta in metas.items():
        if is_offered(meta) and named.setdefault(type_name(meta), name) != name:
            twins.add(name)
    own = {type_name(metas[name]): name for name in changed if is_offered(metas[name])}
    for type_, name in own.items():
        if type_ in RESERVED:
            yield Fault(f"/items/{name}", f"The API uses the name {type_} itself", WAY_OUT, name)
        if name in twins or named[type_] != name:
            yield Fault(f"/items/{name}", f"Another item has the type {type_} in the API", WAY_OUT, name)
        for suffix, what in SUFFIXES.items():
            if (other := named.get(type_ + suffix)) is not None:
                yield _taken(other, name, suffix, what)
            origin = named.get(type_.removesuffix(suffix)) if type_.endswith(suffix) else None
            if origin is not None and type_name(metas[origin]) not in own:
                yield _taken(name, origin, suffix, what)


def _taken(name: str, origin: str, suffix: str, what: str) -> Fault:
    said = f"The API gives the name {pascal(origin)}{suffix} to the {what} of {origin}"
    return Fault(f"/items/{name}", said, WAY_OUT, name)


@per_meta
def is_offered(meta: StoreMeta[Any]) -> bool:
    """Return whether surfaces offer a verb of the item to some caller."""
    access = meta.access
    return access is not None and any(map(access.allows, VERBS))
