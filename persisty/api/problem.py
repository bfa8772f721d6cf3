"""Errors as problem documents (RFC 9457): the one form in which every surface tells what went wrong.

REST sends the document itself; GraphQL puts its members into `extensions`; AppSync into `errorInfo`.
"""

from __future__ import annotations

import logging
from typing import Any

from ..errors import InternalError, PersistyError, PreconditionFailed, Unsupported

log = logging.getLogger("persisty")


def problem(error: PersistyError) -> dict[str, Any]:
    """`title`, `status`, `code`, `detail` where it says more than the title, `faults`, and the code's own details."""
    document: dict[str, Any] = {"title": error.title, "status": error.status, "code": error.code}
    if error.message != error.title:
        document["detail"] = error.message
    if error.faults:
        document["faults"] = error.faults
    if isinstance(error, PreconditionFailed):
        document["item"] = error.item
    return {**error.details, **document}


def as_error(error: Exception) -> PersistyError:
    """The error as the outside may see it. Anything unforeseen is logged with its trace and told without it."""
    if isinstance(error, PersistyError):
        if error.status >= 500 and not isinstance(error, Unsupported):  # which is the request's doing
            log.error("%s: %s", error.code, error.message, exc_info=error)
        return error
    log.error("internal_error", exc_info=error)
    return InternalError()
