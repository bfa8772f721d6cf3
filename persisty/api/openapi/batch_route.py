"""The batch of several stores in an OpenAPI document: the edits of each store with its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...naming import pascal
from ...store.limits import MAX_BATCH
from ..operations import MultiStoreOperation
from .item_parts import ItemPart
from .responses import ALWAYS, REFUSALS, body, content, refused
from .schemas import object_of, ref


def describe(operation: MultiStoreOperation, parts: Mapping[str, ItemPart]) -> dict[str, Any]:
    """Return the body and the responses of a batch. `parts`: store → its part of the document."""
    of_stores = [parts[meta.name] for meta in operation.stores]
    sent = object_of(
        {
            "edits": {
                "type": "array",
                "items": {"oneOf": [edit for part in of_stores for edit in part.edits]},
                "maxItems": MAX_BATCH,
            },
            "atomic": {"type": "boolean", "default": False, "description": "All or nothing"},
        },
        required=["edits"],
    )
    results = [ref(f"{pascal(meta.name)}EditResult") for meta in operation.stores]
    answered = object_of({"results": {"type": "array", "items": {"anyOf": results}}}, required=["results"])
    codes = (*REFUSALS[operation.name], "precondition_required", "unauthenticated", "forbidden", *ALWAYS)
    required = any(meta.conditional_writes for meta in operation.stores)
    request, done = body(sent), content(answered, "Each edit's result, in order")
    request["content"]["application/json"]["example"] = {
        "edits": [one for part in of_stores for one in part.example_edits],
        "atomic": False,
    }
    done["content"]["application/json"]["example"] = {
        "results": [one for part in of_stores for one in part.example_results]
    }
    return {
        "requestBody": request,
        "responses": {"200": done, **refused(code for code in codes if required or code != "precondition_required")},
    }
