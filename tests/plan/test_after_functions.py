"""The functions of after triggers in a plan: one for each store, with the permissions of its actions and the filters of its triggers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from persisty import InvalidDeclaration, settings
from persisty.deploy.events import Events, Source, events_of
from persisty.deploy.options import options_of
from persisty.deploy.plan import plan_of
from persisty.deploy.plan_from_options import planned
from persisty.deploy.resources import Function, Plan
from tests.parcels import app

SPEC = "tests.parcels:app"
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:invoices"


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*settings.VARIABLES, "PERSISTY_TOKEN_SECRET"):
        monkeypatch.delenv(name, raising=False)


def plan(graphql: str = "both", **actions: Any) -> Plan:
    own = options_of({"app": SPEC, "actions": actions}).actions
    return plan_of(app, SPEC, graphql, own=own)


def events(of: Plan) -> Events:
    found = events_of(of)
    assert found is not None
    return found


def function(of: Plan, store: str) -> Function:
    [found] = [one.function for one in of.after if one.store == store]
    return found


def test_each_store_with_after_triggers_has_a_function_that_reads_its_stream() -> None:
    found = plan()
    assert [(one.function.name, one.store, set(one.kinds)) for one in found.after] == [
        ("after_parcel", "parcel", {"created", "updated", "deleted"}),
        ("after_receipt", "receipt", {"created", "deleted"}),
    ]
    for one in found.after:
        assert one.function.handler == "persisty_lambdas.after.handler"
        assert one.function.environment == {
            "PERSISTY_APP": SPEC,
            "PERSISTY_URL": "dynamodb://",
            "PERSISTY_STAGE": "dev",
        }
        assert one.function.layers == ("base", "actions")
        assert one.function.secret is None
        assert one.function.size.timeout == 900
    assert [one.source for one in events(found).after] == [
        Source("parcel", "parcels-dev-parcel", "/persisty/parcels/dev/stream/parcel"),
        Source("receipt", "parcels-dev-receipt", "/persisty/parcels/dev/stream/receipt"),
    ]


@pytest.mark.parametrize(
    ("graphql", "streamed"), [("both", ["parcel", "receipt", "label"]), ("http", ["parcel", "receipt"])]
)
def test_streams_are_those_of_triggers_and_of_subscriptions(graphql: str, streamed: list[str]) -> None:
    found = plan(graphql)
    assert [table.store for table in found.tables if table.stream] == streamed
    publishing = events(found).publishing
    assert (publishing is None) is (graphql == "http")
    if publishing is not None:
        assert [source.store for source in publishing.sources] == streamed


def test_the_filters_of_all_triggers_of_a_store_decide_what_is_delivered() -> None:
    parcel, receipt = plan().after
    assert parcel.patterns == ()
    assert [json.loads(one) for one in receipt.patterns] == [
        {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"id": {"S": ["special"]}}}},
        {"eventName": ["REMOVE"]},
    ]


def test_a_function_has_the_grants_of_its_actions_alone() -> None:
    reads = {"stores": {"label": ["read"]}}
    found = plan(check=reads, record={"stores": {}}, confirm={"stores": {"receipt": ["create"]}})
    assert [(grant.store, grant.actions) for grant in function(found, "parcel").grants] == [
        ("receipt", ("dynamodb:PutItem",)),
        ("label", ("dynamodb:GetItem",)),
    ]
    assert {grant.store for grant in function(found, "receipt").grants} == {"parcel", "receipt", "label"}


def test_every_function_that_writes_has_what_before_triggers_use() -> None:
    variables = {"environment": {"LIMIT": "7"}, "stores": {"label": ["read"]}, "memory": 4096}
    found = plan(
        check=variables,
        tidy={"stores": {}, "memory": 512},
        **{name: {"stores": {}} for name in ("record", "confirm", "frame")},
    )
    own = next(one for one in found.functions if one.name == "action_tidy")
    assert [(grant.store, grant.actions) for grant in own.grants] == [("label", ("dynamodb:GetItem",))]
    assert own.size.memory == 512
    for one in (*found.functions, function(found, "parcel"), function(found, "receipt")):
        assert one.environment["LIMIT"] == "7"
    assert not [one for one in found.functions if one.name == "action_check"]


def test_an_action_declares_variables_secrets_statements_and_memory_of_the_function() -> None:
    statement = {"actions": ["sqs:SendMessage"], "resources": [QUEUE]}
    secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mail"
    found = plan(
        record={
            "environment": {"FROM": "us"},
            "secrets": {"MAIL_ARN": secret},
            "statements": [statement],
            "memory": 2048,
        }
    )
    of = function(found, "parcel")
    assert {name: of.environment[name] for name in ("FROM", "MAIL_ARN")} == {"FROM": "us", "MAIL_ARN": secret}
    assert of.secrets == (secret,)
    assert [one.resources for one in of.statements] == [(QUEUE,)]
    assert (of.size.memory, of.size.timeout) == (2048, 900)
    assert "FROM" not in function(found, "receipt").environment


def test_an_action_without_a_web_trigger_has_no_function_of_an_api() -> None:
    found = plan(record={"memory": 2048}, tidy={"memory": 512})
    assert [one.name for one in found.functions if one.name.startswith("action_")] == ["action_tidy"]
    assert not [one for one in found.routes if "record" in one.path or one.function == "action_record"]


def test_options_of_an_unknown_action_are_rejected_with_the_names_of_all() -> None:
    with pytest.raises(InvalidDeclaration) as caught:
        plan(recrod={})
    [fault] = caught.value.faults
    assert (fault.path, fault.expected) == ("/actions/recrod", "one of tidy, record, confirm, frame, tick, check")


def test_the_functions_can_be_sized_by_their_names() -> None:
    found, _ = planned(options_of({"app": SPEC, "functions": {"after_parcel": {"memory": 256}}}))
    assert [one.name for one in events(found).functions] == ["stream", "after_parcel", "after_receipt", "timer_tick"]
    with pytest.raises(InvalidDeclaration, match="functions"):
        planned(options_of({"app": SPEC, "functions": {"after_label": {"memory": 256}}}))
