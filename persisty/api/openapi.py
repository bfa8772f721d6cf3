"""The OpenAPI 3.1 document, from the operations: every route, parameter, body and refusal that REST has, and no other.

Loaded when somebody asks for it. Schemas of values are msgspec's, which validates with the same types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from ..application import App
from ..errors import PersistyError, all_errors
from ..model.changes import change_word
from ..model.links import Link
from ..model.meta import Attribute, StoreMeta
from ..naming import pascal
from ..query.parse import spellings
from ..security.policy import FLAGS
from ..store.sizes import DEFAULT_LIMIT, MAX_BATCH, MAX_LIMIT
from . import openapi_access as access
from . import openapi_caching as caching
from .actions import operations
from .openapi_filters import filter_parameters, filter_schema
from .operations import Operation

Schema = dict[str, Any]
REF = "#/components/schemas/{name}"

QUERY = ("invalid_query", "too_many_linked")
BODY = ("malformed_json", "payload_too_large", "unsupported_media_type", "invalid_input")
ALWAYS = ("unauthenticated", "internal_error", "throttled", "backend_unavailable")

REFUSALS: dict[str, tuple[str, ...]] = {
    "create": (*QUERY, *BODY, "conflict", "precondition_failed"),
    "read": (*QUERY, "not_found", "precondition_failed"),
    "update": (*QUERY, *BODY, "not_found", "conflict", "precondition_failed"),
    "delete": (*QUERY, "not_found", "conflict", "unfinished", "precondition_failed"),
    "search": (*QUERY, "invalid_cursor", "scan_not_allowed", "precondition_failed"),
    "count": (*QUERY, "scan_not_allowed", "precondition_failed"),
    "read_batch": (*QUERY, "batch_too_large", "precondition_failed"),
    "edit_batch": (*QUERY, *BODY, "batch_too_large", "conflict", "not_found", "precondition_failed", "unfinished",
                   "unsupported"),
}  # fmt: skip
"""Verb → the codes it may be refused with, beside `ALWAYS` and those of callers that may not do it."""


def document(app: App) -> dict[str, Any]:
    """The document of an app's REST surface."""
    offered = operations(app)
    schemas = _Schemas(offered.values())
    paths: dict[str, dict[str, Any]] = {}
    for operation in offered.values():
        make = ROUTES.get(operation.verb or "", _action)
        described = {
            "operationId": operation.name,
            "tags": [operation.meta.name if operation.meta else "actions"],
            **({"summary": operation.description.partition("\n")[0]} if operation.description else {}),
            "security": access.security(operation),
            **make(operation, schemas),
        }
        paths.setdefault(operation.path, {})[operation.method.lower()] = caching.describe(operation, described)
    paths["/health"] = {
        "get": {
            "operationId": "health",
            "tags": ["server"],
            "summary": "Is the server there?",
            "responses": {"200": _content({"type": "object", "properties": {"status": {"const": "ok"}}})},
        }
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": app.name, "version": "1"},
        "paths": paths,
        "components": {"schemas": schemas.components, "securitySchemes": access.SCHEMES},
    }


