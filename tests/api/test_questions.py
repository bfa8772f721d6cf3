"""Filters and changes through REST: nested attributes, text search, `add` and `append`, unique values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import Caller

ROWS: list[dict[str, Any]] = [
    {"name": "apple", "spot": {"town": "Rome", "postCode": "1", "geo": {"lat": 41.9}}, "size": "s", "grade": 1},
    {"name": "Banana", "spot": {"town": "Romford"}, "label": "Yellow apple-ish", "weight": 7},
    {"name": "cherry", "size": "m", "grade": 2, "weight": 3},
]


@pytest.fixture
def things(call: Caller) -> list[dict[str, Any]]:
    return [call("POST", "/api/thing", row)[1] for row in ROWS]


@pytest.mark.parametrize(
    ("query", "where", "expected"),
    [
        ("spot.town=Rome", {"spot": {"town": {"eq": "Rome"}}}, ["apple"]),
        ("spot.town__startswith=Rom&spot.geo__null=true", {"spot": {"town": {"startswith": "Rom"}, "geo": {"null": True}}}, ["Banana"]),
        ("spot.town__ne=Rome", {"spot": {"town": {"ne": "Rome"}}}, ["Banana", "cherry"]),
        ("spot.postCode__null=true", {"spot": {"postCode": {"null": True}}}, ["Banana", "cherry"]),
        ("spot__null=true", {"spot": {"null": True}}, ["cherry"]),
        ("spot.geo.lat__gt=40.5", {"spot": {"geo": {"lat": {"gt": 40.5}}}}, ["apple"]),
        ("query=APPLE", {"query": "APPLE"}, ["Banana", "apple"]),
        ("query=apple+yellow", {"query": " yellow  apple "}, ["Banana"]),
        ("query=apple&name__ne=apple", {"query": "apple", "not": {"name": {"eq": "apple"}}}, ["Banana"]),
        ("query=", {"query": ""}, ["Banana", "apple", "cherry"]),
        ("size=s", {"size": {"eq": "s"}}, ["apple"]),
        ("size__gt=l", {"size": {"gt": "l"}}, ["apple", "cherry"]),
        ("grade__lt=9&grade__ne=1", {"grade": {"lt": 9, "ne": 1}}, ["cherry"]),
    ],
)  # fmt: skip
def test_filters_in_urls_and_in_json_are_equal(
    call: Caller, things: list[dict[str, Any]], query: str, where: Any, expected: list[str]
) -> None:
    found = call("GET", "/api/thing", None, query + "&order=name")[1]["items"]
    assert [one["name"] for one in found] == expected
    assert call("GET", "/api/thing-count", None, query)[1] == {"count": len(expected)}
    edits = [{"delete": {"key": one["id"], "when": where}} for one in things]
    results = call("POST", "/api/thing-batch", {"edits": edits})[1]["results"]
    done = [row["name"] for row, result in zip(ROWS, results, strict=True) if result["code"] == "ok"]
    assert sorted(done) == expected
    assert {result["code"] for result in results} <= {"ok", "precondition_failed"}


def test_a_cursor_continues_a_search_for_text_and_no_other(call: Caller, things: list[dict[str, Any]]) -> None:
    _, first = call("GET", "/api/thing", None, "query=apple&order=name&limit=1")
    _, second = call("GET", "/api/thing", None, f"query=apple&order=name&limit=1&cursor={first['cursor']}")
    assert [one["name"] for one in (*first["items"], *second["items"])] == ["Banana", "apple"]
    assert second["cursor"] is None
    status, problem = call("GET", "/api/thing", None, f"query=pear&order=name&limit=1&cursor={first['cursor']}")
    assert (status, problem["code"]) == (400, "invalid_cursor")


@pytest.mark.parametrize(
    ("query", "paths"),
    [
        ("spot.city=Rome&spot.post_code=1&spot=x", ["/spot", "/spot.city", "/spot.post_code"]),
        ("spot.geo.lat=north&spot.town__like=x", ["/spot.geo.lat", "/spot.town__like"]),
        ("grade=one&size__null=perhaps&order=spot.town", ["/grade", "/order/0", "/size__null"]),
        ("query=" + "+".join(map(str, range(300))), ["/query"]),
    ],
)
def test_every_fault_of_a_search_names_its_parameter(call: Caller, query: str, paths: list[str]) -> None:
    status, problem = call("GET", "/api/thing", None, query)
    assert (status, problem["code"]) == (400, "invalid_query")
    assert sorted(fault["path"] for fault in problem["faults"]) == paths


def test_an_item_without_text_has_no_text_search(call: Caller) -> None:
    status, problem = call("GET", "/api/tally", None, "query=a")
    assert (status, [fault["path"] for fault in problem["faults"]]) == (400, ["/query"])


@pytest.mark.parametrize(
    ("when", "paths"),
    [
        ({"not": None}, ["not"]),
        ({"query": None}, ["query"]),
        ({"spot": {"town": "Rome", "geo": {"lon": {"eq": 1}}}}, ["spot/geo/lon", "spot/town"]),
        ({"or": [{"query": 1}, {"spot": {"town": {"lt": None}}}]}, ["or/0/query", "or/1/spot/town/lt"]),
    ],
)
def test_every_fault_of_a_condition_has_its_path(call: Caller, when: Any, paths: list[str]) -> None:
    status, problem = call("POST", "/api/thing-batch", {"edits": [{"delete": {"key": "x", "when": when}}]})
    assert (status, problem["code"]) == (422, "invalid_input")
    assert sorted(fault["path"] for fault in problem["faults"]) == [f"/edits/0/delete/when/{path}" for path in paths]


def test_numbers_are_added_to_and_lists_appended_to_where_they_are_stored(
    call: Caller, things: list[dict[str, Any]]
) -> None:
    path = f"/api/thing/{things[1]['id']}"
    assert call("PATCH", path, {"weight": {"add": 2}, "tags": {"append": ["a"]}})[0] == 200
    status, item = call("PATCH", path, {"weight": {"add": -3}, "tags": {"append": ["b", "a"]}})
    assert (status, item["weight"], item["tags"], item["version"]) == (200, 6, ["a", "b", "a"], 3)
    edits = [{"update": {"key": things[1]["id"], "changes": {"weight": {"add": 1}}}}] * 2
    results = call("POST", "/api/thing-batch", {"edits": edits})[1]["results"]
    assert [result["item"]["weight"] for result in results] == [7, 8]


def test_a_sum_out_of_bounds_names_its_path_and_nothing_is_written(call: Caller, things: list[dict[str, Any]]) -> None:
    key, changes = things[1]["id"], {"weight": {"add": 994}}
    status, problem = call("PATCH", f"/api/thing/{key}", changes)
    assert (status, [fault["path"] for fault in problem["faults"]]) == (422, ["/weight"])
    edits = [{"update": {"key": key, "changes": changes}}, {"update": {"key": key, "changes": {"weight": {"add": 1}}}}]
    results = call("POST", "/api/thing-batch", {"edits": edits})[1]["results"]
    assert [result["code"] for result in results] == ["invalid_input", "ok"]
    assert [fault["path"] for fault in results[0]["faults"]] == ["/edits/0/update/changes/weight"]
    assert results[1]["item"]["weight"] == 8


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({"weight": {"add": "1"}, "tags": {"append": [1]}}, ["/tags/append/0", "/weight/add"]),
        ({"weight": {"sub": 1}, "tags": {"append": "x"}}, ["/tags/append", "/weight"]),
        ({"version": {"add": 1}, "ratio": {"add": 1}, "grade": {"add": 1}}, ["/grade", "/ratio", "/version"]),
    ],
)
def test_invalid_update_operators_are_rejected(call: Caller, changes: Any, paths: list[str]) -> None:
    status, problem = call("PATCH", "/api/thing/x", changes)
    assert (status, problem["code"]) == (422, "invalid_input")
    assert sorted(fault["path"] for fault in problem["faults"]) == paths


def test_a_conflict_names_the_attributes_and_never_a_value(call: Caller, things: list[dict[str, Any]]) -> None:
    label = things[1]["label"]
    taken = [
        call("POST", "/api/thing", {"name": "x", "label": label}),
        call("PATCH", f"/api/thing/{things[0]['id']}", {"label": label}),
    ]
    for status, problem in taken:
        assert (status, problem["code"], problem["attributes"]) == (409, "conflict", ["label"])
        assert label not in json.dumps(problem)
    _, problem = call("POST", "/api/thing", {"id": things[0]["id"], "name": "x"})
    assert (problem["code"], problem["attributes"]) == ("conflict", ["id"])
