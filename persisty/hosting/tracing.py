"""What is known of the request that is being answered, for whoever logs or limits: the surfaces know nothing of it.

It is a context variable, so a thread that answers a request has that request's.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextvars import ContextVar
from itertools import count

from starlette.types import Scope

from ..api.http.authentication import Handle
from ..api.http.messages import Request, Response
from ..api.http.request_ids import REQUEST_ID, given_id

LEFT = 499
"""The status of what its client did not wait for, as nginx has it."""
_PROCESS = secrets.token_hex(6)
_NUMBERS = count(1)


class Trace:
    """`address` is the client's, None where the host knows none; `subject` is who calls, once that is known and somebody asks;
    `counted`: a rate limit has counted the request."""

    __slots__ = ("address", "counted", "request_id", "subject")

    def __init__(self, request_id: str, address: str | None) -> None:
        self.request_id, self.address = request_id, address
        self.subject: str | None = None
        self.counted = False


CURRENT: ContextVar[Trace | None] = ContextVar("persisty_request", default=None)


def begin(headers: Mapping[str, str], scope: Scope) -> Trace:
    """From now on this request is the current one. Ids made here tell requests apart, and are no secrets."""
    given = given_id(headers) if REQUEST_ID in headers else None
    client = scope.get("client")
    trace = Trace(given or f"{_PROCESS}-{next(_NUMBERS):x}", client[0] if client else None)
    CURRENT.set(trace)
    return trace


def noted(handle: Handle) -> Handle:
    """A surface behind which it is known who calls."""

    def noting(request: Request) -> Response:
        trace = CURRENT.get()
        if trace is not None:
            trace.subject = request.caller.subject
        return handle(request)

    return noting
