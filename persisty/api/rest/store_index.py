"""`GET /api/`: an index of the stores and actions that the app offers, with their paths. Everything in it is in the OpenAPI document too."""

from __future__ import annotations

from typing import Any

from ...application import App
from ...deferred import deferred
from ..operations import ActionOperation
from ..routes import API
from ..store_operations import operations_of


def store_index(app: App, root: str) -> dict[str, Any]:
    """Return the index. `root`: the root path of the app."""
    found: dict[str, Any] = {"app": app.name, "openapi": f"{root}/openapi.json", "stores": []}
    for name, store in app.catalogue.stores.items():
        operations = operations_of(store)
        if operations:
            path = next((one.path for one in operations if one.path.startswith(API)), API).partition("/{")[0]
            verbs = {one.verb: f"{one.method} {root}{one.path}" for one in operations}
            found["stores"].append(
                {"name": name, "description": store.meta.description, "href": root + path, "verbs": verbs}
            )
    if app.has_actions:
        actions: dict[str, ActionOperation] = deferred("persisty.api.actions").action_operations(app)
        found["actions"] = [
            {"name": one.name, "description": one.description, "method": one.method, "href": root + one.path}
            for one in actions.values()
        ]
    return found
