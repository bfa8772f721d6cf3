"""Exports: all matches of a search, one on each line, in bounded memory. The last line shows whether the export is complete."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from persisty import App, Create, Throttled, public, stored
from persisty.api.http.messages import Request, Response, close, encode
from persisty.api.rest.endpoint import Rest
from persisty.api.rest.paging import PAGE
from persisty.store.store import context_of

from .library import ANN, BEN, Post, Served, Writer, library

LINES = "application/x-ndjson"


@stored(access=public)
class Entry:
    id: str
    text: str
    number: int


@pytest.fixture
def served() -> Iterator[Served]:
    with library() as made:
        yield made


def exported(response: Response) -> list[Any]:
    assert (response.status, response.headers["content-type"], response.body) == (200, LINES, b"")
    assert response.chunks is not None
    return [msgspec.json.decode(line) for line in b"".join(response.chunks).splitlines()]


def entries(url: str, count: int) -> App:
    app = App("log", items=[Entry], url=url)
    app.prepare()
    store = app.store(Entry)
    for start in range(0, count, 100):
        numbers = range(start, min(start + 100, count))
        store.edit_batch([Create({"id": f"{n:06}", "text": f"é\n{n}", "number": n}) for n in numbers])
    return app


def lines(app: App, query: str = "", **headers: str) -> Response:
    return Rest(app).handle(Request("GET", "/api/entry", query, {"accept": LINES, **headers}))


@pytest.mark.parametrize("count", [0, 1, PAGE, 2 * PAGE + 1])
def test_an_export_has_every_match_once_in_order_and_in_the_form_of_a_search(count: int) -> None:
    app = entries("sqlite://", count)
    found = exported(lines(app, "order=-number"))
    assert [one["number"] for one in found] == list(reversed(range(count)))
    assert found == [msgspec.json.decode(encode(one)) for one in app.store(Entry).search_all(order="-number")]
    assert len(exported(lines(app, "number__lt=3"))) == min(count, 3)
    app.close()


def test_fields_links_and_rules_apply_as_for_a_page(served: Served) -> None:
    def export(query: str, caller: Any = ANN) -> list[Any]:
        return exported(served.ask("/api/writer", query, caller, accept=LINES))

    for query in ("order=name", "order=name&fields=name,mail", "order=name&include=posts", "fields=posts.title,name"):
        for caller in (ANN, BEN):
            assert export(query, caller) == served.get("/api/writer", query, caller)[1]["items"]
    assert served.ask("/api/secret", accept=LINES).status == served.ask("/api/secret").status


@pytest.mark.parametrize(
    ("query", "paths"),
    [
        ("limit=3", ["/limit"]),
        ("limit=3&cursor=x", ["/limit", "/cursor"]),
        ("nope=1", ["/nope"]),
        ("order=nope", ["/order/0"]),
        ("fields=nope", ["/fields/0"]),
        ("include=nope", ["/include/0"]),
    ],
)
def test_an_invalid_export_request_has_an_error_status(served: Served, query: str, paths: list[str]) -> None:
    refused = served.ask("/api/post", query, accept=LINES)
    problem = msgspec.json.decode(refused.body)
    assert (refused.status, refused.chunks, problem["code"]) == (400, None, "invalid_query")
    assert refused.headers["content-type"] == "application/problem+json"
    assert [fault["path"] for fault in problem["faults"]] == paths


def fail_after(app: App, calls: int, error: Exception) -> None:
    """Let the engine answer this many queries and then fail."""
    backend: Any = context_of(app.store(Entry)).backend
    query, remaining = backend.query, iter(range(calls))

    def failing(*given: Any, **named: Any) -> Any:
        if next(remaining, None) is None:
            raise error
        return query(*given, **named)

    backend.query = failing


def test_an_error_of_the_first_page_has_an_error_status() -> None:
    app = entries("memory://", 10)
    fail_after(app, 0, Throttled())
    response = lines(app)
    assert (response.status, response.chunks, response.headers["retry-after"]) == (503, None, "1")


@pytest.mark.parametrize(("error", "code"), [(Throttled(), "throttled"), (RuntimeError("secret"), "internal_error")])
def test_a_later_error_is_the_last_line(error: Exception, code: str) -> None:
    app = entries("memory://", 3 * PAGE)
    fail_after(app, 2, error)
    response = lines(app)
    *found, problem = exported(response)
    assert [one["number"] for one in found] == list(range(2 * PAGE))
    assert (problem["code"], problem["status"], "secret" in str(problem)) == (code, error_status(code), False)
    assert response.headers["cache-control"] == "no-store"  # a cache would store an incomplete export


def error_status(code: str) -> int:
    return {"throttled": 503, "internal_error": 500}[code]


def test_a_page_is_read_only_after_the_previous_one_was_taken() -> None:
    app = entries("memory://", 5 * PAGE)
    queries = []
    backend: Any = context_of(app.store(Entry)).backend
    query = backend.query
    backend.query = lambda *given, **named: (queries.append(1), query(*given, **named))[1]
    response = lines(app)
    assert (len(queries), response.chunks is None) == (1, False)
    assert response.chunks is not None
    assert len(next(response.chunks).splitlines()) == PAGE
    assert len(queries) == 1
    next(response.chunks)
    assert len(queries) == 2
    close(response.chunks)
    assert list(response.chunks) == []
    assert len(queries) == 2
    head = Rest(app).handle(Request("HEAD", "/api/entry", "", {"accept": LINES}))
    assert (head.status, head.headers, head.chunks, head.body) == (200, response.headers, None, b"")
    assert len(queries) == 3


def test_a_compressed_export_is_the_same_lines() -> None:
    app = entries("memory://", 2 * PAGE + 7)
    response = lines(app, **{"accept-encoding": "gzip"})
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["vary"] == "accept, accept-encoding"
    uncompressed = lines(app)
    assert response.chunks is not None
    assert uncompressed.chunks is not None
    assert gzip.decompress(b"".join(response.chunks)) == b"".join(uncompressed.chunks)


@pytest.mark.parametrize("coding", ["", "gzip"])
def test_an_export_of_twenty_thousand_items_has_one_page_in_memory(coding: str) -> None:
    count, text = 20_000, "x" * 200
    app = App("log", items=[Entry], url="sqlite://")
    app.prepare()
    for start in range(0, count, 100):
        numbers = range(start, start + 100)
        app.store(Entry).edit_batch([Create({"id": f"{n:06}", "text": text, "number": n}) for n in numbers])
    size, most = 0, 0
    tracemalloc.start()
    try:
        response = lines(app, **({"accept-encoding": coding} if coding else {}))
        assert response.chunks is not None
        for chunk in response.chunks:
            size += len(chunk)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        app.close()
    whole = count * (len(text) + 40)
    assert size > (whole if not coding else 0)
    assert most < whole / 4, f"{most} of {whole}"


def test_a_route_without_a_search_has_no_lines(served: Served) -> None:
    for path in ("/api/post-count", "/api/post-batch", "/api/writer/ann", "/health"):
        assert served.ask(path, accept=LINES).status == 406
    assert served.app.store(Post).count() == 9
    assert served.app.store(Writer).count() == 3
