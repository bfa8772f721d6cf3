"""Settings of a deployment: declared by stage in cdk.json, replaced by the deploying shell with a note, received by the functions that use them."""

from __future__ import annotations

from typing import Any

import pytest

from persisty import App, InvalidDeclaration, public, settings, stored
from persisty.deploy.deployed_settings import FUNCTIONS, RECEIVERS, deployed_settings, variables_of
from persisty.deploy.events import events_of
from persisty.deploy.plan import FUNCTIONS as PLANNED
from persisty.deploy.plan import plan_of

DECLARED = {
    "*": {"PERSISTY_LOG_LEVEL": "WARNING", "PERSISTY_CORS_ORIGINS": "http://localhost:3000", "PAYMENTS": "test"},
    "prod": {
        "PERSISTY_CORS_ORIGINS": "https://shop.example.com",
        "PERSISTY_GRAPHQL_INTROSPECTION": "off",
        "PERSISTY_CACHE": "on",
        "PERSISTY_RATE_LIMIT": "100/s",
        "PAYMENTS": "live",
    },
}


@stored(access=public)
class Note:
    id: str


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings.VARIABLES:
        monkeypatch.delenv(name, raising=False)


def environments(stage: str, shell: dict[str, str]) -> dict[str, dict[str, str]]:
    deployed = deployed_settings("notes", stage, DECLARED, shell)
    app = App("notes", items=[Note], url="memory://", stage=stage)
    plan = plan_of(app, "notes:app", configured=deployed.settings, variables=deployed.variables)
    events = events_of(plan)
    assert events is not None
    return {
        one.name: {
            name: value
            for name, value in one.environment.items()
            if name not in {"PERSISTY_APP", "PERSISTY_URL", "PERSISTY_STAGE"}
        }
        for one in (*plan.functions, *events.functions)
    }


def test_every_function_of_a_plan_is_a_receiver_and_every_receiver_a_function() -> None:
    assert {*PLANNED, "stream", "after", "timer"} == set(FUNCTIONS)
    assert {name for names in RECEIVERS.values() for name in names} == set(FUNCTIONS)
    assert RECEIVERS.keys() <= set(settings.Settings.__struct_fields__)


def test_a_setting_of_the_streams_alone_reaches_their_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECEIVERS, "cache", ("stream",))
    found = environments("prod", {})
    assert [name for name, variables in found.items() if "PERSISTY_CACHE" in variables] == ["stream"]


def test_a_stage_has_its_own_settings_over_those_of_every_stage() -> None:
    everywhere = {"PERSISTY_LOG_LEVEL": "WARNING", "PAYMENTS": "live"}
    http = {"PERSISTY_CORS_ORIGINS": "https://shop.example.com", "PERSISTY_RATE_LIMIT": "100/s", "PERSISTY_CACHE": "on"}
    assert environments("prod", {}) == {
        "rest": everywhere | http,
        "graphql_http": everywhere | http | {"PERSISTY_GRAPHQL_INTROSPECTION": "off"},
        "appsync": everywhere | {"PERSISTY_CACHE": "on"},
        "stream": everywhere,
    }
    assert environments("dev", {})["rest"] == {
        "PERSISTY_LOG_LEVEL": "WARNING",
        "PERSISTY_CORS_ORIGINS": "http://localhost:3000",
        "PAYMENTS": "test",
    }


def test_the_next_deployment_from_another_shell_is_the_same() -> None:
    first = environments("prod", {"PERSISTY_CORS_ORIGINS": "https://shop.example.com"})
    assert environments("prod", {}) == first


def test_the_shell_replaces_what_is_declared_and_a_note_says_so() -> None:
    shell = {
        "PERSISTY_CORS_ORIGINS": "https://new.example.com",
        "PERSISTY_LOG_LEVEL": "DEBUG",
        "PERSISTY_CACHE": "on",
        "PERSISTY_TOKEN_LEEWAY": "5",
        "PERSISTY_DRAIN_DELAY": "7",
        "PAYMENTS": "of this laptop",
    }
    deployed = deployed_settings("notes", "prod", DECLARED, shell)
    assert (deployed.settings.cors_origins, deployed.settings.log_level) == ("https://new.example.com", "DEBUG")
    assert (deployed.settings.drain_delay, deployed.variables) == ("0", {"PAYMENTS": "live"})
    assert deployed.notes == (
        "PERSISTY_LOG_LEVEL is 'DEBUG' in this shell and 'WARNING' in cdk.json: this deployment uses the value of the shell",
        "PERSISTY_CORS_ORIGINS is 'https://new.example.com' in this shell and 'https://shop.example.com' in cdk.json: "
        "this deployment uses the value of the shell",
        "PERSISTY_TOKEN_LEEWAY is '5' in this shell and not in cdk.json: a deployment without it removes it",
    )


