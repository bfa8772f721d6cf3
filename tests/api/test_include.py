"""`?include=`: linked items in the same response, loaded for all items at once, as far as the caller may read them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from persisty.api.rest.include import MAX_LINKS
from persisty.store.connection import Connection
from persisty.store.store import context_of

from .library import BEN, library


class Counting:
    """Counts the calls of an engine's backends."""

    def __init__(self, engine: Any) -> None:
        self._engine, self.calls = engine, list[str]()

    def open(self, meta: Any) -> Any:
        backend = self._engine.open(meta)
        for name in ("read", "query", "query_each", "aggregate", "count"):
            setattr(backend, name, self._counted(f"{meta.name}.{name}", getattr(backend, name)))
        return backend

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def _counted(self, name: str, call: Any) -> Any:
        def counted(*arguments: Any, **options: Any) -> Any:
            self.calls.append(name)
            return call(*arguments, **options)

        return counted


@pytest.fixture
def served() -> Iterator[tuple[Any, Counting]]:
    with library() as made:
        counting = Counting(made.app.engine)
        made.app._engines.connections[None] = Connection(counting, made.app._feed)  # type: ignore[arg-type]
        for name in made.app.metas:
            context_of(made.app.store(name)).disconnect()
        yield made.get, counting


def test_each_link_of_a_page_is_loaded_by_one_call(served: Any) -> None:
    get, counting = served
    status, body = get("/api/writer", "include=posts,post_count&include=posts.writer&order=name")
    assert status == 200
    assert [one["post_count"] for one in body["items"]] == [3, 3, 3]
    assert [post["writer"]["name"] for one in body["items"] for post in one["posts"]["items"]] == (
        ["ann"] * 3 + ["ben"] * 3 + ["cleo"] * 3
    )
    assert sorted(counting.calls) == ["post.aggregate", "post.query_each", "writer.query", "writer.read"]


def test_a_read_and_a_batch_read_include_links(served: Any) -> None:
    get, _ = served
    status, body = get("/api/writer/ann", "include=post_count")
    assert (status, body["post_count"]) == (200, 3)
    status, body = get("/api/writer-batch", "key=ben&key=nobody&include=post_count")
    assert [one and one["post_count"] for one in body["items"]] == [3, None]


def test_included_items_obey_their_access_rules(served: Any) -> None:
    get, _ = served
    _, body = get("/api/writer", "include=notes&order=name")
    assert [[note["text"] for note in one["notes"]["items"]] for one in body["items"]] == [["of ann"], [], []]
    _, body = get("/api/post", "title=ben0&include=writer")
    assert body["items"][0]["writer"] == {"name": "ben", "born": None}
    _, body = get("/api/post", "title=ben0&include=writer", BEN)
    assert body["items"][0]["writer"] == {"name": "ben", "mail": "ben@x", "born": None}


def test_a_filter_follows_links_to_items_that_the_caller_may_read(served: Any) -> None:
    get, _ = served
    _, body = get("/api/post", "writer.name=ben&order=title")
    assert [one["title"] for one in body["items"]] == ["ben0", "ben1", "ben2"]
    assert get("/api/post", "writer.mail=ben@x")[1]["items"] == []
    assert len(get("/api/post", "writer.mail=ben@x", BEN)[1]["items"]) == 3


@pytest.mark.parametrize(
    ("query", "paths"),
    [
        ("include=nobody,posts.nope", ["/include/0", "/include/1"]),
        ("include=secrets", ["/include/0"]),
        ("include=posts.writer.posts.writer", ["/include/0"]),
        ("include=name", ["/include/0"]),
        ("include=" + ",".join(["posts"] + [f"a{n}" for n in range(MAX_LINKS)]), None),
    ],
)
def test_invalid_links_are_rejected_before_a_read(served: Any, query: str, paths: list[str] | None) -> None:
    get, counting = served
    status, body = get("/api/writer", query)
    assert (status, body["code"]) == (400, "invalid_query")
    assert paths is None or [fault["path"] for fault in body["faults"]] == paths
    assert counting.calls == []
    if "secrets" in query:
        assert "secrets" not in body["faults"][0]["expected"]
