"""Examples of problem documents in the OpenAPI document: one for each error code, which every response with the code refers to."""

from __future__ import annotations

from typing import Any

from ...errors import all_errors

LOCATION = "#/components/examples/{code}"

MEMBERS: dict[str, dict[str, Any]] = {
    "conflict": {"detail": "Another item has this value", "attributes": ["name"]},
    "forbidden": {"detail": "Not allowed: update of item"},
    "invalid_cursor": {"detail": "The cursor belongs to another query"},
    "invalid_input": {
        "faults": [
            {"path": "/name", "message": "Expected `str`, got `int`", "expected": "str", "found": "int"},
            {"path": "/price", "message": "Missing"},
        ]
    },
    "invalid_query": {
        "faults": [
            {"path": "/limit", "message": "Not a limit", "expected": "an integer from 1 to 1000", "found": "many"}
        ]
    },
    "malformed_json": {"detail": "The body is not JSON"},
    "not_acceptable": {"detail": "Available media types: application/json"},
    "not_found": {"detail": "No item has this key"},
    "precondition_failed": {"detail": "The item has changed", "item": {"id": "1", "version": 2}},
    "rate_limited": {"retry_after": 1},
    "unauthenticated": {"detail": "Not allowed: search of item"},
    "unsupported_media_type": {"expected": "application/json"},
}
"""Code → the members of its example besides code, status and title."""


def problem_examples() -> dict[str, Any]:
    """Return the example of each code, as a component."""
    return {
        error.code: {
            "summary": error.title,
            "value": {
                "code": error.code,
                **MEMBERS.get(error.code, {}),
                "status": error.status,
                "title": error.title,
            },
        }
        for error in all_errors()
    }


def referred(codes: list[str]) -> dict[str, Any]:
    """Return the references to the examples of these codes."""
    return {code: {"$ref": LOCATION.format(code=code)} for code in codes}
