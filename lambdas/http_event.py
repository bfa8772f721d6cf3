"""Events of an HTTP API, payload format 2.0: convert an event to a `Request`, and a `Response` to the function's result.

Lambda accepts results of up to six megabytes of JSON. A larger response is replaced here by an error with a status.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from persisty.api.http.messages import Request, Response
from persisty.api.http.problem import refusal
from persisty.api.http.request_ids import REQUEST_ID, given_id
from persisty.api.http.request_trace import CURRENT, Trace
from persisty.errors import AnswerTooLarge

from .event_path import path_of

MAX_ANSWER = 6 * 1024 * 1024
"""Bytes of JSON that Lambda accepts as the result of a synchronous invocation."""
MARGIN = 64 * 1024
"""Bytes reserved for status and headers."""

Handle = Callable[[Request], Response]


def answered(handle: Handle, event: dict[str, Any], root: str = "") -> dict[str, Any]:
    """Return the result of a surface for an event, with the request's id. `root`: the root path of the setting. Never raises, because the
    surface does not."""
    CURRENT.set(Trace(request_id_of(event) or "", event["requestContext"]["http"].get("sourceIp")))
    response = handle(request_of(event, root))
    try:
        answer = answer_of(response)
    except Exception as error:  # a chunk failed, or the response is too large
        answer = answer_of(refusal(error))
    named = request_id_of(event)
    if named is not None:
        answer["headers"][REQUEST_ID] = named
    return answer


def request_id_of(event: dict[str, Any]) -> str | None:
    """Return the request id of the client, else that of the HTTP API."""
    headers = event.get("headers") or {}
    return given_id(headers) or event["requestContext"].get("requestId")


def request_of(event: dict[str, Any], root: str = "") -> Request:
    """Return the request of an event. An HTTP API passes the query string unchanged."""
    body = event.get("body") or ""
    root, path = path_of(event, root)
    return Request(
        method=event["requestContext"]["http"]["method"],
        path=path,
        query=event.get("rawQueryString") or "",
        headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
        body=b64decode(body) if event.get("isBase64Encoded") else body.encode(),
        root=root,
    )


def answer_of(response: Response) -> dict[str, Any]:
    """Return the result for an HTTP API. A body that is not text, such as a compressed one, is in base64. `AnswerTooLarge` if it exceeds
    Lambda's limit."""
    text, encoded = _spelled(_whole(response), response.headers)
    return {
        "statusCode": response.status,
        "headers": dict(response.headers),
        "body": text,
        "isBase64Encoded": encoded,
    }


def _whole(response: Response) -> bytes:
    """Return the body. Chunks are joined, up to the limit."""
    parts, size = [response.body], len(response.body)
    chunks: Iterator[bytes] = iter(()) if response.chunks is None else response.chunks
    try:
        for chunk in chunks:
            size += len(chunk)
            if size > MAX_ANSWER:
                raise _too_large()
            parts.append(chunk)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
    return b"".join(parts)


def _spelled(body: bytes, headers: Mapping[str, str]) -> tuple[str, bool]:
    """Return the body as text, and whether the text is base64."""
    text = None if "content-encoding" in headers else _text(body)
    spelled = b64encode(body).decode("ascii") if text is None else text
    # escapes in JSON take up to six times the bytes: only a body that may be too large is encoded to measure it
    if len(body) > MAX_ANSWER // 6 and len(msgspec.json.encode(spelled)) > MAX_ANSWER - MARGIN:
        raise _too_large()
    return spelled, text is None


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _too_large() -> AnswerTooLarge:
    return AnswerTooLarge(f"A response may have at most {MAX_ANSWER} bytes, as Lambda counts them", limit=MAX_ANSWER)
