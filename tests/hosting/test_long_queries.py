"""A server on SQLite serves other requests during a long query, and aborts one that takes too long."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from persisty import App, BelongsTo, Create, HasMany, Index, InvalidQuery, link, public, stored
from persisty.backends.sql import sqlite_connection
from persisty.hosting import embedded_calls, server, streaming
from persisty.hosting.server import Server
from persisty.store.wait_limits import within


@stored(access=public)
class Shop:
    id: str
    books: HasMany[Book] = link()


@stored(access=public, indexes=[Index("shop_id")])
class Book:
    id: str
    title: str = ""
    shop_id: str | None = None
    shop: BelongsTo[Shop] = link()


APP = App("books", items=[Shop, Book])
SLOW = "shop.books.shop.books.title=nothing"
"""A filter that looks at each book of each shop of each book of each shop: half a million steps."""
MANY = "shop.books.shop.books.shop.books.shop.books.title=nothing"
"""The same twice over, which no server can wait for."""


@pytest.fixture(params=["file", "memory"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[httpx.AsyncClient]:
    APP.use(f"sqlite:///{tmp_path}/books.db" if request.param == "file" else "sqlite://")
    APP.prepare()
    for number in range(4):
        APP.store(Shop).create({"id": f"s{number}"})
    for start in range(0, 200, 100):
        APP.store(Book).edit_batch(
            [Create({"id": f"b{one:03}", "shop_id": f"s{one % 4}"}) for one in range(start, start + 100)]
        )
    served = Server(APP)
    served.readiness.stage = "serving"
    yield httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://test", timeout=60)
    APP.use("memory://")


async def longest_pause(work: Any) -> tuple[Any, float]:
    """Return the result of the work, and the longest time for which the event loop was blocked."""
    task, longest = asyncio.ensure_future(work), 0.0
    while not task.done():
        begun = time.monotonic()
        await asyncio.sleep(0.001)
        longest = max(longest, time.monotonic() - begun)
    return task.result(), longest


def graphql(text: str) -> dict[str, Any]:
    return {"content": json.dumps({"query": text}), "headers": {"content-type": "application/json"}}


def test_a_long_query_leaves_the_event_loop(client: httpx.AsyncClient) -> None:
    async def run() -> None:
        begun = time.monotonic()
        response, pause = await longest_pause(client.get(f"/api/book?{SLOW}"))
        assert response.json() == {"items": [], "cursor": None}
        assert time.monotonic() - begun > 0.05, "the query is not long enough to show anything"
        assert pause < (time.monotonic() - begun) / 2
        text = '{bookCount(where: {shop: {books: {shop: {books: {title: {eq: "nothing"}}}}}})}'
        response, _ = await longest_pause(client.post("/graphql", **graphql(text)))
        assert response.json() == {"data": {"bookCount": 0}}

    asyncio.run(run())


def test_writes_continue_during_a_long_query(client: httpx.AsyncClient) -> None:
    async def run() -> None:
        slow = asyncio.ensure_future(client.get(f"/api/book?{SLOW}"))
        await asyncio.sleep(0.05)
        written = await client.post("/api/book", json={"id": "new"})
        assert written.status_code == 201
        assert (await slow).status_code == 200

    asyncio.run(run())


def test_a_query_that_takes_too_long_is_rejected(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (embedded_calls, server, streaming):
        monkeypatch.setattr(module, "LONGEST", 0.2)

    async def run() -> None:
        begun = time.monotonic()
        refused = await client.get(f"/api/book?{MANY}")
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_query")
        refused = await client.delete(f"/api/book/b001?{MANY}")
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_query")
        assert (await client.get("/api/book/b001")).status_code == 200
        assert time.monotonic() - begun < 5

    asyncio.run(run())


def test_a_large_graphql_response_is_made_in_a_thread(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    repeated: list[object] = []
    wait = server.in_thread
    monkeypatch.setattr(server, "in_thread", lambda *work: [repeated.append(work), wait(*work)][1])

    async def run() -> None:
        small = await client.post("/graphql", **graphql("{bookSearch(limit: 400) {items {id title}}}"))
        assert len(small.json()["data"]["bookSearch"]["items"]) == 200
        assert repeated == []
        text = "{" + " ".join(f"a{one}: bookSearch(limit: 1000) {{items {{id}}}}" for one in range(8)) + "}"
        large = await client.post("/graphql", **graphql(text))
        assert [len(page["items"]) for page in large.json()["data"].values()] == [200] * 8
        assert len(repeated) == 1

    asyncio.run(run())


def test_trusted_code_has_no_time_limit(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_connection, "MAX_RUN_IN_LOOP", 0.0)
    books, where = APP.store(Book), Book.shop.books.shop.books.title == "nothing"
    assert books.search(where).items == []
    with pytest.raises(InvalidQuery):
        within(0.01, books.search, where)
