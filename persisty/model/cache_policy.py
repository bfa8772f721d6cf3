"""`Cache`: how old a response about an item may be. One declaration applies to HTTP caches, AppSync and the cache of the process.

servey's cache controls are accepted as well. They are recognised by their members, so that nothing imports servey.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

ITEMS = 10_000
MAX_SECONDS = 365 * 24 * 3600


class Cache(Struct, frozen=True):
    """`seconds`: how long a response may be used without revalidation. With 0 it is revalidated each time, which costs a few bytes if nothing changed.

    `public`: shared caches may store responses too, if every caller may read the item. `must_revalidate`: a response
    that is older is never used, even if the server cannot be reached. `items`: the most items of a store that a process caches, if its
    cache is on (`App(cache=True)`); the least recently used are evicted first. `misses`: missing items are cached too.
    `modified`: the attribute with the time of the last change; by default the one whose generator is `UPDATED`. `appsync`: a
    deployed GraphQL API caches responses too, on an instance that is billed by the hour.
    """

    seconds: int = 0
    public: bool = False
    must_revalidate: bool = False
    items: int = ITEMS
    misses: bool = False
    modified: str | None = None
    appsync: bool = False


def cache_of(control: Any) -> Cache | None:
    """Return a `Cache` unchanged, one of servey's cache controls as a `Cache`, and None for anything else.

    A `TtlCacheControl` is recognised by its `ttl`, a `SecureHashCacheControl` by its `private`, a `TimestampCacheControl` by its
    `updated_at_attr`; the first and the last contain another control.
    """
    if isinstance(control, Cache):
        return control
    seconds, public, must_revalidate, modified, is_known_control = 0, False, False, None, False
    while control is not None and not isinstance(control, type):
        if isinstance(ttl := getattr(control, "ttl", None), int):
            seconds, must_revalidate, is_known_control = ttl, bool(getattr(control, "must_revalidate", False)), True
        if isinstance(private := getattr(control, "private", None), bool):
            public, is_known_control = not private, True
        if isinstance(name := getattr(control, "updated_at_attr", None), str):
            modified, is_known_control = name, True
        control = getattr(control, "cache_control", None)
    return Cache(seconds, public, must_revalidate, modified=modified) if is_known_control else None
