"""`editBatch`: edits of several stores in one mutation, hosted and through AppSync, under the access rules of each store."""

from __future__ import annotations

from typing import Any

import pytest

from persisty import App
from persisty.api.graphql.appsync.function import AppSync
from persisty.api.graphql.hosted.document_limits import Limits
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.deploy.plan import plan_of
from persisty.security.caller import ANONYMOUS

from ..bank import ANN, Account, Entry, Rate, Secret
from ..bank import app as app  # noqa: PLC0414 - a fixture
from ..bank import linked as linked  # noqa: PLC0414 - a fixture
from .asking import Hosted, StandIn

EDIT = """mutation ($e: [AnyStoreEdit!]!, $a: Boolean) { editBatch(edits: $e, atomic: $a) {
    code message attributes faults { path message } item { account { id balance entries { items { text } } } entry { text note } } } }"""
EDITS: list[dict[str, Any]] = [
    {"account": {"update": {"key": "a", "changes": {"balance": 3}, "when": {"balance": {"ge": 2}}}}},
    {"entry": {"create": {"text": "coffee", "amount": -2, "account_id": "a"}}},
]


@pytest.fixture(params=["hosted", "appsync"])
def ask(request: pytest.FixtureRequest, app: App) -> Any:
    if request.param == "hosted":
        return Hosted(GraphqlEndpoint(app), ANN)
    asks = StandIn(AppSync(app), app)
    asks.caller = ANN
    return asks


def results(found: dict[str, Any]) -> list[dict[str, Any]]:
    assert "errors" not in found, found
    listed: list[dict[str, Any]] = found["data"]["editBatch"]
    return listed


@pytest.mark.parametrize("atomic", [None, False, True])
def test_edits_of_several_stores_are_executed_with_a_result_each(app: App, ask: Any, atomic: bool | None) -> None:
    first, second = results(ask(EDIT, e=EDITS, a=atomic))
    assert (first["code"], second["code"]) == ("ok", "ok")
    assert first["item"] == {
        "account": {"id": "a", "balance": 3, "entries": {"items": [{"text": "coffee"}]}},
        "entry": None,
    }
    assert second["item"] == {"account": None, "entry": {"text": "coffee", "note": ""}}
    assert app.store(Entry).count() == 1


def test_an_atomic_batch_executes_all_edits_or_none(app: App, ask: Any) -> None:
    edits = [EDITS[1], {"account": {"create": {"id": "a"}}}]
    assert [one["code"] for one in results(ask(EDIT, e=edits, a=True))] == ["aborted", "conflict"]
    assert app.store(Entry).count() == 0
    assert [one["code"] for one in results(ask(EDIT, e=edits))] == ["ok", "conflict"]
    assert app.store(Entry).count() == 1


def test_a_condition_that_fails_returns_the_current_item(ask: Any) -> None:
    edit = {"account": {"update": {"key": "a", "changes": {"balance": 1}, "when": {"balance": {"gt": 99}}}}}
    [result] = results(ask(EDIT, e=[edit]))
    assert (result["code"], result["item"]["account"]["balance"]) == ("precondition_failed", 5)


def test_each_edit_needs_the_access_of_its_store(app: App, ask: Any) -> None:
    asker = ask if isinstance(ask, StandIn) else Hosted(ask.endpoint)
    asker.caller = ANONYMOUS
    found = asker(EDIT, e=EDITS)
    assert found["data"] == {"editBatch": None}
    [error] = found["errors"]
    assert code_of(error) == "unauthenticated"
    assert app.store(Account).read("a") == Account(id="a", balance=5)
    [result] = results(asker(EDIT, e=EDITS[:1]))
    assert result["code"] == "ok"


