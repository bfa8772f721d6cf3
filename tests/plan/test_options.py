"""The options of a deployment: every mistake is named with its path, before anything is synthesised."""

from __future__ import annotations

from typing import Any

import pytest

from persisty import InvalidDeclaration
from persisty.deploy import options as declared
from persisty.deploy.options import ActionOptions, Options, Statement, options_of
from stacks.constructs.retention import RETENTIONS

SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:stripe-AbCdEf"


def faults(**given: Any) -> list[str]:
    with pytest.raises(InvalidDeclaration) as caught:
        options_of(given)
    return [str(fault) for fault in caught.value.faults]


def test_every_option_except_the_app_has_a_default() -> None:
    assert options_of({"app": "shop:app"}) == Options(app="shop:app")
    assert faults() == ["/app: Is missing (expected module:attribute)"]


def test_texts_of_the_command_line_are_read() -> None:
    assert options_of({"app": "shop:app", "live": "off", "memory": "512", "snap_start": "on"}) == Options(
        app="shop:app", live=False, memory=512, snap_start=True
    )


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"app": ":app"}, "/app"),
        ({"stage": "feature/x"}, "/stage"),
        ({"stage": "a" * 65}, "/stage"),
        ({"graphql": "yes"}, "/graphql"),
        ({"memory": 64}, "/memory"),
        ({"timeout": 30}, "/timeout"),
        ({"log_retention": 31}, "/log_retention"),
        ({"removal": "keep"}, "/removal"),
        ({"recovery_days": 36}, "/recovery_days"),
        ({"web_acl": "arn:…", "graphql": "http"}, "/web_acl"),
        ({"snap_start": True, "target": "arm64-3.11"}, "/snap_start"),
        ({"memroy": 1}, "/memroy"),
        ({"functions": {"rest": {"memory": 1}}}, "/functions/rest/memory"),
        ({"functions": {"rest": {"memroy": 512}}}, "/functions/rest/memroy"),
        ({"actions": {"pay": {"statements": [{"actions": [], "resources": ["*"]}]}}}, "/actions/pay/statements/0/actions"),
        ({"actions": {"pay": {"secrets": {"KEY": "sk_live"}}}}, "/actions/pay/secrets/KEY"),
        ({"actions": {"pay": {"environment": {"AWS_REGION": "x"}}}}, "/actions/pay/environment/AWS_REGION"),
        ({"actions": {"pay": {"stores": {"order": ["reed"]}}}}, "/actions/pay/stores/order"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_the_path_of_its_option(given: dict[str, Any], path: str) -> None:
    found = faults(**{"app": "shop:app", **given})
    assert [one.partition(":")[0] for one in found] == [path], found


def test_every_mistake_is_named_at_once() -> None:
    found = faults(app="shop:app", memory=1, timeout=0, colour="red")
    assert sorted(one.partition(":")[0] for one in found) == ["/colour", "/memory", "/timeout"]


def test_an_action_has_its_own_row() -> None:
    row = {"secrets": {"STRIPE": SECRET}, "statements": [{"actions": ["ses:SendEmail"], "resources": ["arn:x"]}]}
    found = options_of({"app": "shop:app", "actions": {"pay": row}})
    assert found.actions == {
        "pay": ActionOptions(secrets={"STRIPE": SECRET}, statements=(Statement(("ses:SendEmail",), ("arn:x",)),))
    }


def test_the_retentions_are_those_of_cdk() -> None:
    assert tuple(RETENTIONS) == declared.RETENTIONS
