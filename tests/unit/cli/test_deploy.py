"""`persisty deploy` of stacks in several regions, and of settings that come from the shell, with a CDK that only records its calls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from .conftest import Persisty

CDK = """#!/usr/bin/env python3
import json, pathlib, shutil, sys
words = sys.argv[1:]
if words[0] == "synth":
    shutil.copytree("assembly", words[words.index("--output") + 1], dirs_exist_ok=True)
else:
    with open("calls", "a") as calls:
        calls.write(json.dumps(words) + "\\n")
    if "--outputs-file" in words:
        stack = words[1].rpartition("/")[2]
        pathlib.Path(words[words.index("--outputs-file") + 1]).write_text(json.dumps({stack: {"HttpUrl": "https://" + words[1]}}))
"""
TABLE: dict[str, Any] = {
    "TableName": "shop-prod-order",
    "BillingMode": "PAY_PER_REQUEST",
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
}
INDEX = {
    "IndexName": "by-day",
    "KeySchema": [{"AttributeName": "day", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "ALL"},
}
INDEXED = {
    **TABLE,
    "AttributeDefinitions": [*TABLE["AttributeDefinitions"], {"AttributeName": "day", "AttributeType": "S"}],
    "GlobalSecondaryIndexes": [INDEX, {**INDEX, "IndexName": "by-night"}],
}
NOTE = "PERSISTY_TOKEN_ISSUER is 'me' in this shell and not in cdk.json: a deployment without it removes it"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield


@pytest.fixture
def project(aws: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "node_modules" / ".bin" / "cdk"
    program.parent.mkdir(parents=True)
    program.write_text(CDK)
    program.chmod(0o755)
    (tmp_path / "cdk.json").write_text('{"app": "python infrastructure.py"}')
    return tmp_path


def assembled(project: Path, *environments: str, warning: str | None = None) -> None:
    """Write an assembly with a stack for each environment. A stack of another region than the first is in a stage of its own."""
    artifacts: dict[str, Any] = {}
    for number, environment in enumerate(environments):
        folder = project / "assembly" / (f"assembly-{number}" if number else ".")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "Data.template.json").write_text(
            json.dumps({"Resources": {"Orders": {"Type": "AWS::DynamoDB::Table", "Properties": INDEXED}}})
        )
        stack: dict[str, Any] = {
            "type": "aws:cloudformation:stack",
            "environment": environment,
            "displayName": f"Other{number}/Shop-prod-Data" if number else "Shop-prod-Data",
            "properties": {"templateFile": "Data.template.json", "stackName": "Shop-prod-Data"},
        }
        if warning is not None:
            stack["additionalMetadataFile"] = "Data.metadata.json"
            (folder / "Data.metadata.json").write_text(
                json.dumps({"/Data": [{"type": "aws:cdk:warning", "data": warning}]})
            )
        if number:
            (folder / "manifest.json").write_text(json.dumps({"artifacts": {"Data": stack}}))
            artifacts[f"Other{number}"] = {"type": "cdk:cloud-assembly", "properties": {"directoryName": folder.name}}
        else:
            artifacts["Data"] = stack
    (project / "assembly" / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))


def calls(project: Path) -> list[list[str]]:
    file = project / "calls"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_each_region_is_updated_in_the_waves_that_its_tables_need(project: Path, persisty: Persisty) -> None:
    assembled(project, "aws://unknown-account/unknown-region", "aws://123456789012/us-east-1")
    boto3.client("dynamodb", region_name="us-east-1").create_table(**TABLE)
    done = persisty("deploy")
    assert done.code == 0, done.err
    lines = [line for line in done.out.splitlines() if "wave" in line or "HttpUrl" in line]
    assert lines == [
        "HttpUrl: https://Shop-prod-Data",
        "us-east-1: wave 1 of 2: add shop-prod-order.by-day",
        "us-east-1: wave 2 of 2: add shop-prod-order.by-night",
        "HttpUrl: https://Other1/Shop-prod-Data",
    ]
    assert [words[1] for words in calls(project)] == ["Shop-prod-Data", *["Other1/Shop-prod-Data"] * 2]
    assert ["--import-existing-resources" in words for words in calls(project)] == [False, True, True]


def test_a_loss_in_any_region_is_refused_before_anything_changes(project: Path, persisty: Persisty) -> None:
    assembled(project, "aws://unknown-account/unknown-region", "aws://123456789012/us-east-1")
    other = [{"AttributeName": "id", "AttributeType": "N"}]
    boto3.client("dynamodb", region_name="us-east-1").create_table(**{**TABLE, "AttributeDefinitions": other})
    done = persisty("deploy")
    assert (done.code, calls(project)) == (2, [])
    assert "/us-east-1/shop-prod-order/key: The key of a table cannot change" in done.err
    diff = persisty("diff", "--deployed")
    assert diff.code == 1
    assert "The key of a table cannot change" in diff.out
    assert "The table is new, with 2 indexes" in diff.out


def test_a_stack_of_another_account_is_refused(project: Path, persisty: Persisty) -> None:
    assembled(project, "aws://222222222222/eu-west-1")
    for command in ("deploy", "destroy", "diff"):
        done = persisty(command, *(["--deployed"] if command == "diff" else []))
        assert (done.code, calls(project)) == (2, [])
        assert (
            "The stack Shop-prod-Data is in the account 222222222222, and the credentials are of 123456789012"
            in done.err
        )


def test_a_setting_of_identity_from_the_shell_is_taken_only_if_it_is_named(project: Path, persisty: Persisty) -> None:
    assembled(project, "aws://unknown-account/unknown-region", warning=f"{NOTE} [ack: persisty:PERSISTY_TOKEN_ISSUER]")
    done = persisty("deploy")
    assert (done.code, calls(project)) == (2, [])
    assert f"warning {NOTE}" in done.out
    assert "/PERSISTY_TOKEN_ISSUER" in done.err
    assert "expected --allow shell:PERSISTY_TOKEN_ISSUER" in done.err
    assert persisty("deploy", "--allow", "shell:PERSISTY_TOKEN_ISSUER").code == 0


def test_another_setting_from_the_shell_is_printed(project: Path, persisty: Persisty) -> None:
    note = NOTE.replace("PERSISTY_TOKEN_ISSUER", "PERSISTY_LOG_LEVEL")
    assembled(project, "aws://unknown-account/unknown-region", warning=f"{note} [ack: persisty:PERSISTY_LOG_LEVEL]")
    for command in ("deploy", "synth"):
        done = persisty(command)
        assert done.code == 0, done.err
        assert f"warning {note}" in done.out


def test_a_deletion_of_nothing_says_so(project: Path, persisty: Persisty) -> None:
    assembled(project, "aws://unknown-account/unknown-region", "aws://123456789012/us-east-1")
    boto3.client("dynamodb", region_name="us-east-1").create_table(**TABLE)
    done = persisty("destroy", "--yes")
    assert (done.code, calls(project)) == (0, [])
    assert done.out.splitlines()[1:] == [
        "Nothing to delete: no stack Shop-prod-Data or Shop-prod-Data exists",
        "These tables and secrets remain in us-east-1: shop-prod-order",
    ]
