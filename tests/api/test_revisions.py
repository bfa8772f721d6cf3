"""The surfaces of an app whose items change while it runs."""

from __future__ import annotations

import gc
import typing
from typing import Any
from weakref import ref

import msgspec
import pytest

from persisty import App, Attr, BelongsTo, link, public, stored
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.messages import Request
from persisty.api.rest.endpoint import Rest
from persisty.hosting.route_names import RouteNames


@stored(key="id", access=public)
class Plant:
    id: Attr[str]


@stored(key="id", access=public)
class Tool:
    id: Attr[str]


@stored(key="id", access=public)
class Leaf:
    id: Attr[str]
    plant_id: Attr[str]
    plant: BelongsTo[Plant] = link(on_delete="cascade")


@pytest.fixture
def app() -> App:
    return App("garden", items=[Plant, Tool], url="memory://")


def get(rest: Rest, path: str) -> tuple[int, Any]:
    response = rest.handle(Request("GET", path))
    return response.status, msgspec.json.decode(response.body)


def test_rest_offers_an_added_item_and_a_removed_one_no_more(app: App) -> None:
    rest = Rest(app)
    assert get(rest, "/api/leaf")[0] == 404
    app.add(Leaf)
    app.store(Plant).create(Plant(id="p"))
    app.store(Leaf).create(Leaf(id="l", plant_id="p"))
    assert get(rest, "/api/leaf/l") == (200, {"id": "l", "plant_id": "p"})
    assert "/api/leaf" in get(rest, "/openapi.json")[1]["paths"]
    app.remove(Leaf)
    assert get(rest, "/api/leaf/l")[0] == 404
    assert "/api/leaf" not in get(rest, "/openapi.json")[1]["paths"]


def test_rest_builds_anew_only_the_routes_of_what_changed(app: App) -> None:
    rest = Rest(app)
    before = rest._routes()
    app.add(Leaf)
    now = rest._routes()
    assert now is rest._routes()
    plants, tools = (app.store(one) for one in (Plant, Tool))
    assert now.parts[tools] is before.parts[tools]
    assert plants not in before.parts  # leaves belong to plants, so it is another store


def test_graphql_offers_an_added_item_and_a_removed_one_no_more(app: App) -> None:
    endpoint = GraphqlEndpoint(app)
    unchanged = endpoint.schema
    assert endpoint.schema is unchanged
    app.add(Leaf)
    app.store(Plant).create(Plant(id="p"))
    app.store(Leaf).create(Leaf(id="l", plant_id="p"))
    found = endpoint.schema.execute('{ leafRead(key: "l") { id plant { id } } }')
    assert found["data"] == {"leafRead": {"id": "l", "plant": {"id": "p"}}}
    app.remove(Leaf)
    assert "errors" in endpoint.schema.execute('{ leafRead(key: "l") { id } }')


def test_a_request_under_way_ends_on_the_schema_that_it_began_on(app: App) -> None:
    app.add(Leaf)
    app.store(Plant).create(Plant(id="p"))
    app.store(Leaf).create(Leaf(id="l", plant_id="p"))
    begun = GraphqlEndpoint(app).schema
    app.remove(Leaf)
    assert begun.execute('{ leafRead(key: "l") { plant { id } } }')["data"] == {"leafRead": {"plant": {"id": "p"}}}


def test_route_names_are_those_of_the_items_that_there_are(app: App) -> None:
    assert RouteNames(app)("/api/leaf/l") == "unmatched"
    app.add(Leaf)
    assert RouteNames(app)("/api/leaf/l") == "/api/leaf/{key}"


def test_surfaces_that_have_been_used_keep_no_removed_item_alive(app: App) -> None:
    rest, endpoint = Rest(app), GraphqlEndpoint(app)

    def cycle() -> ref[Any]:
        body: dict[str, Any] = {"__annotations__": {"id": Attr[str]}, "__module__": __name__}
        item = stored(key="id", access=public)(type("Fleeting", (), body))
        app.add(item)
        assert get(rest, "/api/fleeting")[0] == 200
        assert endpoint.schema.execute("{ fleetingCount }")["data"] == {"fleetingCount": 0}
        app.remove(item)
        return ref(item)

    gone = cycle()
    get(rest, "/api/plant")
    endpoint.schema.execute("{ plantCount }")
    for clear in typing._cleanups:  # type: ignore[attr-defined]  # typing caches the last 128 of `ResultPage[...]`
        clear()
    gc.collect()
    assert gone() is None