class _Schemas:
    """The schemas of every type that the operations mention, each once, by reference."""

    def __init__(self, offered: Iterable[Operation]) -> None:
        metas = {one.meta.name: one.meta for one in offered if one.meta}
        self.links = {meta.name: access.open_links(meta, metas) for meta in metas.values()}
        told = [one for meta in metas.values() for one in meta.attributes.values() if _told(one)]
        types = [attribute.type for attribute in told]
        operands = [attribute.operand for meta in metas.values() for attribute in spellings(meta).values()]
        mentioned = [shape for one in offered if one.meta is None for shape in _annotations(one)]
        every = [*types, *operands, *mentioned]
        found, self.components = msgspec.json.schema_components(every, ref_template=REF)
        self._found = list(zip(every, found, strict=True))
        self.components["Problem"] = _problem()
        for meta in metas.values():
            self._item(meta)

    def of(self, annotation: Any) -> Schema:
        """The schema of a type among those given."""
        return next(schema for known, schema in self._found if known is annotation or known == annotation)

    def attribute(self, attribute: Attribute, *, optional: bool | None = None) -> Schema:
        schema = dict(self.of(attribute.type))
        if attribute.description:
            schema["description"] = attribute.description
        if attribute.optional if optional is None else optional:
            return {"anyOf": [schema, {"type": "null"}]}
        return schema

    def _item(self, meta: StoreMeta[Any]) -> None:
        name, attributes = pascal(meta.name), meta.attributes.values()
        creatable = [one for one in attributes if one.creatable is not False]
        included = {link.name: access.link_schema(link, REF) for link in self.links[meta.name]}
        self.components[name] = _object(
            {one.name: self.attribute(one) for one in access.visible(meta)} | included,
            required=access.always_there(meta),
        ) | ({"description": meta.description} if meta.description else {})
        self.components[f"{name}Create"] = _object(
            {one.name: self.attribute(one) for one in creatable},
            required=[one.name for one in creatable if one.required],
        )
        updatable = [one for one in attributes if one.updatable is not False]
        self.components[f"{name}Update"] = _object({one.name: self._change(one) for one in updatable})
        self.components[f"{name}Where"] = filter_schema(
            meta,
            self.of,
            _ref(f"{name}Where"),
            {link.name: _ref(f"{_target(link)}Where") for link in self.links[meta.name]},
        )
        self.components[f"{name}Page"] = _object(
            {"items": {"type": "array", "items": _ref(name)}, "cursor": {"type": ["string", "null"]}},
            required=["items", "cursor"],
        )
        if meta.access is not None and meta.access.allows("edit_batch"):
            self._edits(meta, name)

    def _change(self, attribute: Attribute) -> Schema:
        """A new value, or a change of the one that is stored."""
        schema, word = self.attribute(attribute), change_word(attribute)
        if word is None:
            return schema
        change = _object({word: CHANGES[word](self.of(attribute.type))}, required=[word])
        return {"anyOf": [schema, change]}

    def _edits(self, meta: StoreMeta[Any], name: str) -> None:
        where = _ref(f"{name}Where")
        key = {"type": "string", "description": "The item's string key"}
        edits = {
            "create": _ref(f"{name}Create"),
            "update": _object(
                {"key": key, "changes": _ref(f"{name}Update"), "when": where}, required=["key", "changes"]
            ),
            "delete": _object({"key": key, "when": where}, required=["key"]),
        }
        offered = [_object({verb: edit}, required=[verb]) for verb, edit in edits.items() if meta.access.allows(verb)]
        self.components[f"{name}Edit"] = {"oneOf": offered} if offered else {"not": {}}
        done = {"code": {"const": "ok"}, "item": _ref(name)}
        self.components[f"{name}EditResult"] = {
            "anyOf": [{"type": "object", "properties": done, "required": ["code"]}, _ref("Problem")]
        }


def _object(properties: Mapping[str, Schema], required: list[str] | None = None) -> Schema:
    schema: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return {**schema, "required": required} if required else schema


CHANGES: dict[str, Callable[[Schema], Schema]] = {
    "add": lambda number: {"type": "integer"},
    "append": lambda listed: {"type": "array", "items": listed.get("items", {})},
}
"""A change of what is stored as JSON spells it → the schema of its operand."""


def _told(attribute: Attribute) -> bool:
    """Whether anybody may see or give it."""
    return any(getattr(attribute, flag) is not False for flag in FLAGS)


def _target(link: Link) -> str:
    return pascal(link.ends.target.name)


def _annotations(operation: Operation) -> list[Any]:
    return [*(one.shape for one in operation.parameters), operation.result]


def _ref(name: str) -> Schema:
    return {"$ref": REF.format(name=name)}


def _problem() -> Schema:
    fault = {
        "path": {"type": "string", "description": "JSON pointer into what was sent"},
        "message": {"type": "string"},
        "expected": {"type": "string"},
        "found": {"type": "string"},
    }
    properties = {
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"enum": [error.code for error in all_errors()]},
        "detail": {"type": "string"},
        "faults": {"type": "array", "items": {"type": "object", "properties": fault, "required": ["path", "message"]}},
    }
    described = "A problem document (RFC 9457); a code may add members of its own"
    return {
        "type": "object",
        "description": described,
        "properties": properties,
        "required": ["title", "status", "code"],
    }


def _content(schema: Schema, description: str = "Done", **more: Any) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}, **more}


def _responses(operation: Operation, done: Mapping[str, Any]) -> dict[str, Any]:
    """What a route answers: when it is done, and by status all the codes that it may be refused with."""
    errors: dict[str, type[PersistyError]] = {error.code: error for error in all_errors()}
    codes = REFUSALS.get(operation.verb or "", (*BODY, *QUERY, "precondition_failed"))
    by_status: dict[int, list[type[PersistyError]]] = {}
    for code in dict.fromkeys((*codes, *access.refusals(operation), *ALWAYS)):
        by_status.setdefault(errors[code].status, []).append(errors[code])
    refused = {
        str(status): {
            "description": ", ".join(error.code for error in found),
            "content": {"application/problem+json": {"schema": _ref("Problem")}},
        }
        for status, found in sorted(by_status.items())
    }
    return {**done, **refused}


def _body(schema: Schema) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _name(operation: Operation) -> str:
    return pascal(operation.meta.name) if operation.meta else ""


