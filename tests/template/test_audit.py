"""cdk-nag's pack AwsSolutions finds only exceptions for which the constructs give a reason. `make checkov` runs checkov."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2
from cdk_nag import AwsSolutionsChecks

from stacks import PersistyApp
from stacks.constructs import functions
from stacks.constructs.exceptions import CHECKOV, REASONS

APP, TARGET = "examples.messenger.app:app", "arm64-3.14"  # the newest runtime, which the pack demands


def alone(cdk_app: cdk.App) -> None:
    PersistyApp(cdk_app, "Messenger", app=APP, target=TARGET)


def with_triggers(cdk_app: cdk.App) -> None:
    PersistyApp(cdk_app, "Parcels", app="tests.parcels:app", target=TARGET)


def with_everything(cdk_app: cdk.App) -> None:
    stack = cdk.Stack(cdk_app, "Mine", env=cdk.Environment(account="123456789012", region="eu-west-1"))
    vpc = ec2.Vpc.from_vpc_attributes(
        stack,
        "Vpc",
        vpc_id="vpc-0123456789abcdef0",
        availability_zones=["eu-west-1a"],
        private_subnet_ids=["subnet-0123456789abcdef0"],
    )
    row = {
        "statements": [{"actions": ["ses:SendEmail"], "resources": ["arn:aws:ses:eu-west-1:123456789012:identity/x"]}]
    }
    PersistyApp(
        stack,
        "Messenger",
        app=APP,
        target=TARGET,
        vpc=vpc,
        snap_start=True,
        split=True,
        tracing=True,
        metrics=True,
        actions={"sign_up": row},
    )


def careless(cdk_app: cdk.App) -> None:
    stack = cdk.Stack(cdk_app, "Mine")
    PersistyApp(stack, "Messenger", app=APP, target=TARGET, recovery_days=0)


@pytest.mark.parametrize(
    ("made", "clean"), [(alone, True), (with_triggers, True), (with_everything, True), (careless, False)]
)
def test_an_audit_finds_rules_that_are_not_followed(
    made: Callable[[cdk.App], None], clean: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "code").mkdir()
    for name in ("dependency_layer", "runtime_layer", "function_code"):
        monkeypatch.setattr(functions, name, lambda *_: tmp_path / "code")
    cdk_app = cdk.App(outdir=str(tmp_path / "cdk.out"))
    made(cdk_app)
    cdk.Validations.of(cdk_app).add_plugins(AwsSolutionsChecks(cdk_app))
    if clean:
        cdk_app.synth()
        return
    with pytest.raises(RuntimeError, match="AwsSolutions-DDB3"):  # tables without point-in-time recovery
        cdk_app.synth()


def test_each_exception_has_a_reason_and_those_of_checkov_are_documented() -> None:
    page = (Path(__file__).parents[2] / "docs/deploying.md").read_text()
    assert {check for check in CHECKOV if f"`{check}" in page} == CHECKOV.keys()
    assert all(len(reason) > 20 for reason in (*REASONS.values(), *CHECKOV.values()))
