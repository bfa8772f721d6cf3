"""Limits of one call, on every engine and through every surface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import BatchTooLarge, Fault, InvalidQuery

DEFAULT_LIMIT = 25
MAX_LIMIT = 1_000
"""Items a page may hold."""
MAX_BATCH = 100
"""Keys or edits a batch may hold."""


def check_limit(limit: Any) -> None:
    """`InvalidQuery` for what is not a number of items a page may hold."""
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_LIMIT:
        fault = Fault("/limit", f"Expected 1 to {MAX_LIMIT}", f"1 to {MAX_LIMIT}", str(limit)[:32])
        raise InvalidQuery(faults=[fault])


def check_batch(batch: Sequence[Any]) -> None:
    """`BatchTooLarge` for more than a batch holds."""
    if len(batch) > MAX_BATCH:
        raise BatchTooLarge(f"A batch holds at most {MAX_BATCH}", limit=MAX_BATCH, found=len(batch))
