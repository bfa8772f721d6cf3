"""Custom actions: their annotations as GraphQL types, and their arguments and results."""

from __future__ import annotations

import json
from typing import Any

import pytest

from persisty import App
from persisty.api.graphql.appsync.function import AppSync

from .asking import Hosted
from .gallery import Specimen

EVERYTHING: dict[str, Any] = {
    "status": "done",
    "level": -1,
    "at": "2030-01-31T12:00:00Z",
    "point": {"x": 1.5, "y": 2, "label": None},
    "points": [{"x": 0}, None],
    "long": str(2**61),
    "wide": 2**40,
    "extra": '{"a": [1]}',
    "loose": {"b": "x"},
    "either": "5",
}
SELECTED = """{ status level at point { x y label seen } points { x y } long wide extra loose { a b } either }"""


def test_arguments_and_results_of_every_type(hosted: Hosted) -> None:
    query = f"mutation ($it: EverythingInput!, $tags: [Status!]) {{ echo(everything: $it, tags: $tags, times: 2) {SELECTED} }}"
    one = {
        **EVERYTHING,
        "point": {"x": 1.5, "y": 2, "label": None, "seen": 1},
        "points": [{"x": 0, "y": 0}, None],
        "extra": '{"a":[1]}',
        "loose": {"a": None, "b": "x"},
    }
    assert hosted.data(query, it=EVERYTHING)["echo"] == [one, one]
    assert hosted.data(query, it=EVERYTHING, tags=["open"])["echo"] == []


def test_null_means_the_default_for_a_parameter_without_none(hosted: Hosted) -> None:
    query = "query ($point: PointInput, $times: Float) { describe(status: open, point: $point, times: $times) }"
    described = hosted.data(query, point={"x": 1, "seen": None, "label": None}, times=None)["describe"]
    assert described == "<Status.OPEN: 'open'> Point(x=1.0, y=0, label=None, seen=1) 2"
    assert hosted.data(query, point=None)["describe"] == "<Status.OPEN: 'open'> None 2"


def test_enums_and_records_as_literals(hosted: Hosted) -> None:
    described = hosted.data('{ describe(status: done, point: {x: 1, y: 2.5, label: "here"}) }')["describe"]
    assert described == "<Status.DONE: 'done'> Point(x=1.0, y=2.5, label='here', seen=1) 2"


def test_a_type_that_contains_itself(hosted: Hosted) -> None:
    query = "{ tree(depth: 2) { ownName notes below { ownName below { ownName notes below { ownName } } } } }"
    leaf = {"ownName": "leaf", "notes": '{"n":0}', "below": []}
    branch = {"ownName": "b1", "below": [leaf, leaf]}
    assert hosted.data(query)["tree"] == {"ownName": "b2", "notes": "{}", "below": [branch, branch]}


def test_items_and_pages_of_items_are_the_stores_own_types(hosted: Hosted, app: App) -> None:
    mutation = "mutation ($it: SpecimenInput!) { remember(specimen: $it) { __typename id text tags long version } }"
    item = hosted.data(mutation, it={"text": "a", "tags": ["x"], "long": "7", "id": None})["remember"]
    assert (item["__typename"], item["tags"], item["long"], item["version"]) == ("Specimen", ["x"], "7", 1)
    [stored] = app.store(Specimen).search().items
    assert str(stored.id) == item["id"]
    page = hosted.data("{ newest { __typename items { id tags } cursor } }")["newest"]
    assert page == {"__typename": "SpecimenPage", "items": [{"id": item["id"], "tags": ["x"]}], "cursor": None}


@pytest.mark.parametrize("value", [None, 1, 1.5, True, "text", '"quoted"', "123", [], {"a": {"b": [None]}}])
def test_any_json_is_text(hosted: Hosted, appsync: AppSync, value: Any) -> None:
    query = "query ($it: AWSJSON) { whatever(value: $it) }"
    answer = hosted.data(query, it=json.dumps(value))["whatever"]
    assert (None if answer is None else json.loads(answer)) == value
    assert appsync.handle({"fieldName": "whatever", "arguments": {"value": value}}) == {"data": value}


@pytest.mark.parametrize("value", [0.0, 3.0, -2.0, [1.0, {"a": 4.0}]])
def test_a_number_without_a_fraction_is_an_integer_in_any_json(hosted: Hosted, appsync: AppSync, value: Any) -> None:
    query = "query ($it: AWSJSON) { whatever(value: $it) }"
    text = hosted.data(query, it=json.dumps(value))["whatever"]
    assert "." not in text
    answer = appsync.handle({"fieldName": "whatever", "arguments": {"value": value}})
    assert json.dumps(answer["data"]) == json.dumps(json.loads(text))


def test_an_action_that_returns_none(hosted: Hosted) -> None:
    assert hosted.data("mutation { nothingAtAll }") == {"nothingAtAll": None}


def test_queries_are_the_actions_that_read(hosted: Hosted) -> None:
    assert hosted.error("mutation { whatever }")["code"] == "malformed_graphql"
    assert hosted.error("{ nothingAtAll }")["code"] == "malformed_graphql"
