"""The surfaces of an app whose items change while it runs."""

from __future__ import annotations

import enum
import gc
import typing
from typing import Any
from weakref import ref

import msgspec
import pytest

from persisty import App, Attr, BelongsTo, link, public, stored
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.messages import Request
from persisty.api.openapi.document import document
from persisty.api.openapi.item_parts import ItemPart
from persisty.api.rest.endpoint import Rest
from persisty.hosting.route_names import RouteNames
from persisty.model.meta import StoreMeta, meta_of


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


def fresh(item: type[Any]) -> StoreMeta[Any]:
    """Return the item without its compiled parts."""
    return meta_of(item).altered()


def kinds(name: str, type_name: str, value: str) -> type[Any]:
    kind = enum.Enum(type_name, {"ONLY": value}, module=__name__)
    body: dict[str, Any] = {"__annotations__": {"id": Attr[str], "kind": Attr[kind]}, "__module__": __name__}
    return stored(name=name, key="id", access=public)(type(name.title(), (), body))


def test_rest_offers_an_added_item_and_no_longer_a_removed_one(app: App) -> None:
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


def test_rest_builds_only_the_routes_of_changed_items_again(app: App) -> None:
    rest = Rest(app)
    before = rest._routes()
    app.add(Leaf)
    now = rest._routes()
    assert now is rest._routes()
    plants, tools = (app.store(one) for one in (Plant, Tool))
    assert now.parts[tools] is before.parts[tools]
    assert plants not in before.parts  # leaves belong to plants, so it is another store


def test_openapi_describes_only_the_items_that_have_changed(app: App) -> None:
    """The JSON of unchanged items is reused. Items that reach a changed one by links are described again."""
    rest = Rest(app)
    get(rest, "/openapi.json")
    before = {name: meta.compiled[ItemPart][1] for name, meta in app.metas.items()}
    app.add(Leaf)
    added = get(rest, "/openapi.json")[1]
    now = {name: meta.compiled[ItemPart][1] for name, meta in app.metas.items()}
    assert now.keys() == {"plant", "tool", "leaf"}
    assert [now[name] is before[name] for name in ("plant", "tool")] == [True, True]
    assert added == document(App("garden", items=[fresh(one) for one in (Plant, Tool, Leaf)], url="memory://"))
    app.remove(Leaf)
    assert get(rest, "/openapi.json")[1] == document(App("garden", items=[Plant, Tool], url="memory://"))


def test_openapi_renames_types_of_unchanged_items_when_an_added_item_has_their_name() -> None:
    app = App("garden", items=[kinds("pot", "Kind", "a"), Tool], url="memory://")
    rest = Rest(app)

    def kind(item: str) -> list[str]:
        components = get(rest, "/openapi.json")[1]["components"]["schemas"]
        name = components[item]["properties"]["kind"]["$ref"].rpartition("/")[2]
        found: list[str] = components[name]["enum"]
        return found

    assert kind("Pot") == ["a"]
    app.add(kinds("vase", "Kind", "b"))
    assert (kind("Pot"), kind("Vase")) == (["a"], ["b"])
    app.remove("vase")
    assert kind("Pot") == ["a"]
    assert "Kind" in get(rest, "/openapi.json")[1]["components"]["schemas"]


def test_graphql_offers_an_added_item_and_no_longer_a_removed_one(app: App) -> None:
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


def test_a_running_request_ends_with_the_schema_of_its_start(app: App) -> None:
    app.add(Leaf)
    app.store(Plant).create(Plant(id="p"))
    app.store(Leaf).create(Leaf(id="l", plant_id="p"))
    begun = GraphqlEndpoint(app).schema
    app.remove(Leaf)
    assert begun.execute('{ leafRead(key: "l") { plant { id } } }')["data"] == {"leafRead": {"plant": {"id": "p"}}}


def test_route_names_are_those_of_the_current_items(app: App) -> None:
    assert RouteNames(app)("/api/leaf/l") == "unmatched"
    app.add(Leaf)
    assert RouteNames(app)("/api/leaf/l") == "/api/leaf/{key}"


def test_surfaces_do_not_reference_removed_items(app: App) -> None:
    rest, endpoint = Rest(app), GraphqlEndpoint(app)

    def cycle() -> ref[Any]:
        body: dict[str, Any] = {"__annotations__": {"id": Attr[str]}, "__module__": __name__}
        item = stored(key="id", access=public)(type("Fleeting", (), body))
        app.add(item)
        assert get(rest, "/api/fleeting")[0] == 200
        assert "Fleeting" in get(rest, "/openapi.json")[1]["components"]["schemas"]
        assert endpoint.schema.execute("{ fleetingCount }")["data"] == {"fleetingCount": 0}
        app.remove(item)
        return ref(item)

    reference = cycle()
    get(rest, "/api/plant")
    endpoint.schema.execute("{ plantCount }")
    for clear in typing._cleanups:  # type: ignore[attr-defined]  # typing caches the last 128 of `ResultPage[...]`
        clear()
    gc.collect()
    assert reference() is None
