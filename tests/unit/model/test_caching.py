"""`Cache` in a declaration, and servey's cache controls instead of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from servey.cache_control.secure_hash_cache_control import SecureHashCacheControl
from servey.cache_control.timestamp_cache_control import TimestampCacheControl
from servey.cache_control.ttl_cache_control import TtlCacheControl

from persisty import Cache, InvalidDeclaration, meta_of, stored

CONTROLS: list[tuple[Any, Cache | None]] = [
    (None, None),
    (Cache(seconds=5), Cache(seconds=5)),
    (SecureHashCacheControl(), Cache()),
    (SecureHashCacheControl(private=False), Cache(public=True)),
    (TtlCacheControl(30), Cache(seconds=30)),
    (TtlCacheControl(30, must_revalidate=True), Cache(seconds=30, must_revalidate=True)),
    (TtlCacheControl(30, SecureHashCacheControl(private=False)), Cache(seconds=30, public=True)),
    (TimestampCacheControl(updated_at_attr="at"), Cache(modified="at")),
    (TimestampCacheControl(TtlCacheControl(30), "at"), Cache(seconds=30, modified="at")),
    (TtlCacheControl(30, TimestampCacheControl(updated_at_attr="at")), Cache(seconds=30, modified="at")),
]


@pytest.mark.parametrize(("given", "expected"), CONTROLS)
def test_a_cache_is_declared_by_a_cache_or_by_serveys_cache_controls(given: Any, expected: Cache | None) -> None:
    @stored(cache=given)
    class Item:
        id: str
        at: datetime

    assert meta_of(Item).cache == expected


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (60, "has a cache of the wrong type"),
        (object(), "has a cache of the wrong type"),
        (TtlCacheControl, "has a cache of the wrong type"),
        (Cache(seconds=-1), "has a cache with an invalid number of seconds"),
        (Cache(seconds=True), "has a cache with an invalid number of seconds"),
        (Cache(seconds=0.5), "has a cache with an invalid number of seconds"),  # type: ignore[arg-type]
        (Cache(seconds=10**9), "has a cache with an invalid number of seconds"),
        (TtlCacheControl(-1), "has a cache with an invalid number of seconds"),
        (Cache(items=0), "has a cache with an invalid number of items"),
        (Cache(modified="nothing"), "has a cache whose `modified` is nothing, which is not a datetime attribute"),
        (Cache(modified="id"), "has a cache whose `modified` is id, which is not a datetime attribute"),
    ],
)
def test_an_invalid_cache_is_rejected_with_the_declaration(given: Any, what: str) -> None:
    with pytest.raises(InvalidDeclaration) as refused:

        @stored(cache=given)
        class Item:
            id: str
            at: datetime

    assert [fault.message for fault in refused.value.faults] == [what]
