"""Handlers of REST: functions from request to response, one for each verb of a store and for each custom action.

A handler turns the request into the operation's arguments, and its result into a response. `endpoint.py` finds the handler of a request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from ...errors import Aborted, Conflict, Fault, InvalidInput, InvalidQuery, UnreadableItem
from ...model.meta import StoreMeta
from ...model.pages import ResultPage
from ...model.verbs import VERBS
from ...store.edits import EditResult
from ...store.results import missing
from ...store.store import Store, context_of
from ..http.cache_headers import Answers
from ..http.messages import JSON, Request, Response, encode, json_body
from ..http.negotiation import JSON_MEDIA, LINES_MEDIA
from ..http.problem import problem, problem_response
from ..operations import ActionOperation, MultiStoreOperation, StoreOperation
from ..query_arguments import QueryArguments
from . import include
from .conditional_writes import precondition, taken
from .fieldsets import FIELDS, WHOLE, Shape, shape
from .paging import LINES, LINKED_PAGE, PAGE, export_arguments, lines, next_page, search_arguments

Handler = Callable[[Request, str], Response]
UNRESERVED = re.compile(r"[A-Za-z0-9._~-]*", re.ASCII)
"""Characters of a URL that are never percent-encoded (RFC 3986, 2.3)."""
SHOWN = frozenset({FIELDS, include.INCLUDE})
"""The parameters that select the attributes and links in a response."""


class Handled(Struct, frozen=True):
    """A handler. `offered`: media type → the handler of a client that accepts it; empty for a response without content; None for JSON."""

    handler: Handler
    offered: Mapping[str, Handler] | None = None


class Handlers:
    """Makes the handlers of operations. `max_body` limits a request's body, in bytes."""

    def __init__(self, max_body: int) -> None:
        self._max_body = max_body

    def of(self, operation: StoreOperation) -> Handled:
        """Return the handler of a store's operation."""
        made = HANDLERS[operation.verb](self, operation)
        return made if isinstance(made, Handled) else Handled(made)

    def _create(self, operation: StoreOperation) -> Handler:
        meta, call, answers = operation.meta, operation.call, Answers(operation)

        def create(request: Request, key: str) -> Response:
            if request.query:
                _none_of(request.parameters())
            try:
                item = call({"item": self._object(request)}, request.caller)
            except Conflict as error:
                raise taken(request, meta, error) from error
            key = meta.key_of(item)
            segment = key if UNRESERVED.fullmatch(key) else quote(key, safe="~")
            return answers.written(item, 201, {"location": f"{request.root}{operation.path}/{segment}"})

        return create

    def _read(self, operation: StoreOperation) -> Handler:
        call, answers = operation.call, Answers(operation)

        def read(request: Request, key: str) -> Response:
            shown, rest = self._shape(operation, request) if request.query else (WHOLE, [])
            _none_of(rest)
            item = _found(call({"key": key}, request.caller), operation.meta, key)
            return answers.answer(request, shown.of(item), item, included=bool(shown.links))

        return read

    def _update(self, operation: StoreOperation) -> Handler:
        call, answers = operation.call, Answers(operation)

        def update(request: Request, key: str) -> Response:
            given = {"key": key, "when": request.parameters(), "precondition": precondition(request)}
            item = _found(call({**given, "changes": self._object(request)}, request.caller), operation.meta, key)
            return answers.written(item, 200, {})

        return update

    def _delete(self, operation: StoreOperation) -> Handled:
        call = operation.call

        def delete(request: Request, key: str) -> Response:
            given = {"key": key, "when": request.parameters(), "precondition": precondition(request)}
            if not call(given, request.caller):
                raise missing(operation.meta, key)
            return Response(204, {})

        return Handled(delete, {})

    def _search(self, operation: StoreOperation) -> Handled:
        call, answers = operation.call, Answers(operation, "accept")

        def search(request: Request, key: str) -> Response:
            shown, rest = self._shape(operation, request)
            page = _page(call, shown, search_arguments(rest), request)
            link = {"link": next_page(request.root + operation.path, request.query, page.cursor)} if page.cursor else {}
            return answers.answer(request, page, included=bool(shown.links), listed=True, more=link)

        def export(request: Request, key: str) -> Response:
            shown, rest = self._shape(operation, request)
            arguments = export_arguments(rest)
            arguments["limit"] = LINKED_PAGE if shown.links else PAGE
            return Response(
                200, LINES, chunks=lines(lambda cursor: _page(call, shown, {**arguments, "cursor": cursor}, request))
            )

        return Handled(search, {JSON_MEDIA: search, LINES_MEDIA: export})

    def _count(self, operation: StoreOperation) -> Handler:
        call, answers = operation.call, Answers(operation)

        def count(request: Request, key: str) -> Response:
            return answers.answer(request, {"count": call({"where": request.parameters()}, request.caller)})

        return count

    def _read_batch(self, operation: StoreOperation) -> Handler:
        call, answers = operation.call, Answers(operation)

        def read_batch(request: Request, key: str) -> Response:
            shown, given = self._shape(operation, request)
            if unknown := [Fault(f"/{name}", "Unknown parameter", "key") for name, _ in given if name != "key"]:
                raise InvalidQuery(faults=unknown)
            errors: list[UnreadableItem] = []
            try:
                items = call({"keys": [value for _, value in given]}, request.caller)
            except UnreadableItem as error:
                items, errors = error.others, list(error.by_position.values())
            page = shown.of(ResultPage(items))
            errors += page.errors
            content = {"items": page.items, "errors": errors} if errors else {"items": page.items}
            return answers.answer(request, content, included=bool(shown.links), listed=True)

        return read_batch

    def batch(self, operation: StoreOperation | MultiStoreOperation) -> Handler:
        """Return the handler of a batch of edits, of one store or of several."""
        call = operation.call

        def edit_batch(request: Request, key: str) -> Response:
            _none_of(request.parameters())
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
            cause = next((one.error for one in results if one.error and not isinstance(one.error, Aborted)), None)
            if body.get("atomic") and cause is not None:
                return problem_response({**problem(cause), "results": documents})
            return ok({"results": documents})

        return edit_batch

    def action(self, operation: ActionOperation) -> Handler:
        """Return the handler of a custom action. It reads the arguments from the body, or from the query string if the method has no body."""
        call, reads = operation.call, not operation.mutation or operation.method == "DELETE"
        parameters, arguments = operation.parameters, QueryArguments(operation.parameters)
        answers = None if operation.mutation else Answers(operation)

        def act(request: Request, key: str) -> Response:
            if reads:
                content = call(arguments(request.parameters()), request.caller)
                return ok(content) if answers is None else answers.answer(request, content)
            return ok(call(self._object(request) if parameters or request.body else {}, request.caller))

        return act

    def _shape(self, operation: StoreOperation, request: Request) -> tuple[Shape, list[tuple[str, str]]]:
        """Return the selected attributes and links, and the remaining parameters."""
        given = request.parameters()
        if not given:
            return WHOLE, given
        if SHOWN.isdisjoint([name for name, _ in given]):
            return WHOLE, given
        links, rest = include.split(given)
        names, rest = include.split(rest, FIELDS)
        if not links and not names:
            return WHOLE, rest
        store: Store[Any] = operation.store.on_behalf_of(request.caller)
        # before the names are checked, so that a caller without access does not learn which ones exist
        context_of(store).guard.row_filter(VERBS[operation.verb].checks or operation.verb)
        return shape(store, links, names), rest

    def _object(self, request: Request) -> Mapping[str, Any]:
        body = json_body(request, self._max_body)
        if isinstance(body, dict):
            return body
        raise InvalidInput(faults=[Fault("", "Expected an object", "object", type(body).__name__)])