def _key(operation: Operation) -> dict[str, Any]:
    return {"name": "key", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _filters(operation: Operation, schemas: _Schemas) -> list[dict[str, Any]]:
    return filter_parameters(operation.meta, schemas.of) if operation.meta else []


def _include(operation: Operation, schemas: _Schemas) -> list[dict[str, Any]]:
    return access.include_parameter(schemas.links[operation.meta.name]) if operation.meta else []


def _paging(operation: Operation) -> list[dict[str, Any]]:
    meta = operation.meta
    sortable = [one.name for one in access.visible(meta) if one.sortable] if meta else []
    terms = [*sortable, *(f"-{name}" for name in sortable)]
    limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
    return [
        {
            "name": "order",
            "in": "query",
            "explode": False,
            "description": "Attributes to sort by, `-` before those that descend; ties end on the key",
            "schema": {"type": "array", "items": {"enum": terms}},
        },
        {"name": "limit", "in": "query", "schema": limit},
        {
            "name": "cursor",
            "in": "query",
            "description": "Continues the page it came from",
            "schema": {"type": "string"},
        },
    ]


def _create(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    name = _name(operation)
    location = {"Location": {"schema": {"type": "string"}, "description": "The path of the new item"}}
    return {
        "requestBody": _body(_ref(f"{name}Create")),
        "responses": _responses(operation, {"201": _content(_ref(name), "Created", headers=location)}),
    }


def _read(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    done = {"200": _content(_ref(_name(operation)), "The item")}
    return {
        "parameters": [_key(operation), *_include(operation, schemas)],
        "responses": _responses(operation, done),
    }


def _update(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    name = _name(operation)
    return {
        "description": "The parameters are a condition: the item is changed only if it matches them.",
        "parameters": [_key(operation), *_filters(operation, schemas)],
        "requestBody": _body(_ref(f"{name}Update")),
        "responses": _responses(operation, {"200": _content(_ref(name), "The item as it is now")}),
    }


def _delete(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    return {
        "description": "The parameters are a condition: the item is deleted only if it matches them.",
        "parameters": [_key(operation), *_filters(operation, schemas)],
        "responses": _responses(operation, {"204": {"description": "Deleted"}}),
    }


def _search(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    done = {"200": _content(_ref(f"{_name(operation)}Page"), "A page of matches")}
    return {
        "description": "What is behind a link is asked by its name and a dot: `author.name=Ann`.",
        "parameters": [*_paging(operation), *_include(operation, schemas), *_filters(operation, schemas)],
        "responses": _responses(operation, done),
    }


def _count(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    counted = _object({"count": {"type": "integer", "minimum": 0}}, required=["count"])
    return {
        "parameters": _filters(operation, schemas),
        "responses": _responses(operation, {"200": _content(counted, "The number of matches")}),
    }


def _read_batch(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    items = {"type": "array", "items": {"anyOf": [_ref(_name(operation)), {"type": "null"}]}}
    keys = {"type": "array", "items": {"type": "string"}, "maxItems": MAX_BATCH}
    return {
        "parameters": [{"name": "key", "in": "query", "schema": keys}, *_include(operation, schemas)],
        "responses": _responses(operation, {"200": _content(_object({"items": items}, required=["items"]))}),
    }


def _edit_batch(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    name = _name(operation)
    edits = {"type": "array", "items": _ref(f"{name}Edit"), "maxItems": MAX_BATCH}
    atomic = {"type": "boolean", "default": False, "description": "All or nothing"}
    results = {"type": "array", "items": _ref(f"{name}EditResult")}
    done = _content(_object({"results": results}, required=["results"]), "Each edit's result, in order")
    return {
        "requestBody": _body(_object({"edits": edits, "atomic": atomic}, required=["edits"])),
        "responses": _responses(operation, {"200": done}),
    }


def _action(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    """Arguments in the query string where the method has no body, else in the body."""
    parameters = {one.name: schemas.of(one.shape) for one in operation.parameters}
    required = [one.name for one in operation.parameters if one.required]
    done = {"200": _content(schemas.of(operation.result))}
    described: dict[str, Any] = {"responses": _responses(operation, done)}
    if operation.mutation and operation.method != "DELETE":
        if parameters:
            described["requestBody"] = _body(_object(parameters, required=required))
    else:
        described["parameters"] = [
            {"name": name, "in": "query", "required": name in required, "schema": schema}
            for name, schema in parameters.items()
        ]
    return described


ROUTES: dict[str, Callable[[Operation, _Schemas], dict[str, Any]]] = {
    "create": _create,
    "read": _read,
    "update": _update,
    "delete": _delete,
    "search": _search,
    "count": _count,
    "read_batch": _read_batch,
    "edit_batch": _edit_batch,
}
"""Verb → what describes its route."""
