"""Names that surfaces derive from an item's: those of its types in GraphQL and OpenAPI, and those of its paths.

An item must not have a name that is derived from another item. `customer` has pages of the type `CustomerPage`, so an item `customer_page` conflicts with it.
The app rejects such a pair when it is declared. Items that no surface offers have no derived names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from ..errors import Fault
from ..naming import pascal
from .meta import StoreMeta, per_meta
from .value_types import value_types
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
OF_GRAPHQL = TYPES.keys() - {"Fields", "FieldsPage"}
"""Suffixes of types in GraphQL."""
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
CLASS_WAY_OUT = "another name of the class"
INPUT = "Input"
"""Suffix of the type of an object in inputs."""


@per_meta
def type_name(meta: StoreMeta[Any]) -> str:
    """Return the name of the item's type in GraphQL and OpenAPI."""
    return pascal(meta.name)


def derived_name_faults(metas: Mapping[str, StoreMeta[Any]], changed: Iterable[str]) -> Iterator[Fault]:
    """Return a fault for each of the `changed` items whose name is derived from that of another item, or the reverse."""
    named: dict[str, str] = {}
    duplicates: set[str] = set()
    for name, meta in metas.items():
        if is_offered(meta) and named.setdefault(type_name(meta), name) != name:
            duplicates.add(name)
    own = {type_name(metas[name]): name for name in changed if is_offered(metas[name])}
    for type_, name in own.items():
        if type_ in RESERVED:
            yield Fault(f"/items/{name}", f"The API uses the name {type_} itself", WAY_OUT, name)
        if name in duplicates or named[type_] != name:
            yield Fault(f"/items/{name}", f"Another item has the type {type_} in the API", WAY_OUT, name)
        for suffix, what in SUFFIXES.items():
            if (other := named.get(type_ + suffix)) is not None:
                yield _taken(other, name, suffix, what)
            origin = named.get(type_.removesuffix(suffix)) if type_.endswith(suffix) else None
            if origin is not None and type_name(metas[origin]) not in own:
                yield _taken(name, origin, suffix, what)


def value_type_faults(metas: Mapping[str, StoreMeta[Any]], changed: Collection[str]) -> Iterator[Fault]:
    """Yield a fault for each class within an attribute whose type in GraphQL has the name of another type, if one of the two is of a
    `changed` item. GraphQL has one type for each name; REST has no such limit."""
    named = {type_name(meta): name for name, meta in metas.items() if is_offered(meta)}
    first_by_name: dict[str, tuple[str, str]] = {}
    for store in sorted((name for name, meta in metas.items() if is_offered(meta)), key=changed.__contains__):
        for one in value_types(metas[store]):
            other, definitions = first_by_name.setdefault(one.name, (store, one.definitions))
            if definitions != one.definitions and store in changed:
                message = f"The class {one.name} of {one.attribute} differs from that of {other}: GraphQL has one type for each name"
                yield Fault(f"/items/{store}", message, CLASS_WAY_OUT, one.name)
            for type_ in (one.name, f"{one.name}{INPUT}") if one.is_object else (one.name,):
                origin = origin_of(type_, named)
                if origin is not None and (store in changed or origin in changed):
                    message = f"GraphQL gives the name {type_}, which {one.attribute} needs for its class, to {origin or 'a type of every API'}"
                    yield Fault(f"/items/{store}", message, CLASS_WAY_OUT, one.name)


def origin_of(type_: str, named: Mapping[str, str]) -> str | None:
    """Return the item that has the type, or from whose name it is derived; "" for a type that every API has, None for any other type."""
    if type_ in RESERVED:
        return ""
    stems = (type_.removesuffix(suffix) for suffix in OF_GRAPHQL if type_.endswith(suffix))
    return named.get(type_) or next((named[stem] for stem in stems if stem in named), None)


def _taken(name: str, origin: str, suffix: str, what: str) -> Fault:
    message = f"The API gives the name {pascal(origin)}{suffix} to the {what} of {origin}"
    return Fault(f"/items/{name}", message, WAY_OUT, name)


@per_meta
def is_offered(meta: StoreMeta[Any]) -> bool:
    """Return whether surfaces offer a verb of the item to some caller."""
    access = meta.access
    return access is not None and any(map(access.allows, VERBS))
