"""Complexity of requests: an upper bound of a response's size, from the selection and the limits of its pages, before execution.

The complexity of a request is the number of values (attributes, items, pages) that its answer holds at most: `limit` items a page, each
with what is selected of it. Lists of unknown length, as an attribute or a custom action may give, count as one value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import TooComplex
from ...store.limits import DEFAULT_LIMIT, MAX_BATCH, MAX_LIMIT
from ..operations import ActionOperation, Operation

MOST = 500_000
"""Values that an answer may hold unless the host says otherwise."""
LISTS = frozenset({"keys", "edits"})
"""Shapes of arguments that have as many members as the answer."""


def page_of(arguments: Mapping[str, Any]) -> int:
    """Return how many items a page may hold. The operation refuses an invalid limit later."""
    limit = arguments.get("limit")
    if limit is None:
        return DEFAULT_LIMIT
    return limit if isinstance(limit, int) and 0 <= limit <= MAX_LIMIT else MAX_LIMIT


def members_of(operation: Operation, arguments: Mapping[str, Any]) -> int:
    """Return how many members the answer of an operation may have."""
    if isinstance(operation, ActionOperation):
        return 1
    if operation.result == "page":
        return page_of(arguments)
    listed = next((one.name for one in operation.parameters if one.shape in LISTS), None)
    if listed is None:
        return 1
    given = arguments.get(listed)
    return len(given) if isinstance(given, list) else MAX_BATCH


def check_complexity(weights: Iterable[int], most: int) -> int:
    """Return how many values the answers may hold together. `TooComplex` if there are more than `most`."""
    found = sum(weights)
    if found > most:
        raise TooComplex(f"The answer might hold {found} values, {most} at most are answered", limit=most, found=found)
    return found
