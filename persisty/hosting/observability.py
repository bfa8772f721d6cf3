"""A server whose requests are logged and counted. It wraps `Server` only if the access log or metrics are on."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import IO, Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..api.http.request_trace import CURRENT
from ..api.per_revision import PerRevision
from ..application import App
from ..application.working import GRACE
from .access_log import AccessLog, Format, as_json
from .metrics import SOCKET, Metrics
from .prometheus import Exposition
from .route_names import RouteNames
from .server import Server
from .tracing import CLIENT_CLOSED

FAILED = 500
"""The status of a request that failed before it had one."""


class Observed:
    """The ASGI application. `name` returns the route of a path."""

    def __init__(
        self, server: Server, name: Callable[[str], str], log: AccessLog | None, metrics: Metrics | None
    ) -> None:
        self._server, self._name, self._log, self._metrics = server, name, log, metrics
        server.socket.ended = partial(self._ended, SOCKET)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._other(scope, receive, send)
            return
        started = time.perf_counter()
        status, size = 0, 0

        def observe(message: Message) -> Any:
            nonlocal status, size
            if message["type"] != "http.response.start":
                size += len(message.get("body", b""))
            if message["type"] != "http.response.body":
                status = message["status"]
            return send(message)

        metrics, without_response = self._metrics, FAILED
        if metrics is not None:
            metrics.begin()
        try:
            await self._server(scope, receive, observe)
            without_response = CLIENT_CLOSED
        finally:
            seconds = time.perf_counter() - started
            if metrics is not None:
                metrics.end()
            path = self._server.placed(scope)["path"]
            self._ended(scope["method"], path, status or without_response, size, seconds)

    def _ended(self, method: str, path: str, status: int, size: int, seconds: float) -> None:
        """Record a request that has ended, and log it."""
        route, trace = self._name(path), CURRENT.get()
        if self._metrics is not None:
            self._metrics.record(method, route, status, seconds)
        if self._log is not None and trace is not None:
            self._log.write(trace.request_id, method, path, route, status, size, seconds, trace.subject)

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on WebSockets and the lifespan. Buffered lines of the log are written when it ends."""
        try:
            await self._server(scope, receive, send)
        finally:
            if self._log is not None:
                self._log.flush()


def observed(
    app: App,
    *,
    access_log: IO[bytes] | None = None,
    spell: Format = as_json,
    metrics: bool = False,
    create_tables: bool | None = None,
    work: float | None = GRACE,
) -> ASGIApp:
    """Return the server of an app, with a line in `access_log` for each request and with `/metrics`, if they are turned on."""
    if access_log is None and not metrics:
        return Server(app, create_tables=create_tables, work=work)
    log = None if access_log is None else AccessLog(access_log, spell)
    counts = Metrics() if metrics else None
    server = Server(
        app,
        metrics=None if counts is None else Exposition(counts).handle,
        with_subject=log is not None,
        create_tables=create_tables,
        work=work,
    )
    names = PerRevision(app, lambda _, before: RouteNames(app))

    def name(path: str) -> str:
        return names()(path)

    return Observed(server, name, log, counts)
