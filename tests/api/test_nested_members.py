"""Members of nested objects and of dicts in requests: unknown members, and the paths of faults."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Struct
from servey.action.action import action
from servey.trigger.web_trigger import WEB_POST

from persisty import App, Attr, everyone, public, stored
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.messages import Request
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


@action(access_control=everyone, triggers=WEB_POST)
def take(sent: Sent) -> int:
    return len(sent.things)


@pytest.fixture(scope="module")
def app() -> App:
    app = App("things", items=[Thing], actions=[take], url="memory://")
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


def test_a_fault_of_an_item_in_a_dict_of_an_action_has_its_key(app: App) -> None:
    things = {"a": {"id": "a"}, "b": {"id": "b", "open": {"a": "one"}}}
    status, document = rest(app, "POST", "/actions/take", {"sent": {"things": things}})
    assert (status, paths(document)) == (422, ["/sent/things/b/open/a"])


def test_an_open_class_ignores_unknown_members_over_rest_and_graphql_refuses_them(app: App) -> None:
    for status, document in (
        rest(app, "PATCH", "/api/thing/a", {"open": {"b": 9, "zz": 1}}),
        rest(app, "POST", "/api/thing", {"id": "c", "open": {"b": 9, "zz": 1}}),
    ):
        assert status in (200, 201)
        assert document["open"] == {"a": 1, "b": 9}  # the value is replaced as a whole
    text = 'mutation { thingUpdate(key: "a", changes: {open: {zz: 1}}) { id } }'
    headers = {"content-type": "application/json"}
    request = Request("POST", "/graphql", headers=headers, body=json.dumps({"query": text}).encode())
    [error] = json.loads(bytes(GraphqlEndpoint(app).handle(request).body))["errors"]
    assert paths(error["extensions"]) == ["/changes/open/zz"]
