"""Pages of large items end early, with a position that leads to the rest."""

from __future__ import annotations

from typing import Any

import pytest

from persisty import Create, Store
from persisty.errors import AnswerTooLarge
from persisty.model.expressions import Compare, OrderBy
from persisty.store.backend import Page, Query
from persisty.store.store import context_of

from .items import Note

COUNT, LENGTH = 70, 2_000
MAX_BYTES = 80_000
TOPIC = Compare("topic", "eq", "large")
ORDERS = [(), (OrderBy("id"),), (OrderBy("rank"), OrderBy("id")), (OrderBy("rank", True), OrderBy("id"))]


def large(notes: Store[Note]) -> Any:
    """Return the backend of 70 notes of 2,000 characters. Ranks occur twice."""
    for start in range(0, COUNT, 35):
        notes.edit_batch([Create(Note(topic="large", text="x" * LENGTH, rank=(start + n) // 2)) for n in range(35)])
    return context_of(notes).backend


def pages(backend: Any, order: tuple[OrderBy, ...], limit: int, max_bytes: int | None) -> list[Page[Note]]:
    found: list[Page[Note]] = []
    after = None
    while True:
        found.append(backend.query(Query(TOPIC, order, after, limit, max_bytes=max_bytes)))
        after = found[-1].position
        if after is None:
            return found


@pytest.mark.parametrize("order", ORDERS, ids=len)
def test_a_page_ends_at_the_item_that_exceeds_its_bytes_and_the_next_pages_have_the_rest(
    notes: Store[Note], order: tuple[OrderBy, ...]
) -> None:
    backend = large(notes)
    [whole] = pages(backend, order, COUNT + 5, None)
    found = pages(backend, order, COUNT + 5, MAX_BYTES)
    assert [len(page.items) for page in found] == [40, 30]
    assert [one.id for page in found for one in page.items] == [one.id for one in whole.items]


def test_a_page_whose_last_item_exceeds_its_bytes_is_the_last(notes: Store[Note]) -> None:
    backend = large(notes)
    assert [len(page.items) for page in pages(backend, (), 100, COUNT * LENGTH - 1)] == [COUNT]


def test_the_first_25_items_of_a_page_come_whatever_their_size(notes: Store[Note]) -> None:
    backend = large(notes)
    assert [len(page.items) for page in pages(backend, (), 25, 1)] == [25, 25, 20]
    assert [len(page.items) for page in pages(backend, (), 60, 1)] == [25, 25, 20]


def test_pages_of_several_values_that_are_too_large_together_raise_answer_too_large(notes: Store[Note]) -> None:
    backend = large(notes)
    with pytest.raises(AnswerTooLarge) as raised:
        backend.query_each("topic", ["large", "none"], Query(limit=60, max_bytes=MAX_BYTES))
    assert raised.value.details == {"limit": MAX_BYTES}
    first, _ = backend.query_each("topic", ["large", "none"], Query(limit=30, max_bytes=MAX_BYTES))
    assert len(first.items) == 30
    assert first.position is not None
    with pytest.raises(AnswerTooLarge):  # no index begins with the attribute
        backend.query_each("version", [1, 2], Query(limit=60, max_bytes=MAX_BYTES))
    first, _ = backend.query_each("version", [1, 2], Query(order=ORDERS[2], limit=30, max_bytes=MAX_BYTES))
    assert [one.rank for one in first.items] == [place // 2 for place in range(30)]
    assert first.position is not None
