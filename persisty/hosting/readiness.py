"""`/ready`: whether a load balancer should send requests to this server. `/health` only says that the process is alive.

The server is ready when its tables exist, it is not shutting down, its engine responds and, as far as is known, accepts writes. The check reads
one item. It runs at most once a second, and never while a previous one is running.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool

from ..api.http.messages import JSON, Request, Response, encode, without_content
from ..api.http.problem import problem, problem_response, refusal
from ..application import App
from ..errors import MethodNotAllowed, NotReady
from ..model.expressions import ALL
from ..store.backend import Query

CACHE_SECONDS = 1.0
"""Seconds for which the result of the check is cached."""
PATIENCE = 2.0
"""Seconds in which the engine has to respond."""
METHODS = "GET, HEAD, OPTIONS"

log = logging.getLogger("persisty")


class Readiness:
    """The readiness of an app. `stage` is "starting", "serving" or "draining". `patience`: seconds in which the engine has to respond.
    `cache_seconds`: seconds for which the result is cached."""

    def __init__(
        self,
        app: App,
        patience: float = PATIENCE,
        cache_seconds: float = CACHE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app, self._patience, self._cache_seconds, self._clock = app, patience, cache_seconds, clock
        self.stage = "starting"
        self._checking: asyncio.Task[bool] | None = None
        self._responds, self._until = False, 0.0

    async def missing(self) -> str | None:
        """Return None if the server is ready, else the reason: its stage, or "engine"."""
        if self.stage == "serving":
            return None if await self._engine_responds() else "engine"
        return self.stage

    async def _engine_responds(self) -> bool:
        if self._checking is None:
            if self._clock() < self._until:
                return self._responds
            self._checking = asyncio.ensure_future(run_in_threadpool(self._check))
            self._checking.add_done_callback(self._checked)
        checking = self._checking
        # `wait` does not cancel the check if the client disconnects
        done, _ = await asyncio.wait({checking}, timeout=self._patience)
        return bool(done) and checking.result()

    def _checked(self, checking: asyncio.Task[bool]) -> None:
        self._checking = None
        if not checking.cancelled():
            self._responds, self._until = checking.result(), self._clock() + self._cache_seconds

    def _check(self) -> bool:
        """Read one item of the first store. This also checks that its table exists."""
        meta = next(iter(self._app.metas.values()), None)
        if meta is None:
            return True
        try:
            engine = self._app.engine
            engine.open(meta).query(Query(ALL, (), None, 1, select=meta.key.attributes, allow_scan=True))
            engine.check_writes()
        except Exception as error:
            log.warning("not ready: %s: %s", type(error).__name__, error)
            return False
        return True


def readiness_response(missing: str | None, request: Request) -> Response:
    """Return the response of `/ready`."""
    if request.method == "OPTIONS":
        return Response(204, {"allow": METHODS})
    if request.method not in {"GET", "HEAD"}:
        return refusal(MethodNotAllowed(allow=METHODS))
    if missing is None:
        response = Response(200, {**JSON, "cache-control": "no-store"}, encode({"status": "ready"}))
    else:
        response = problem_response(problem(NotReady(reason=missing, retry_after=1)))  # not an error to log
    return without_content(response) if request.method == "HEAD" else response
