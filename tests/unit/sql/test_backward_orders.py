"""Descending orders on SQLite read an index backwards, and rows with equal values are still in the order of their keys."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from persisty import App, Index, Store, public, stored
from persisty.backends.sql.backward_orders import PAUSE, BackwardOrders
from persisty.backends.sql.sqlite_connection import SqliteConnection
from persisty.model.expressions import OrderBy
from persisty.model.meta import meta_of


@stored(indexes=[Index("topic", "rank"), Index("topic", "size", "rank"), Index("score")], access=public)
class Paper:
    id: str
    topic: str = "a"
    rank: int = 0
    size: int = 0
    score: int | None = None


def down(*names: str) -> tuple[OrderBy, ...]:
    return tuple(OrderBy(name, descending=True) for name in names)


@pytest.mark.parametrize(
    ("total", "backward"),
    [
        ((*down("rank"), OrderBy("id")), down("rank", "id")),
        ((*down("size", "rank"), OrderBy("id")), down("size", "rank", "id")),
        ((*down("rank", "size"), OrderBy("id")), None),  # no index has it
        ((OrderBy("rank"), OrderBy("id")), None),
        ((*down("size"), OrderBy("rank"), OrderBy("id")), None),
        ((*down("score"), OrderBy("id")), None),  # nulls come last
        (down("rank", "id"), None),
        ((OrderBy("id"),), None),
    ],
)
def test_an_order_that_an_index_has_backwards(total: tuple[OrderBy, ...], backward: tuple[OrderBy, ...] | None) -> None:
    found = BackwardOrders(meta_of(Paper)).of(total)
    assert (None if found is None else found.order) == backward


@pytest.fixture
def papers(tmp_path: Path) -> Store[Paper]:
    return App("papers", items=[Paper], url=f"sqlite:///{tmp_path}/papers.db").store(Paper)


def pages(papers: Store[Paper], order: str | list[str], limit: int) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        page = papers.search(Paper.topic == "a", order=order, limit=limit, cursor=cursor)
        found += [one.id for one in page]
        cursor = page.cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("ranks", [1, 3, 40, 1000])
@pytest.mark.parametrize("limit", [1, 2, 7, 100])
def test_pages_of_rows_that_tie_come_in_the_order_of_their_keys(papers: Store[Paper], ranks: int, limit: int) -> None:
    chance = random.Random(ranks)
    for number in range(60):
        papers.create({"id": f"{chance.random():.9f}", "rank": chance.randrange(ranks), "size": number % 4})
    items = list(papers.search_all())
    expected = [one.id for one in sorted(items, key=lambda one: (-one.rank, one.id))]
    assert pages(papers, "-rank", limit) == expected
    by_size = [one.id for one in sorted(items, key=lambda one: (-one.size, -one.rank, one.id))]
    assert pages(papers, ["-size", "-rank"], limit) == by_size


def test_a_page_with_ties_is_read_once_for_some_time_and_one_without_is_read_backwards(
    papers: Store[Paper], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        papers.create({"id": f"{number}", "rank": number})
    texts: list[str] = []
    read = SqliteConnection.rows
    monkeypatch.setattr(
        SqliteConnection, "rows", lambda self, text, *more: (texts.append(text), read(self, text, *more))[1]
    )

    papers.search(Paper.topic == "a", order="-rank")
    assert [text.count("paper.id DESC") for text in texts] == [1]
    papers.create({"id": "tie", "rank": 3})
    texts.clear()
    for _ in range(PAUSE + 1):
        papers.search(Paper.topic == "a", order="-rank")
    backward = [text.count("paper.id DESC") for text in texts]
    assert backward == [1, 0, *[0] * (PAUSE - 1), 1, 0]


def test_the_plan_of_a_descending_order_sorts_nothing(papers: Store[Paper]) -> None:
    found = papers.explain(Paper.topic == "a", order="-rank")
    assert (found.index, found.sorted_by) == ("by-topic-rank", "index")
