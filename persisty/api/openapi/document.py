"""The OpenAPI 3.1 document: every route, parameter, body and refusal that REST has, and no other.

It is put together from the JSON of its parts: one for each item (`item_parts.py`), and those of actions, of the batch of several stores and of
fixed routes. Loaded with the first request of the document.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from ...application import App
from ...model.derived_names import is_offered
from ...model.meta import StoreMeta
from ...naming import pascal
from ..actions import operations
from ..http.messages import encode
from ..multi_store_operations import multi_store_operations
from ..operations import ActionOperation
from ..routes import Surface, fixed
from . import access, action_routes, batch_route
from .component_names import PROBLEM, component_names
from .descriptions import describe
from .examples import Examples
from .fixed_routes import FIXED
from .item_parts import ItemPart, part_of, raw, raw_schemas
from .problem_examples import problem_examples
from .schemas import MentionedTypes, classes_in, classes_of, problem
from .type_schemas import Schema

ABOUT = (
    "`HEAD` is available wherever `GET` is. `OPTIONS` returns `Allow` for every path. Responses of a kilobyte or more are compressed "
    "if `Accept-Encoding` accepts gzip."
)
Paths = dict[str, dict[str, Any]]
"""Path → method → description."""


def document(app: App) -> dict[str, Any]:
    """Return the document of an app's REST surface."""
    found: dict[str, Any] = msgspec.json.decode(encoded_document(app))
    return found


def encoded_document(app: App, root: str = "") -> bytes:
    """Return the document as JSON. `root`: the root path, empty if there is none."""
    stores = {name: one for name, one in app.catalogue.stores.items() if is_offered(one.meta)}
    metas = {name: one.meta for name, one in stores.items()}
    actions, idempotent = _actions(app), app.idempotency is not None
    names = _component_names(metas.values(), actions)
    parts = {name: part_of(store, names, idempotent=idempotent) for name, store in stores.items()}
    components, paths = _components(parts.values()), _paths(parts.values())
    decoded, items = _Decoded(components), frozenset(meta.item for meta in metas.values())
    for action in actions:
        types = MentionedTypes(names, items=items)
        own = action_routes.describe(action, types)
        for name, schema in raw_schemas(types.components).items():
            components.setdefault(name, schema)
        described = describe(action, "actions", own, Examples(types.of, decoded), idempotent=idempotent)
        paths.setdefault(action.path, {})[action.method.lower()] = described
    for batch in multi_store_operations(app, metas).values():
        described = describe(batch, "stores", batch_route.describe(batch, parts), None, idempotent=idempotent)
        paths.setdefault(batch.path, {})[batch.method.lower()] = described
    for route in fixed(Surface.REST):
        if route.name in FIXED:
            paths.setdefault(route.path, {})[route.method.lower()] = FIXED[route.name]()
    return encode(
        {
            "openapi": "3.1.0",
            "info": {"title": app.name, "version": "1", "description": ABOUT},
            **({"servers": [{"url": root}]} if root else {}),
            "tags": _tags(metas, paths),
            "paths": paths,
            "components": {
                "schemas": components,
                "examples": problem_examples(),
                "securitySchemes": access.SCHEMES,
            },
        }
    )


def _actions(app: App) -> list[ActionOperation]:
    if not app.has_actions:
        return []
    return [one for one in operations(app).values() if isinstance(one, ActionOperation)]


def _component_names(metas: Iterable[StoreMeta[Any]], actions: Iterable[ActionOperation]) -> dict[Any, str]:
    """Return class → the name of its component, of all classes that items and actions mention."""
    items: dict[str, Any] = {}
    classes: list[Any] = []
    for meta in metas:
        items[pascal(meta.name)] = meta.item
        classes += classes_of(meta)
    for action in actions:
        for annotation in action_routes.annotations_of(action):
            classes += classes_in(annotation)
    return component_names(classes, items)


def _components(parts: Iterable[ItemPart]) -> dict[str, Raw]:
    """Return the components of items. The schema of an item takes the place of that of its class."""
    types: dict[str, Raw] = {}
    own: dict[str, Raw] = {PROBLEM: raw(problem())}
    for part in parts:
        types |= part.types
        own |= part.components
    return types | own


def _paths(parts: Iterable[ItemPart]) -> Paths:
    found: Paths = {}
    for part in parts:
        for path, method, described in part.operations:
            found.setdefault(path, {})[method] = described
    return found


def _tags(metas: Mapping[str, StoreMeta[Any]], paths: Paths) -> list[dict[str, str]]:
    """Return the tags of stores, with the descriptions of their items, then the other tags that are used."""
    stores = [
        {"name": name, **({"description": meta.description} if meta.description else {})}
        for name, meta in metas.items()
    ]
    used = {
        tag for methods in paths.values() for one in methods.values() if isinstance(one, dict) for tag in one["tags"]
    }
    return [*stores, *({"name": tag} for tag in OTHER_TAGS if tag in used and tag not in metas)]


OTHER_TAGS = ("actions", "stores", "server")
"""The tags of operations that are no store's, in order."""


class _Decoded(dict[str, Schema]):
    """Components as schemas. Each is decoded when it is first looked up."""

    def __init__(self, components: Mapping[str, Raw]) -> None:
        self._components = components

    def __missing__(self, name: str) -> Schema:
        found: Schema = msgspec.json.decode(self._components[name])
        self[name] = found
        return found
