"""`?fields=`: a response with only the named attributes of its items and linked items, as far as the caller may read them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from persisty.api.rest import fieldsets as fields
from persisty.api.rest.fieldsets import MAX_FIELDS
from persisty.api.rest.include import MAX_LINKS
from persisty.store.store import context_of

from .library import ANN, BEN, Post, Served, library


@pytest.fixture(params=["memory://", "sqlite://"])
def served(request: Any) -> Iterator[Served]:
    with library(request.param) as made:
        yield made


@pytest.fixture
def key(served: Served) -> str:
    return str(served.app.store(Post).search(Post.title == "ann0").items[0].id)


def test_only_the_named_fields_are_returned_in_their_usual_form(served: Served, key: str) -> None:
    _, whole = served.get(f"/api/post/{key}")
    for names in (["id"], ["title", "price"], ["raw", "tags", "version"], list(whole)):
        assert served.get(f"/api/post/{key}", f"fields={','.join(names)}") == (
            200,
            {name: whole[name] for name in names},
        )
    assert served.get(f"/api/post/{key}", "fields=title&fields=,id,title") == (200, {"title": "ann0", "id": key})
    assert served.get(f"/api/post/{key}", "fields=")[0] == 400
    assert served.get("/api/writer/ann", "fields=born") == (200, {"born": None})


def test_pages_and_batches_have_their_items_in_their_positions(served: Served, key: str) -> None:
    query = "order=-title&limit=2&fields=title"
    status, page = served.get("/api/post", query)
    assert (status, page["items"]) == (200, [{"title": "cleo2"}, {"title": "cleo1"}])
    assert served.get("/api/post", f"{query}&cursor={page['cursor']}")[1]["items"][0] == {"title": "cleo0"}
    # a cursor is valid with and without `fields`
    assert served.get("/api/post", f"order=-title&limit=1&cursor={page['cursor']}")[1]["items"][0]["title"] == "cleo0"
    batch = f"fields=title&key=nothing&key={key}&key={key}"
    assert served.get("/api/post-batch", batch) == (200, {"items": [None, {"title": "ann0"}, {"title": "ann0"}]})


def test_a_linked_item_is_included_by_the_name_of_its_link(served: Served, key: str) -> None:
    path = f"/api/post/{key}"
    assert served.get(path, "fields=id,writer.name") == (200, {"id": key, "writer": {"name": "ann"}})
    whole = {"name": "ann", "mail": "ann@x", "born": None}
    assert served.get(path, "fields=title,writer") == (200, {"title": "ann0", "writer": whole})
    assert served.get(path, "fields=title&include=writer") == (200, {"title": "ann0", "writer": whole})
    assert served.get(path, "fields=title,writer.born&include=writer")[1]["writer"] == {"born": None}
    assert served.get(path, "fields=writer,writer.born")[1] == {"writer": whole}
    deep = served.get(path, "fields=writer.posts.title&include=writer")[1]
    assert deep.keys() == {"writer"}
    assert deep["writer"].keys() == {"posts"}
    assert {one["title"] for one in deep["writer"]["posts"]["items"]} == {"ann0", "ann1", "ann2"}
    assert all(one.keys() == {"title"} for one in deep["writer"]["posts"]["items"])
    limited = served.get(path, "fields=writer,writer.posts.title")[1]["writer"]
    assert limited == {**whole, "posts": deep["writer"]["posts"]}
    with_include = served.get(path, "fields=title&include=writer.latest")[1]
    assert with_include["writer"].keys() == {*whole, "latest"}
    assert with_include["writer"]["latest"].keys() == {"id", "title", "price", "raw", "tags", "writer_name", "version"}


def test_fields_of_links_have_the_form_of_included_links(served: Served) -> None:
    query = "order=name&limit=1&fields=name,post_count,latest.title,posts.title"
    titles = [{"title": f"ann{number}"} for number in range(3)]
    expected = {"name": "ann", "post_count": 3, "latest": {"title": "ann0"}, "posts": {"items": titles, "cursor": None}}
    status, page = served.get("/api/writer", query)
    assert (status, page["items"][0]["post_count"]) == (200, 3)
    assert page["items"][0].keys() == expected.keys()
    assert sorted(one["title"] for one in page["items"][0]["posts"]["items"]) == [one["title"] for one in titles]
    assert page["items"][0]["latest"].keys() == {"title"}
    served.app.store(Post).delete_all()
    assert served.get("/api/writer/ann", "fields=latest.title") == (200, {"latest": None})


def test_attributes_that_a_caller_may_not_read_are_left_out(served: Served) -> None:
    query = "order=name&fields=name,mail"
    _, own = served.get("/api/writer", query, ANN)
    assert own["items"] == [{"name": "ann", "mail": "ann@x"}, {"name": "ben"}, {"name": "cleo"}]
    _, his = served.get("/api/writer", query, BEN)
    assert his["items"] == [{"name": "ann"}, {"name": "ben", "mail": "ben@x"}, {"name": "cleo"}]
    assert served.get("/api/writer/ann", "fields=mail", BEN) == (200, {})
    assert served.get("/api/post", "title=ben0&fields=writer.mail", ANN)[1]["items"] == [{"writer": {}}]


WRONG: list[tuple[str, str, list[str]]] = [
    ("/api/post", "fields=nope", ["/fields/0"]),
    ("/api/post", "fields=id,nope,title,x.y", ["/fields/1", "/fields/3"]),
    ("/api/post", "fields=id&fields=writer.nope", ["/fields/1"]),
    ("/api/post", "fields=id.x", ["/fields/0"]),
    ("/api/post", "fields=.", ["/fields/0"]),
    ("/api/post", "fields=writer.digest", ["/fields/0"]),
    ("/api/post", "fields=writer.posts.writer.posts.id", ["/fields/0"]),
    ("/api/writer", "fields=digest,secrets,secrets.id", ["/fields/0", "/fields/1", "/fields/2"]),
    ("/api/writer", "fields=post_count.id", ["/fields/0"]),
    ("/api/writer", "fields=nope&include=nope", ["/include/0", "/fields/0"]),
    ("/api/writer", "fields=" + ",".join(f"n{number}" for number in range(MAX_FIELDS + 1)), ["/fields"]),
    ("/api/post/x", "fields=nope", ["/fields/0"]),
    ("/api/post-batch", "fields=nope", ["/fields/0"]),
]


@pytest.mark.parametrize(("path", "query", "paths"), WRONG, ids=lambda value: str(value)[:40])
def test_unknown_and_hidden_fields_are_faults_with_their_path(
    served: Served, path: str, query: str, paths: list[str]
) -> None:
    status, problem = served.get(path, query)
    assert (status, problem["code"]) == (400, "invalid_query")
    assert paths == [fault["path"] for fault in problem["faults"]][-len(paths) :]
    assert "digest" not in str([fault.get("expected") for fault in problem["faults"]])


def test_a_nested_attribute_is_not_a_field(served: Served) -> None:
    _, problem = served.get("/api/post", "fields=id,tags.first,writer.name.first,writer.digest.first")
    assert [(one["path"], one.get("expected"), one["found"]) for one in problem["faults"][:2]] == [
        ("/fields/1", "tags", "tags.first"),
        ("/fields/2", "writer.name", "writer.name.first"),
    ]
    assert problem["faults"][0]["message"] == "A part of an attribute cannot be named here"
    assert problem["faults"][2]["message"] == "Unknown attribute or link", "a hidden attribute does not exist"
    _, problem = served.get("/api/post", "order=-tags.first")
    assert problem["faults"] == [
        {
            "path": "/order/0",
            "message": "A part of an attribute cannot be named here",
            "expected": "tags",
            "found": "-tags.first",
        }
    ]


def test_unknown_names_of_a_request_list_those_that_the_caller_may_give(served: Served) -> None:
    readable = "one of name, mail, born, posts, post_count, latest, notes"
    for query, expected in (
        ("nope=1", readable),
        ("digest=1", readable),
        ("nope__gt=1", readable),
        ("order=nope", "one of name, born"),
        ("fields=nope", readable),
        ("include=nope", "one of posts, post_count, latest, notes"),
        ("posts.nope=1", "one of posts.id, posts.title, posts.price, posts.raw, posts.tags"),
    ):
        status, problem = served.get("/api/writer", query, ANN)
        [fault] = problem["faults"]
        assert (status, query, fault["expected"][: len(expected)]) == (400, query, expected)
        assert not {"digest", "secrets"}.intersection(fault["expected"].split(", "))


def test_too_many_links_are_rejected(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields.include, "MAX_LINKS", 2)
    assert MAX_LINKS > 2
    assert served.get("/api/writer", "fields=posts.id,latest.id")[0] == 200
    status, problem = served.get("/api/writer", "fields=posts.id,latest.id,post_count")
    assert (status, problem["faults"][0]["path"]) == (400, "/fields")


def test_a_response_limited_by_fields_has_its_own_etag_with_the_version(served: Served, key: str) -> None:
    path = f"/api/post/{key}"
    whole, shown = served.ask(path), served.ask(path, "fields=title")
    assert shown.headers["etag"] != whole.headers["etag"]
    assert shown.headers["etag"].startswith('"1.')
    assert served.ask(path, "fields=title", if_none_match=shown.headers["etag"]).status == 304
    assert served.ask(path, "fields=title", if_none_match=whole.headers["etag"]).status == 200
    assert served.ask(path, "fields=title", if_match=whole.headers["etag"]).status == 412
    with_link = served.ask(path, "fields=writer.name")
    assert with_link.headers["etag"].startswith('"1.')
    assert with_link.headers["etag"] not in (whole.headers["etag"], shown.headers["etag"])
    assert served.ask(path, method="DELETE", if_match='"2.x"').status == 412
    assert served.ask(path, method="DELETE", if_match=shown.headers["etag"]).status == 204


def test_the_engine_reads_only_the_named_attributes(served: Served) -> None:
    queries: list[Any] = []
    backend: Any = context_of(served.app.store(Post)).backend
    query = backend.query

    def noted(*given: Any, **named: Any) -> Any:
        queries.append(given[0].select)
        return query(*given, **named)

    backend.query = noted
    assert served.get("/api/post", "fields=title,id")[0] == 200
    assert served.get("/api/post", "fields=title,writer.name")[0] == 200
    assert queries == [("title", "id"), None]  # a link needs the attributes of the whole item


def test_fields_are_for_reading_items(served: Served, key: str) -> None:
    for method, path in (("POST", "/api/post"), ("DELETE", f"/api/post/{key}"), ("GET", "/api/post-count")):
        assert served.ask(path, "fields=id", method=method).status == 400, (method, path)
    assert served.app.store(Post).count() == 9
