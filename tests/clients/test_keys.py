"""The keys that a generated Python client makes of values are those of the server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from persisty import Attr, meta_of, stored
from persisty.clients.runtime import python as client

R = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
MOMENTS = [
    datetime(2026, 1, 31, 12, 30, tzinfo=UTC),
    datetime(2026, 1, 31, 12, 30, 0, 1, timezone(timedelta(hours=-3))),
    datetime(33, 4, 3, tzinfo=UTC),
]


@stored(key=("ref", "at", "name"))
class Visit:
    ref: Attr[UUID]
    at: Attr[datetime]
    name: Attr[str]


@pytest.mark.parametrize("at", MOMENTS, ids=str)
def test_a_key_of_values_is_the_string_key(at: datetime) -> None:
    values = (R, at.astimezone(UTC), "a~b/ä")
    assert client._key((R, at, "a~b/ä")) == meta_of(Visit).key_codec.text(values)
    assert meta_of(Visit).key_codec.parse(client._key((R, at, "a~b/ä"))) == values


@pytest.mark.parametrize("key", [datetime(2026, 1, 31, 12, 30), (R, datetime(2026, 1, 31))], ids=str)
def test_a_datetime_without_an_offset_is_no_key(key: object) -> None:
    with pytest.raises(ValueError, match="needs a UTC offset"):
        client._key(key)
