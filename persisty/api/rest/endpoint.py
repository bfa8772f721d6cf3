"""REST: finds the handler of a request, and makes a problem document of every error. It does not depend on a host.

Routes are dictionaries that are built once: fixed paths, and paths that end with a key. Custom actions, idempotency and the OpenAPI document are
deferred modules, so that a cold start imports only the code for stores.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from msgspec.structs import replace

from ...application import App
from ...deferred import deferred
from ...errors import InvalidDeclaration, MethodNotAllowed, NotFound
from ...store.catalogue import Catalogue
from ...store.store import Store
from ..action_names import RouteCheck
from ..http.compression import SMALL, coded
from ..http.messages import IDEMPOTENCY_KEY, JSON, MAX_BODY, Request, Response, without_content
from ..http.negotiation import ACCEPT_JSON, JSON_MEDIA, media_for
from ..http.problem import refusal
from ..multi_store_operations import multi_store_operations
from ..operations import Operation
from ..per_revision import PerRevision
from ..routes import API, KEY, Route, Surface, fixed, route_of
from ..store_operations import operations_of
from .handlers import Handled, Handler, Handlers, ok
from .store_index import store_index

Methods = dict[str, Handler]


Part = tuple[tuple[Route, Handled], ...]
"""The routes of one store."""


class Routes:
    """The routes of one revision of an app's items. `parts`: store → its routes, for the next revision to reuse. `documents`: root path → the
    OpenAPI document."""

    def __init__(self) -> None:
        self.fixed: dict[str, Methods] = {}
        self.keyed: dict[str, Methods] = {}
        self.offered: dict[Handler, Mapping[str, Handler]] = {}
        self.parts: dict[Store[Any], Part] = {}
        self.documents: dict[str, Response] = {}

    def add(self, route: Route, handled: Handled) -> None:
        """Add a route. Raises `InvalidDeclaration` if another one has its method and path."""
        if route.path.endswith(KEY):
            methods = self.keyed.setdefault(route.path.removesuffix(KEY).removeprefix(API), {})
        else:
            methods = self.fixed.setdefault(route.path, {})
        if route.method in methods:
            raise InvalidDeclaration(f"{route.method} {route.path} is offered twice")
        methods[route.method] = handled.handler
        if handled.offered is not None:
            self.offered[handled.handler] = handled.offered


class Rest:
    """The REST surface of an app."""

    def __init__(self, app: App, max_body: int = MAX_BODY, clock: Callable[[], float] = time.time) -> None:
        self._app, self._clock = app, clock
        self._idempotency: Any = None
        self._handlers = Handlers(max_body)
        self._actions: dict[str, Methods] | None = None
        self._fixed = {route: Handled(partial(FIXED[route.name], self)) for route in fixed(Surface.REST)}
        app.check_changes_with(RouteCheck(app))
        self._routes = PerRevision(app, self._built)

    def _built(self, catalogue: Catalogue, before: Routes | None) -> Routes:
        """Return the routes of the app's items. The routes of unchanged stores are reused."""
        made, known = Routes(), {} if before is None else before.parts
        for route, handled in self._fixed.items():
            made.add(route, handled)
        for store in catalogue.stores.values():
            part = made.parts[store] = known.get(store) or self._part(store)
            for route, handled in part:
                made.add(route, handled)
        for batch in multi_store_operations(self._app).values():
            made.add(route_of(batch), Handled(self._once(batch, self._handlers.batch(batch))))
        return made

    def _part(self, store: Store[Any]) -> Part:
        handled = [(one, self._handlers.of(one)) for one in operations_of(store)]
        return tuple((route_of(one), Handled(self._once(one, made.handler), made.offered)) for one, made in handled)

    def handle(self, request: Request) -> Response:
        """Return the response to a request. Never raises: every error is a problem document."""
        try:
            routes = self._routes()
            methods, key = self._route(routes, request.path)
            handler = methods.get(request.method)
            if handler is not None:
                if request.headers.get("accept") not in ACCEPT_JSON:
                    handler = _negotiated(routes, request.headers["accept"], handler)
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

    def _route(self, routes: Routes, path: str) -> tuple[Mapping[str, Handler], str]:
        methods = routes.fixed.get(path)
        if methods is not None:
            return methods, ""
        if path.startswith(API):
            store, _, key = path[len(API) :].partition("/")
            methods = routes.keyed.get(store)
            if methods is not None and key:
                return methods, key
        if self._actions is None:
            self._actions = self._load_actions()
        methods = self._actions.get(path)
        if methods is None:
            raise NotFound("No resource has this path")
        return methods, ""

    def _load_actions(self) -> dict[str, Methods]:
        found: dict[str, Methods] = {}
        for operation in deferred("persisty.api.actions").action_operations(self._app).values():
            handler = self._once(operation, self._handlers.action(operation))
            found.setdefault(operation.path, {})[operation.method] = handler
        return found

    def _once(self, operation: Operation, handler: Handler) -> Handler:
        """Return the handler that executes requests with the same `Idempotency-Key` only once."""
        if self._app.idempotency is None or operation.method != "POST":
            return handler

        def once(request: Request, key: str) -> Response:
            if IDEMPOTENCY_KEY not in request.headers:
                return handler(request, key)
            if self._idempotency is None:
                self._idempotency = deferred("persisty.api.idempotency").Idempotency(self._app, self._clock)
            response: Response = self._idempotency.answer(request, partial(handler, request, key), operation)
            return response

        return once

    def _health(self, request: Request, key: str) -> Response:
        return ok({"status": "ok"})

    def _openapi(self, request: Request, key: str) -> Response:
        routes = self._routes()
        found = routes.documents.get(request.root)
        if found is None:
            encoded = deferred("persisty.api.openapi.document").encoded_document(self._app, request.root)
            found = routes.documents[request.root] = Response(200, JSON, encoded)
        return found

    def _index(self, request: Request, key: str) -> Response:
        return ok(store_index(self._app, request.root))


FIXED: dict[str, Callable[[Rest, Request, str], Response]] = {
    "health": Rest._health,
    "openapi": Rest._openapi,
    "index": Rest._index,
}
"""Name of a fixed route → its handler."""


def _allowed(methods: Mapping[str, Handler]) -> str:
    return ", ".join(sorted({*methods, "OPTIONS", *({"HEAD"} if "GET" in methods else ())}))


def _negotiated(routes: Routes, accept: str, handler: Handler) -> Handler:
    """Return the handler of the media type that the client prefers. Raises `NotAcceptable` if it accepts none. A response without content is always
    acceptable."""
    offered = routes.offered.get(handler)
    if offered is None:
        media_for(accept, (JSON_MEDIA,))
        return handler
    return offered[media_for(accept, tuple(offered))] if offered else handler
