"""The trace of the current request, for logs and the rate limit of a host. The surfaces do not read it.

It is a context variable, so a thread that answers a request has the trace of that request.
"""

from __future__ import annotations

from contextvars import ContextVar


class Trace:
    """The trace of a request. `address` is the client's, None if the host does not know it. `subject` is the caller's, once it is authenticated.
    `counted`: the rate limit has counted the request."""

    __slots__ = ("address", "counted", "request_id", "subject")

    def __init__(self, request_id: str, address: str | None) -> None:
        self.request_id, self.address = request_id, address
        self.subject: str | None = None
        self.counted = False


CURRENT: ContextVar[Trace | None] = ContextVar("persisty_request", default=None)
