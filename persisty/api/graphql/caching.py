"""Which root fields AppSync may keep answers of, for how long, and what tells one answer from another.

AppSync knows an answer by arguments and identity, never by what was selected. So a field that it keeps is always answered whole,
and one whose answer leads on to other items, which are loaded only when they are selected, is not kept.
"""

from __future__ import annotations

from msgspec import Struct

from ..caching import shared
from ..operations import Operation

MOST = 3600
"""Seconds that AppSync keeps anything."""
ARGUMENTS, IDENTITY = "$context.arguments", "$context.identity"
NUMBERS = frozenset({"count"})
"""Verbs whose answers have no items in them."""


class Caching(Struct, frozen=True):
    """`keys`: what an answer is known by, as AppSync names it."""

    seconds: int
    keys: tuple[str, ...]


def caching(operation: Operation) -> Caching | None:
    """How AppSync keeps the answers of a root field; None where it does not.

    What not everybody may read is kept for one identity, all of it: rules may look at any claim. AppSync keeps nothing for callers
    that have none.
    """
    meta, verb = operation.meta, operation.verb or ""
    if meta is None or operation.mutation or meta.cache is None or not (meta.cache.appsync and meta.cache.seconds):
        return None
    if meta.links and verb not in NUMBERS:
        return None
    keys = (ARGUMENTS,) if shared(meta, verb) else (ARGUMENTS, IDENTITY)
    return Caching(min(meta.cache.seconds, MOST), keys)
