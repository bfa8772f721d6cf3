"""The operations of a store in an OpenAPI document: parameters, bodies and responses of each verb."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...naming import pascal
from ...store.limits import DEFAULT_LIMIT, MAX_BATCH, MAX_LIMIT
from ..http.negotiation import LINES_MEDIA
from ..operations import StoreOperation
from . import access
from .responses import body, content, responses
from .schemas import ERRORS, ItemSchemas, object_of, ref, shown

EXPORT = "All matches, one item on each line. If the last line is a problem document, matches are missing: the export ended early, or items cannot be read."


def _name(operation: StoreOperation) -> str:
    return pascal(operation.meta.name)


def _key(operation: StoreOperation) -> dict[str, Any]:
    return {"name": "key", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _showing(operation: StoreOperation, schemas: ItemSchemas) -> list[dict[str, Any]]:
    """Return the parameters that select attributes and links."""
    links = schemas.links
    return [*access.include_parameter(links), access.fields_parameter(operation.meta, links)]


def _paging(operation: StoreOperation) -> list[dict[str, Any]]:
    meta = operation.meta
    sortable = [one.name for one in access.visible(meta) if one.sortable]
    terms = [*sortable, *(f"-{name}" for name in sortable)]
    limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
    return [
        {
            "name": "order",
            "in": "query",
            "explode": False,
            "description": "Attributes to sort by, with `-` in front for descending order; items that are equal in these are sorted by key",
            "schema": {"type": "array", "items": {"enum": terms}},
        },
        {"name": "limit", "in": "query", "schema": limit},
        {
            "name": "cursor",
            "in": "query",
            "description": "The cursor of the previous page",
            "schema": {"type": "string"},
        },
    ]


def _create(operation: StoreOperation, schemas: ItemSchemas) -> dict[str, Any]:
    name = _name(operation)
    location = {"Location": {"schema": {"type": "string"}, "description": "The path of the new item"}}
    return {
        "requestBody": body(ref(f"{name}Create")),
        "responses": responses(operation, {"201": content(ref(name), "Created", headers=location)}),
    }


def _read(operation: StoreOperation, schemas: ItemSchemas) -> dict[str, Any]:
    done = {"200": content(shown(_name(operation)), "The item")}
    return {
        "parameters": [_key(operation), *_showing(operation, schemas)],
        "responses": responses(operation, done),
    }


def _update(operation: StoreOperation, schemas: ItemSchemas) -> dict[str, Any]:
    name = _name(operation)
    return {
        "description": "The filter parameters are a condition: the item is changed only if it matches.",
        "parameters": [_key(operation), *schemas.filters],
        "requestBody": body(ref(f"{name}Update")),
        "responses": responses(operation, {"200": content(ref(name), "The item as it is now")}),
    }


def _delete(operation: StoreOperation, schemas: ItemSchemas) -> dict[str, Any]:
    return {
        "description": "The filter parameters are a condition: the item is deleted only if it matches.",
        "parameters": [_key(operation), *schemas.filters],
        "responses": responses(operation, {"204": {"description": "Deleted"}}),
    }


def _search(operation: StoreOperation, schemas: ItemSchemas) -> dict[str, Any]:
    following = {"description": 'The next page, if there is one: `<…>; rel="next"`', "schema": {"type": "string"}}
    done = content(shown(_name(operation), "Page"), "A page of matches", headers={"Link": following})
    done["content"][LINES_MEDIA] = {"schema": {"type": "string", "description": EXPORT}}
    return {
        "description": "Attributes of linked items are filtered by the name of the link and a dot: `author.name=Ann`. "
        "As lines, the response has all matches, and `limit` and `cursor` are not accepted.",
        "parameters": [*_paging(operation), *_showing(operation, schemas), *schemas.filters],
        "responses": responses(operation, {"200": done}),
    }


def _count(operation: StoreOperation, schemas: ItemSchemas) -> dict[str, Any]:
    counted = object_of({"count": {"type": "integer", "minimum": 0}}, required=["count"])
    return {
        "parameters": schemas.filters,
        "responses": responses(operation, {"200": content(counted, "The number of matches")}),
    }


def _read_batch(operation: StoreOperation, schemas: ItemSchemas) -> dict[str, Any]:
    items = {"type": "array", "items": {"anyOf": [*shown(_name(operation))["anyOf"], {"type": "null"}]}}
    keys = {"type": "array", "items": {"type": "string"}, "maxItems": MAX_BATCH}
    return {
        "parameters": [{"name": "key", "in": "query", "schema": keys}, *_showing(operation, schemas)],
        "responses": responses(
            operation, {"200": content(object_of({"items": items, "errors": ERRORS}, required=["items"]))}
        ),
    }


def _edit_batch(operation: StoreOperation, schemas: ItemSchemas) -> dict[str, Any]:
    name = _name(operation)
    edits = {"type": "array", "items": ref(f"{name}Edit"), "maxItems": MAX_BATCH}
    atomic = {"type": "boolean", "default": False, "description": "All or nothing"}
    results = {"type": "array", "items": ref(f"{name}EditResult")}
    done = content(object_of({"results": results}, required=["results"]), "Each edit's result, in order")
    return {
        "requestBody": body(object_of({"edits": edits, "atomic": atomic}, required=["edits"])),
        "responses": responses(operation, {"200": done}),
    }


ROUTES: dict[str, Callable[[StoreOperation, ItemSchemas], dict[str, Any]]] = {
    "create": _create,
    "read": _read,
    "update": _update,
    "delete": _delete,
    "search": _search,
    "count": _count,
    "read_batch": _read_batch,
    "edit_batch": _edit_batch,
}
"""Verb → the function that describes its route."""
