"""The trace of a request to the server: it begins with the request, and has the subject of the caller after authentication."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from itertools import count

from starlette.types import Scope

from ..api.http.authentication import Handle
from ..api.http.messages import Request, Response
from ..api.http.request_ids import REQUEST_ID, given_id
from ..api.http.request_trace import CURRENT, Trace

CLIENT_CLOSED = 499
"""The status of a request whose client disconnected before the response, as in nginx."""
_PROCESS = secrets.token_hex(6)
_NUMBERS = count(1)


def begin(headers: Mapping[str, str], scope: Scope) -> Trace:
    """Make this request the current one and return its trace. Generated ids are unique, but not secret."""
    given = given_id(headers) if REQUEST_ID in headers else None
    client = scope.get("client")
    trace = Trace(given or f"{_PROCESS}-{next(_NUMBERS):x}", client[0] if client else None)
    CURRENT.set(trace)
    return trace


def with_subject(handle: Handle) -> Handle:
    """Wrap a surface: put the caller's subject into the trace before each request."""

    def traced(request: Request) -> Response:
        trace = CURRENT.get()
        if trace is not None:
            trace.subject = request.caller.subject
        return handle(request)

    return traced
