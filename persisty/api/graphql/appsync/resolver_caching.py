"""Decide which root fields AppSync may cache, for how long, and by which keys.

AppSync identifies a response by its arguments, and by a caller whose token it has verified itself. It cannot identify a caller with an API key
and a token in a header. So it may cache only responses that are equal for every caller. It also ignores the selection. A cached field therefore
returns all its fields, and a field with links, which are loaded only if they are selected, is not cached.
"""

from __future__ import annotations

from msgspec import Struct

from ...http.cache_headers import shared
from ...operations import Operation, StoreOperation

MOST = 3600
"""The most seconds for which AppSync caches a response."""
ARGUMENTS = "$context.arguments"
NUMBERS = frozenset({"count"})
"""Shapes of results that contain no items."""


class Caching(Struct, frozen=True):
    """The caching of a root field. `keys`: AppSync's names of the values that identify a response."""

    seconds: int
    keys: tuple[str, ...] = (ARGUMENTS,)


def caching(operation: Operation) -> Caching | None:
    """Return how AppSync caches the responses of a root field, or None if it does not."""
    if not isinstance(operation, StoreOperation) or operation.mutation:
        return None
    meta, verb = operation.meta, operation.verb
    if meta.cache is None or not (meta.cache.appsync and meta.cache.seconds):
        return None
    whole = not meta.links or operation.result in NUMBERS
    return Caching(min(meta.cache.seconds, MOST)) if whole and shared(meta, verb) else None
