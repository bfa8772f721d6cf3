"""Whether requests should be sent here: `/ready`, as a load balancer asks, beside `/health`, which only tells that the process lives.

Ready is who has been prepared, is not on the way out, and whose engine answers. The engine is asked for one item, at most once a
second however often the question comes, and never while it still owes an answer.
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

KEPT = 1.0
"""Seconds for which what the engine answered counts."""
PATIENCE = 2.0
"""Seconds that the engine has to answer in."""
METHODS = "GET, HEAD, OPTIONS"

log = logging.getLogger("persisty")


class Readiness:
    """Whether an app can be asked. `stage` is "starting", "serving" or "draining"."""

    def __init__(
        self, app: App, patience: float = PATIENCE, kept: float = KEPT, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._app, self._patience, self._kept, self._clock = app, patience, kept, clock
        self.stage = "starting"
        self._asking: asyncio.Task[bool] | None = None
        self._answers, self._until = False, 0.0

    async def missing(self) -> str | None:
        """What it is not ready for: its stage, or "engine"; None if it is ready."""
        if self.stage == "serving":
            return None if await self._engine_answers() else "engine"
        return self.stage

    async def _engine_answers(self) -> bool:
        if self._asking is None:
            if self._clock() < self._until:
                return self._answers
            self._asking = asyncio.ensure_future(run_in_threadpool(self._ask))
            self._asking.add_done_callback(self._answered)
        asking = self._asking
        done, _ = await asyncio.wait({asking}, timeout=self._patience)  # who leaves does not take the question along
        return bool(done) and asking.result()

    def _answered(self, asking: asyncio.Task[bool]) -> None:
        self._asking = None
        if not asking.cancelled():
            self._answers, self._until = asking.result(), self._clock() + self._kept

    def _ask(self) -> bool:
        """Any one item of the first store: that its table is there is a part of being ready."""
        meta = next(iter(self._app.metas.values()), None)
        if meta is None:
            return True
        try:
            self._app.engine.open(meta).query(Query(ALL, (), None, 1, select=meta.key.attributes, allow_scan=True))
        except Exception as error:
            log.warning("not ready: %s: %s", type(error).__name__, error)
            return False
        return True


def readiness_response(missing: str | None, request: Request) -> Response:
    """What `/ready` answers."""
    if request.method == "OPTIONS":
        return Response(204, {"allow": METHODS})
    if request.method not in {"GET", "HEAD"}:
        return refusal(MethodNotAllowed(allow=METHODS))
    if missing is None:
        told = Response(200, {**JSON, "cache-control": "no-store"}, encode({"status": "ready"}))
    else:
        told = problem_response(problem(NotReady(reason=missing, retry_after=1)))  # which a log need not know
    return without_content(told) if request.method == "HEAD" else told