SECRET = "PERSISTY_TOKEN_SECRET_ARN"
ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:"
OF_DEV = {"dev": {SECRET: f"{ARN}mine-AbCdEf"}, "*": {SECRET: f"{ARN}all-AbCdEf"}}


@pytest.mark.parametrize(
    ("arn", "owner"),
    [
        (f"{ARN}persisty/notes/dev/tokens-AbCdEf", "the stage dev"),
        (f"{ARN}persisty/notes/dev/tokens", "the stage dev"),
        (f"{ARN}persisty/other/prod/tokens-AbCdEf", "other in the stage prod"),
        (f"{ARN}mine-AbCdEf", "the stage dev"),
    ],
)
def test_the_token_secret_of_another_deployment_is_not_taken_from_the_shell(arn: str, owner: str) -> None:
    with pytest.raises(InvalidDeclaration, match=f"is the secret of {owner}") as refused:
        deployed_settings("notes", "prod", OF_DEV, {SECRET: arn})
    assert [(fault.path, fault.found) for fault in refused.value.faults] == [(f"/{SECRET}", arn)]
    declared = {"prod": {SECRET: arn}}
    assert deployed_settings("notes", "prod", declared, {}).settings.token_secret_arn == arn
    assert deployed_settings("notes", "prod", declared, {SECRET: arn}).notes == ()


@pytest.mark.parametrize("name", ["persisty/notes/prod/tokens-AbCdEf", "all-AbCdEf", "another-AbCdEf"])
def test_a_token_secret_that_may_be_of_this_stage_is_taken_from_the_shell(name: str) -> None:
    assert deployed_settings("notes", "prod", OF_DEV, {SECRET: ARN + name}).settings.token_secret_arn == ARN + name


def test_an_empty_text_unsets_a_variable_of_every_stage() -> None:
    deployed = deployed_settings(
        "notes", "qa", {"*": DECLARED["*"], "qa": {"PERSISTY_LOG_LEVEL": "", "PAYMENTS": ""}}, {}
    )
    assert (deployed.settings.log_level, deployed.variables) == ("INFO", {})


@pytest.mark.parametrize(
    ("declared", "path"),
    [
        ("x", "/settings"),
        ({"prod": "x"}, "/settings/prod"),
        ({"prod": {"PERSISTY_TOKEN_LEEWAY": 60}}, "/settings/prod/PERSISTY_TOKEN_LEEWAY"),
        ({"qa": {"PERSISTY_METRICS": "on"}}, "/settings/qa/PERSISTY_METRICS"),
        ({"qa": {"PERSISTY_TOKEN_SECRET": "x" * 40}}, "/settings/qa/PERSISTY_TOKEN_SECRET"),
        ({"qa": {"AWS_REGION": "eu-west-1"}}, "/settings/qa/AWS_REGION"),
        ({"qa": {"a b": "c"}}, "/settings/qa/a b"),
        ({"prod": {"PERSISTY_LOG_LEVEL": "LOUD"}}, "/PERSISTY_LOG_LEVEL"),
    ],
)
def test_a_mistake_stops_the_synth_with_its_place(declared: Any, path: str) -> None:
    with pytest.raises(InvalidDeclaration) as refused:
        deployed_settings("notes", "prod", declared, {})
    assert [fault.path for fault in refused.value.faults] == [path]
    assert "x" * 40 not in str(refused.value)


def test_an_invalid_rate_stops_the_synth() -> None:
    app = App("notes", items=[Note], url="memory://")
    with pytest.raises(InvalidDeclaration, match="PERSISTY_RATE_LIMIT"):
        plan_of(app, "notes:app", configured=settings.Settings(rate_limit="fast"))


def test_a_function_receives_no_default() -> None:
    assert all(variables_of(function, settings.Settings()) == {} for function in FUNCTIONS)
