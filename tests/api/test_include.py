"""`?include=`: what is behind links in the same answer, loaded for all items at once, as far as the caller may read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec
import pytest

from persisty import (
    GENERATED,
    Access,
    App,
    Attr,
    BelongsTo,
    Caller,
    HasCount,
    HasMany,
    Index,
    authenticated,
    everyone,
    link,
    nobody,
    owned,
    public,
    stored,
)
from persisty.api.http import Request
from persisty.api.include import MAX_LINKS
from persisty.api.rest import Rest


@stored(key="name", access=Access(read=everyone, create=everyone))
class Writer:
    name: str
    mail: str | None = Attr(default=None, readable=owned("name"))
    posts: HasMany[Post] = link()
    post_count: HasCount[Post]
    secrets: HasMany[Secret] = link()
    notes: HasMany[Note] = link()


@stored(indexes=[Index("writer_name", "title")], access=public)
class Post:
    id: UUID = GENERATED
    title: str
    writer_name: str
    writer: BelongsTo[Writer] = link(by="writer_name")


@stored(indexes=[Index("writer_name")], access=Access(read=owned("writer_name")))
class Note:
    id: UUID = GENERATED
    writer_name: str
    text: str


@stored(indexes=[Index("writer_name")], access=Access(read=nobody, create=authenticated))
class Secret:
    id: UUID = GENERATED
    writer_name: str


ANN, BEN = Caller("ann"), Caller("ben")


class Counting:
    """Counts what is asked of an engine's backends."""

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
    app = App("library", items=[Writer, Post, Note, Secret], url="memory://")
    counting = Counting(app.engine)
    app._engine = counting  # type: ignore[assignment]
    writers, posts, notes = app.store(Writer), app.store(Post), app.store(Note)
    for name in ("ann", "ben", "cleo"):
        writers.create(Writer(name=name, mail=f"{name}@x"))
        for number in range(3):
            posts.create(Post(title=f"{name}{number}", writer_name=name))
        notes.create(Note(writer_name=name, text=f"of {name}"))
    counting.calls.clear()
    rest = Rest(app)

    def get(path: str, query: str = "", caller: Caller = ANN) -> tuple[int, Any]:
        response = rest.handle(Request("GET", path, query, {}, b"", caller))
        return response.status, msgspec.json.decode(response.body)

    yield get, counting
    app.close()


def test_links_of_a_page_take_one_call_each(served: Any) -> None:
    get, counting = served
    status, body = get("/api/writer", "include=posts,post_count&include=posts.writer&order=name")
    assert status == 200
    assert [one["post_count"] for one in body["items"]] == [3, 3, 3]
    assert [post["writer"]["name"] for one in body["items"] for post in one["posts"]["items"]] == (
        ["ann"] * 3 + ["ben"] * 3 + ["cleo"] * 3
    )
    assert sorted(counting.calls) == ["post.aggregate", "post.query_each", "writer.query", "writer.read"]


def test_an_item_and_a_batch_include_too(served: Any) -> None:
    get, _ = served
    status, body = get("/api/writer/ann", "include=post_count")
    assert (status, body["post_count"]) == (200, 3)
    status, body = get("/api/writer-batch", "key=ben&key=nobody&include=post_count")
    assert [one and one["post_count"] for one in body["items"]] == [3, None]


def test_the_rules_of_what_is_behind_hold(served: Any) -> None:
    get, _ = served
    _, body = get("/api/writer", "include=notes&order=name")
    assert [[note["text"] for note in one["notes"]["items"]] for one in body["items"]] == [["of ann"], [], []]
    _, body = get("/api/post", "title=ben0&include=writer")
    assert body["items"][0]["writer"] == {"name": "ben"}
    _, body = get("/api/post", "title=ben0&include=writer", BEN)
    assert body["items"][0]["writer"] == {"name": "ben", "mail": "ben@x"}


def test_a_filter_goes_through_links_as_far_as_the_caller_sees(served: Any) -> None:
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
def test_links_that_cannot_be_had_are_refused_before_anything_is_read(
    served: Any, query: str, paths: list[str] | None
) -> None:
    get, counting = served
    status, body = get("/api/writer", query)
    assert (status, body["code"]) == (400, "invalid_query")
    assert paths is None or [fault["path"] for fault in body["faults"]] == paths
    assert counting.calls == []
    if "secrets" in query:
        assert "secrets" not in body["faults"][0]["expected"]
