"""How the commands of a deployment run the CDK's command line: what they print, and the log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from persisty.cli.cdk_runs import LOG, CdkRuns
from persisty.cli.terminal import plain_console

Program = Callable[..., CdkRuns]
DEPLOYED = """\
Shop-dev-Data: start: Building Shop-dev-Data Template
Shop-dev-Data | 0/2 | 7:44:50 AM | CREATE_IN_PROGRESS      | AWS::DynamoDB::Table       | Note (Note6A92B2B2)
Shop-dev-Data | 1/2 | 7:44:50 AM | CREATE_COMPLETE         | AWS::DynamoDB::Table       | Note (Note6A92B2B2)

 ✅  Shop-dev-Data

 ✅  Shop-dev-Api (no changes)
Outputs:
Shop-dev-Api.HttpUrl = http://localhost"""
DELETED = """\
Shop-dev-Data |   0 | 7:53:02 AM | DELETE_SKIPPED          | AWS::DynamoDB::Table       | Note (Note6A92B2B2)
 ✅  Shop-dev-Data: destroyed"""
FAILED = """\
Shop-dev-Api | 45/117 | 7:44:51 AM | CREATE_FAILED           | AWS::Lambda::Function          | Rest (Rest5B8C19) The role is [not] allowed
Shop-dev-Api | 46/117 | 7:44:51 AM | UPDATE_ROLLBACK_COMPLETE | AWS::CloudFormation::Stack     | Shop-dev-Api
Failed resources:
Shop-dev-Api | 7:44:51 AM | CREATE_FAILED           | AWS::Lambda::Function          | Rest (Rest5B8C19) The role is [not] allowed
❌  Shop-dev-Api failed: Error: The stack failed
a reason
a reason"""


@pytest.fixture
def cdk(tmp_path: Path) -> Program:
    """Make a project whose CDK prints its arguments with its check of templates, then a text, and fails if the text has a failure."""

    def make(text: str, *, verbose: bool = False) -> CdkRuns:
        program = tmp_path / "node_modules" / ".bin" / "cdk"
        program.parent.mkdir(parents=True)
        (tmp_path / "text").write_text(text + "\n")
        program.write_text(
            '#!/bin/sh\necho "$* ${CDK_VALIDATION:-checked} $NODE_NO_WARNINGS"\ncat text\n! grep -q ❌ text\n'
        )
        program.chmod(0o755)
        return CdkRuns(tmp_path, plain_console(), verbose=verbose)

    return make


def log(tmp_path: Path) -> str:
    assert (tmp_path / ".persisty" / ".gitignore").read_text() == "*\n"
    return (tmp_path / LOG).read_text()


@pytest.mark.parametrize(("checked", "said"), [(True, "checked"), (False, "false")])
def test_a_failed_synth_prints_the_whole_output(
    checked: bool,
    said: str,
    cdk: Program,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is checked by the CDK unless it was before."""
    monkeypatch.delenv("CDK_VALIDATION", raising=False)
    with pytest.raises(typer.Exit) as failed:
        cdk("❌ a mistake").synth(Path("out"), ["--app", "x"], checked=checked)
    assert failed.value.exit_code == 1
    printed = capfd.readouterr().err
    assert printed == f"synth --quiet --no-notices --output out --app x {said} 1\n❌ a mistake\n"
    assert log(tmp_path) == printed


def test_a_deployment_prints_a_line_for_each_stack(
    cdk: Program, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    runs = cdk(DEPLOYED)
    runs.change(["deploy"])
    lines = capfd.readouterr().out.splitlines()
    assert [line.rpartition(", ")[0] for line in lines] == ["Shop-dev-Data: deployed", "Shop-dev-Api: no changes"]
    runs.change(["deploy", "again"])
    assert log(tmp_path) == f"deploy false 1\n{DEPLOYED}\ndeploy again false 1\n{DEPLOYED}\n"


def test_a_deletion_prints_a_line_for_each_stack(cdk: Program, capfd: pytest.CaptureFixture[str]) -> None:
    cdk(DELETED).change(["destroy"])
    assert capfd.readouterr().out.startswith("Shop-dev-Data: deleted, ")


def test_a_failure_names_the_resources_and_the_log(
    cdk: Program, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit):
        cdk(FAILED).change(["deploy"])
    assert capfd.readouterr().err.splitlines() == [
        "Shop-dev-Api: CREATE_FAILED AWS::Lambda::Function Rest (Rest5B8C19) The role is [not] allowed",
        "❌  Shop-dev-Api failed: Error: The stack failed",
        "a reason",
        "The whole output of the CDK is in .persisty/cdk.log",
    ]
    assert FAILED in log(tmp_path)


def test_a_verbose_run_prints_the_output_of_the_cdk(
    cdk: Program, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cdk(DEPLOYED, verbose=True).change(["deploy"])
    assert DEPLOYED in capfd.readouterr().out
    assert not (tmp_path / LOG).exists()
