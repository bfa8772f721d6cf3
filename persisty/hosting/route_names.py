"""The routes of requests in logs and metrics. A route has no keys, so the number of routes is bounded."""

from __future__ import annotations

from importlib import import_module

from ..application import App
from .pages import PAGES

UNMATCHED = "unmatched"
SERVERS_OWN = ("/health", "/ready", "/metrics", "/openapi.json", "/graphql", *PAGES)
FOLDERS = ("/pages/", "/static/")


class RouteNames:
    """The names of an app's routes. Imports the modules of its actions."""

    def __init__(self, app: App) -> None:
        paths: list[str] = [
            operation.path for operation in import_module("persisty.api.actions").operations(app).values()
        ]
        self._fixed: dict[str, str] = {path: path for path in (*SERVERS_OWN, *paths)}
        self._keyed: dict[str, str] = {
            path.removesuffix("{key}"): path for path in paths if path.startswith("/api/") and path.endswith("/{key}")
        }

    def __call__(self, path: str) -> str:
        """The route's path, as `/api/message/{key}`; `unmatched` for a path that belongs to none."""
        known = self._fixed.get(path)
        if known is not None:
            return known
        end = path.find("/", 5) + 1
        if end and end < len(path):
            known = self._keyed.get(path[:end])
            if known is not None:
                return known
        folder = next((folder for folder in FOLDERS if path.startswith(folder)), None)
        return UNMATCHED if folder is None else f"{folder}{{file}}"
