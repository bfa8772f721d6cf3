"""Events of AppSync, and whole requests through AppSync, which have the responses of the hosted endpoint."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persisty import App
from persisty.api.actions import operations
from persisty.api.graphql.appsync.function import AppSync

from . import gallery
from .asking import Hosted, StandIn
from .gallery import Fact, Membership, Specimen

ID = "11111111-1111-4111-8111-11111111111{}"
ITEM = "id text count wide long ratio done at day ref price status shade level blob tags extra anything version"


def fill(app: App) -> None:
    """Return the data without times, which differ on a new engine."""
    app.use("memory://")
    for number, text in enumerate("abcdefg"):
        item = {
            "id": ID.format(number), "text": text, "count": number % 3, "wide": 2**33 + number, "long": 2**61 - number,
            "ratio": number / 7, "tags": [text] * number, "extra": {"n": number} if number % 2 else None,
            "anything": [text, number, None, "12"][number % 4], "price": f"{number}.50", "blob": "AA==",
            "at": f"2030-01-0{number + 1}T00:00:00.5Z", "day": "2030-01-01", "status": "done" if number > 4 else "open",
            "shade": "dark-red" if number == 2 else None, "level": -1,
        }  # fmt: skip
        app.store(Specimen).create(item)
    app.store(Fact).create(Fact(id=ID.format(9), text="so it is"))  # type: ignore[arg-type]
    app.store(Membership).create(Membership(person="ann~", club=7))


REQUESTS: list[tuple[str, dict[str, Any]]] = [
    (f'{{ specimenRead(key: "{ID.format(3)}") {{ {ITEM} }} }}', {}),
    ('{ specimenRead(key: "none") { id } }', {}),
    ('{ membershipRead(key: "ann%7E~7") { person club } other: membershipRead(key: "ann~7") { club } }', {}),
    (f"{{ specimenSearch(order: [count_desc, text_asc], limit: 4) {{ items {{ {ITEM} }} cursor }} }}", {}),
    ("query ($w: SpecimenWhere) { specimenSearch(where: $w, order: [text_asc]) { items { text } } specimenCount(where: $w) }",
     {"w": {"or": [{"long": {"eq": str(2**61)}}, {"wide": {"gt": 2**33 + 4}}], "status": {"ne": "open"}}}),
    ("query ($w: SpecimenWhere) { specimenCount(where: $w) }", {"w": {"at": {"lt": "2030-01-03T00:00:00+01:00"}}}),
    ("query ($w: SpecimenWhere) { specimenCount(where: $w) }", {"w": {"shade": {"oneof": ["dark-red", None]}}}),
    ("query ($k: [ID!]!) { specimenReadBatch(keys: $k) { id tags extra anything } }",
     {"k": [ID.format(2), "none", ID.format(1)]}),
    ("{ factSearch { items { id text } } factCount specimenSearch(limit: 0) { cursor } }", {}),
    ('{ specimenSearch(cursor: "x") { cursor } }', {}),
    ("mutation ($i: SpecimenCreate!) { specimenCreate(item: $i) { " + ITEM + " } }",
     {"i": {"id": ID.format(8), "text": "new", "tags": ["x", "1.0"], "long": "-5", "wide": 12, "count": None}}),
    ("mutation ($i: SpecimenCreate!) { specimenCreate(item: $i) { " + ITEM + " } }",
     {"i": {"id": ID.format(8), "text": "new", "tags": ["x"], "extra": '{"a": "{}"}', "anything": '"{}"', "done": None}}),
    ("mutation ($i: SpecimenCreate!) { specimenCreate(item: $i) { id } }", {"i": {"id": ID.format(1), "text": "taken"}}),
    ("mutation ($i: SpecimenCreate!) { specimenCreate(item: $i) { id } }", {"i": {"text": "", "ref": "x"}}),
    ("mutation ($c: SpecimenUpdate!) { specimenUpdate(key: \"" + ID.format(1) + "\", changes: $c) { " + ITEM + " } }",
     {"c": {"text": "changed", "count": None, "extra": "null", "anything": "[null]", "long": "0"}}),
    (f'mutation {{ specimenUpdate(key: "{ID.format(1)}", changes: {{count: 5}}, when: {{count: {{eq: 9}}}}) {{ id }} }}', {}),
    (f'mutation {{ a: specimenDelete(key: "{ID.format(1)}") b: specimenDelete(key: "{ID.format(1)}") specimenDelete(key: "{ID.format(2)}", when: {{text: {{eq: "z"}}}}) }}',
     {}),
    ('mutation { membershipUpdate(key: "ann%7E~7") { person } }', {}),
    ("mutation ($e: [SpecimenEdit!]!, $a: Boolean) { specimenEditBatch(edits: $e, atomic: $a) { code message item { id text tags long extra } faults { path message expected found } } }",
     {"e": [{"create": {"id": ID.format(8), "text": "n", "tags": ["1"]}}, {"delete": {"key": ID.format(1)}},
            {"update": {"key": ID.format(2), "changes": {"extra": "{}", "long": "8"}, "when": {"long": {"eq": "1"}}}},
            {"update": {"key": ID.format(3), "changes": {"extra": None}}}]}),
    ("mutation ($e: [SpecimenEdit!]!, $a: Boolean) { specimenEditBatch(edits: $e, atomic: $a) { code item { id } } }",
     {"a": True, "e": [{"delete": {"key": ID.format(1)}}, {"delete": {"key": "none"}}]}),
    ("mutation ($e: [SpecimenEdit!]!) { specimenEditBatch(edits: $e) { code } }",
     {"e": [{"create": {"text": ""}}, {"delete": {"key": "a"}, "create": {"text": "b"}}]}),
    ("{ tree(depth: 2) { ownName notes below { ownName below { notes } } } whatever(value: \"[1, \\\"x\\\"]\") tooBig }", {}),
    ("{ describe(status: done, point: {x: 1}) conflicts breaks newest(first: 0) { cursor } }", {}),
    ("mutation ($e: EverythingInput!) { echo(everything: $e) { status level long wide extra loose { b } points { x } either } }",
     {"e": {"status": "open", "level": 10, "at": "2030-01-01T00:00:00Z", "point": {"x": 1}, "points": [], "long": "9",
            "wide": 3, "extra": "{\"a\": 1}", "either": "\"7\""}}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "variables"), REQUESTS, ids=range(len(REQUESTS)))
def test_a_request_has_the_same_response_and_effect_through_appsync(
    hosted: Hosted, stand_in: StandIn, app: App, text: str, variables: dict[str, Any]
) -> None:
    answers, effects = [], []
    for ask in (hosted, stand_in):
        fill(app)
        answers.append(ask(text, **variables))
        effects.append([(item.text, item.extra, item.long, item.version) for item in app.store(Specimen).search_all()])
    by_host, by_appsync = answers
    assert by_host["data"] == by_appsync["data"]
    assert errors_of(by_host) == errors_of(by_appsync)
    assert effects[0] == effects[1]
    assert any(value is not None for value in by_host["data"].values()) or errors_of(by_host) or "none" in text


def errors_of(answer: dict[str, Any]) -> list[Any]:
    """Return path, code and faults of errors. An error that AppSync itself raises, for a value that is too large, has no code there."""
    errors = [
        (error["path"], error["extensions"].get("code", "unsupported"), error["extensions"].get("faults"))
        for error in answer.get("errors", ())
    ]
    return sorted(errors, key=json.dumps)


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"fieldName": "nope", "arguments": {}}, "not_found"),
        ({"fieldName": "notOffered", "arguments": {}}, "not_found"),
        ({"fieldName": "secretRead", "arguments": {"key": "a"}}, "not_found"),
        ({"fieldName": "factCreate", "arguments": {"item": {"text": "a"}}}, "not_found"),
        ({"fieldName": "leavingEditBatch", "arguments": {"edits": [{"create": {"text": "a"}}]}}, "unauthenticated"),
        ({"arguments": {}}, "invalid_input"),
        ({}, "invalid_input"),
        (None, "invalid_input"),
        ([], "invalid_input"),
        ({"fieldName": ["a"]}, "invalid_input"),
        ({"fieldName": "factCount", "arguments": [1]}, "invalid_input"),
        ({"fieldName": "factCount", "arguments": {"nope": 1}}, "invalid_input"),
    ],
)
def test_an_event_of_an_unknown_field_is_rejected(appsync: AppSync, app: App, event: Any, code: str) -> None:
    assert appsync.handle(event)["error"]["code"] == code


def test_arguments_and_the_selection_may_be_absent(appsync: AppSync, app: App) -> None:
    assert appsync.handle({"fieldName": "factCount"}) == {"data": 0}
    assert appsync.handle({"fieldName": "factCount", "arguments": None, "selectionSetList": []}) == {"data": 0}


def test_a_failed_condition_returns_the_item_in_the_form_of_graphql(appsync: AppSync, app: App) -> None:
    fill(app)
    arguments = {"key": ID.format(3), "changes": {"count": 1}, "when": {"text": {"eq": "z"}}}
    error = appsync.handle({"fieldName": "specimenUpdate", "arguments": arguments})["error"]
    assert error["code"] == "precondition_failed"
    assert (error["info"]["item"]["long"], error["info"]["item"]["tags"]) == (str(2**61 - 3), ["d", "d", "d"])


def test_operations_of_stores_import_neither_the_actions_nor_graphql_core() -> None:
    script = """
