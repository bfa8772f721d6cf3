"""The ASGI server of an app. The surfaces are called directly, the pages through Starlette.

Calls of an embedded engine take microseconds and run in the event loop, because a switch to a thread would cost more than the query. All others
run in threads: calls over a network, custom actions, requests with a token that has to be verified, large requests, and calls of an embedded engine
that have to wait.

Other modules wrap it: `observability.py` (logs, metrics), `readiness.py`, `draining.py`.
"""

from __future__ import annotations

import gc
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import quote

import starlette.responses
from anyio import CapacityLimiter, to_thread
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .. import settings
from ..api.actions import action_operations
from ..api.graphql.hosted.endpoint import GraphqlEndpoint
from ..api.http.authentication import Handle, Identified
from ..api.http.cors import cross_origin, origins_of
from ..api.http.messages import MAX_BODY, ON_EVERY_RESPONSE, Request, Response
from ..api.http.problem import problem, problem_response, refusal
from ..api.http.rate_limit import Buckets, Limited, rate_of
from ..api.http.request_ids import REQUEST_ID
from ..api.http.root_path import below, root_path_of
from ..api.rest.endpoint import Rest
from ..api.routes import API, ROUTES, Surface, fixed
from ..application import App
from ..application.working import GRACE, Workers
from ..errors import BackendUnavailable, InvalidDeclaration, MalformedRequest, NotFound, PayloadTooLarge
from ..model.nesting import raise_recursion_limit
from ..store.wait_limits import WouldWait, attempting, within
from .draining import on_shutdown
from .embedded_calls import LONGEST, in_thread
from .pages import PAGES, SecureHeaders, routes
from .readiness import Readiness, readiness_response
from .request_line import decoded_once, malformed
from .streaming import stream
from .tracing import begin
from .tracing import with_subject as tracing_subject
from .websocket import GraphqlSocket
from .whole_responses import BODILESS, takes_whole, whole

FOLDERS = tuple(route.stem for route in fixed(Surface.FOLDER))


