"""A server whose requests are logged and counted: what stands around `Server` where somebody wants to know, and nowhere else."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import IO, Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..application import App
from .access_log import AccessLog, Spell, as_json
from .metrics import SOCKET, Metrics
from .route_names import RouteNames
from .server import Server
from .tracing import CURRENT, LEFT

FAILED = 500
"""The status of what failed before it had any."""


class Observed:
    """The application. `name` gives the route of a path."""

    def __init__(
        self, server: Server, name: Callable[[str], str], log: AccessLog | None, metrics: Metrics | None
    ) -> None:
        self._server, self._name, self._log, self._metrics = server, name, log, metrics
        server.socket.ended = partial(self._ended, SOCKET)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._others(scope, receive, send)
            return
        started = time.perf_counter()
        status, size = 0, 0

        def noted(message: Message) -> Any:
            nonlocal status, size
            if message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            else:
                status = message["status"]
            return send(message)

        metrics, otherwise = self._metrics, FAILED
        if metrics is not None:
            metrics.running += 1
        try:
            await self._server(scope, receive, noted)
            otherwise = LEFT
        finally:
            took = time.perf_counter() - started
            if metrics is not None:
                metrics.running -= 1
            self._ended(scope["method"], scope["path"], status or otherwise, size, took)

    def _ended(self, method: str, path: str, status: int, size: int, took: float) -> None:
        """Count a request that has ended, and log it."""
        route, trace = self._name(path), CURRENT.get()
        if self._metrics is not None:
            self._metrics.note(method, route, status, took)
        if self._log is not None and trace is not None:
            self._log.note(trace.request_id, method, path, route, status, size, took, trace.subject)

    async def _others(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The server's life: what is still to be written is written at its end."""
        try:
            await self._server(scope, receive, send)
        finally:
            if self._log is not None:
                self._log.flush()


def observed(
    app: App, *, access_log: IO[bytes] | None = None, spell: Spell = as_json, metrics: bool = False
) -> ASGIApp:
    """The server of an app, with a line for each request in `access_log`, and with `/metrics`: each only where it is wanted."""
    if access_log is None and not metrics:
        return Server(app)
    log = None if access_log is None else AccessLog(access_log, spell)
    counts = Metrics() if metrics else None
    exposed = None if counts is None else import_module("persisty.hosting.prometheus").Exposition(counts).handle
    server = Server(app, metrics=exposed, noting=log is not None)
    return Observed(server, RouteNames(app), log, counts)
