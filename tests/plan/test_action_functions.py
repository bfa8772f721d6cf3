"""Custom actions with separate functions: routes, fields, grants, variables."""

from __future__ import annotations

import pytest

from examples.messenger.app import app
from persisty import InvalidDeclaration
from persisty.deploy.options import ActionOptions, Statement
from persisty.deploy.plan import plan_of
from persisty.deploy.resources import Function, Plan, Route

SPEC = "examples.messenger.app:app"
SECRET = "arn:aws:ssm:eu-west-1:123456789012:parameter/mail"
OWN = ActionOptions(
    memory=512,
    timeout=20,
    environment={"MAIL_URL": "https://mail.example.com"},
    secrets={"MAIL_KEY": SECRET},
    statements=(Statement(("ses:SendEmail",), ("arn:aws:ses:eu-west-1:123456789012:identity/example.com",)),),
    stores={"user": ("create",)},
)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_of(app, SPEC, own={"sign_up": OWN})


def function(plan: Plan, name: str) -> Function:
    return next(one for one in plan.functions if one.name == name)


def actions_on(found: Function, store: str) -> set[str]:
    return {action for grant in found.grants if grant.store == store for action in grant.actions}


def test_its_route_and_its_field_lead_to_its_function(plan: Plan) -> None:
    assert Route("POST", "/actions/sign-up", "action_sign_up") in plan.routes
    assert {field.function for field in plan.fields if field.name == "signUp"} == {"action_sign_up"}
    assert {field.function for field in plan.fields if field.name == "statistics"} == {"appsync"}


def test_it_has_what_it_declares(plan: Plan) -> None:
    found = function(plan, "action_sign_up")
    assert found.handler == "persisty_lambdas.action.handler"
    assert (found.size.memory, found.size.timeout) == (512, 20)
    assert found.environment["MAIL_URL"] == "https://mail.example.com"
    assert found.environment["MAIL_KEY"] == SECRET
    assert (found.secrets, found.statements) == ((SECRET,), OWN.statements)
    assert found.layers == ("base", "tokens", "actions")


def test_it_may_use_the_stores_that_it_declares_and_records_of_idempotency(plan: Plan) -> None:
    found = function(plan, "action_sign_up")
    writes = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"}
    assert {store: actions_on(found, store) & writes for store in ("user", "message", "persisty_request")} == {
        "user": {"dynamodb:PutItem"}, "message": set(), "persisty_request": writes
    }  # fmt: skip


def test_only_the_function_of_whole_requests_shares_what_it_declares(plan: Plan) -> None:
    for name in ("rest", "appsync"):
        found = function(plan, name)
        assert "MAIL_URL" not in found.environment
        assert (found.secrets, found.statements) == ((), ())
    whole = function(plan, "graphql_http")
    assert (whole.environment["MAIL_KEY"], whole.secrets, whole.statements) == (SECRET, (SECRET,), OWN.statements)


def test_functions_without_actions_have_the_grants_of_offered_verbs_alone() -> None:
    everything = plan_of(app, SPEC)
    alone = plan_of(app, SPEC, own=dict.fromkeys(("sign_up", "log_in", "statistics"), ActionOptions(stores={})))
    assert "dynamodb:PutItem" in actions_on(function(everything, "appsync"), "user")
    assert "dynamodb:PutItem" not in actions_on(function(alone, "appsync"), "user")  # no caller may create a user


@pytest.mark.parametrize(
    ("own", "path"),
    [({"sing_up": OWN}, "/actions/sing_up"), ({"sign_up": ActionOptions(stores={"usr": ()})}, "/actions/sign_up/stores/usr")],
)  # fmt: skip
def test_options_of_an_unknown_action_or_store_are_refused(own: dict[str, ActionOptions], path: str) -> None:
    with pytest.raises(InvalidDeclaration) as caught:
        plan_of(app, SPEC, own=own)
    assert [fault.path for fault in caught.value.faults] == [path]
