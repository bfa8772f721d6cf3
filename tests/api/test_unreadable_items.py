"""Items that do not fit their declaration, on the surfaces: the other items are returned, and each unreadable one is named."""

from __future__ import annotations

import enum
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import msgspec
import pytest

from persisty import ANONYMOUS, App, Attr, BelongsTo, HasMany, link, public, stored
from persisty.api.graphql.appsync.function import AppSync
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.messages import Request
from persisty.api.rest.endpoint import Rest
from persisty.clients.python import python_client


class Before(enum.Enum):
    RED = "red"
    PURPLE = "purple"


class After(enum.Enum):
    RED = "red"


@stored(name="shop")
class OldShop:
    id: str
    color: Before


@stored(name="dress")
class OldDress:
    id: str
    color: Before
    shop_id: str
    size: int = 1


@stored(access=public)
class Shop:
    id: Attr[str]
    color: Attr[After]
    dresses: HasMany[Dress]


@stored(access=public)
class Dress:
    id: Attr[str]
    color: Attr[After]
    shop_id: Attr[str]
    size: Attr[int] = Attr(default=1)
    shop: BelongsTo[Shop] = link()


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    url = f"sqlite:///{tmp_path}/dresses.db"
    before = App("dresses", items=[OldShop, OldDress], url=url, idempotency=None)
    for number, color in enumerate([Before.RED, Before.PURPLE, Before.RED]):
        before.store(OldShop).create({"id": f"s{number}", "color": color})
        before.store(OldDress).create({"id": f"d{number}", "color": color, "shop_id": f"s{number // 2}"})
    before.store(OldDress).create({"id": "d3", "color": Before.RED, "shop_id": "s1"})
    before.close()
    after = App("dresses", items=[Shop, Dress], url=url, idempotency=None)
    yield after
    after.close()


def rest(app: App, method: str, path: str, query: str = "", body: Any = None, **headers: str) -> tuple[int, Any]:
    given = b"" if body is None else msgspec.json.encode(body)
    if body is not None:
        headers["content-type"] = "application/json"
    response = Rest(app).handle(Request(method, f"/api/{path}", query, headers, given))
    if response.chunks is not None:
        return response.status, [msgspec.json.decode(line) for line in b"".join(response.chunks).splitlines()]
    return response.status, msgspec.json.decode(response.body) if response.body else None


def graphql(app: App, text: str) -> Any:
    headers = {"content-type": "application/json"}
    request = Request("POST", "/graphql", "", headers, msgspec.json.encode({"query": text}))
    return msgspec.json.decode(GraphqlEndpoint(app).handle(request).body)


NAMED = {"store": "dress", "key": "d1", "attributes": ["color"]}


def named(error: Any) -> dict[str, Any]:
    assert error["code"] == "unreadable_item"
    return {name: error[name] for name in NAMED}


def test_a_rest_page_has_the_other_items_and_the_error(app: App) -> None:
    status, page = rest(app, "GET", "dress", "order=id")
    assert (status, [one["id"] for one in page["items"]], page["cursor"]) == (200, ["d0", "d2", "d3"], None)
    assert [named(one) for one in page["errors"]] == [NAMED]
    _, page = rest(app, "GET", "dress", "order=id&fields=id,size")
    assert [one["id"] for one in page["items"]] == ["d0", "d1", "d2", "d3"]
    assert "errors" not in page


def test_included_links_leave_out_a_broken_item_and_name_it_in_pages(app: App) -> None:
    _, page = rest(app, "GET", "dress", "order=id&include=shop")
    assert [(one["id"], one.get("shop", {}).get("id")) for one in page["items"]] == [
        ("d0", "s0"), ("d2", None), ("d3", None),
    ]  # fmt: skip
    behind = {**NAMED, "store": "shop", "key": "s1"}
    assert [named(one) for one in page["errors"]] == [NAMED, behind], "d2 and d3 lead to one shop"
    _, page = rest(app, "GET", "dress", "order=id&fields=id,shop.id&size=1")
    assert [one.get("shop") for one in page["items"]] == [{"id": "s0"}, None, None]
    assert [named(one) for one in page["errors"]] == [NAMED, behind]
    _, found = rest(app, "GET", "dress-batch", "key=d0&key=d1&key=d2&key=none&include=shop")
    assert [one and one.get("shop", {}).get("id") for one in found["items"]] == ["s0", None, None, None]
    assert [named(one) for one in found["errors"]] == [NAMED, behind]
    _, lines = rest(app, "GET", "dress", "order=id&include=shop", accept="application/x-ndjson")
    assert [one["key"] for one in lines[-1]["items"]] == ["d1", "s1"]
    status, dress = rest(app, "GET", "dress/d2", "include=shop")
    assert (status, "shop" in dress) == (200, False)
    status, shop = rest(app, "GET", "shop/s0", "include=dresses")
    assert (status, [one["id"] for one in shop["dresses"]["items"]]) == (200, ["d0"])
    assert [named(one) for one in shop["dresses"]["errors"]] == [NAMED]


def test_an_export_has_the_other_items_and_ends_with_the_error(app: App) -> None:
    status, lines = rest(app, "GET", "dress", "order=id", accept="application/x-ndjson")
    assert (status, [one.get("id") for one in lines]) == (200, ["d0", "d2", "d3", None])
    assert named(lines[-1]) == NAMED


