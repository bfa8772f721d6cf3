"""The fixed routes of REST in an OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .responses import ALWAYS, CONTENT, content, refused
from .schemas import object_of


def _health() -> dict[str, Any]:
    done = content(object_of({"status": {"const": "ok"}}, required=["status"]), example={"status": "ok"})
    return {
        "operationId": "health",
        "tags": ["server"],
        "summary": "Check that the server is running",
        "responses": {"200": done, **refused((*ALWAYS, *CONTENT))},
    }


def _index() -> dict[str, Any]:
    text: dict[str, Any] = {"type": "string"}
    texts, described = {"type": "object", "additionalProperties": text}, {"type": ["string", "null"]}
    stores = object_of(
        {"name": text, "description": described, "href": text, "verbs": texts}, required=["name", "href", "verbs"]
    )
    actions = object_of(
        {"name": text, "description": described, "method": text, "href": text}, required=["name", "method", "href"]
    )
    found = {
        "app": text,
        "openapi": text,
        "stores": {"type": "array", "items": stores},
        "actions": {"type": "array", "items": actions},
    }
    example = {
        "app": "shop",
        "openapi": "/openapi.json",
        "stores": [{"name": "item", "description": None, "href": "/api/item", "verbs": {"search": "GET /api/item"}}],
    }
    done = content(
        object_of(found, required=["app", "openapi", "stores"]),
        "The stores and actions with their paths",
        example=example,
    )
    return {
        "operationId": "index",
        "tags": ["server"],
        "summary": "An index of the stores and actions",
        "responses": {"200": done, **refused((*ALWAYS, *CONTENT))},
    }


FIXED: dict[str, Callable[[], dict[str, Any]]] = {"health": _health, "index": _index}
"""Name of a fixed route → the function that describes it. The document does not describe itself."""
