"""The description of an operation in an OpenAPI document: its own part, and what operations of every kind have."""

from __future__ import annotations

from typing import Any

from ..operations import MultiStoreOperation, Operation
from . import access, cache_headers, idempotency
from .examples import Examples


def describe(
    operation: Operation, tag: str, own: dict[str, Any], examples: Examples | None, *, idempotent: bool
) -> dict[str, Any]:
    """Return the description of an operation. `own`: its parameters, body and responses, with their examples if `examples` is None. `idempotent`:
    the app stores responses by `Idempotency-Key`."""
    described = {
        "operationId": operation.name,
        "tags": [tag],
        **({"summary": operation.description.partition("\n")[0]} if operation.description else {}),
        "security": access.security(operation),
        **own,
    }
    if not isinstance(operation, MultiStoreOperation):
        described = cache_headers.describe(operation, described)
    if idempotent:
        described = idempotency.describe(operation, described)
    return described if examples is None else examples.describe(operation, described)
