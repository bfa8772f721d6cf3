"""The routes of requests in logs and metrics. A route has no keys, so the number of routes is bounded."""

from __future__ import annotations

from ..api.actions import operations
from ..api.routes import API, KEY, Surface, fixed, routes_of
from ..application import App

UNMATCHED = "unmatched"


class RouteNames:
    """The names of an app's routes. Imports the modules of its actions."""

    def __init__(self, app: App) -> None:
        routes = routes_of(operations(app).values())
        self._exact = {one.path: one.path for one in routes if one.surface is not Surface.FOLDER}
        self._keyed = {
            one.stem: one.path
            for one in routes
            if one.surface is Surface.REST and one.path.startswith(API) and one.path.endswith(KEY)
        }

    def __call__(self, path: str) -> str:
        """Return the route's path, such as `/api/message/{key}`, or `unmatched` for a path without a route."""
        known = self._exact.get(path)
        if known is not None:
            return known
        end = path.find("/", len(API)) + 1
        if end and end < len(path):
            known = self._keyed.get(path[:end])
            if known is not None:
                return known
        return next((one.path for one in fixed(Surface.FOLDER) if path.startswith(one.stem)), UNMATCHED)
