"""REST: a request becomes an operation's arguments, its answer or error becomes a response. No host is known here.

Routes are dictionaries built once: fixed paths, and paths that end in a key. Custom actions and the OpenAPI document are
loaded when somebody asks for them, so that a Lambda's cold start pays for the stores alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from ...application import App
from ...errors import (
    Aborted,
    Conflict,
    Fault,
    InvalidDeclaration,
    InvalidInput,
    InvalidQuery,
    MethodNotAllowed,
    NotFound,
)
from ...model.verbs import VERBS
from ...store.edits import EditResult
from ...store.store import Store
from ..http.cache_headers import Answers, precondition, taken
from ..http.compression import SMALL, coded
from ..http.messages import IDEMPOTENCY_KEY, JSON, MAX_BODY, Request, Response, encode, json_body, without_content
from ..http.negotiation import FINE, JSON_MEDIA, LINES_MEDIA, media_for
from ..http.problem import problem, problem_response, refusal
from ..operations import ActionOperation, Operation, StoreOperation
from ..store_operations import store_operations
from . import include
from .fieldsets import FIELDS, WHOLE, Shape, shape
from .paging import LINES, LINKED_PAGE, PAGE, export_arguments, lines, next_page, search_arguments

Handler = Callable[[Request, str], Response]
SHOWN = frozenset({FIELDS, include.INCLUDE})
"""The parameters that say what is shown of items."""
Routes = dict[str, dict[str, Handler]]


class Rest:
    """The REST surface of an app."""

    def __init__(self, app: App, max_body: int = MAX_BODY, clock: Callable[[], float] = time.time) -> None:
        self._app, self._max_body, self._clock = app, max_body, clock
        self._idempotency: Any = None
        self._document: Response | None = None
        self._fixed: Routes = {
            "/health": {"GET": self._health},
            "/openapi.json": {"GET": self._openapi},
        }
        self._keyed: Routes = {}
        self._actions: Routes | None = None
        self._offered: dict[Handler, dict[str, Handler]] = {}
        for operation in store_operations(app).values():
            self._add(operation)

    def handle(self, request: Request) -> Response:
        """The response to a request. Never raises: every error is a problem document."""
        try:
            methods, key = self._route(request.path)
            handler = methods.get(request.method)
            if handler is not None:
                if request.headers.get("accept") not in FINE:
                    handler = self._negotiated(request.headers["accept"], handler)
                response = handler(request, key)
                return response if len(response.body) < SMALL and response.chunks is None else coded(request, response)
            if request.method == "OPTIONS":
                return Response(204, {"allow": _allowed(methods)})
            if request.method != "HEAD" or "GET" not in methods:
                raise MethodNotAllowed(allow=_allowed(methods))
        except Exception as error:
            refused = refusal(error)
            refused = coded(request, refused) if len(refused.body) >= SMALL else refused
            return without_content(refused) if request.method == "HEAD" else refused
        return without_content(self.handle(replace(request, method="GET")))

    def _negotiated(self, accept: str, handler: Handler) -> Handler:
        """The handler of what the client takes. `NotAcceptable` where there is none; what answers without content is for everybody."""
        offered = self._offered.get(handler)
        if offered is None:
            media_for(accept, (JSON_MEDIA,))
            return handler
        return offered[media_for(accept, tuple(offered))] if offered else handler

    def _route(self, path: str) -> tuple[Mapping[str, Handler], str]:
        methods = self._fixed.get(path)
        if methods is not None:
            return methods, ""
        if path.startswith("/api/"):
            store, _, key = path[5:].partition("/")
            methods = self._keyed.get(store)
            if methods is not None and key:
                return methods, key
        if self._actions is None:
            self._actions = self._load_actions()
        methods = self._actions.get(path)
        if methods is None:
            raise NotFound("There is nothing at this path")
        return methods, ""

    def _add(self, operation: StoreOperation) -> None:
        path, _, _ = operation.path.partition("/{key}")
        place = self._keyed.setdefault(path.removeprefix("/api/"), {}) if operation.path.endswith("/{key}") else None
        place = self._fixed.setdefault(path, {}) if place is None else place
        if operation.method in place:
            raise InvalidDeclaration(f"{operation.method} {operation.path} is offered twice")
        make = HANDLERS[operation.verb]
        handler = place[operation.method] = self._once(operation, make(self, operation))
        if operation.verb == "delete":
            self._offered[handler] = {}

    def _load_actions(self) -> Routes:
        routes: Routes = {}
        for operation in import_module("persisty.api.actions").action_operations(self._app).values():
            routes.setdefault(operation.path, {})[operation.method] = self._once(operation, self._action(operation))
        return routes

    def _once(self, operation: Operation, handler: Handler) -> Handler:
        """The handler, which carries out what comes twice with one `Idempotency-Key` once, where it can be told from what comes anew."""
        if self._app.idempotency is None or operation.method != "POST":
            return handler

        def once(request: Request, key: str) -> Response:
            if IDEMPOTENCY_KEY not in request.headers:
                return handler(request, key)
            if self._idempotency is None:
                self._idempotency = import_module("persisty.api.http.idempotency").Idempotency(self._app, self._clock)
            response: Response = self._idempotency.answer(request, partial(handler, request, key), operation)
            return response

        return once

    def _health(self, request: Request, key: str) -> Response:
        return ok({"status": "ok"})

    def _openapi(self, request: Request, key: str) -> Response:
        if self._document is None:
            self._document = ok(import_module("persisty.api.openapi.document").document(self._app))
        return self._document

    # One method a verb makes its handler.

    def _create(self, operation: StoreOperation) -> Handler:
        meta, call, answers = operation.meta, operation.call, Answers(operation)

        def create(request: Request, key: str) -> Response:
            _no_parameters(request)
            try:
                item = call({"item": self._object(request)}, request.caller)
            except Conflict as error:
                raise taken(request, meta, error) from error
            location = f"{operation.path}/{quote(meta.key_of(item), safe='~')}"
            return answers.written(item, 201, {"location": location})

        return create

    def _read(self, operation: StoreOperation) -> Handler:
        call, answers = operation.call, Answers(operation)

        def read(request: Request, key: str) -> Response:
            shown, rest = self._shape(operation, request)
            _none_of(rest)
            item = _found(call({"key": key}, request.caller))
            return answers.answer(request, shown.of(item), item, included=bool(shown.links))

        return read

    def _update(self, operation: StoreOperation) -> Handler:
        call, answers = operation.call, Answers(operation)

        def update(request: Request, key: str) -> Response:
            given = {"key": key, "when": request.parameters(), "precondition": precondition(request)}
            item = _found(call({**given, "changes": self._object(request)}, request.caller))
            return answers.written(item, 200, {})

        return update

    def _delete(self, operation: StoreOperation) -> Handler:
        call = operation.call

        def delete(request: Request, key: str) -> Response:
            given = {"key": key, "when": request.parameters(), "precondition": precondition(request)}
            if not call(given, request.caller):
                raise NotFound()
            return Response(204, {})

        return delete

    def _search(self, operation: StoreOperation) -> Handler:
        call, answers = operation.call, Answers(operation, "accept")

        def search(request: Request, key: str) -> Response:
            shown, rest = self._shape(operation, request)
            page = _page(call, shown, search_arguments(rest), request)
            link = {"link": next_page(operation.path, request.query, page.cursor)} if page.cursor else {}
            return answers.answer(request, page, included=bool(shown.links), more=link)

        def export(request: Request, key: str) -> Response:
            shown, rest = self._shape(operation, request)
            arguments = export_arguments(rest)
            arguments["limit"] = LINKED_PAGE if shown.links else PAGE
            return Response(
                200, LINES, chunks=lines(lambda cursor: _page(call, shown, {**arguments, "cursor": cursor}, request))
            )

        self._offered[search] = {JSON_MEDIA: search, LINES_MEDIA: export}
        return search

    def _count(self, operation: StoreOperation) -> Handler:
        call, answers = operation.call, Answers(operation)

        def count(request: Request, key: str) -> Response:
            return answers.answer(request, {"count": call({"where": request.parameters()}, request.caller)})

        return count

    def _read_batch(self, operation: StoreOperation) -> Handler:
        call, answers = operation.call, Answers(operation)

        def read_batch(request: Request, key: str) -> Response:
            shown, given = self._shape(operation, request)
            if strangers := [Fault(f"/{name}", "Unknown parameter", "key") for name, _ in given if name != "key"]:
                raise InvalidQuery(faults=strangers)
            items = call({"keys": [value for _, value in given]}, request.caller)
            return answers.answer(request, {"items": shown.of(items)}, included=bool(shown.links))

        return read_batch

    def _edit_batch(self, operation: StoreOperation) -> Handler:
        call = operation.call

        def edit_batch(request: Request, key: str) -> Response:
            _no_parameters(request)
            body = self._object(request)
            faults = [
                Fault(f"/{name}", "Unknown member", "edits, atomic") for name in body.keys() - {"edits", "atomic"}
            ]
            if not isinstance(body.get("atomic", False), bool):
                faults.append(Fault("/atomic", "Expected bool", "bool", type(body["atomic"]).__name__))
            if faults:
                raise InvalidInput(faults=faults)
            results: list[EditResult[Any]] = call(body, request.caller)
            documents = [_edit_document(result) for result in results]
            guilty = next((one.error for one in results if one.error and not isinstance(one.error, Aborted)), None)
            if body.get("atomic") and guilty is not None:
                return problem_response({**problem(guilty), "results": documents})
            return ok({"results": documents})

        return edit_batch

    def _action(self, operation: ActionOperation) -> Handler:
        """Arguments of a custom action come from the body, or from the query string where the method has no body."""
        call, reads = operation.call, not operation.mutation or operation.method == "DELETE"
        shapes = {parameter.name: parameter.shape for parameter in operation.parameters}
        answers = None if operation.mutation else Answers(operation)

        def act(request: Request, key: str) -> Response:
            if reads:
                content = call(_from_text(shapes, request.parameters()), request.caller)
                return ok(content) if answers is None else answers.answer(request, content)
            return ok(call(self._object(request) if shapes or request.body else {}, request.caller))

        return act

    def _shape(self, operation: StoreOperation, request: Request) -> tuple[Shape, list[tuple[str, str]]]:
        """What the answer shows of its items, and the parameters that are about something else."""
        given = request.parameters()
        if not given:
            return WHOLE, given
        if not any(name in SHOWN for name, _ in given):
            return WHOLE, given
        links, rest = include.split(given)
        names, rest = include.split(rest, FIELDS)
        if not links and not names:
            return WHOLE, rest
        store: Store[Any] = self._app.store(operation.meta.name).on_behalf_of(request.caller)
        store.guard.rows(VERBS[operation.verb].asks or operation.verb)  # before anything is said of the names
        return shape(store, links, names), rest

    def _object(self, request: Request) -> Mapping[str, Any]:
        body = json_body(request, self._max_body)
        if isinstance(body, dict):
            return body
        raise InvalidInput(faults=[Fault("", "Expected an object", "object", type(body).__name__)])


HANDLERS: dict[str, Callable[[Rest, StoreOperation], Handler]] = {
    "create": Rest._create,
    "read": Rest._read,
    "update": Rest._update,
    "delete": Rest._delete,
    "search": Rest._search,
    "count": Rest._count,
    "read_batch": Rest._read_batch,
    "edit_batch": Rest._edit_batch,
}
"""Verb → what makes the handler of one of its operations."""


def ok(content: Any) -> Response:
    return Response(200, JSON, encode(content))


def _found(item: Any) -> Any:
    if item is None:
        raise NotFound()
    return item


def _page(call: Callable[..., Any], shown: Shape, arguments: dict[str, Any], request: Request) -> Any:
    """A page of a search as it is shown."""
    if shown.columns:  # which are then all that the engine is asked for
        return call({**arguments, "select": shown.columns}, request.caller)
    return shown.of(call(arguments, request.caller))


def _allowed(methods: Mapping[str, Handler]) -> str:
    return ", ".join(sorted({*methods, "OPTIONS", *({"HEAD"} if "GET" in methods else ())}))


def _no_parameters(request: Request) -> None:
    _none_of(request.parameters())


def _none_of(given: list[tuple[str, str]]) -> None:
    if given:
        raise InvalidQuery(faults=[Fault(f"/{name}", "Unknown parameter") for name, _ in given])


def _from_text(shapes: Mapping[str, Any], given: list[tuple[str, str]]) -> dict[str, Any]:
    """Arguments spelled as text, converted to what the function declares where they can be; faults come later."""
    arguments: dict[str, Any] = {}
    for name, value in given:
        try:
            arguments[name] = msgspec.convert(value, shapes.get(name, str), strict=False)
        except (msgspec.ValidationError, TypeError):
            arguments[name] = value
    return arguments


def _edit_document(result: EditResult[Any]) -> dict[str, Any]:
    """One edit's outcome: `code` `ok` with the item (absent for a delete), or the problem of why it was not done."""
    if result.error is not None:
        return problem(result.error)
    return {"code": result.code} if result.item is None else {"code": result.code, "item": result.item}
