"""`search(query=…)`: each word occurs in one of an item's texts, ignoring case."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persisty import COUNT, Create, InvalidQuery, Store

from .dirty import DOMAINS, TEXTS, rows
from .items import Note, Reading, Specimen

ROWS = [{**dict.fromkeys(DOMAINS), **row} for row in rows()]
WORDS = sorted({word for text in TEXTS if text for word in text.split()})


def expected_keys(text: str) -> list[str]:
    """Return the keys of rows with every word in some text."""
    return sorted(
        row["id"]
        for row in ROWS
        if all(
            any(word.casefold() in (row[name] or "").casefold() for name in ("id", "text", "size"))
            for word in text.split()
        )
    )


@pytest.mark.parametrize("text", ["", " ", "a", "STRASSE", "drop TABLE", "nulls", "%", "_", "\\", "日本", "İ", "a ALL"])
def test_words_are_found_in_any_text_in_any_case(dirty: Store[Specimen], text: str) -> None:
    found = expected_keys(text)
    assert sorted(one.id for one in dirty.search(query=text, limit=200)) == found
    assert sorted(one.id for one in dirty.search_all(query=text)) == found
    assert dirty.count(query=text) == len(found)
    assert sorted(row["id"] for row in dirty.select("id", query=text, limit=200)) == found
    assert dirty.aggregate(COUNT, query=text)[0].values == (len(found),)


def test_words_with_a_filter_an_order_and_pages(notes: Store[Note]) -> None:
    notes.edit_batch(
        Create(Note(rank=rank, topic="Weather" if rank % 2 else "sport", text="Rain in SPAIN" if rank % 3 else None))
        for rank in range(12)
    )
    page = notes.search(Note.rank > 1, query="spain weather", order="-rank", limit=2)
    assert [one.rank for one in page] == [11, 7]
    rest = notes.search(Note.rank > 1, query="spain weather", order="-rank", limit=2, cursor=page.cursor)
    assert [one.rank for one in rest] == [5]
    assert notes.count(query="SPORT") == 6
    assert notes.count(query="weather sport") == 0


@pytest.mark.parametrize("text", [5, b"a", "\ud800"], ids=ascii)
def test_a_query_that_is_not_text_is_rejected(dirty: Store[Specimen], text: Any) -> None:
    with pytest.raises(InvalidQuery) as caught:
        dirty.search(query=text)
    assert [fault.path.rpartition("/")[2] for fault in caught.value.faults] == ["query"]


def test_an_item_with_one_text_is_searched_by_it(readings: Store[Reading]) -> None:
    assert readings.search(query="x").items == []


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(words=st.lists(st.sampled_from([*WORDS, "00", "1", "S", "ss", "É"]), min_size=1, max_size=3))
def test_generated_words_agree_with_the_oracle(dirty: Store[Specimen], words: list[str]) -> None:
    text = " ".join(words)
    assert sorted(one.id for one in dirty.search(query=text, limit=200)) == expected_keys(text)