def test_every_fault_has_its_path_in_the_request_and_nothing_is_written(app: App, ask: Any) -> None:
    edits = [
        {"account": {"create": {"id": "b", "balance": 0.5}}},
        {},
        {"account": {"delete": {"key": "a"}}, "entry": {"delete": {"key": "a"}}},
        {"entry": {"update": {"key": "k", "changes": {"amount": 0.5}}}},
        {"entry": {}},
        {"account": {"create": {"id": "c"}}},
    ]
    [error] = ask(EDIT, e=edits)["errors"]
    assert code_of(error) == "invalid_input"
    assert [fault["path"] for fault in details(error)["faults"]] == [
        "/edits/0/account/create/balance", "/edits/1", "/edits/2", "/edits/3/entry/update/changes/amount", "/edits/4/entry",
    ]  # fmt: skip
    assert app.store(Account).count() == 1


def test_a_fault_from_the_engine_has_its_path_in_the_request(linked: App) -> None:
    for asks in (Hosted(GraphqlEndpoint(linked), ANN), StandIn(AppSync(linked), linked)):
        edit = {"create": {"id": "new", "parent_id": "none"}}
        query = "mutation ($e: [AnyStoreEdit!]!) { editBatch(edits: $e) { code faults { path } } }"
        [found] = results(asks(query, e=[{"part": edit}]))
        assert found["faults"] == [{"path": "/edits/0/part/create/parent_id"}]
        query = "mutation ($e: [PartEdit!]!) { partEditBatch(edits: $e) { code faults { path } } }"
        [found] = asks(query, e=[edit])["data"]["partEditBatch"]
        assert found["faults"] == [{"path": "/edits/0/create/parent_id"}]


def test_an_item_with_conditional_writes_requires_a_condition(app: App, ask: Any) -> None:
    app.store(Rate).create({"id": "r", "value": 1})
    [error] = ask(EDIT, e=[{"rate": {"update": {"key": "r", "changes": {"value": 2}}}}])["errors"]
    assert code_of(error) == "precondition_required"
    assert [fault["path"] for fault in details(error)["faults"]] == ["/edits/0/rate/update/when"]


def test_a_batch_has_the_same_limits_as_over_rest(app: App, ask: Any) -> None:
    edits = [{"account": {"create": {"id": str(number)}}} for number in range(101)]
    [error] = ask(EDIT, e=edits)["errors"]
    assert code_of(error) == "batch_too_large"
    assert app.store(Account).count() == 1


def test_the_complexity_of_a_batch_counts_its_edits(app: App) -> None:
    endpoint = GraphqlEndpoint(app, limits=Limits(complexity=150))
    few = "mutation ($e: [AnyStoreEdit!]!) { editBatch(edits: $e) { code } }"
    edits = [{"account": {"create": {"id": str(number)}}} for number in range(100)]
    assert Hosted(endpoint, ANN).error(few, e=edits)["code"] == "too_complex"
    assert app.store(Account).count() == 1


def test_the_batch_has_only_stores_that_offer_batches(app: App, ask: Any) -> None:
    schema = ask.schema if isinstance(ask, StandIn) else ask.endpoint.schema.whole
    assert list(schema.type_map["AnyStoreEdit"].fields) == ["account", "entry", "rate"]
    alone = GraphqlEndpoint(App("one", items=[Rate], url="memory://")).schema.whole
    assert "AnyStoreEdit" not in alone.type_map


def test_a_deployment_has_the_field_and_may_write_to_each_table() -> None:
    plan = plan_of(App("bank", items=[Account, Entry, Rate, Secret]), "bank:app", "both")
    assert [(one.type, one.function) for one in plan.fields if one.name == "editBatch"] == [("Mutation", "appsync")]
    assert "editBatch(" in plan.sdl
    writes = {
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
        "dynamodb:DeleteItem",
        "dynamodb:PartiQLInsert",
        "dynamodb:PartiQLUpdate",
    }
    for function in plan.functions:
        if function.name in ("rest", "graphql_http", "appsync"):
            granted = {grant.store: set(grant.actions) for grant in function.grants}
            assert all(writes <= granted[store] for store in ("account", "entry", "rate"))


def code_of(error: dict[str, Any]) -> Any:
    return details(error).get("code") or error["extensions"].get("errorType") or error["extensions"].get("code")


def details(error: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = error["extensions"].get("errorInfo") or error["extensions"]
    return found
