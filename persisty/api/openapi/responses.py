"""Request and response bodies in the OpenAPI document, with every error code by status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from msgspec import UNSET

from ...errors import PersistyError, all_errors
from ...model.verbs import VERBS, carried_out
from ..operations import Operation, StoreOperation
from . import access
from .problem_examples import referred
from .schemas import ref
from .type_schemas import Schema

QUERY = ("invalid_query", "too_many_linked")
BODY = ("malformed_json", "payload_too_large", "unsupported_media_type", "invalid_input")
ALWAYS = ("unauthenticated", "rate_limited", "internal_error", "throttled", "backend_unavailable")
CONTENT = ("not_acceptable",)
MUCH = (*CONTENT, "answer_too_large")

REFUSALS: dict[str, tuple[str, ...]] = {
    "create": (*QUERY, *BODY, *CONTENT, "conflict", "precondition_failed"),
    "read": (*QUERY, *MUCH, "not_found", "precondition_failed"),
    "update": (*QUERY, *BODY, *CONTENT, "not_found", "conflict", "precondition_failed"),
    "delete": (*QUERY, "not_found", "conflict", "unfinished", "precondition_failed"),
    "search": (*QUERY, *MUCH, "invalid_cursor", "scan_not_allowed", "precondition_failed"),
    "count": (*QUERY, *CONTENT, "scan_not_allowed", "precondition_failed"),
    "read_batch": (*QUERY, *MUCH, "batch_too_large", "precondition_failed"),
    "edit_batch": (*QUERY, *BODY, *MUCH, "batch_too_large", "conflict", "not_found", "precondition_failed", "unfinished",
                   "unsupported"),
}  # fmt: skip
"""Verb → its error codes, without those in `ALWAYS` and those for callers without access."""


ACTION = (*BODY, *QUERY, *MUCH, "not_found", "conflict", "precondition_failed")
"""Errors of a custom action, including those of the calls that it makes."""

RETRY_AFTER = {"description": "Seconds to wait, if that is known", "schema": {"type": "integer", "minimum": 0}}
"""The header of a temporary error."""
TEMPORARY = (409, 429, 503)
"""The statuses of temporary errors."""


def content(schema: Schema, description: str = "Done", *, example: Any = UNSET, **more: Any) -> dict[str, Any]:
    described = {"schema": schema} if example is UNSET else {"schema": schema, "example": example}
    return {"description": description, "content": {"application/json": described}, **more}


def responses(operation: Operation, done: Mapping[str, Any]) -> dict[str, Any]:
    """Return the responses of a route: those of success, and all error codes by status."""
    codes = REFUSALS[operation.verb] if isinstance(operation, StoreOperation) else ACTION
    return {**done, **refused((*codes, *_required(operation), *access.refusals(operation), *ALWAYS))}


def _required(operation: Operation) -> tuple[str, ...]:
    if not isinstance(operation, StoreOperation):
        return ()
    meta = operation.meta
    if meta.access is None or not meta.conditional_writes:
        return ()
    demanded = any(VERBS[verb].conditional and meta.access.allows(verb) for verb in carried_out(operation.verb))
    return ("precondition_required",) if demanded else ()


def refused(codes: Iterable[str]) -> dict[str, Any]:
    """Return the error responses of these codes, by status."""
    return dict(_refused(tuple(dict.fromkeys(codes))))


@cache
def _refused(codes: tuple[str, ...]) -> dict[str, Any]:
    errors: dict[str, type[PersistyError]] = {error.code: error for error in all_errors()}
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(errors[code].status, []).append(code)
    return {
        str(status): {
            "description": ", ".join(found),
            "content": {"application/problem+json": {"schema": ref("Problem"), "examples": referred(found)}},
            **({"headers": {"Retry-After": RETRY_AFTER}} if status in TEMPORARY else {}),
        }
        for status, found in sorted(by_status.items())
    }


def body(schema: Schema) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}
