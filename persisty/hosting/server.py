"""The ASGI server of an app: the surfaces on a short path of their own, the pages through Starlette.

Calls of an embedded engine take microseconds and run in the event loop: a hop to a thread would cost more than the
query. Calls over a network, custom actions, whose length nobody knows, and whatever comes with a token that is not known yet
run in threads.
"""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import starlette.responses
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from .. import settings
from ..api.cors import cross_origin
from ..api.graphql.endpoint import GraphqlEndpoint
from ..api.http import MAX_BODY, Request, Response
from ..api.identity import Handle, Identified
from ..api.problem import refusal
from ..api.rest import Rest
from ..application import App
from ..errors import NotFound, PayloadTooLarge
from .pages import SecureHeaders, routes
from .streaming import stream


class Server:
    """The ASGI application. `max_body` bounds what is read of a request, in bytes."""

    def __init__(self, app: App, max_body: int = MAX_BODY) -> None:
        self._app, self._max_body = app, max_body
        self._authenticator = app.authenticator
        origins = settings.load().cors_origins
        self._rest = cross_origin(Identified(Rest(app, max_body).handle, self._authenticator).handle, origins)
        endpoint = GraphqlEndpoint(app, max_body)
        self._graphql = cross_origin(Identified(endpoint.handle, self._authenticator).handle, origins)
        self._pages: ASGIApp = Starlette(
            routes=routes(),
            lifespan=self._lifespan,
            middleware=[Middleware(SecureHeaders)],
            exception_handlers={404: _nothing, 405: _nothing},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._pages(scope, receive, send)
            return
        path: str = scope["path"]
        if path.startswith("/api/") or path in ("/health", "/openapi.json"):
            await self._answer(self._rest, self._app.engine.embedded, scope, receive, send)
        elif path == "/graphql":
            await self._answer(self._graphql, self._app.engine.embedded, scope, receive, send)
        elif path in PAGE_PATHS or path.startswith(("/pages/", "/static/")):
            await self._pages(scope, receive, send)
        else:  # a custom action, or nothing
            await self._answer(self._rest, False, scope, receive, send)

    async def _answer(self, handle: Handle, here: bool, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        body = await self._body(headers, receive)
        if body is None:
            limit = self._max_body
            response = refusal(PayloadTooLarge(f"A body has at most {limit} bytes", limit=limit))
        else:
            request = Request(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), headers, body)
            here = here and self._authenticator.ready(headers)
            response = handle(request) if here else await run_in_threadpool(handle, request)
        await _send(response, send)
        if response.chunks is not None:
            await stream(response.chunks, here, receive, send)

    async def _body(self, headers: dict[str, str], receive: Receive) -> bytes | None:
        """The request's body; None as soon as it is known to be too large."""
        declared = headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self._max_body:
            return None
        message = await receive()
        body: bytes = message.get("body", b"")
        if not message.get("more_body", False):
            return body
        parts, size = [body], len(body)
        while message.get("more_body", False):
            message = await receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._max_body:
                return None
        return b"".join(parts)

    @asynccontextmanager
    async def _lifespan(self, starlette: Starlette) -> AsyncIterator[None]:
        """Create what the engine lacks before the first request, and let go of it after the last.

        What is loaded by the first request stays until the last: the garbage collector, which looks through everything after so
        and so many new items, need not look through that each time.
        """
        await run_in_threadpool(self._app.prepare)
        gc.collect()
        gc.freeze()
        yield
        gc.unfreeze()
        self._app.close()


PAGE_PATHS = frozenset({"/", "/docs", "/graphiql"})
BODILESS = frozenset({204, 304})
"""Statuses of answers whose length is not theirs to tell."""


def _headers(scope: Scope) -> dict[str, str]:
    """The request's headers; one that was sent several times is the list of what it said, as an HTTP API makes it."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        known, said = name.decode("latin-1"), value.decode("latin-1")
        headers[known] = f"{headers[known]}, {said}" if known in headers else said
    return headers


async def _send(response: Response, send: Send) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()]
    if response.chunks is not None:  # the body is sent as it comes
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        return
    if response.status not in BODILESS and "content-length" not in response.headers:
        headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


async def _nothing(request: object, error: Exception) -> starlette.responses.Response:
    """What Starlette does not find is told as every surface tells it."""
    told = refusal(NotFound("There is nothing at this path"))
    return starlette.responses.Response(told.body, told.status, told.headers)
