"""A deployment has the issuers and the ARN of its secret, never a secret."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest

from persisty import App, InvalidDeclaration, authenticated, public, settings, stored
from persisty.deploy.plan import plan_of
from persisty.deploy.resources import Plan
from tests import tokens
from tests.parts import api_stack, data_stack

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:tokens-AbCdEf"
GENERATED = "arn:<AWS::Partition>:secretsmanager:<AWS::Region>:<AWS::AccountId>:secret:persisty/vault/dev/tokens"
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


def test_functions_have_the_variables_of_trusted_issuers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in TOLD.items():
        monkeypatch.setenv(name, value)
    for function in planned("prod", Locked).functions:
        assert {name: value for name, value in function.environment.items() if "TOKEN" in name} == TOLD
        assert function.secret == ARN


def test_settings_that_are_not_set_are_not_variables() -> None:
    for function in planned("prod", Open).functions:
        assert set(function.environment) == {"PERSISTY_APP", "PERSISTY_URL", "PERSISTY_STAGE"}
        assert function.secret is None


def test_a_secret_of_the_deploying_machine_is_not_deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSISTY_TOKEN_SECRET", tokens.SECRET)
    monkeypatch.setenv("PERSISTY_TOKEN_KEY_FILE", "a/key/of/mine")
    for stage, item in (("dev", Locked), ("prod", Open), ("prod", Locked)):
        shown = repr(planned(stage, item))
        assert tokens.SECRET not in shown
        assert "a/key/of/mine" not in shown


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_a_deployment_whose_rules_look_at_callers_generates_a_secret_unless_one_or_an_issuer_is_configured(
    stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(stage, Locked)
    assert plan.secret == f"persisty/vault/{stage}/tokens"
    assert {function.secret for function in plan.functions} == {plan.secret}
    assert all("tokens" in function.layers for function in plan.functions)
    assert planned(stage, Open).secret is None
    monkeypatch.setenv("PERSISTY_TOKEN_ISSUERS", "cognito:eu-west-1_AbC")
    monkeypatch.setenv("PERSISTY_TOKEN_AUDIENCE", "api")
    assert planned(stage, Locked).secret is None
    monkeypatch.setenv("PERSISTY_TOKEN_SECRET_ARN", "generated")  # for an app that also signs tokens itself
    assert planned(stage, Locked).secret == f"persisty/vault/{stage}/tokens"
    monkeypatch.setenv("PERSISTY_TOKEN_SECRET_ARN", ARN)
    assert planned(stage, Locked).secret is None


def test_an_action_that_looks_at_callers_needs_a_secret_too() -> None:
    guarded = App("vault", items=[Open], actions=["tests.plan.guarded_actions"], url="memory://")
    assert plan_of(guarded, "examples.messenger.app:app").secret == "persisty/vault/dev/tokens"


def test_the_data_stack_generates_and_retains_the_secret_and_exports_nothing() -> None:
    made = cdk.App()
    stack = data_stack(made, planned("prod", Locked))
    template = made.synth().get_stack_by_name(stack.stack_name).template
    [secret] = [one for one in template["Resources"].values() if one["Type"] == "AWS::SecretsManager::Secret"]
    assert (secret["DeletionPolicy"], secret["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert secret["Properties"]["Name"] == "persisty/vault/prod/tokens"
    assert secret["Properties"]["GenerateSecretString"] == {"ExcludePunctuation": True, "PasswordLength": 64}
    assert "Outputs" not in template


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
        (None, "secretsmanager:GetSecretValue", [GENERATED, f"{GENERATED}-??????"]),
    ],
)
def test_functions_may_read_their_secret_and_no_other(
    arn: str | None, action: str, resources: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if arn is not None:
        monkeypatch.setenv("PERSISTY_TOKEN_SECRET_ARN", arn)
    monkeypatch.setenv("PERSISTY_TOKEN_SECRET", tokens.SECRET)
    made = cdk.App()
    plan = planned("dev", Locked)
    stack = api_stack(made, plan)
    template = made.synth().get_stack_by_name(stack.stack_name).template
    assert tokens.SECRET not in str(template)
    policies = [one["Properties"] for one in template["Resources"].values() if one["Type"] == "AWS::IAM::Policy"]
    found = [
        (statement["Action"], _shown(statement["Resource"]))
        for policy in policies
        for statement in policy["PolicyDocument"]["Statement"]
        if str(statement["Action"]).startswith(("secretsmanager", "ssm"))
    ]
    assert found == [(action, resources)] * len(plan.functions)
    functions = [one["Properties"] for one in template["Resources"].values() if one["Type"] == "AWS::Lambda::Function"]
    told = [_shown(one["Environment"]["Variables"]["PERSISTY_TOKEN_SECRET_ARN"]) for one in functions]
    assert told == [arn or GENERATED] * len(plan.functions)


def _shown(value: Any) -> Any:
    """A part of a template with the joined texts in one, references as `<name>`."""
    match value:
        case {"Fn::Join": ["", parts]}:
            return "".join(part if isinstance(part, str) else f"<{part['Ref']}>" for part in parts)
        case list():
            return [_shown(one) for one in value]
    return value
