"""Idempotency in the OpenAPI document: the header `Idempotency-Key` and its errors."""

from __future__ import annotations

from typing import Any

from ..idempotency import MAX_KEY
from ..operations import Operation
from .responses import refused

HEADER: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Makes it safe to repeat the request: requests with the same key are executed once and get the same response. Anonymous "
    "callers send a UUID",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": 2 * MAX_KEY + 2,
        "pattern": rf'^([!#-~][!-~]{{0,{MAX_KEY - 1}}}|"([!#-\[\]-~]|\\["\\]){{1,{MAX_KEY}}}")$',
    },
}
REPLAYED: dict[str, Any] = {
    "description": "The request is a repetition, and this is the first response",
    "schema": {"const": "true"},
}
REFUSALS = ("idempotency_key_invalid", "idempotency_in_progress", "idempotency_key_reused", "answer_too_large")


def describe(operation: Operation, described: dict[str, Any]) -> dict[str, Any]:
    """Return the description of an operation with its idempotency key."""
    if operation.method != "POST":
        return described
    found = dict(described["responses"])
    for status, refusal in refused(REFUSALS).items():
        known = found.get(status)
        if known is None:
            found[status] = refusal
            continue
        codes = dict.fromkeys([*known["description"].split(", "), *refusal["description"].split(", ")])
        found[status] = {**refusal, **known, "description": ", ".join(codes)}
    for status in ("200", "201"):
        if status in found:
            headers = {**found[status].get("headers", {}), "Idempotency-Replayed": REPLAYED}
            found[status] = {**found[status], "headers": headers}
    return {
        **described,
        "parameters": [*described.get("parameters", ()), HEADER],
        "responses": dict(sorted(found.items())),
    }
