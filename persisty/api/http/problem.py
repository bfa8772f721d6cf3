"""Errors as problem documents (RFC 9457), for every surface.

REST sends the document itself. GraphQL puts its members into `extensions`, AppSync into `errorInfo`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from math import ceil
from typing import Any

from ...errors import InternalError, PersistyError, PreconditionFailed, Throttled, Unsupported
from .messages import IDENTITY, PROBLEM, Response, document_of, encode

log = logging.getLogger("persisty")


def problem(error: PersistyError) -> dict[str, Any]:
    """Return the members of `document_of`, and the current item of a failed precondition."""
    document = document_of(error)
    return {**document, "item": error.item} if isinstance(error, PreconditionFailed) else document


def as_error(error: Exception) -> PersistyError:
    """Return the error that callers may see. An unexpected exception is logged with its traceback and becomes `InternalError`."""
    if isinstance(error, PersistyError):
        if error.status >= 500 and not isinstance(
            error, Unsupported
        ):  # the request causes `Unsupported`, not the server
            log.error("%s: %s", error.code, error.message, exc_info=error)
        return error
    log.error("internal_error", exc_info=error)
    return InternalError()


def refusal(error: Exception) -> Response:
    """Return the response with the problem document of an error."""
    return problem_response(problem(as_error(error)))


def problem_response(document: Mapping[str, Any]) -> Response:
    """Return a problem document with the headers that its status requires."""
    required = REQUIRED_HEADERS.get(document["status"])
    headers = PROBLEM if required is None else {**PROBLEM, **required(document)}
    return Response(document["status"], headers, encode(document))


def _challenge(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the challenge of a 401 (RFC 6750, 3). It names the token's error only if there was a token."""
    error = document.get("error")
    return {"www-authenticate": "Bearer" if error is None else f'Bearer error="{error}"'}


def _retry_after(document: Mapping[str, Any]) -> dict[str, str]:
    """Return `Retry-After` (RFC 9110, 10.2.3) in whole seconds, except for a write in doubt, which a retry could repeat."""
    left = SOON if document["code"] == Throttled.code and not document.get("in_doubt") else None
    seconds = document.get("retry_after", left)
    return {} if seconds is None else {"retry-after": str(ceil(seconds))}


SOON = 1
"""Seconds after which a client may retry when an engine was overloaded. The call was already retried for longer than that."""

REQUIRED_HEADERS: dict[int, Callable[[Mapping[str, Any]], dict[str, str]]] = {
    401: _challenge,
    405: lambda document: {name: document[name] for name in ("allow",) if name in document},
    409: _retry_after,
    415: lambda document: {"accept-encoding": IDENTITY} if "coding" in document else {},
    429: _retry_after,
    503: _retry_after,
}
"""Status of a problem → the headers that it requires."""
