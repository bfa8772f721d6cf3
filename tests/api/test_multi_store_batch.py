"""`POST /api/-batch`: edits of several stores in one request, under the access rules of each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from persisty import App
from persisty.api.http.messages import Request, Response
from persisty.api.multi_store_operations import PATH
from persisty.api.rest.endpoint import Rest
from persisty.hosting.route_names import RouteNames
from persisty.security.caller import ANONYMOUS, Caller

from ..bank import ANN, Account, Entry, Other, Part, Rate
from ..bank import app as app  # noqa: PLC0414 - a fixture
from ..bank import linked as linked  # noqa: PLC0414 - a fixture


def post(app: App, body: Any, caller: Caller = ANN, *, path: str = PATH, **headers: str) -> tuple[Response, Any]:
    given = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    response = Rest(app).handle(Request("POST", path, "", given, json.dumps(body).encode(), caller))
    return response, json.loads(response.body)


EDITS = [
    {"store": "account", "update": {"key": "a", "changes": {"balance": {"add": -2}}, "when": {"balance": {"ge": 2}}}},
    {"store": "entry", "create": {"text": "coffee", "amount": -2}},
]


@pytest.mark.parametrize("atomic", [False, True])
def test_edits_of_several_stores_are_executed_with_a_result_each(app: App, atomic: bool) -> None:
    response, body = post(app, {"edits": EDITS, "atomic": atomic})
    assert response.status == 200, body
    assert [one["code"] for one in body["results"]] == ["ok", "ok"]
    assert body["results"][0]["item"]["balance"] == 3
    assert app.store(Entry).count() == 1


def test_an_atomic_batch_executes_all_edits_or_none(app: App) -> None:
    edits = [{"store": "entry", "create": {"text": "x", "amount": 1}}, {"store": "account", "create": {"id": "a"}}]
    response, body = post(app, {"edits": edits, "atomic": True})
    assert response.status == 409
    assert [one["code"] for one in body["results"]] == ["aborted", "conflict"]
    assert app.store(Entry).count() == 0


def test_every_fault_has_its_path_and_nothing_is_written(app: App) -> None:
    edits = [
        {"store": "account", "create": {"id": "b", "balance": "much"}},
        {"store": "secret", "create": {"id": "x"}},
        {"create": {"id": "x"}},
        {"store": "entry", "update": {"key": "k", "changes": {"nothing": 1}}},
        {"store": "entry"},
        {"store": "account", "create": {"id": "c"}},
    ]
    response, body = post(app, {"edits": edits})
    assert (response.status, body["code"]) == (422, "invalid_input")
    assert [fault["path"] for fault in body["faults"]] == [
        "/edits/0/create/balance",
        "/edits/1/store",
        "/edits/2/store",
        "/edits/3/update/changes/nothing",
        "/edits/4",
    ]
    assert app.store(Account).count() == 1


def test_each_edit_needs_the_access_of_its_store(app: App) -> None:
    response, body = post(app, {"edits": EDITS}, ANONYMOUS)
    assert (response.status, body["code"]) == (401, "unauthenticated")
    assert app.store(Account).read("a") == Account(id="a", balance=5)


def test_an_item_with_conditional_writes_requires_a_condition(app: App) -> None:
    app.store(Rate).create({"id": "r", "value": 1})
    edit = {"store": "rate", "update": {"key": "r", "changes": {"value": 2}}}
    response, body = post(app, {"edits": [edit]})
    assert response.status == 428
    assert [fault["path"] for fault in body["faults"]] == ["/edits/0/update/when"]


def test_a_repeated_request_with_a_key_is_executed_once(app: App) -> None:
    first, _ = post(app, {"edits": EDITS}, idempotency_key="one")
    again, _ = post(app, {"edits": EDITS}, idempotency_key="one")
    assert (again.status, again.body, again.headers["idempotency-replayed"]) == (200, first.body, "true")
    assert app.store(Entry).count() == 1


def test_openapi_and_the_route_names_include_the_batch(app: App) -> None:
    document = json.loads(Rest(app).handle(Request("GET", "/openapi.json")).body)
    described = document["paths"][PATH]["post"]
    edits = described["requestBody"]["content"]["application/json"]["schema"]["properties"]["edits"]["items"]["oneOf"]
    assert {edit["properties"]["store"]["const"] for edit in edits} == {"account", "entry", "rate"}
    assert {"200", "401", "403", "409", "422", "428"} <= described["responses"].keys()
    assert RouteNames(app)(PATH) == PATH


def test_an_app_with_one_store_has_no_multi_store_batch() -> None:
    response, _ = post(App("one", items=[Rate], url="memory://"), {"edits": []})
    assert response.status == 404


@pytest.mark.parametrize("atomic", [False, True])
def test_a_fault_from_the_engine_has_its_path_in_the_request(linked: App, atomic: bool) -> None:
    """Each edit is valid, but the items that they refer to do not exist."""
    orphan = {"id": "o", "parent_id": "none"}
    wrong: list[dict[str, Any]] = [
        {"create": orphan},
        {"update": {"key": "root", "changes": {"parent_id": "none"}}},
    ]
    for edit, path in zip(wrong, ("/create/parent_id", "/update/changes/parent_id"), strict=True):
        edits = [{"create": {"id": "new"}}, edit]
        [_, found] = post(linked, {"edits": edits, "atomic": atomic}, path="/api/part-batch")[1]["results"]
        assert [fault["path"] for fault in found["faults"]] == ["/edits/1" + path]
        edits = [{"store": "part", **one} for one in edits] + [{"store": "other", "create": {"id": "x"}}]
        [_, found, _] = post(linked, {"edits": edits, "atomic": atomic})[1]["results"]
        assert [fault["path"] for fault in found["faults"]] == ["/edits/1" + path]
        linked.store(Part).delete("new")
        linked.store(Other).delete("x")


def test_a_fault_of_the_whole_batch_has_the_path_of_its_edit(linked: App) -> None:
    edits = [{"update": {"key": "root", "changes": {"parent_id": None}}}] * 2
    _, body = post(linked, {"edits": edits, "atomic": True}, path="/api/part-batch")
    assert [fault["path"] for fault in body["faults"]] == ["/edits/1"]
