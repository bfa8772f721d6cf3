"""Members of nested objects and of dicts in requests: unknown members are refused on every surface, and faults have their paths."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from servey.action.action import action
from servey.trigger.web_trigger import WEB_POST

from persisty import App, Attr, Create, InvalidInput, Update, everyone, public, stored
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.messages import Request
from persisty.api.openapi.document import document as openapi_document
from persisty.api.rest.endpoint import Rest


class Open(Struct):
    a: int = 1
    b: int = 2


class Closed(Struct, forbid_unknown_fields=True):
    a: int = 1


@stored(access=public, key="id")
class Thing:
    id: Attr[str]
    open: Attr[Open] = Attr(factory=Open)
    closed: Attr[Closed] = Attr(factory=Closed)
    many: Attr[list[Closed]] = Attr(factory=list)
    by: Attr[dict[str, Closed]] = Attr(factory=dict)


class Sent(Struct):
    things: dict[str, Thing]


@dataclass
class Place:
    city: str = ""
    country: str = ""


class Circle(Struct, tag_field="kind", tag="circle"):
    radius: int


class Square(Struct, tag_field="kind", tag="square"):
    side: int
    inner: Open | None = None


class Tree(Struct):
    children: list[Tree] = []


@stored(access=public, key="id")
class Shapes:
    id: Attr[str]
    open: Attr[Open] = Attr(factory=Open)
    either: Attr[Circle | Square | None] = None
    tree: Attr[Tree] = Attr(factory=Tree)
    place: Attr[Place] = Attr(factory=Place)
    places: Attr[dict[str, Place]] = Attr(factory=dict)
    list: Attr[list[Place]] = Attr(factory=list)
    pair: Attr[tuple[Open, Open] | None] = None


@action(access_control=everyone, triggers=WEB_POST)
def draw(one: Open, many: list[Open]) -> int:
    return len(many)


@action(access_control=everyone, triggers=WEB_POST)
def take(sent: Sent) -> int:
    return len(sent.things)


@pytest.fixture(scope="module")
def app() -> App:
    app = App("things", items=[Thing, Shapes], actions=[take, draw], url="memory://")
    app.store(Shapes).create({"id": "a"})
    app.store(Thing).create({"id": "a", "open": {"a": 5, "b": 6}})
    return app


def rest(app: App, method: str, path: str, body: Any) -> tuple[int, Any]:
    headers = {"content-type": "application/json", "if-match": "*"}
    response = Rest(app).handle(Request(method, path, "", headers, json.dumps(body).encode()))
    return response.status, json.loads(bytes(response.body))


def paths(document: dict[str, Any]) -> list[str]:
    return [fault["path"] for fault in document["faults"]]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"closed": {"zz": 1}}, "/closed/zz"),
    ({"many": [{}, {"zz": 1}]}, "/many/1/zz"),
    ({"by": {"x": {}, "y": {"zz": 1}}}, "/by/y/zz"),
    ({"by": {"x": {}, "y": {"a": "one"}}}, "/by/y/a"),
]


@pytest.mark.parametrize(("changes", "path"), BAD)
def test_a_fault_within_an_object_or_a_dict_has_its_path(app: App, changes: dict[str, Any], path: str) -> None:
    status, document = rest(app, "PATCH", "/api/thing/a", changes)
    assert (status, paths(document)) == (422, [path])
    status, document = rest(app, "POST", "/api/thing", {"id": "b", **changes})
    assert (status, paths(document)) == (422, [path])


def test_every_fault_within_a_list_is_reported_at_once(app: App) -> None:
    changes = {"many": [{"a": "one"}, {}, {"a": "two", "zz": 1}]}
    expected = ["/many/0/a", "/many/2/a", "/many/2/zz"]
    status, document = rest(app, "PATCH", "/api/thing/a", changes)
    assert (status, sorted(paths(document))) == (422, expected)
    status, document = rest(app, "POST", "/api/thing", {"id": "b", **changes})
    assert (status, sorted(paths(document))) == (422, expected)
    things = {"a": {"id": "a", **changes}}
    status, document = rest(app, "POST", "/actions/take", {"sent": {"things": things}})
    assert (status, sorted(paths(document))) == (422, [f"/sent/things/a{path}" for path in expected])


def test_a_fault_of_an_item_in_a_dict_of_an_action_has_its_key(app: App) -> None:
    things = {"a": {"id": "a"}, "b": {"id": "b", "open": {"a": "one"}}}
    status, document = rest(app, "POST", "/actions/take", {"sent": {"things": things}})
    assert (status, paths(document)) == (422, ["/sent/things/b/open/a"])


UNKNOWN: list[tuple[dict[str, Any], list[str]]] = [
    ({"open": {"b": 9, "zz": 1, "yy": 2}}, ["/open/zz", "/open/yy"]),
    ({"open": {"b": "nine", "zz": 1}}, ["/open/b", "/open/zz"]),
    ({"either": {"kind": "circle", "radius": 1, "side": 2}}, ["/either/side"]),
    ({"either": {"kind": "square", "side": 1, "inner": {"b": 1, "zz": 2}}}, ["/either/inner/zz"]),
    ({"tree": {"children": [{}, {"children": [{"zz": 1}]}]}}, ["/tree/children/1/children/0/zz"]),
    ({"place": {"city": "Ulm", "zip": "89073"}}, ["/place/zip"]),
    ({"places": {"home": {"city": "Ulm"}, "work": {"zip": "89073"}}}, ["/places/work/zip"]),
    ({"pair": [{"a": 1}, {"zz": 1}]}, ["/pair/1/zz"]),
]


@pytest.mark.parametrize(("values", "expected"), UNKNOWN)
def test_unknown_members_are_refused_whether_or_not_the_class_forbids_them(
    app: App, values: dict[str, Any], expected: list[str]
) -> None:
    shapes = app.store(Shapes)
    for call in (
        lambda: shapes.create({"id": "new", **values}),
        lambda: shapes.update("a", values),
        lambda: shapes.edit_batch([Create({"id": f"new {n}", **values}) for n in range(3)]),
        lambda: shapes.edit_batch([Update("a", values) for _ in range(3)]),
    ):
        with pytest.raises(InvalidInput) as raised:
            call()
        found = [fault.path for fault in raised.value.faults]
        assert {path[path.index(expected[0][:4]) :] for path in found} == {*expected}
    for status, document in (
        rest(app, "PATCH", "/api/shapes/a", values),
        rest(app, "POST", "/api/shapes", {"id": "new", **values}),
    ):
        assert (status, sorted(paths(document))) == (422, sorted(expected))
    assert shapes.read("new") is None


def test_elements_that_are_appended_have_known_members(app: App) -> None:
    status, document = rest(app, "PATCH", "/api/shapes/a", {"list": {"append": [{"city": "Ulm", "zip": "89073"}]}})
    assert (status, paths(document)) == (422, ["/list/append/0/zip"])
    [fault] = document["faults"]
    assert fault["expected"] == "one of city, country"


def test_a_member_that_is_removed_from_a_class_harms_no_stored_item(tmp_path: Path) -> None:
    class Old(Struct):
        a: int = 1
        removed: int = 2

    class New(Struct):
        a: int = 1

    def declared(cls: Any) -> Any:
        return stored(access=public, key="id")(
            type("Kept", (), {"__annotations__": {"id": Attr[str], "part": Attr[cls]}, "__module__": __name__})
        )

    url = f"sqlite:///{tmp_path}/kept.db"
    old, new = declared(Old), declared(New)
    for item, use in (
        (old, lambda store: store.create({"id": "a", "part": {"a": 5, "removed": 6}})),
        (new, lambda store: store.read("a")),
    ):
        app = App("kept", items=[item], url=url)
        app.prepare()
        found = use(app.store(item))
        app.close()
    assert found.part == New(5)


def test_graphql_and_rest_refuse_the_same_members_and_name_the_declared_ones(app: App) -> None:
    expected = [{"path": "/changes/open/zz", "message": "Unknown member", "expected": "one of a, b"}]
    for text, variables in (
        ('mutation { thingUpdate(key: "a", changes: {open: {zz: 1}}) { id } }', {}),
        ('mutation ($it: ThingUpdate!) { thingUpdate(key: "a", changes: $it) { id } }', {"it": {"open": {"zz": 1}}}),
    ):
        headers = {"content-type": "application/json"}
        body = json.dumps({"query": text, "variables": variables}).encode()
        request = Request("POST", "/graphql", headers=headers, body=body)
        [error] = json.loads(bytes(GraphqlEndpoint(app).handle(request).body))["errors"]
        assert error["extensions"]["faults"] == expected
    _, document = rest(app, "PATCH", "/api/thing/a", {"open": {"zz": 1}})
    assert document["faults"] == [{**expected[0], "path": "/open/zz"}]


def test_arguments_of_actions_have_known_members(app: App) -> None:
    status, document = rest(app, "POST", "/actions/draw", {"one": {"a": 1, "zz": 2}, "many": [{"zz": 1}]})
    assert (status, paths(document)) == (422, ["/one/zz", "/many/0/zz"])
    assert rest(app, "POST", "/actions/draw", {"one": {"a": 1}, "many": []})[0] == 200


def test_openapi_allows_no_further_members(app: App) -> None:
    components = openapi_document(app)["components"]["schemas"]
    for name in ("Open", "Closed", "Place", "Tree", "Circle"):
        assert components[name]["additionalProperties"] is False
