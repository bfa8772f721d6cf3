"""Bulk writes with a limit change exactly that many items, whichever plan the statistics of the server make it choose."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from persisty import App, Store, add

from .papers import Paper, raw

ITEMS = 60
PLANS = (
    "enable_hashjoin=off",
    "enable_hashjoin=off enable_mergejoin=off",
    "enable_seqscan=off",
    "enable_indexscan=off",
)
"""Settings that forbid some plans, so that the others are tried too."""


@pytest.fixture(params=PLANS)
def store(schema: str, request: pytest.FixtureRequest) -> Iterator[Store[Paper]]:
    """The papers, over connections that avoid some plans."""
    settings = quote(" ".join(f"-c {one}" for one in request.param.split()))
    app = App("papers", items=[Paper], url=f"{schema}&options={settings}")
    app.prepare()
    yield app.store(Paper)
    app.close()


@pytest.fixture(params=[0, 1, 7, ITEMS])
def papers(store: Store[Paper], request: pytest.FixtureRequest) -> Store[Paper]:
    """Sixty items, in a table whose statistics are from a time with as many items as the parameter says."""
    app: App = request.getfixturevalue("app")
    for number in range(ITEMS + 1):
        if number == request.param:
            with raw(app) as connection:
                connection.execute("ANALYZE paper")
        if number < ITEMS:
            store.create(Paper(id=f"{number:02}", number=0))
    return store


@pytest.mark.parametrize("limit", [1, 7, 59])
def test_a_bulk_write_changes_as_many_items_as_its_limit_in_the_order_of_the_keys(
    papers: Store[Paper], limit: int
) -> None:
    cursor, seen = None, 0
    while True:
        page = papers.update_all({"number": add(1)}, limit=limit, cursor=cursor)
        seen += page.changed
        assert page.changed <= limit
        assert papers.count(Paper.number == 1) == seen
        cursor = page.cursor
        if cursor is None:
            break
        assert page.changed == limit
        assert [one.id for one in papers.search(Paper.number == 1, order="id", limit=ITEMS).items] == [
            f"{number:02}" for number in range(seen)
        ]
    assert (seen, papers.count(Paper.number == 1)) == (ITEMS, ITEMS)
    assert papers.delete_all(limit=limit).changed == limit
    assert papers.count() == ITEMS - limit
