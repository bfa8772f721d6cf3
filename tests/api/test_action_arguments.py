"""A stored item in an argument of a custom action has the attributes that its caller may give on create, on every surface."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from msgspec import Struct
from servey.action.action import action
from servey.trigger.web_trigger import WEB_GET, WEB_POST

from persisty import VERSION, App, Attr, Caller, everyone, public, scope, stored
from persisty.api.actions import operations
from persisty.api.graphql.sdl import sdl
from persisty.api.http.messages import Request
from persisty.api.openapi.document import document
from persisty.api.operations import ActionOperation
from persisty.api.rest.endpoint import Rest
from persisty.clients.description import describe
from persisty.security.caller import ANONYMOUS


@stored(access=public)
class Letter:
    id: UUID
    text: str
    password: str = Attr(default="", readable=False)
    digest: str = Attr(default="", readable=False, creatable=False, updatable=False)
    state: str = Attr(default="new", creatable=False)
    rank: int = Attr(default=0, creatable=scope("admin"))
    version: int = Attr(generator=VERSION)
    created_at: datetime


@stored(access=public)
class Foreign:
    """An item that is not one of the app's."""

    id: str
    state: str = Attr(default="new", creatable=False)


class Bundle(Struct, rename="camel"):
    all_letters: list[Letter]
    by_name: dict[str, Letter] = {}


class Row(Struct, array_like=True, tag=True):
    number: int
    letter: Letter


@dataclass
class Held:
    letter: Letter | None = None


class Pair(NamedTuple):
    number: int
    letter: Letter


SENT: list[Any] = []


def takes(name: str, annotation: Any, trigger: Any = WEB_POST) -> Any:
    def call(given: Any) -> int:
        SENT.append(given)
        return 1

    call.__name__, call.__annotations__ = name, {"given": annotation, "return": int}
    return action(access_control=everyone, triggers=trigger)(call)


ACTIONS = [
    takes("one", Letter),
    takes("maybe", Letter | None),
    takes("several", list[Letter]),
    takes("named", dict[str, Letter]),
    takes("bundle", Bundle),
    takes("row", Row),
    takes("held", Held),
    takes("pair", Pair),
    takes("either", int | Letter),
    takes("foreign", list[Foreign]),
    takes("asked", Letter, WEB_GET),
]
app = App("post", items=[Letter], actions=ACTIONS, url="memory://")
GOOD = {"text": "a", "password": "p"}
ADMIN = Caller("eve", frozenset({"admin"}))


def call(name: str, given: Any, caller: Caller = ANONYMOUS) -> tuple[int, Any]:
    body, sent = json.dumps({"given": given}).encode(), {"content-type": "application/json"}
    request = Request("POST", f"/actions/{name}", headers=sent, body=body, caller=caller)
    response = Rest(app).handle(request)
    return response.status, json.loads(response.body)


def faults_of(name: str, given: Any, caller: Caller = ANONYMOUS) -> list[tuple[str, str]]:
    status, problem = call(name, given, caller)
    assert (status, problem["code"]) == (422, "invalid_input")
    return [(one["path"], one["message"]) for one in problem["faults"]]


WITHIN = {
    "one": ("", lambda letter: letter),
    "maybe": ("", lambda letter: letter),
    "several": ("/1", lambda letter: [GOOD, letter]),
    "named": ("/a~1b", lambda letter: {"x": GOOD, "a/b": letter}),
    "bundle": ("/allLetters/0", lambda letter: {"allLetters": [letter]}),
    "row": ("/2", lambda letter: ["Row", 1, letter]),
    "held": ("/letter", lambda letter: {"letter": letter}),
    "pair": ("/1", lambda letter: [1, letter]),
    "either": ("", lambda letter: letter),
}


@pytest.mark.parametrize("name", WITHIN)
def test_an_attribute_that_no_caller_may_give_is_a_fault_with_its_path(name: str) -> None:
    path, made = WITHIN[name]
    assert call(name, made(GOOD)) == (200, 1)
    for attribute in ("state", "version", "created_at"):
        value = {"version": 7, "created_at": "2026-01-01T00:00:00Z"}.get(attribute, "new")
        found = faults_of(name, made({**GOOD, attribute: value}))
        assert found == [(f"/given{path}/{attribute}", "Not creatable: leave it out, the server sets it")]
    assert faults_of(name, made({**GOOD, "digest": "x"})) == [(f"/given{path}/digest", "Unknown attribute")]


def test_a_rule_decides_for_the_caller() -> None:
    assert faults_of("one", {**GOOD, "rank": 3}) == [("/given/rank", "Not creatable by this caller: leave it out")]
    assert call("one", {**GOOD, "rank": 3}, ADMIN) == (200, 1)
    assert (SENT[-1].rank, SENT[-1].password) == (3, "p")


def test_all_faults_of_a_call_are_reported_together() -> None:
    found = faults_of("several", [{**GOOD, "version": 1, "digest": "x"}, GOOD, {**GOOD, "state": "x"}])
    assert [path for path, _ in found] == ["/given/0/version", "/given/0/digest", "/given/2/state"]


def test_an_item_without_a_store_has_the_attributes_without_rules() -> None:
    assert call("foreign", [{"id": "a"}]) == (200, 1)
    assert [path for path, _ in faults_of("foreign", [{"id": "a", "state": "x"}])] == ["/given/0/state"]


@pytest.mark.parametrize("appsync", [False, True])
def test_graphql_has_no_such_member(appsync: bool) -> None:
    text = sdl(operations(app).values(), appsync=appsync)
    members = text.partition("input LetterInput {")[2].partition("}")[0]
    assert [line.split(":")[0].strip() for line in members.splitlines() if ":" in line] == [
        "id",
        "text",
        "password",
        "rank",
    ]


def test_openapi_describes_the_arguments_that_a_creator_may_send() -> None:
    found = document(app)
    components = found["components"]["schemas"]
    of = {
        name: found["paths"][f"/actions/{name}"]["post"]["requestBody"]["content"]["application/json"]["schema"][
            "properties"
        ]["given"]
        for name in (*WITHIN, "foreign")
    }
    created = {"$ref": "#/components/schemas/LetterCreate"}
    assert (of["one"], of["several"]["items"], of["named"]["additionalProperties"]) == (created, created, created)
    assert of["bundle"] == {"$ref": "#/components/schemas/BundleInput"}
    assert components["BundleInput"]["properties"]["allLetters"]["items"] == created
    assert of["foreign"]["items"] == {"$ref": "#/components/schemas/ForeignInput"}
    assert set(components["ForeignInput"]["properties"]) == {"id"}
    assert "Bundle" not in components
    [parameter] = [one for one in found["paths"]["/actions/asked"]["get"]["parameters"] if one.get("name") == "given"]
    assert parameter["content"]["application/json"]["schema"] == created


def test_clients_accept_the_arguments_that_a_creator_may_send() -> None:
    client = describe(app)
    types = {one.operation.name: one.parameters[0].type for one in client.actions}
    assert types["one"].name == "LetterCreate"
    assert types["several"].item.name == "LetterCreate"
    [bundle] = [one for one in client.records if one.name == types["bundle"].name]
    assert bundle.fields[0].type.item.name == "LetterCreate"
    assert all(isinstance(one.operation, ActionOperation) for one in client.actions)
