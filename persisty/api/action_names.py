"""Names and routes of custom actions, compared with those of items that are added or replaced while the app runs.

At the start, `actions.py` compares them with all items. Later, an item with a name or a route of an action is not added: otherwise every request to the surface
would fail.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from msgspec import Struct

from ..application import App
from ..deferred import deferred
from ..errors import Fault
from ..model.meta import StoreMeta
from ..model.verbs import VERBS
from ..naming import kebab
from .operations import ActionOperation
from .store_operations import OFFERS

WAY_OUT = "another class name, @stored(name=…), or @action(name=…)"


def actions_of(app: App) -> Collection[ActionOperation]:
    """Return the custom actions of an app. Imports their modules."""
    if not app.has_actions:
        return ()
    found: Mapping[str, ActionOperation] = deferred("persisty.api.actions").action_operations(app)
    return found.values()


def offered_names(meta: StoreMeta[Any]) -> dict[str, tuple[str, str]]:
    """Return the operations that an item has: name → (method, path)."""
    access, segment = meta.access, kebab(meta.name)
    if access is None:
        return {}
    offers = {verb: OFFERS[verb] for verb in VERBS if access.allows(verb)}
    return {f"{meta.name}_{verb}": (one.method, one.path.replace("{store}", segment)) for verb, one in offers.items()}


class RouteCheck(Struct, frozen=True):
    """The check of changed items against the names and routes of the app's custom actions."""

    app: App

    def __call__(self, metas: Mapping[str, StoreMeta[Any]], changed: Collection[str]) -> Iterator[Fault]:
        """Yield a fault for each clash."""
        actions = actions_of(self.app)
        for store in sorted(changed) if actions else ():
            names = offered_names(metas[store])
            routes = {route: name for name, route in names.items()}
            for one in actions:
                if one.name in names:
                    yield Fault(
                        f"/items/{store}", f"The action {one.name} has the name of an operation of {store}", WAY_OUT
                    )
                elif (one.method, one.path) in routes:
                    message = f"The action {one.name} has the route {one.method} {one.path} of {store}"
                    yield Fault(f"/items/{store}", message, WAY_OUT)
