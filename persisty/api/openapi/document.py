"""The OpenAPI 3.1 document, from the operations: every route, parameter, body and refusal that REST has, and no other.

Loaded when somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ...application import App
from ...naming import pascal
from ...store.limits import DEFAULT_LIMIT, MAX_BATCH, MAX_LIMIT
from ..actions import operations
from ..http.negotiation import LINES_MEDIA
from ..operations import ActionOperation, MultiStoreOperation, OperationShape, Parameter, StoreOperation
from ..query_arguments import Form, form_of, is_required
from ..routes import Surface, fixed
from . import access, idempotency
from . import cache_headers as caching
from .examples import Examples
from .filters import filter_parameters
from .problem_examples import problem_examples
from .responses import ALWAYS, CONTENT, REFUSALS, body, content, refused, responses
from .schemas import ERRORS, Schemas, object_of, ref, shown

ABOUT = (
    "`HEAD` answers wherever `GET` does, `OPTIONS` on every path with `Allow`. Answers of a kilobyte or more are compressed for "
    "clients whose `Accept-Encoding` takes gzip."
)
EXPORT = "Every match, one item a line. A last line that is a problem document says that not all of them are there: the export ended early, or items cannot be read."


def document(app: App) -> dict[str, Any]:
    """The document of an app's REST surface."""
    offered = operations(app)
    schemas = Schemas(offered.values())
    examples = Examples(schemas)
    paths: dict[str, dict[str, Any]] = {}
    batches = [one for one in offered.values() if isinstance(one, MultiStoreOperation)]
    for operation in offered.values():
        if isinstance(operation, MultiStoreOperation):
            continue
        described = {
            "operationId": operation.name,
            "tags": [operation.meta.name if isinstance(operation, StoreOperation) else "actions"],
            **({"summary": operation.description.partition("\n")[0]} if operation.description else {}),
            "security": access.security(operation),
            **_described(operation, schemas),
        }
        described = caching.describe(operation, described)
        if app.idempotency is not None:
            described = idempotency.describe(operation, described)
        described = examples.describe(operation, described)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    for batch in batches:
        described = _multi_store_batch(batch, schemas, examples)
        if app.idempotency is not None:
            described = idempotency.describe(batch, described)
        paths.setdefault(batch.path, {})[batch.method.lower()] = described
    for route in fixed(Surface.REST):
        if route.name in FIXED:
            paths.setdefault(route.path, {})[route.method.lower()] = FIXED[route.name]()
    return {
        "openapi": "3.1.0",
        "info": {"title": app.name, "version": "1", "description": ABOUT},
        "tags": _tags(offered.values(), paths),
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "examples": problem_examples(),
            "securitySchemes": access.SCHEMES,
        },
    }


def _tags(operations: Iterable[OperationShape], paths: dict[str, dict[str, Any]]) -> list[dict[str, str]]:
    """Return the tags that are used, the stores first, with the descriptions of their items."""
    used = {tag for methods in paths.values() for one in methods.values() for tag in one["tags"]}
    described = {one.meta.name: one.meta.description for one in operations if isinstance(one, StoreOperation)}
    others = [tag for tag in ("actions", "stores", "server") if tag in used and tag not in described]
    return [{"name": name, **({"description": text} if text else {})} for name, text in described.items()] + [
        {"name": tag} for tag in others
    ]


def _described(operation: StoreOperation | ActionOperation, schemas: Schemas) -> dict[str, Any]:
    if isinstance(operation, StoreOperation):
        return ROUTES[operation.verb](operation, schemas)
    return _action(operation, schemas)


def _name(operation: StoreOperation) -> str:
    return pascal(operation.meta.name)


