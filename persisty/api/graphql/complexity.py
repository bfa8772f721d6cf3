"""Complexity of requests: an upper bound of a response's size, computed before execution.

The complexity of a request is the largest number of values (attributes, items, pages) that its response can have: `limit` items on each page, with
everything that is selected of them. A list of unknown length, from an attribute or a custom action, counts as one value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import TooComplex
from ...store.limits import DEFAULT_LIMIT, MAX_BATCH, MAX_LIMIT
from ..operations import ActionOperation, Operation

MOST = 500_000
"""The most values in a response, unless the host sets another limit."""
LISTS = frozenset({"keys", "edits"})
"""Shapes of arguments whose length is that of the response."""


def page_of(arguments: Mapping[str, Any]) -> int:
    """Return the most items on a page. The operation rejects an invalid limit later."""
    limit = arguments.get("limit")
    if limit is None:
        return DEFAULT_LIMIT
    return limit if isinstance(limit, int) and 0 <= limit <= MAX_LIMIT else MAX_LIMIT


def members_of(operation: Operation, arguments: Mapping[str, Any]) -> int:
    """Return the most members in the result of an operation."""
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
    """Return the most values of all results together. Raises `TooComplex` if there are more than `most`."""
    found = sum(weights)
    if found > most:
        raise TooComplex(f"The response might have {found} values; the limit is {most}", limit=most, found=found)
    return found
