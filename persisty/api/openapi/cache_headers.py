"""Versions and caches in the OpenAPI document: headers of requests and responses, and 304."""

from __future__ import annotations

from typing import Any

from ..http.cache_headers import validators
from ..operations import Operation, StoreOperation

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}

ASKED: dict[str, str] = {
    "If-None-Match": "Only another version than these, by their tags: 304 for a GET that has one of them, 412 for a write",
    "If-Modified-Since": "Only what changed after this time, else 304",
    "If-Match": "Only one of these versions, by their tags, else 412",
    "If-Unmodified-Since": "Only what did not change after this time, else 412",
}
"""Header of a request → what it asks."""
TOLD: dict[str, str] = {
    "ETag": "The tag of this version, as this caller sees it; ends on `+gzip` if the answer is compressed",
    "Last-Modified": "When the item last changed, where that is known",
    "Cache-Control": "Who may keep the answer, and how long",
    "Vary": "The headers of requests that answers depend on: `authorization`, `accept`, `accept-encoding`",
}
"""Header of an answer → what it tells."""
WRITES: dict[str, tuple[str, ...]] = {
    "create": ("If-None-Match",),
    "update": ("If-None-Match", "If-Match", "If-Unmodified-Since"),
    "delete": ("If-None-Match", "If-Match", "If-Unmodified-Since"),
}
"""Verb that writes → the headers that it looks at."""


def describe(operation: Operation, described: dict[str, Any]) -> dict[str, Any]:
    """The description of an operation with what it tells caches, and asks of them."""
    reads, verb = not operation.mutation, operation.verb if isinstance(operation, StoreOperation) else ""
    asked = tuple(ASKED) if reads else WRITES.get(verb, ())
    if not asked:
        return described
    headers = [{"name": name, "in": "header", "description": ASKED[name], "schema": TEXT} for name in asked]
    parameters = [*described.get("parameters", ()), *headers]
    return {**described, "parameters": parameters, "responses": _responses(operation, described["responses"], reads)}


def _responses(operation: Operation, responses: dict[str, Any], reads: bool) -> dict[str, Any]:
    told = {
        name: {"description": TOLD[name], "schema": TEXT} for name in (TOLD if reads else ("ETag", "Last-Modified"))
    }
    if isinstance(operation, StoreOperation) and (
        operation.result not in ITEMS or validators(operation.meta).modified is None
    ):
        del told["Last-Modified"]
    found = dict(responses)
    for status in ("200", "201"):
        if status in found:
            found[status] = {**found[status], "headers": {**found[status].get("headers", {}), **told}}
    if reads:
        found["304"] = {"description": "The version that the client knows", "headers": told}
    return found


ITEMS = frozenset({"item", "item?"})
"""The shapes of results that are one item."""
