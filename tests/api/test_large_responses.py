"""The items of a response have a size limit, which is noticed before all of them are in memory as JSON."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from persisty import App, BelongsTo, Create, link, public, stored
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http import messages
from persisty.api.http.messages import MAX_RESPONSE, Request, Response, encode, encode_items
from persisty.api.rest.endpoint import Rest
from persisty.model.pages import ResultPage, page_like


@stored(access=public)
class Shop:
    id: str
    title: str = ""
    cover: bytes = b""


@stored(access=public)
class Book:
    id: str
    shop_id: str | None = None
    shop: BelongsTo[Shop] = link()


APP = App("books", items=[Shop, Book], url="memory://")


@pytest.fixture(scope="module")
def rest() -> Iterator[Rest]:
    APP.prepare()
    APP.store(Shop).create({"id": "s", "title": "x" * 900_000, "cover": b"x" * 40_000})
    for start in range(0, 1_000, 100):
        APP.store(Book).edit_batch([Create({"id": f"b{one:04}", "shop_id": "s"}) for one in range(start, start + 100)])
    yield Rest(APP)
    APP.close()


def ask(rest: Rest, query: str, path: str = "/api/book") -> Response:
    return rest.handle(Request("GET", path, query))


def test_a_small_request_for_gigabytes_is_rejected_in_bounded_memory(rest: Rest) -> None:
    for query, path in (
        ("limit=1000&include=shop", "/api/book"),
        ("limit=1000&fields=id,shop.title", "/api/book"),
        ("&".join(f"key=b{one:04}" for one in range(100)) + "&include=shop", "/api/book-batch"),
    ):
        tracemalloc.start()
        response = ask(rest, query, path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (response.status, json.loads(response.body)["code"]) == (422, "answer_too_large")
        assert json.loads(response.body)["limit"] == MAX_RESPONSE
        assert peak < 3 * MAX_RESPONSE
    assert ask(rest, "limit=30&include=shop").status == 200


def test_a_page_of_many_items_without_links_has_the_limit_too(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "MAX_RESPONSE", 20_000)
    assert ask(rest, "limit=1000").status == 422
    assert ask(rest, "limit=100").status == 200


def test_a_response_in_parts_has_the_bytes_of_one_encoded_as_a_whole(rest: Rest) -> None:
    for query in (
        "limit=26",
        "limit=1000",
        "limit=51&fields=id",
        "limit=3&include=shop&id__lt=b",
        "limit=1&include=shop",
    ):
        body = ask(rest, query).body
        assert body == msgspec.json.encode(json.loads(body)).replace(b"\\u0026", b"&")
    items: list[Any] = [{"b": [], "a": '"items":[]'}] * 60
    for content in (
        ResultPage(items, "cursor"),
        ResultPage(items),
        page_like(ResultPage([]), []),
        {"items": items, "errors": ['"items":[]']},
    ):
        for included in (False, True):
            assert encode_items(content, included=included) == encode(content)


@pytest.mark.parametrize(
    "text",
    [
        "{bookSearch(limit: 1000) {items {id shop {title}}}}",
        "{bookSearch(limit: 1000) {items {id shop {cover}}}}",
        "{" + " ".join(f"a{one}: bookSearch {{items {{shop {{title}}}}}}" for one in range(40)) + "}",
    ],
)
def test_graphql_rejects_a_response_of_gigabytes_in_bounded_memory(rest: Rest, text: str) -> None:
    endpoint = GraphqlEndpoint(APP)
    headers = {"content-type": "application/json"}
    tracemalloc.start()
    response = endpoint.handle(Request("POST", "/graphql", "", headers, json.dumps({"query": text}).encode()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    [error] = json.loads(response.body)["errors"]
    assert error["extensions"]["code"] == "answer_too_large"
    assert peak < 3 * MAX_RESPONSE
