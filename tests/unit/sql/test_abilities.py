"""Abilities of SQL engines: plans, sums without overflow, lists that grow as text, bulk writes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec import Struct

from persisty import App, Attr, Conflict, Index, Store, Unique, add, append, stored
from persisty.backends.sql.postgres.session import Session
from persisty.model.types import INTEGER_MAX, INTEGER_MIN
from persisty.store.store import context_of


class Inner(Struct):
    at: datetime | None = None
    day: date | None = None
    price: Decimal | None = None


@stored(key="id", indexes=[Index("topic", "rank"), Unique("email"), Index("rank")])
class Paper:
    id: str
    topic: str = "a"
    rank: int = 0
    pages: int = 0
    email: str | None = None
    price: Decimal | None = None
    notes: list[Any] = Attr(factory=list)
    maybe: list[int] | None = None
    inner: Inner | None = None


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def papers(engine: str, request: pytest.FixtureRequest) -> Iterator[Store[Paper]]:
    url = "sqlite://" if engine == "sqlite" else request.getfixturevalue("schema")
    app = App("papers", items=[Paper], url=url)
    app.prepare()
    yield app.store(Paper)
    app.close()


def test_an_index_is_explained(papers: Store[Paper], engine: str) -> None:
    found = papers.explain(Paper.topic == "a")
    assert (found.engine, found.access, found.index, found.sorted_by) == (engine, "index", "by-topic-rank", None)
    assert found.advice is None
    assert found.detail
    assert papers.explain(Paper.email == "x").index == "unique-email"


def test_a_nested_value_does_not_hide_the_index_of_another_comparison(papers: Store[Paper]) -> None:
    at: Any = Paper.inner.at  # type: ignore[attr-defined]
    nested = at > datetime(2026, 1, 1, tzinfo=UTC)
    found = papers.explain((Paper.topic == "a") & nested)  # type: ignore[operator]
    assert (found.access, found.index) == ("index", "by-topic-rank")
    assert papers.explain(nested).access == "scan"


def test_orders_that_an_index_gives_and_one_that_is_sorted(papers: Store[Paper]) -> None:
    given = papers.explain(Paper.topic == "a", order=Paper.rank)
    assert (given.index, given.sorted_by) == ("by-topic-rank", "index")
    back = papers.explain(Paper.rank == 3, order="id")
    assert (back.index, back.sorted_by) == ("by-rank", "index")  # every index ends on the key
    assert papers.explain(Paper.topic == "a", order=Paper.price).sorted_by == "engine"


def test_a_key_and_a_scan_with_its_advice(papers: Store[Paper]) -> None:
    assert papers.explain(Paper.id == "x").access == "key"
    scan = papers.explain((Paper.price == Decimal(1)) & (Paper.pages > 3))
    assert (scan.access, scan.index, scan.advice) == ("scan", None, Index("price", "pages"))
    assert papers.explain(Paper.price > Decimal(1)).advice is None  # no equality, no index for every engine
    ordered = papers.explain(Paper.price == Decimal(1), order=[Paper.email])
    assert ordered.advice == Index("price", "email", "id")


def test_sums_beyond_64_bits(papers: Store[Paper]) -> None:
    for key, rank in enumerate((INTEGER_MAX, INTEGER_MAX, INTEGER_MIN, INTEGER_MAX, -1)):
        papers.create(Paper(id=str(key), rank=rank))
    [group] = papers.aggregate(Paper.rank.sum(), Paper.rank.avg())
    total = 3 * INTEGER_MAX + INTEGER_MIN - 1
    assert group.values == (total, total / 5)


def test_sums_of_decimals_are_exact(papers: Store[Paper]) -> None:
    for key, price in enumerate(("0.1", "0.2", "1E+20", None)):
        papers.create(Paper(id=str(key), price=Decimal(price) if price else None))
    [group] = papers.aggregate(Paper.price.sum(), Paper.price.max(), Paper.price.min())
    assert group.values == (Decimal("100000000000000000000.3"), Decimal("1E+20"), Decimal("0.1"))


def test_elements_of_a_list_are_unchanged_when_it_grows(papers: Store[Paper]) -> None:
    before: list[Any] = [10**30, 1.0, "\u2028é\0\"'", {"b": [], "a": None}]
    papers.create(Paper(id="a", notes=before))
    papers.update("a", {"notes": append("]", [1, "x,y"]), "maybe": append(1)})
    grown = papers.update("a", {"notes": append(), "maybe": append(2, 3)})
    assert grown is not None
    assert grown.notes == [*before, "]", [1, "x,y"]]
    assert [type(one) for one in grown.notes] == [int, float, str, dict, str, list]
    assert grown.maybe == [1, 2, 3]


def traced(papers: Store[Paper], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Grows by every statement."""
    statements: list[Any] = []
    raw = getattr(context_of(papers).backend._connection, "_raw", None)  # type: ignore[attr-defined]
    if raw is not None:
        raw.set_trace_callback(statements.append)
    else:
        run = Session.run
        monkeypatch.setattr(
            Session, "run", lambda self, statement: statements.append(statement) or run(self, statement)
        )
    return statements


def test_a_bulk_write_is_one_statement_and_all_or_nothing(
    papers: Store[Paper], monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in "abcd":
        papers.create(Paper(id=key, email=None if key == "a" else key))
    statements = traced(papers, monkeypatch)
    assert papers.update_all({"rank": add(2), "notes": append(1)}, Paper.id > "a").changed == 3
    assert len(statements) == 1
    with pytest.raises(Conflict) as caught:
        papers.update_all({"email": "same", "rank": 9})
    assert caught.value.details == {"attributes": ["email"], "changed": 0, "cursor": None}
    assert [(one.rank, one.email) for one in papers.search()] == [(0, None), (2, "b"), (2, "c"), (2, "d")]


def test_a_bulk_write_in_parts_continues_from_its_position(papers: Store[Paper]) -> None:
    for number in range(10):
        papers.create(Paper(id=f"{number}", rank=number))
    cursor, changed, parts = None, 0, 0
    while True:
        done = papers.update_all({"rank": add(100)}, Paper.id >= "2", limit=3, cursor=cursor)
        cursor, changed, parts = done.cursor, changed + done.changed, parts + 1
        if cursor is None:
            break
    assert (changed, parts) == (8, 3)
    assert [one.rank for one in papers.search()] == [0, 1, *range(102, 110)]
    assert papers.delete_all(Paper.rank > 100, limit=5).changed == 5
    assert papers.count() == 5
