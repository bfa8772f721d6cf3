"""The query string of an action with GET or DELETE is parsed as the OpenAPI document describes."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from msgspec import Meta, Struct
from openapi_spec_validator import validate
from servey.action.action import action
from servey.trigger.web_trigger import WEB_GET

from persisty import App, everyone
from persisty.api.http.messages import Request
from persisty.api.openapi.document import document
from persisty.api.query_arguments import Form, form_of
from persisty.api.rest.endpoint import Rest


class Place(Struct):
    town: str
    height: int = 0


class Mood(enum.Enum):
    CALM = "calm"


@action(access_control=everyone, triggers=WEB_GET)
def lists(
    ids: list[int],
    names: list[str] | None = None,
    keys: set[UUID] | None = None,
    days: Annotated[list[date], Meta(max_length=2)] | None = None,
    moods: tuple[Mood, ...] = (),
    pair: tuple[int, str] | None = None,
    prices: list[Decimal | None] | None = None,
) -> Any:
    return [ids, names, sorted(map(str, keys or ())), days, moods, pair, prices]


@action(access_control=everyone, triggers=WEB_GET)
def scalars(number: int, text: str = "", flag: bool = False, anything: Any = None) -> Any:
    return [number, text, flag, anything]


@action(access_control=everyone, triggers=WEB_GET)
def objects(place: Place, places: list[Place] | None = None, extra: dict[str, Any] | None = None) -> Any:
    return [place, places, extra]


@pytest.fixture
def app() -> Iterator[App]:
    made = App("asked", items=[], actions=[lists, scalars, objects], url="memory://")
    yield made
    made.close()


def ask(app: App, name: str, *given: tuple[str, str]) -> tuple[int, Any]:
    response = Rest(app).handle(Request("GET", f"/actions/{name}", urlencode(given)))
    return response.status, json.loads(response.body)


def faults(app: App, name: str, *given: tuple[str, str]) -> list[str]:
    status, body = ask(app, name, *given)
    assert status == 422, body
    return sorted(one["path"] for one in body["faults"])


KEY = "00000000-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], [[], None, [], None, [], None, None]),
        ([("ids", "1")], [[1], None, [], None, [], None, None]),
        ([("ids", "3"), ("ids", "1"), ("ids", "3")], [[3, 1, 3], None, [], None, [], None, None]),
        ([("names", "a,b"), ("names", "")], [[], ["a,b", ""], [], None, [], None, None]),
        ([("keys", KEY), ("keys", KEY)], [[], None, [KEY], None, [], None, None]),
        ([("days", "2026-01-31"), ("moods", "calm")], [[], None, [], ["2026-01-31"], ["calm"], None, None]),
        ([("pair", "1"), ("pair", "x")], [[], None, [], None, [], [1, "x"], None]),
        ([("prices", "0.29999999999999998")], [[], None, [], None, [], None, ["0.29999999999999998"]]),
    ],
)
def test_a_list_is_a_repeated_parameter(app: App, given: list[tuple[str, str]], expected: Any) -> None:
    assert ask(app, "lists", *given) == (200, expected)


def test_every_fault_of_a_list_is_named(app: App) -> None:
    wrong = [
        ("ids", "1"),
        ("ids", "x"),
        ("days", "2026-01-31"),
        ("days", "x"),
        ("moods", "loud"),
        ("pair", "1"),
        ("no", "1"),
    ]
    assert faults(app, "lists", *wrong) == ["/days/1", "/ids/1", "/moods/0", "/no", "/pair"]
    assert faults(app, "lists", *[("days", "2026-01-31")] * 3) == ["/days"]


def test_a_scalar_that_is_given_twice_is_rejected(app: App) -> None:
    assert ask(app, "scalars", ("number", "2"), ("flag", "true"), ("anything", "x")) == (200, [2, "", True, "x"])
    assert faults(app, "scalars", ("number", "1"), ("number", "2")) == ["/number"]
    assert faults(app, "scalars", ("number", "1"), ("text", "a"), ("text", "a"), ("flag", "1"), ("flag", "1")) == [
        "/flag",
        "/text",
    ]
    assert faults(app, "scalars") == ["/number"]


def test_an_object_is_json(app: App) -> None:
    town = '{"town": "Rome & Bern", "height": 2.0}'
    given = [("place", town), ("places", f"[{town}]"), ("extra", '{"a": [1.5]}')]
    shown = {"town": "Rome & Bern", "height": 2}
    assert ask(app, "objects", *given) == (200, [shown, [shown], {"a": [1.5]}])
    assert faults(app, "objects", ("place", "{"), ("places", "1"), ("extra", '{"a": 1e400}'))[1:] == [
        "/place",
        "/places",
    ]
    assert faults(app, "objects", ("place", town), ("place", town)) == ["/place"]
    assert faults(app, "objects", ("place", "[" * 5000)) == ["/place"]


class Bench(Struct):
    seats: int


@pytest.mark.parametrize(
    ("annotation", "form"),
    [
        (int | None, Form.TEXT),
        (Mood, Form.TEXT),
        (list[Mood] | None, Form.LIST),
        (tuple[int, str], Form.LIST),
        (list[list[int]], Form.JSON),
        (list[int] | int, Form.JSON),
        (Place | None, Form.JSON),
        (dict[str, int], Form.JSON),
        (Place | Bench, Form.JSON),  # msgspec converts to neither
    ],
)
def test_the_form_of_a_parameter_follows_from_its_type(annotation: Any, form: Form) -> None:
    assert form_of(annotation) is form


def test_the_document_describes_the_form_of_each_parameter(app: App) -> None:
    described = document(app)
    validate(described)
    found = {
        (path.rpartition("/")[2], one["name"]): one
        for path, methods in described["paths"].items()
        for one in methods["get"].get("parameters", ())
        if one["in"] == "query"
    }
    assert found["lists", "ids"]["schema"] == {"type": "array", "items": found["scalars", "number"]["schema"]}
    assert {name for name, one in found.items() if one.get("explode")} == {
        ("lists", one) for one in ("ids", "names", "keys", "days", "moods", "pair", "prices")
    }
    assert {name for name, one in found.items() if "content" in one} == {
        ("objects", one) for one in ("place", "places", "extra")
    }
    assert {name for name, one in found.items() if one["required"]} == {("scalars", "number"), ("objects", "place")}


@action(access_control=everyone, triggers=WEB_GET)
def vague(either: Place | Bench, number: complex | None = None) -> object:
    return [either, number]


def test_parameters_that_msgspec_does_not_describe_are_any_json_and_the_document_has_the_rest() -> None:
    app = App("asked", items=[], actions=[vague, scalars], url="memory://")
    found = document(app)
    validate(found)
    described = found["paths"]["/actions/vague"]["get"]["parameters"]
    assert [one["content"]["application/json"]["schema"] for one in described[:2]] == [
        {},
        {"anyOf": [{}, {"type": "null"}]},
    ]
    assert "/actions/scalars" in found["paths"]
