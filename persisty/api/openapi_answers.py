"""What a route takes and answers in the OpenAPI document: bodies, and by status every code that it may be refused with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import PersistyError, all_errors
from . import openapi_access as access
from .openapi_schemas import Schema, ref
from .operations import Operation

QUERY = ("invalid_query", "too_many_linked")
BODY = ("malformed_json", "payload_too_large", "unsupported_media_type", "invalid_input")
ALWAYS = ("unauthenticated", "internal_error", "throttled", "backend_unavailable")

REFUSALS: dict[str, tuple[str, ...]] = {
    "create": (*QUERY, *BODY, "conflict", "precondition_failed"),
    "read": (*QUERY, "not_found", "precondition_failed"),
    "update": (*QUERY, *BODY, "not_found", "conflict", "precondition_failed"),
    "delete": (*QUERY, "not_found", "conflict", "unfinished", "precondition_failed"),
    "search": (*QUERY, "invalid_cursor", "scan_not_allowed", "precondition_failed"),
    "count": (*QUERY, "scan_not_allowed", "precondition_failed"),
    "read_batch": (*QUERY, "batch_too_large", "precondition_failed"),
    "edit_batch": (*QUERY, *BODY, "batch_too_large", "conflict", "not_found", "precondition_failed", "unfinished",
                   "unsupported"),
}  # fmt: skip
"""Verb → the codes it may be refused with, beside `ALWAYS` and those of callers that may not do it."""


def content(schema: Schema, description: str = "Done", **more: Any) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}, **more}


def responses(operation: Operation, done: Mapping[str, Any]) -> dict[str, Any]:
    """What a route answers: when it is done, and by status all the codes that it may be refused with."""
    errors: dict[str, type[PersistyError]] = {error.code: error for error in all_errors()}
    codes = REFUSALS.get(operation.verb or "", (*BODY, *QUERY, "precondition_failed"))
    by_status: dict[int, list[type[PersistyError]]] = {}
    for code in dict.fromkeys((*codes, *access.refusals(operation), *ALWAYS)):
        by_status.setdefault(errors[code].status, []).append(errors[code])
    refused = {
        str(status): {
            "description": ", ".join(error.code for error in found),
            "content": {"application/problem+json": {"schema": ref("Problem")}},
        }
        for status, found in sorted(by_status.items())
    }
    return {**done, **refused}


def body(schema: Schema) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}
