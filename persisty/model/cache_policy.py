"""`Cache`: how old an answer about an item may be. What is declared once is told to HTTP caches, to AppSync and to the process.

servey's cache controls are accepted as well. They are recognised by their members, so that nothing imports servey.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

ITEMS = 10_000
MAX_SECONDS = 365 * 24 * 3600


class Cache(Struct, frozen=True):
    """`seconds` an answer may be used without asking again; 0 asks each time, and hears in a few bytes that nothing changed.

    `public`: caches that many callers share may keep answers too, where everybody may read the item. `must_revalidate`: an answer
    that is older is never used, even if the server cannot be reached. `items`: how many a process keeps of a store, where its
    cache is switched on (`App(cache=True)`), the least recently used going first; `misses`: it also keeps that there is no item.
    `modified`: the attribute that tells when an item last changed; by default the one whose generator is `UPDATED`. `appsync`: a
    deployed GraphQL API keeps answers too, on an instance that is paid by the hour.
    """

    seconds: int = 0
    public: bool = False
    must_revalidate: bool = False
    items: int = ITEMS
    misses: bool = False
    modified: str | None = None
    appsync: bool = False


def cache_of(control: Any) -> Cache | None:
    """A `Cache`, or what one of servey's cache controls says, as a `Cache`; None for anything else.

    A `TtlCacheControl` is recognised by its `ttl`, a `SecureHashCacheControl` by its `private`, a `TimestampCacheControl` by its
    `updated_at_attr`; the first and the last hold another within.
    """
    if isinstance(control, Cache):
        return control
    seconds, public, must_revalidate, modified, known = 0, False, False, None, False
    while control is not None and not isinstance(control, type):
        if isinstance(ttl := getattr(control, "ttl", None), int):
            seconds, must_revalidate, known = ttl, bool(getattr(control, "must_revalidate", False)), True
        if isinstance(private := getattr(control, "private", None), bool):
            public, known = not private, True
        if isinstance(name := getattr(control, "updated_at_attr", None), str):
            modified, known = name, True
        control = getattr(control, "cache_control", None)
    return Cache(seconds, public, must_revalidate, modified=modified) if known else None
