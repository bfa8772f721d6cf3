"""A transport that records each of its calls in AWS X-Ray: the operation, the table, the time and whether it failed.

It is put around the direct transport if `PERSISTY_TRACING` is on. Otherwise calls cost nothing more.
"""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import Any

from ...aws.xray import Subsegments
from .direct_transport import DirectTransport
from .transport import JSON

NAME = "DynamoDB"


class TracedTransport:
    """The calls of `inner`, each with a subsegment of the current trace. One subsegment has all attempts of a call."""

    def __init__(self, inner: DirectTransport, subsegments: Subsegments, region: str) -> None:
        self._inner, self._subsegments, self._region = inner, subsegments, region

    def call(self, operation: str, payload: dict[str, Any], shape: Any = JSON, *, once: bool = False) -> Any:
        return self._recorded(operation, payload, lambda: self._inner.call(operation, payload, shape, once=once))

    def begin(
        self, operation: str, payload: dict[str, Any], shape: Any = JSON, *, once: bool = False
    ) -> Callable[[], Any]:
        started = time()
        finish = self._inner.begin(operation, payload, shape, once=once)
        return lambda: self._recorded(operation, payload, finish, started)

    def close(self) -> None:
        self._inner.close()
        self._subsegments.close()

    def _recorded(
        self, operation: str, payload: dict[str, Any], finish: Callable[[], Any], started: float | None = None
    ) -> Any:
        begun, failed = time() if started is None else started, True
        try:
            answer = finish()
            failed = False
            return answer
        finally:
            table = payload.get("TableName")
            named = {} if table is None else {"table_name": table}
            details = {"operation": operation, "region": self._region, **named}
            self._subsegments.send(NAME, begun, time(), failed=failed, namespace="aws", aws=details)