class Server:
    """The ASGI application. `max_body` limits the body of a request, in bytes. `metrics` answers `/metrics`, if metrics are on.
    `with_subject`: the trace of a request has the subject of its caller. `create_tables`: create missing tables on DynamoDB too, instead of only
    verifying them; the default is `PERSISTY_CREATE_TABLES`. `work`: the seconds that handlers have to end at shutdown. None: handle no events."""

    def __init__(
        self,
        app: App,
        max_body: int = MAX_BODY,
        *,
        metrics: Handle | None = None,
        with_subject: bool = False,
        create_tables: bool | None = None,
        work: float | None = GRACE,
    ) -> None:
        self._app, self._max_body, self._metrics = app, max_body, metrics
        self._routes = {route.path: route for route in ROUTES if route.surface is not Surface.FOLDER}
        raise_recursion_limit()
        action_operations(app)  # an invalid action must stop the start instead of its first request
        workers = Workers(app, grace=work or 0.0)  # checks that after triggers can run here
        self._workers = None if work is None else workers
        self._authenticator = app.authenticator
        configured = settings.load()
        self._origins = configured.cors_origins
        self._root = root_path_of(configured.root_path)
        self._creates = configured.create_tables == "on" if create_tables is None else create_tables
        self._drain_delay = seconds_of("PERSISTY_DRAIN_DELAY", configured.drain_delay)
        rate = rate_of(configured.rate_limit)
        limited = None if rate is None else Limited(Buckets(rate))
        rest, graphql = Rest(app, max_body).handle, GraphqlEndpoint(app, max_body)
        self._rest, self._graphql = (
            self._surface(tracing_subject(handle) if with_subject else handle, limited)
            for handle in (rest, graphql.handle)
        )
        over_socket = partial(self._surface, limited=limited)
        self.socket = GraphqlSocket(
            app,
            graphql,
            (lambda handle: over_socket(tracing_subject(handle))) if with_subject else over_socket,
            origins_of(self._origins),
            max_body,
        )
        self._health = cross_origin(rest, self._origins)  # without authentication and rate limit
        too_large = PayloadTooLarge(f"A body has at most {max_body} bytes", limit=max_body)
        self._too_large = cross_origin(lambda request: refusal(too_large), self._origins)
        self.readiness = Readiness(app)
        self._large = CapacityLimiter(LARGE_AT_ONCE)
        self._pages: ASGIApp = Starlette(
            routes=routes(app),
            lifespan=lambda _: self.lifespan(),
            middleware=[Middleware(SecureHeaders)],
            exception_handlers={404: _not_found, 405: _not_found},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope = decoded_once(scope)
        if self._root or scope.get("root_path"):
            scope = self.placed(scope)
            if scope.get("path") == "":
                await _redirect(scope, send)
                return
        path: str = scope.get("path", "")
        if scope["type"] == "websocket" and path == "/graphql":
            headers = _headers(scope)
            if malformed(scope, headers) is None:
                await self.socket(scope, receive, send, headers)
            else:
                await send({"type": "websocket.close", "code": 1002})
            return
        if scope["type"] != "http":
            await self._pages(scope, receive, send)
            return
        route = None if path.startswith(API) else self._routes.get(path)
        if path.startswith(API):
            await self._answer(self._rest, self._app.engine.embedded, scope, receive, send)
        elif route is not None:
            await SERVED[route.name](self, scope, receive, send)
        elif path.startswith(FOLDERS):
            await self._page(scope, receive, send)
        else:  # a custom action, or an unknown path
            await self._answer(self._rest, False, scope, receive, send)

    def placed(self, scope: Scope) -> Scope:
        """Return the scope with the path below the root path. The root path is that of the setting, of the scope, or both joined."""
        mounted = str(scope.get("root_path", "")).rstrip("/")
        if not (self._root or mounted) or "path" not in scope:
            return scope
        path, outer = scope["path"], str(scope.get("app_root_path", "")).rstrip("/")
        # a proxy may have removed the root path of the app that mounts the server, but not the path of the mount
        for one in (mounted, mounted.removeprefix(outer)):
            if one and (path == one or path.startswith(f"{one}/")):
                path = path[len(one) :]
                break
        if self._root:
            path = below(self._root, path)
        return {**scope, "path": path, "root_path": "", ROOT: self._root + quote(mounted, safe=IN_PATHS)}

    async def _openapi(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(self._rest, self._app.engine.embedded, scope, receive, send)

    async def _ask_graphql(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(self._graphql, self._app.engine.embedded, scope, receive, send)

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        if malformed(scope, headers) is not None:
            await self._answer(self._rest, True, scope, receive, send)
            return
        begin(headers, scope)
        await self._pages(scope, receive, send)

    async def _ask_health(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(self._health, True, scope, receive, send)

    async def _ready(self, scope: Scope, receive: Receive, send: Send) -> None:
        missing = await self.readiness.missing()
        await self._answer(partial(readiness_response, missing), True, scope, receive, send)

    async def _ask_metrics(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._metrics is None:
            await self._answer(self._rest, False, scope, receive, send)
        else:
            await self._answer(self._metrics, True, scope, receive, send)

    def _surface(self, handle: Handle, limited: Limited | None) -> Handle:
        """Wrap a surface in CORS, rate limit and authentication."""
        if limited is None:
            handle = Identified(handle, self._authenticator).handle
        else:
            handle = limited.outside(Identified(limited.inside(handle), self._authenticator).handle)
        return cross_origin(handle, self._origins)

    async def _answer(self, handle: Handle, here: bool, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        trace = begin(headers, scope)
        body: bytes | None = None
        if "content-length" not in headers or not self._exceeds(headers["content-length"]):
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body = message.get("body", b"")
            if message.get("more_body", False):
                try:
                    body = await self._whole_body(message, receive)
                except ClientDisconnect:  # an incomplete body is not a request
                    return
        if body is None:
            handle, here, body = self._too_large, True, b""
        if (reason := malformed(scope, headers)) is not None:
            handle, here = cross_origin(partial(_malformed, reason), self._origins), True
        request = Request(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), headers, body)
        if ROOT in scope:
            request = replace(request, root=scope[ROOT])
        size = len(body) + len(request.query)
        if not (here and self._authenticator.ready(headers)):
            response = await run_in_threadpool(handle, request)
        elif size > QUICK_GRAPHQL and (size > QUICK or handle is self._graphql):
            response = await to_thread.run_sync(within, LONGEST, handle, request, limiter=self._large)
        else:
            try:
                response = attempting(handle, request)
            except WouldWait:
                response = await self._answer_later(handle, request)
        if response.chunks is None and takes_whole(scope):
            await send(whole(response, trace.request_id))
            return
        await _send(response, trace.request_id, send)
        if response.chunks is not None:
            await stream(response.chunks, here, receive, send)

    async def _answer_later(self, handle: Handle, request: Request) -> Response:
        """Return the response to a request that has to wait, or 503 if too many others wait."""
        try:
            return await in_thread(handle, request)
        except BackendUnavailable as error:
            refused = problem_response(problem(error))
            return cross_origin(lambda _: refused, self._origins)(request)

    def _exceeds(self, declared: str) -> bool:
        """Return whether this `Content-Length` exceeds the limit of a body."""
        return declared.isascii() and declared.isdigit() and int(declared.lstrip("0")[:20] or "0") > self._max_body

    async def _whole_body(self, message: Message, receive: Receive) -> bytes | None:
        """Return a body whose first part is in this message. Return None as soon as it exceeds the limit."""
        body: bytes = message.get("body", b"")
        parts, size = [body], len(body)
        while message.get("more_body", False):
            message = await _part(receive)
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._max_body:
                return None
        return b"".join(parts)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Create or verify the tables before the first request, and close the app after the last. An ASGI app that mounts the server enters it in its
        own lifespan, because Starlette does not run the lifespan of a mounted app.

        Objects that exist at the start live until the end. They are frozen, so that the garbage collector does not visit them again.
        """
        self.socket.fan_out.start()
        await run_in_threadpool(self._app.prepare if self._creates else self._app.verify)
        gc.collect()
        gc.freeze()
        if self._workers is not None:
            self._workers.start()
        with on_shutdown(self._drain, self._drain_delay):
            self.readiness.stage = "serving"
            yield
            self._drain()
        if self._workers is not None:
            await run_in_threadpool(self._workers.stop)
        gc.unfreeze()
        self._app.close()

    def _drain(self) -> None:
        self.readiness.stage = "draining"


SERVED: dict[str, Callable[[Server, Scope, Receive, Send], Awaitable[None]]] = {
    "health": Server._ask_health,
    "openapi": Server._openapi,
    "index": Server._openapi,
    "graphql": Server._ask_graphql,
    "ready": Server._ready,
    "metrics": Server._ask_metrics,
    **dict.fromkeys(PAGES.values(), Server._page),
}
"""Name of a fixed route → the method that answers it."""
ROOT = "persisty.root_path"
"""Key of a scope: the root path, percent-encoded."""
IN_PATHS = "/~!$&'()*+,;=:@"
"""Characters of a path that are not percent-encoded, in addition to letters, digits and `_.-` (RFC 3986, 3.3)."""
REQUEST_ID_HEADER = REQUEST_ID.encode()
QUICK, QUICK_GRAPHQL = 8_192, 2_048
"""The most bytes of a request that is answered in the event loop. A larger one takes longer to parse and runs in a thread."""
LARGE_AT_ONCE = 2
"""The most large requests that run at a time. They compete with the event loop for the interpreter."""
EVERYWHERE = tuple((name.encode(), value.encode()) for name, value in ON_EVERY_RESPONSE.items())
"""Headers of every response."""


def _headers(scope: Scope) -> dict[str, str]:
    """Return the request's headers. Values of a header that was sent several times are joined with commas, as in AWS's HTTP API."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        known, text = name.decode("latin-1"), value.decode("latin-1")
        headers[known] = f"{headers[known]}, {text}" if known in headers else text
    return headers


async def _part(receive: Receive) -> Message:
    """Return the next part of a body. Raises `ClientDisconnect` if the client has disconnected before its end."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message


async def _send(response: Response, request_id: str, send: Send) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()]
    headers += EVERYWHERE
    headers.append((REQUEST_ID_HEADER, request_id.encode()))
    if response.chunks is not None:  # the caller sends the body
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        return
    if response.status not in BODILESS and "content-length" not in response.headers:
        headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


async def _redirect(scope: Scope, send: Send) -> None:
    """Redirect from the root path to the front page, whose links are relative to the slash at the end."""
    if scope["type"] == "http":
        await _send(Response(307, {"location": f"{scope[ROOT]}/"}), begin(_headers(scope), scope).request_id, send)
    else:
        await send({"type": "websocket.close", "code": 1000})


def _malformed(reason: str, request: Request) -> Response:
    return refusal(MalformedRequest(reason))


async def _not_found(request: object, error: Exception) -> starlette.responses.Response:
    """Answer a request for a page that does not exist with a problem document, as the surfaces do."""
    response = refusal(NotFound("No resource has this path"))
    return starlette.responses.Response(response.body, response.status, response.headers)


def seconds_of(name: str, text: str) -> float:
    """Parse a setting that is a number of seconds. Raises `InvalidDeclaration` if it is not a number, or more than an hour."""
    if not (re.fullmatch(r"\d{1,4}(\.\d{1,3})?", text, re.ASCII) and float(text) <= 3600):
        raise InvalidDeclaration(f"{name} must be a number of seconds, at most 3600")
    return float(text)