def _key(operation: StoreOperation) -> dict[str, Any]:
    return {"name": "key", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _filters(operation: StoreOperation, schemas: Schemas) -> list[dict[str, Any]]:
    return filter_parameters(operation.meta, schemas.of)


def _showing(operation: StoreOperation, schemas: Schemas) -> list[dict[str, Any]]:
    """The parameters that say what is shown of items."""
    links = schemas.links[operation.meta.name]
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


def _create(operation: StoreOperation, schemas: Schemas) -> dict[str, Any]:
    name = _name(operation)
    location = {"Location": {"schema": {"type": "string"}, "description": "The path of the new item"}}
    return {
        "requestBody": body(ref(f"{name}Create")),
        "responses": responses(operation, {"201": content(ref(name), "Created", headers=location)}),
    }


def _read(operation: StoreOperation, schemas: Schemas) -> dict[str, Any]:
    done = {"200": content(shown(_name(operation)), "The item")}
    return {
        "parameters": [_key(operation), *_showing(operation, schemas)],
        "responses": responses(operation, done),
    }


def _update(operation: StoreOperation, schemas: Schemas) -> dict[str, Any]:
    name = _name(operation)
    return {
        "description": "The parameters are a condition: the item is changed only if it matches them.",
        "parameters": [_key(operation), *_filters(operation, schemas)],
        "requestBody": body(ref(f"{name}Update")),
        "responses": responses(operation, {"200": content(ref(name), "The item as it is now")}),
    }


def _delete(operation: StoreOperation, schemas: Schemas) -> dict[str, Any]:
    return {
        "description": "The parameters are a condition: the item is deleted only if it matches them.",
        "parameters": [_key(operation), *_filters(operation, schemas)],
        "responses": responses(operation, {"204": {"description": "Deleted"}}),
    }


def _search(operation: StoreOperation, schemas: Schemas) -> dict[str, Any]:
    following = {"description": 'The next page, where there is one: `<…>; rel="next"`', "schema": {"type": "string"}}
    done = content(shown(_name(operation), "Page"), "A page of matches", headers={"Link": following})
    done["content"][LINES_MEDIA] = {"schema": {"type": "string", "description": EXPORT}}
    return {
        "description": "What is behind a link is asked by its name and a dot: `author.name=Ann`. Lines have every match, "
        "and so neither `limit` nor `cursor`.",
        "parameters": [*_paging(operation), *_showing(operation, schemas), *_filters(operation, schemas)],
        "responses": responses(operation, {"200": done}),
    }


def _count(operation: StoreOperation, schemas: Schemas) -> dict[str, Any]:
    counted = object_of({"count": {"type": "integer", "minimum": 0}}, required=["count"])
    return {
        "parameters": _filters(operation, schemas),
        "responses": responses(operation, {"200": content(counted, "The number of matches")}),
    }


def _read_batch(operation: StoreOperation, schemas: Schemas) -> dict[str, Any]:
    items = {"type": "array", "items": {"anyOf": [*shown(_name(operation))["anyOf"], {"type": "null"}]}}
    keys = {"type": "array", "items": {"type": "string"}, "maxItems": MAX_BATCH}
    return {
        "parameters": [{"name": "key", "in": "query", "schema": keys}, *_showing(operation, schemas)],
        "responses": responses(
            operation, {"200": content(object_of({"items": items, "errors": ERRORS}, required=["items"]))}
        ),
    }


def _edit_batch(operation: StoreOperation, schemas: Schemas) -> dict[str, Any]:
    name = _name(operation)
    edits = {"type": "array", "items": ref(f"{name}Edit"), "maxItems": MAX_BATCH}
    atomic = {"type": "boolean", "default": False, "description": "All or nothing"}
    results = {"type": "array", "items": ref(f"{name}EditResult")}
    done = content(object_of({"results": results}, required=["results"]), "Each edit's result, in order")
    return {
        "requestBody": body(object_of({"edits": edits, "atomic": atomic}, required=["edits"])),
        "responses": responses(operation, {"200": done}),
    }


def _multi_store_batch(operation: MultiStoreOperation, schemas: Schemas, examples: Examples) -> dict[str, Any]:
    """The batch of several stores: the edits of each with the name of its store."""
    alternatives = [
        {
            **edit,
            "properties": {"store": {"const": meta.name}, **edit["properties"]},
            "required": ["store", *edit["required"]],
        }
        for meta in operation.stores
        for edit in schemas.components[f"{pascal(meta.name)}Edit"].get("oneOf", ())
    ]
    results = [ref(f"{pascal(meta.name)}EditResult") for meta in operation.stores]
    sent = object_of(
        {
            "edits": {"type": "array", "items": {"oneOf": alternatives}, "maxItems": MAX_BATCH},
            "atomic": {"type": "boolean", "default": False, "description": "All or nothing"},
        },
        required=["edits"],
    )
    answered = {"type": "array", "items": {"anyOf": results}}
    done = content(object_of({"results": answered}, required=["results"]), "Each edit's result, in order")
    codes = (*REFUSALS[operation.name], "precondition_required", "unauthenticated", "forbidden", *ALWAYS)
    required = any(meta.conditional_writes for meta in operation.stores)
    request = body(sent)
    known = [
        (meta, examples.edits(meta)["edits"][:1], examples.results(meta)["results"][:1]) for meta in operation.stores
    ]
    request["content"]["application/json"]["example"] = {
        "edits": [{"store": meta.name, **edit} for meta, edits, _ in known for edit in edits],
        "atomic": False,
    }
    done["content"]["application/json"]["example"] = {"results": [one for *_, some in known for one in some]}
    return {
        "operationId": operation.name,
        "tags": ["stores"],
        "summary": operation.description,
        "security": [{}, {"bearer": []}],
        "requestBody": request,
        "responses": {"200": done, **refused(code for code in codes if required or code != "precondition_required")},
    }


def _action(operation: ActionOperation, schemas: Schemas) -> dict[str, Any]:
    """Arguments in the query string where the method has no body, else in the body."""
    parameters = {one.name: schemas.of(one.shape) for one in operation.parameters}
    required = [one.name for one in operation.parameters if one.required]
    done = {"200": content(schemas.of(operation.result))}
    described: dict[str, Any] = {"responses": responses(operation, done)}
    if operation.mutation and operation.method != "DELETE":
        if parameters:
            described["requestBody"] = body(object_of(parameters, required=required))
    else:
        described["parameters"] = [_in_query(one, parameters[one.name]) for one in operation.parameters]
    return described


def _in_query(parameter: Parameter, schema: Any) -> dict[str, Any]:
    described = {"name": parameter.name, "in": "query", "required": is_required(parameter)}
    match form_of(parameter.shape):
        case Form.LIST:
            return {**described, "explode": True, "schema": schema}
        case Form.JSON:
            return {**described, "content": {"application/json": {"schema": schema}}}
        case Form.TEXT:
            return {**described, "schema": schema}


def _health() -> dict[str, Any]:
    done = content(object_of({"status": {"const": "ok"}}, required=["status"]), example={"status": "ok"})
    return {
        "operationId": "health",
        "tags": ["server"],
        "summary": "Is the server there?",
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
        object_of(found, required=["app", "openapi", "stores"]), "Each store and action with its path", example=example
    )
    return {
        "operationId": "index",
        "tags": ["server"],
        "summary": "An index of the stores and actions",
        "responses": {"200": done, **refused((*ALWAYS, *CONTENT))},
    }


FIXED: dict[str, Callable[[], dict[str, Any]]] = {"health": _health, "index": _index}
"""Name of a fixed route → what describes it. The document does not describe itself."""
ROUTES: dict[str, Callable[[StoreOperation, Schemas], dict[str, Any]]] = {
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
