"""A response in one ASGI message instead of two, for hosts that support it.

ASGI servers receive head and body in separate messages, and check and copy each header. For a response of a few hundred bytes, this costs as much as
the query. A host that supports whole responses declares an extension in the scope; `uvicorn_protocols.py` does.
"""

from __future__ import annotations

from starlette.types import Message, Scope

from ..api.http.messages import ON_EVERY_RESPONSE, Response
from ..api.http.request_ids import REQUEST_ID

WHOLE = "persisty.response"
"""The name of the extension, and the type of its message: `status`; `head`, the lines of the headers; `body`."""
BODILESS = frozenset({204, 304})
"""Statuses of responses that have no `Content-Length`."""
_EVERYWHERE = "".join(f"{name}: {value}\r\n" for name, value in ON_EVERY_RESPONSE.items())
_IN_LINES = bytes({*range(256)} - {*range(32), 127} | {9})
"""Bytes of names and values of headers (RFC 9110, 5.5)."""


def takes_whole(scope: Scope) -> bool:
    """Return whether the host supports whole responses."""
    return WHOLE in (scope.get("extensions") or ())


def whole(response: Response, request_id: str) -> Message:
    """Return the message of a response whose body is known. Raises `ValueError` if a header contains a control character."""
    headers, count = response.headers, len(response.headers) + len(ON_EVERY_RESPONSE) + 1
    text = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    text = f"{text}{_EVERYWHERE}{REQUEST_ID}: {request_id}\r\n"
    if response.status not in BODILESS and "content-length" not in headers:
        text, count = f"{text}content-length: {len(response.body)}\r\n", count + 1
    head = text.encode("latin-1")
    if head.translate(None, _IN_LINES) != b"\r\n" * count:  # another line break would begin a header or a response
        raise ValueError("A header of the response contains a control character")
    return {"type": WHOLE, "status": response.status, "head": head, "body": response.body}
