"""Events of an HTTP API, payload format 2.0: convert an event to a `Request`, and a `Response` to the function's result.

Lambda accepts results of up to six megabytes of JSON. A larger response is replaced here by an error with a status. An event of
another kind is also answered by an error: a REST API and a load balancer read the same members of a result.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from persisty.api.http.messages import ON_EVERY_RESPONSE, Request, Response
from persisty.api.http.problem import refusal
from persisty.api.http.request_ids import REQUEST_ID, given_id
from persisty.api.http.request_trace import CURRENT, Trace
from persisty.api.routes import API
from persisty.errors import AnswerTooLarge, Fault, MalformedJson, PersistyError, Unsupported

from .event_path import path_of
from .result_size import MAX_ANSWER, check_size, too_large

OTHER_SENDERS = (("elb", "a load balancer"), ("resourcePath", "a REST API (payload format 1.0)"))
"""Member of `requestContext` → the sender of such events."""

MOST_ESCAPED = 6
"""Most bytes of JSON for one byte of a body. Only a body that may be too large is measured."""

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that write nothing (RFC 9110, 9.2.1)."""

Handle = Callable[[Request], Response]


def answered(handle: Handle, event: dict[str, Any], root: str = "") -> dict[str, Any]:
    """Return the result of a surface for an event, with the request's id. `root`: the root path of the setting. Never raises, because the
    surface does not."""
    try:
        request = request_of(event, root)
    except PersistyError as error:
        return answer_of(refusal(error))
    CURRENT.set(Trace(request_id_of(event) or "", event["requestContext"]["http"].get("sourceIp")))
    response = handle(request)
    try:
        answer = answer_of(response)
    except AnswerTooLarge as error:
        carried_out = request.method not in SAFE and response.status < 400
        answer = answer_of(refusal(too_large(response.status) if carried_out else error))
    except Exception as error:  # a chunk failed
        answer = answer_of(refusal(error))
    named = request_id_of(event)
    if named is not None:
        answer["headers"][REQUEST_ID] = named
    return answer


def request_id_of(event: Any) -> str | None:
    """Return the request id of the client, else that of the HTTP API."""
    named = given_id(_mapping(event, "headers")) or _mapping(event, "requestContext").get("requestId")
    return named if isinstance(named, str) else None


def request_of(event: Any, root: str = "") -> Request:
    """Return the request of an event. An HTTP API passes the query string unchanged. `Unsupported` for an event of another kind, `MalformedJson` for a
    body that is not base64 although the event says so."""
    method = _mapping(_mapping(event, "requestContext"), "http").get("method")
    if not isinstance(method, str) or not isinstance(event.get("rawPath"), str):
        raise _unsupported(event)
    body = event.get("body") or ""
    root, path = path_of(event, root)
    return Request(
        method=method,
        path=API if f"{path}/" == API else path,  # the route of an HTTP API cannot end with a slash
        query=event.get("rawQueryString") or "",
        headers={name.lower(): value for name, value in _mapping(event, "headers").items()},
        body=_decoded(body) if event.get("isBase64Encoded") else body.encode(),
        root=root,
    )


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    """Return a member that is an object, empty if there is none."""
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _unsupported(event: Any) -> Unsupported:
    context = _mapping(event, "requestContext")
    found = next((sender for member, sender in OTHER_SENDERS if member in context), "of another kind")
    return Unsupported(
        "This function takes events of an HTTP API with payload format 2.0",
        faults=[Fault("", "Not such an event", found=found)],
    )


def _decoded(body: str) -> bytes:
    try:
        return b64decode(body, validate=True)
    except ValueError as error:
        raise MalformedJson("The body of the event is not base64") from error


def answer_of(response: Response) -> dict[str, Any]:
    """Return the result for an HTTP API. A body that is not text, such as a compressed one, is in base64. `AnswerTooLarge` if it exceeds
    Lambda's limit."""
    text, encoded = _spelled(_whole(response), response.headers)
    return {
        "statusCode": response.status,
        "headers": {**response.headers, **ON_EVERY_RESPONSE},
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
                raise too_large()
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
    if len(body) > MAX_ANSWER // MOST_ESCAPED:
        check_size(spelled)
    return spelled, text is None


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