import sys
from tests.graphql import light
from persisty.api.graphql.appsync.function import AppSync
appsync = AppSync(light.app)
made = appsync.handle({"fieldName": "plainCreate", "arguments": {"item": {"text": "a", "tags": ["x"]}}})
assert made["data"]["tags"] == ["x"], made
found = appsync.handle({"fieldName": "plainSearch", "arguments": {"order": ["text_desc"]}})
assert len(found["data"]["items"]) == 1, found
heavy = {"graphql", "asyncio", "servey", "dataclasses", "persisty.api.actions", "persisty.api.graphql.sdl"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
assert appsync.handle({"fieldName": "shout", "arguments": {"text": "a"}}) == {"data": "A"}
assert "persisty.api.actions" in sys.modules
"""
    root = Path(__file__).parents[2]
    known = {
        **os.environ,
        "PERSISTY_BEFORE_TRIGGERS": "off",
    }  # as deployed functions of an app without before triggers have it
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=root, env=known, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=8)
    | st.sampled_from(["open", "text_asc", ID.format(1), "2030-01-01", "{}", "[1]", "-5"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from([
            "text", "count", "long", "tags", "at", "id", "eq", "lt", "oneof", "null", "contains", "and", "or", "not", "key",
            "changes", "when", "create", "update", "delete", "x", "status", "point", "points", "level", "club", "person",
        ])
        | st.text(max_size=4),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip
FIELDS = {
    one.field: [parameter.name for parameter in one.parameters]
    for one in operations(gallery.app).values()
    if one.name not in ("breaks", "tree")
}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_arguments_at_all_make_an_internal_error(appsync: AppSync, app: App, data: st.DataObject) -> None:
    field = data.draw(st.sampled_from(sorted(FIELDS)))
    arguments = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS[field], ANYTHING)))
    envelope = appsync.handle({"fieldName": field, "arguments": arguments})
    json.dumps(envelope, allow_nan=False)
    assert envelope.get("error", {}).get("code") != "internal_error", envelope