HANDLERS: dict[str, Callable[[Handlers, StoreOperation], Handler | Handled]] = {
    "create": Handlers._create,
    "read": Handlers._read,
    "update": Handlers._update,
    "delete": Handlers._delete,
    "search": Handlers._search,
    "count": Handlers._count,
    "read_batch": Handlers._read_batch,
    "edit_batch": Handlers.batch,
}
"""Verb → the method that makes the handler of one of its operations."""


def ok(content: Any) -> Response:
    return Response(200, JSON, encode(content))


def _found(item: Any, meta: StoreMeta[Any], key: str) -> Any:
    if item is None:
        raise missing(meta, key)
    return item


def _page(call: Callable[..., Any], shown: Shape, arguments: dict[str, Any], request: Request) -> Any:
    """Return a page of a search as it is shown."""
    if shown.columns:  # the engine reads only these
        return call({**arguments, "select": shown.columns}, request.caller)
    return shown.of(call(arguments, request.caller))


def _none_of(given: list[tuple[str, str]]) -> None:
    if given:
        raise InvalidQuery(faults=[Fault(f"/{name}", "Unknown parameter") for name, _ in given])


def _edit_document(result: EditResult[Any]) -> dict[str, Any]:
    """Return the result of an edit: `code` `ok` with the item, which is absent for a deletion, or the problem document of its error."""
    if result.error is not None:
        return problem(result.error)
    return {"code": result.code} if result.item is None else {"code": result.code, "item": result.item}