def test_reads_and_writes_name_the_unreadable_item_and_the_written_ones(app: App) -> None:
    status, problem = rest(app, "GET", "dress/d1")
    assert (status, named(problem), problem.get("written")) == (500, NAMED, None)
    status, problem = rest(app, "PATCH", "dress/d1", body={"size": 5})
    assert (status, named(problem), problem["written"]) == (500, NAMED, True)
    status, item = rest(app, "PATCH", "dress/d1", body={"color": "red"})
    assert (status, item["size"]) == (200, 5)
    assert rest(app, "GET", "dress/d1")[0] == 200
    assert rest(app, "DELETE", "shop/s1")[0] == 204


def test_a_batch_read_has_the_other_items_in_their_positions(app: App) -> None:
    status, found = rest(app, "GET", "dress-batch", "key=d0&key=d1&key=none")
    assert (status, [one and one["id"] for one in found["items"]]) == (200, ["d0", None, None])
    assert [named(one) for one in found["errors"]] == [NAMED]


def test_graphql_returns_the_other_items_and_an_error_for_each_unreadable_one(app: App) -> None:
    answer = graphql(app, "{ dressSearch(order: [id_asc]) { items { id color shop { id } } } }")
    assert [one["id"] for one in answer["data"]["dressSearch"]["items"]] == ["d0", "d2", "d3"]
    assert [one["shop"] and one["shop"]["id"] for one in answer["data"]["dressSearch"]["items"]] == ["s0", None, None]
    errors = [(one["path"], one["extensions"]["store"], one["extensions"]["key"]) for one in answer["errors"]]
    assert errors == [
        (["dressSearch"], "dress", "d1"),
        (["dressSearch", "items", 1, "shop"], "shop", "s1"),
        (["dressSearch", "items", 2, "shop"], "shop", "s1"),
    ]
    answer = graphql(app, '{ dressRead(key: "d1") { id } dressReadBatch(keys: ["d0", "d1"]) { id color } }')
    assert answer["data"] == {"dressRead": None, "dressReadBatch": [{"id": "d0", "color": "red"}, None]}
    assert [one["path"] for one in answer["errors"]] == [["dressRead"], ["dressReadBatch", 1]]
    answer = graphql(app, 'mutation { dressUpdate(key: "d1", changes: {size: 3}) { id } }')
    assert answer["errors"][0]["extensions"]["written"] is True


def test_a_search_of_graphql_returns_the_items_whose_selected_attributes_can_be_read(app: App) -> None:
    answer = graphql(app, "{ dressSearch(order: [id_asc]) { items { id size } } }")
    assert "errors" not in answer
    assert [one["id"] for one in answer["data"]["dressSearch"]["items"]] == ["d0", "d1", "d2", "d3"]
    answer = graphql(
        app, "{ dressSearch(order: [id_asc], limit: 2) { cursor items { ...f } } } fragment f on Dress { c: color }"
    )
    assert [one["extensions"]["key"] for one in answer["errors"]] == ["d1"]
    assert answer["data"]["dressSearch"]["cursor"]
    assert graphql(app, "{ dressSearch { cursor } }") == {"data": {"dressSearch": {"cursor": None}}}
    selection, listed = "{ items { id size } }", ["items", "items/id", "items/size"]
    event = {"fieldName": "dressSearch", "arguments": {"order": ["id_asc"]}, "parentTypeName": "Query"}
    envelope = AppSync(app).handle({**event, "selectionSetGraphQL": selection, "selectionSetList": listed}, ANONYMOUS)
    assert "errors" not in envelope
    assert [one["id"] for one in envelope["data"]["items"]] == ["d0", "d1", "d2", "d3"]


def test_appsync_returns_the_other_items_and_an_error_for_each_unreadable_one(app: App) -> None:
    function = AppSync(app)
    selection = "{ items { id color shop { id } } }"
    listed = ["items", "items/id", "items/color", "items/shop", "items/shop/id"]
    event = {"fieldName": "dressSearch", "arguments": {"order": ["id_asc"]}, "parentTypeName": "Query"}
    envelope = function.handle({**event, "selectionSetGraphQL": selection, "selectionSetList": listed}, ANONYMOUS)
    assert [one["id"] for one in envelope["data"]["items"]] == ["d0", "d2", "d3"]
    assert envelope["errors"][0]["code"] == "unreadable_item"
    assert {name: envelope["errors"][0]["info"][name] for name in NAMED} == NAMED
    whole = function.handle(event, ANONYMOUS)
    assert [one["info"]["key"] for one in whole["errors"]] == ["d1"]
    batch = {"fieldName": "dressReadBatch", "arguments": {"keys": ["d0", "d1"]}, "parentTypeName": "Query"}
    envelope = function.handle({**batch, "selectionSetGraphQL": "{ id }", "selectionSetList": ["id"]}, ANONYMOUS)
    assert envelope["data"] == [{"id": "d0"}, None]


def test_a_generated_client_yields_the_other_items_and_raises_at_the_end(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(_: Any, request: httpx.Request) -> httpx.Response:
        given = Request(
            request.method, request.url.path, request.url.query.decode(), dict(request.headers), request.content
        )
        found = Rest(app).handle(given)
        return httpx.Response(found.status, headers=dict(found.headers), content=found.body)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", send)
    monkeypatch.setitem(sys.modules, "dresses_client", ModuleType("dresses_client"))
    exec(python_client(app, "dresses:app"), vars(sys.modules["dresses_client"]))
    module = vars(sys.modules["dresses_client"])
    with module["DressesClient"]("http://dresses") as client:
        page = client.dress.search(order="id")
        assert ([one.id for one in page.items], [named(one) for one in page.errors]) == (["d0", "d2", "d3"], [NAMED])
        every = client.dress.search_all(order="id", limit=2)
        assert [one.id for one in islice(every, 3)] == ["d0", "d2", "d3"]
        with pytest.raises(module["ApiError"], match="unreadable_item"):
            next(every)
