"""The part of an OpenAPI document that describes one item: its operations and components, as JSON.

A part is cached with the compiled item. It is built again only if the item changes, or the name of a component that it refers to. After a change,
a new document describes only the changed items and copies the JSON of all others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Raw, Struct

from ...model.meta import StoreMeta
from ...naming import pascal
from ...store.store import Store
from ..http.messages import encode
from ..store_operations import operations_of
from .access import open_links
from .descriptions import describe
from .examples import Examples
from .schemas import ItemSchemas, classes_of
from .store_routes import ROUTES
from .type_schemas import Schema


class ItemPart(Struct, frozen=True):
    """The description of an item. `types`: components of the types of its attributes; `components`: its own; `operations`: path, method and
    description of each; `edits`, `example_edits`, `example_results`: its share of a batch over several stores."""

    types: Mapping[str, Raw]
    components: Mapping[str, Raw]
    operations: tuple[tuple[str, str, Raw], ...]
    edits: tuple[Raw, ...] = ()
    example_edits: tuple[Raw, ...] = ()
    example_results: tuple[Raw, ...] = ()


def part_of(store: Store[Any], names: Mapping[Any, str], *, idempotent: bool) -> ItemPart:
    """Return the part of a store's item. `names`: class → the name of its component."""
    meta = store.meta
    key = (idempotent, *(names[cls] for cls in classes_of(meta)))
    known = meta.compiled.get(ItemPart)
    if known is None or known[0] != key:
        known = meta.compiled[ItemPart] = (key, _built(store, names, idempotent))
    part: ItemPart = known[1]
    return part


def _built(store: Store[Any], names: Mapping[Any, str], idempotent: bool) -> ItemPart:
    meta = store.meta
    schemas = ItemSchemas(meta, open_links(meta), names)
    examples = Examples(schemas.of, {**schemas.types, **schemas.components})
    described = [
        (one, describe(one, meta.name, ROUTES[one.verb](one, schemas), examples, idempotent=idempotent))
        for one in operations_of(store)
    ]
    return ItemPart(
        types=raw_schemas(schemas.types),
        components=raw_schemas(schemas.components),
        operations=tuple((one.path, one.method.lower(), raw(how)) for one, how in described),
        **_batch(meta, schemas, examples),
    )


def _batch(meta: StoreMeta[Any], schemas: ItemSchemas, examples: Examples) -> dict[str, tuple[Raw, ...]]:
    """Return the share of a batch over several stores, which names the store in each edit."""
    edits = schemas.components.get(f"{pascal(meta.name)}Edit")
    if edits is None:
        return {}
    return {
        "edits": tuple(
            raw(
                {
                    **edit,
                    "properties": {"store": {"const": meta.name}, **edit["properties"]},
                    "required": ["store", *edit["required"]],
                }
            )
            for edit in edits.get("oneOf", ())
        ),
        "example_edits": tuple(raw({"store": meta.name, **one}) for one in examples.edits(meta)["edits"][:1]),
        "example_results": tuple(raw(one) for one in examples.results(meta)["results"][:1]),
    }


def raw(content: Any) -> Raw:
    return Raw(encode(content))


def raw_schemas(schemas: Mapping[str, Schema]) -> dict[str, Raw]:
    return {name: raw(schema) for name, schema in schemas.items()}
