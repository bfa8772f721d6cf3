"""Keys have one canonical text each."""

from __future__ import annotations

import enum
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote, unquote
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from persisty import meta_of, stored


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l~%"


class Level(enum.IntEnum):
    LOW = -1
    HIGH = 10


KINDS: dict[type, st.SearchStrategy[Any]] = {
    str: st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20),
    int: st.integers(-(2**63), 2**63 - 1),
    UUID: st.uuids(),
    datetime: st.datetimes(timezones=st.just(UTC)),
    date: st.dates(),
    Size: st.sampled_from(Size),
    Level: st.sampled_from(Level),
}


def codec(*kinds: type) -> Any:
    names = tuple(f"k{position}" for position in range(len(kinds)))
    item = stored(key=names)(type("Keyed", (), {"__annotations__": dict(zip(names, kinds, strict=True))}))
    return meta_of(item).key_codec


CODECS = {
    kinds: codec(*kinds) for kinds in [*((kind,) for kind in KINDS), (str, datetime), (UUID, int, str), (Size, Level)]
}
TYPED = st.sampled_from(sorted(CODECS, key=str)).flatmap(
    lambda kinds: st.tuples(st.just(kinds), st.tuples(*(KINDS[kind] for kind in kinds)))
)


@given(TYPED)
def test_a_key_reads_back_as_its_values(typed: tuple[Any, Any]) -> None:
    kinds, values = typed
    text = CODECS[kinds].text(values)
    assert CODECS[kinds].parse(text) == values
    assert CODECS[kinds].parse(unquote(quote(text, safe=""))) == values  # as a segment of a URL's path


@given(st.sampled_from(sorted(CODECS, key=str)), st.data())
def test_different_keys_have_different_texts(kinds: Any, data: st.DataObject) -> None:
    a, b = (data.draw(st.tuples(*(KINDS[kind] for kind in kinds))) for _ in "ab")
    assume(a != b)
    assert CODECS[kinds].text(a) != CODECS[kinds].text(b)


@given(st.sampled_from(sorted(CODECS, key=str)), st.text(max_size=30) | st.from_regex(r"[0-9a-fA-F~%T:Z.+-]{0,30}"))
def test_a_text_that_parses_has_one_canonical_form(kinds: Any, text: str) -> None:
    values = CODECS[kinds].parse(text)
    if values is not None:
        assert CODECS[kinds].parse(CODECS[kinds].text(values)) == values
        assert CODECS[kinds].text(values) == text or {UUID, datetime}.intersection(kinds)


@pytest.mark.parametrize(
    ("kinds", "text", "canonical"),
    [
        ((UUID,), "6BA7B810-9DAD-11D1-80B4-00C04FD430C8", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
        ((UUID,), "6ba7b8109dad11d180b400c04fd430c8", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
        ((datetime,), "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000Z"),
        ((datetime,), "2026-01-01T01:00:00.000000+01:00", "2026-01-01T00:00:00.000000Z"),
        ((str, datetime), "a~2026-01-01T00%3A00%3A00Z", "a~2026-01-01T00%3A00%3A00.000000Z"),
        (
            (UUID, int, str),
            "6BA7B810-9DAD-11D1-80B4-00C04FD430C8~1~B",
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8~1~B",
        ),
    ],
)
def test_every_json_form_of_a_uuid_and_of_a_time_matches_the_item(kinds: Any, text: str, canonical: str) -> None:
    codec = CODECS[kinds]
    assert codec.parse(text) == codec.parse(canonical) != None  # noqa: E711
    assert codec.parse_all([text, canonical]) == [codec.parse(canonical)] * 2


@pytest.mark.parametrize(
    ("kinds", "text"),
    [
        ((str,), ""),
        ((str,), "\ud800"),
        ((int,), "007"),
        ((int,), "+1"),
        ((int,), "1.0"),
        ((int,), " 1"),
        ((int,), "-0"),
        ((int,), str(2**63)),
        ((int,), "1" * 5000),
        ((int,), "x"),
        ((UUID,), "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}"),
        ((datetime,), "2026-01-01T00:00:00.000000"),
        ((date,), "2026-1-1"),
        ((date,), "2026-02-30"),
        ((Size,), "SMALL"),
        ((Level,), "0"),
        ((str, datetime), "a"),
        ((str, datetime), "a~2026-01-01T00%3A00%3A00.000000Z~b"),
        ((str, datetime), "a~2026-01-01T00:00:00.000000Z"),
        ((str, datetime), "~2026-01-01T00%3A00%3A00.000000Z"),
        ((str, datetime), "%61~2026-01-01T00%3A00%3A00.000000Z"),
        ((UUID, int, str), ""),
        ((UUID, int, str), "~~"),
    ],
)
def test_texts_that_are_no_keys(kinds: Any, text: str) -> None:
    assert CODECS[kinds].parse(text) is None


def test_similar_parts_give_different_keys() -> None:
    two = codec(str, str)
    texts = {two.text(values) for values in [("a~b", "c"), ("a", "b~c"), ("a%7Eb", "c"), ("a", "b%7Ec"), ("a b", "c")]}
    assert len(texts) == 5
    assert two.text(("a~b", "ü/c")) == "a%7Eb~%C3%BC%2Fc"
