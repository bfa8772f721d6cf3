"""Convert events of an HTTP API, payload format 2.0: an event becomes a `Request`, the `Response` becomes the answer.

Lambda accepts answers of at most six megabytes of JSON. A larger one is rejected here, where the error can still have a status.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from persisty.api.http.messages import Request, Response
from persisty.api.http.problem import refusal
from persisty.api.http.request_ids import REQUEST_ID, given_id
from persisty.errors import AnswerTooLarge

MAX_ANSWER = 6 * 1024 * 1024
"""Bytes of the JSON that Lambda takes of a function as its answer to a synchronous invocation."""
MARGIN = 64 * 1024
"""Bytes of them left to what is around the body: status, headers."""

Handle = Callable[[Request], Response]


def answered(handle: Handle, event: dict[str, Any]) -> dict[str, Any]:
    """Return the surface's answer to an event, with the request's id. Never raise: the surface does not either."""
    response = handle(request_of(event))
    try:
        answer = answer_of(response)
    except Exception as error:  # of what comes in chunks, or is too much
        answer = answer_of(refusal(error))
    named = request_id_of(event)
    if named is not None:
        answer["headers"][REQUEST_ID] = named
    return answer


def request_id_of(event: dict[str, Any]) -> str | None:
    """Return the id of the request: the client's own, or else the HTTP API's."""
    headers = event.get("headers") or {}
    return given_id(headers) or event["requestContext"].get("requestId")


def request_of(event: dict[str, Any]) -> Request:
    """Return the request of an event.

    HTTP APIs pass the query string as it was sent, and the path decoded except for `%25`, which then only stands for a percent sign.
    """
    body = event.get("body") or ""
    return Request(
        method=event["requestContext"]["http"]["method"],
        path=event["rawPath"].replace("%25", "%"),
        query=event.get("rawQueryString") or "",
        headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
        body=b64decode(body) if event.get("isBase64Encoded") else body.encode(),
    )


def answer_of(response: Response) -> dict[str, Any]:
    """Return the response in an HTTP API's format: a body that is not text, such as a compressed one, in base64.

    Raise `AnswerTooLarge` if Lambda would reject it.
    """
    text, encoded = _spelled(_whole(response), response.headers)
    return {
        "statusCode": response.status,
        "headers": dict(response.headers),
        "body": text,
        "isBase64Encoded": encoded,
    }


def _whole(response: Response) -> bytes:
    """Return the body. Collect chunks, and stop as soon as they are too large."""
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
    """Return the body as text, and whether that is base64."""
    text = None if "content-encoding" in headers else _text(body)
    spelled = b64encode(body).decode("ascii") if text is None else text
    # what is escaped in JSON takes up to six times its bytes: only what could be too large is written twice
    if len(body) > MAX_ANSWER // 6 and len(msgspec.json.encode(spelled)) > MAX_ANSWER - MARGIN:
        raise _too_large()
    return spelled, text is None


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _too_large() -> AnswerTooLarge:
    return AnswerTooLarge(f"An answer has at most {MAX_ANSWER} bytes, as Lambda counts them", limit=MAX_ANSWER)
