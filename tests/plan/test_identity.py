"""A deployment has the issuers and the ARN of its secret, never a secret."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest

from persisty import App, InvalidDeclaration, authenticated, public, settings, stored
from persisty.deploy.plan import plan_of
from persisty.deploy.resources import Plan
from stacks.api_stack import ApiStack
from stacks.constructs.code import Target
from tests import tokens

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:tokens-AbCdEf"
PARAMETER = "arn:aws:ssm:eu-west-1:123456789012:parameter/deep/tokens"


@stored(access=authenticated)
class Locked:
    id: str


@stored(access=public)
class Open:
    id: str


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*settings.VARIABLES, "PERSISTY_TOKEN_SECRET"):
        monkeypatch.delenv(name, raising=False)


def planned(stage: str, *items: type[Any]) -> Plan:
    return plan_of(App("vault", items=items, url="memory://", stage=stage), "examples.messenger.app:app")


TOLD = {
    "PERSISTY_TOKEN_ISSUERS": "cognito:eu-west-1_AbC",
    "PERSISTY_TOKEN_AUDIENCE": "api",
    "PERSISTY_TOKEN_ISSUER": "vault",
    "PERSISTY_TOKEN_LEEWAY": "5",
    "PERSISTY_TOKEN_SECRET_ARN": ARN,
}


def test_functions_are_told_whose_tokens_count(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in TOLD.items():
        monkeypatch.setenv(name, value)
    for function in planned("prod", Locked).functions:
        assert {name: value for name, value in function.environment.items() if "TOKEN" in name} == TOLD
        assert function.secret == ARN


def test_what_is_not_set_is_not_told() -> None:
    for function in planned("prod", Open).functions:
        assert set(function.environment) == {"PERSISTY_APP", "PERSISTY_URL", "PERSISTY_STAGE"}
        assert function.secret is None


def test_a_laptop_s_secret_stays_there_and_is_no_deployment_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSISTY_TOKEN_SECRET", tokens.SECRET)
    monkeypatch.setenv("PERSISTY_TOKEN_KEY_FILE", "a/key/of/mine")
    for stage, item in (("dev", Locked), ("prod", Open)):
        shown = repr(planned(stage, item))
        assert tokens.SECRET not in shown
        assert "a/key/of/mine" not in shown
    with pytest.raises(InvalidDeclaration, match="stage prod trusts no token issuer"):
        planned("prod", Locked)


@pytest.mark.parametrize(("name", "value"), [("ISSUERS", "okta:x"), ("SECRET_ARN", tokens.SECRET), ("LEEWAY", "x")])
def test_a_mistake_stops_the_synth(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"PERSISTY_TOKEN_{name}", value)
    with pytest.raises(InvalidDeclaration) as refused:
        planned("dev", Open)
    assert tokens.SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("arn", "action", "resources"),
    [
        (ARN, "secretsmanager:GetSecretValue", [ARN, f"{ARN}-??????"]),
        (PARAMETER, "ssm:GetParameter", PARAMETER),
        (None, None, None),
    ],
)
def test_functions_may_read_their_secret_and_no_other(
    arn: str | None, action: str | None, resources: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if arn is not None:
        monkeypatch.setenv("PERSISTY_TOKEN_SECRET_ARN", arn)
    monkeypatch.setenv("PERSISTY_TOKEN_SECRET", tokens.SECRET)
    made = cdk.App()
    plan = planned("dev", Locked)
    stack = ApiStack(made, "Api", plan, Target.parse("local"))
    template = made.synth().get_stack_by_name(stack.stack_name).template
    assert tokens.SECRET not in str(template)
    policies = [one["Properties"] for one in template["Resources"].values() if one["Type"] == "AWS::IAM::Policy"]
    found = [
        (statement["Action"], statement["Resource"])
        for policy in policies
        for statement in policy["PolicyDocument"]["Statement"]
        if str(statement["Action"]).startswith(("secretsmanager", "ssm"))
    ]
    assert found == ([] if action is None else [(action, resources)] * len(plan.functions))
