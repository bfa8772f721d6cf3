"""Versions and caches in the OpenAPI document: headers of requests and responses, and 304."""

from __future__ import annotations

from typing import Any

from ..http.cache_headers import validators
from ..operations import Operation, StoreOperation

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}

REQUEST_HEADERS: dict[str, str] = {
    "If-None-Match": "Tags of versions. If the current version is one of them, a GET returns 304 and a write fails with 412",
    "If-Modified-Since": "A time. Returns 304 if nothing changed after it",
    "If-Match": "Tags of versions. Fails with 412 if the current version is none of them",
    "If-Unmodified-Since": "A time. Fails with 412 if something changed after it",
}
"""Header of a request → its description."""
RESPONSE_HEADERS: dict[str, str] = {
    "ETag": "The tag of this version for this caller; ends with `+gzip` if the response is compressed",
    "Last-Modified": "When the item last changed, if known",
    "Cache-Control": "Whether shared caches may store the response, and for how long it is fresh",
    "Vary": "The request headers that the response depends on: `authorization`, `accept`, `accept-encoding`",
}
"""Header of a response → its description."""
WRITES: dict[str, tuple[str, ...]] = {
    "create": ("If-None-Match",),
    "update": ("If-None-Match", "If-Match", "If-Unmodified-Since"),
    "delete": ("If-None-Match", "If-Match", "If-Unmodified-Since"),
}
"""Verb that writes → the request headers that it evaluates. `If-Unmodified-Since` needs an item with a time of its last change."""


def describe(operation: Operation, described: dict[str, Any]) -> dict[str, Any]:
    """Return the description of an operation with the headers for versions and caches."""
    reads, verb = not operation.mutation, operation.verb if isinstance(operation, StoreOperation) else ""
    evaluated = tuple(REQUEST_HEADERS) if reads else WRITES.get(verb, ())
    if isinstance(operation, StoreOperation) and not reads and validators(operation.meta).modified is None:
        evaluated = tuple(name for name in evaluated if name != "If-Unmodified-Since")
    if not evaluated:
        return described
    headers = [
        {"name": name, "in": "header", "description": REQUEST_HEADERS[name], "schema": TEXT} for name in evaluated
    ]
    parameters = [*described.get("parameters", ()), *headers]
    return {**described, "parameters": parameters, "responses": _responses(operation, described["responses"], reads)}


def _responses(operation: Operation, responses: dict[str, Any], reads: bool) -> dict[str, Any]:
    sent = {
        name: {"description": RESPONSE_HEADERS[name], "schema": TEXT}
        for name in (RESPONSE_HEADERS if reads else ("ETag", "Last-Modified"))
    }
    if isinstance(operation, StoreOperation) and (
        operation.result not in ITEMS or validators(operation.meta).modified is None
    ):
        del sent["Last-Modified"]
    found = dict(responses)
    for status in ("200", "201"):
        if status in found:
            found[status] = {**found[status], "headers": {**found[status].get("headers", {}), **sent}}
    if reads:
        found["304"] = {"description": "The client has the current version", "headers": sent}
    return found


ITEMS = frozenset({"item", "item?"})
"""The shapes of results that are one item."""
