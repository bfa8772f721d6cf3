"""Custom actions of an app to which items are added: an item that takes a name of an action is not added, and the surfaces go on."""

from __future__ import annotations

import enum
from typing import Any

import msgspec
import pytest
from servey.action.action import action
from servey.trigger.web_trigger import WEB_GET, WEB_POST

from persisty import App, InvalidDeclaration, everyone, public, stored
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.messages import Request
from persisty.api.openapi.document import document
from persisty.api.rest.endpoint import Rest
from persisty.model.pages import ResultPage


class Spot(msgspec.Struct):
    x: int


class Mood(enum.Enum):
    GOOD = "good"


@stored(access=public)
class Plant:
    id: str


@action(access_control=everyone, triggers=WEB_POST)
def move(spot: Spot) -> Mood:
    return Mood.GOOD


@action(access_control=everyone, triggers=WEB_GET)
def where_is() -> list[Spot]:
    return [Spot(1)]


@action(name="weed_search", access_control=everyone, triggers=WEB_GET)
def weeds() -> int:
    return 1


@action(access_control=everyone, triggers=(WEB_GET.__class__(method=WEB_GET.method, path="/api/herb"),))
def herbs() -> int:
    return 1


@action(access_control=everyone, triggers=WEB_GET)
def plants() -> ResultPage[Plant]:
    return ResultPage([], None)


def item(name: str, **attributes: Any) -> Any:
    return stored(access=public)(type(name, (), {"__annotations__": {"id": str, **attributes}}))


def other(name: str, **fields: Any) -> Any:
    return msgspec.defstruct(name, list(fields.items()))


CLASHES = {
    "a class that differs": (item("Pot", at=other("Spot", y=int)), "class Spot of pot differs from that of the action"),
    "a list of such a class": (item("Pot", at=list[other("Spot", x=str)]), "class Spot of pot differs"),
    "an enum that differs": (item("Pot", mood=enum.Enum("Mood", {"BAD": "bad"})), "class Mood of pot differs"),
    "an item of the class's name": (
        item("Spot"),
        "the name Spot, which the action where_is needs for its class, to spot",
    ),
    "the name of an operation": (item("Weed"), "The action weed_search has"),
    "the route of an operation": (item("Herb"), "The action herbs has the route GET /api/herb of herb"),
}


@pytest.fixture
def app() -> App:
    return App("garden", items=[Plant], actions=[move, where_is, weeds, herbs, plants], url="memory://")


@pytest.mark.parametrize("clash", CLASHES)
def test_an_item_that_takes_a_name_of_an_action_is_not_added_and_the_surfaces_go_on(app: App, clash: str) -> None:
    added, message = CLASHES[clash]
    rest, graphql = Rest(app), GraphqlEndpoint(app)
    Rest(app), GraphqlEndpoint(app)  # a second surface repeats no fault
    with pytest.raises(InvalidDeclaration, match=message) as caught:
        app.add(added)
    assert len(set(caught.value.faults)) == len(caught.value.faults)
    assert app.metas.keys() == {"plant"}
    assert rest.handle(Request("GET", "/actions/where-is")).status == 200
    assert "errors" not in graphql.schema.execute("{ whereIs { x } }")


def test_items_with_equal_classes_and_pages_of_actions_are_added(app: App) -> None:
    rest, graphql = Rest(app), GraphqlEndpoint(app)
    app.add(item("Pot", at=Spot, mood=Mood, more=dict[str, int]), item("Jar", at=other("Spot", x=int)))
    app.replace(Plant)
    assert graphql.schema.execute("{ potSearch { items { at { x } mood } } }")["data"] == {"potSearch": {"items": []}}
    assert graphql.schema.whole.type_map["Spot"] is not None
    assert rest.handle(Request("GET", "/api/pot")).status == 200


def test_openapi_gives_each_class_a_component_of_its_own(app: App) -> None:
    Rest(app)  # REST has no types, so a class of another action's name is added
    app.add(item("Pot", at=other("Spot", y=int)))
    components = document(app)["components"]["schemas"]
    spots = [one for name, one in components.items() if name.rpartition(".")[2].startswith("Spot")]
    assert sorted(next(iter(one["properties"])) for one in spots) == ["x", "y"]
