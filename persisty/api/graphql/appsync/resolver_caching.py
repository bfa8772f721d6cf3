"""Which root fields AppSync may keep answers of, for how long, and what tells one answer from another.

AppSync knows an answer by its arguments, and by a caller whose token it has checked itself; of one that comes with an API key, and its
token in a header, it knows nothing. So it keeps only what everybody gets alike. Nor does it look at what was selected: a field that
it keeps is always answered whole, and one whose answer leads on to other items, which are loaded when they are selected, is not kept.
"""

from __future__ import annotations

from msgspec import Struct

from ...http.cache_headers import shared
from ...operations import Operation, StoreOperation

MOST = 3600
"""Seconds that AppSync keeps anything."""
ARGUMENTS = "$context.arguments"
NUMBERS = frozenset({"count"})
"""Shapes of results that have no items in them."""


class Caching(Struct, frozen=True):
    """`keys`: what an answer is known by, as AppSync names it."""

    seconds: int
    keys: tuple[str, ...] = (ARGUMENTS,)


def caching(operation: Operation) -> Caching | None:
    """How AppSync keeps the answers of a root field; None where it does not."""
    if not isinstance(operation, StoreOperation) or operation.mutation:
        return None
    meta, verb = operation.meta, operation.verb
    if meta.cache is None or not (meta.cache.appsync and meta.cache.seconds):
        return None
    whole = not meta.links or operation.result in NUMBERS
    return Caching(min(meta.cache.seconds, MOST)) if whole and shared(meta, verb) else None
