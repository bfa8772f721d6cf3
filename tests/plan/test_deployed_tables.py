"""The deployed tables are read and compared with the templates of an assembly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from msgspec import json

from persisty.deploy.assembly import StackShape, stacks_of
from persisty.deploy.deployed_tables import read_deployed, secret_arns
from persisty.deploy.resources import Index, KeyAttribute
from persisty.deploy.waves import TableShape
from persisty.errors import BackendUnavailable, InvalidDeclaration

TABLE: dict[str, Any] = {
    "TableName": "shop-dev-order",
    "BillingMode": "PAY_PER_REQUEST",
    "KeySchema": [
        {"AttributeName": "customer", "KeyType": "HASH"},
        {"AttributeName": "number", "KeyType": "RANGE"},
    ],
    "AttributeDefinitions": [
        {"AttributeName": "customer", "AttributeType": "S"},
        {"AttributeName": "number", "AttributeType": "N"},
        {"AttributeName": "day", "AttributeType": "S"},
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by-day-number",
            "KeySchema": [
                {"AttributeName": "day", "KeyType": "HASH"},
                {"AttributeName": "number", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
}
SHAPE = TableShape(
    "shop-dev-order",
    (KeyAttribute("customer", "S"), KeyAttribute("number", "N")),
    (Index("by-day-number", KeyAttribute("day", "S"), (KeyAttribute("number", "N"),)),),
)
RESOURCE = {"Type": "AWS::DynamoDB::Table", "Properties": TABLE, "DeletionPolicy": "Retain"}


@pytest.fixture
def session() -> Iterator[boto3.Session]:
    with mock_aws():
        yield boto3.Session(region_name="us-east-1")


def written(folder: Path, *templates: dict[str, Any]) -> Path:
    """Return an assembly with a stack for each template."""
    artifacts = {}
    for number, template in enumerate(templates):
        file = f"Stack{number}.template.json"
        (folder / file).write_bytes(json.encode(template))
        properties = {"templateFile": file, "stackName": f"Shop-dev-{number}"}
        artifacts[f"Id{number}"] = {
            "type": "aws:cloudformation:stack",
            "displayName": f"Place/{number}",
            "properties": properties,
        }
    artifacts["Assets"] = {"type": "cdk:asset-manifest", "properties": {}}
    (folder / "manifest.json").write_bytes(json.encode({"artifacts": artifacts}))
    return folder


def test_the_tables_of_an_assembly_are_those_of_its_templates_and_of_nested_stacks(tmp_path: Path) -> None:
    nested = {"Type": "AWS::CloudFormation::Stack", "Metadata": {"aws:asset:path": "nested.json"}, "Properties": {}}
    (tmp_path / "nested.json").write_bytes(json.encode({"Resources": {"Orders": RESOURCE}}))
    secret = {"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": "tokens"}}
    topic = {"Type": "AWS::SNS::Topic"}
    folder = written(tmp_path, {"Resources": {"Nested": nested}}, {"Resources": {"Topic": topic, "Tokens": secret}})
    assert stacks_of(folder) == (
        StackShape("Place/0", "Shop-dev-0", (SHAPE,), 1),
        StackShape("Place/1", "Shop-dev-1", (), 2, ("tokens",)),
    )


def test_deployed_tables_are_read_with_the_shape_of_their_template(session: boto3.Session) -> None:
    body = json.encode({"Resources": {"Orders": RESOURCE}}).decode()
    session.client("cloudformation").create_stack(StackName="Shop-dev-Data", TemplateBody=body)
    other = TableShape("shop-dev-line", SHAPE.key)
    stacks = (StackShape("D", "Shop-dev-Data", (SHAPE, other), 1), StackShape("A", "Shop-dev-Api", (), 9))
    found = read_deployed(stacks, session)
    assert (found.tables, found.stacked, found.new) == ({SHAPE.name: SHAPE}, (SHAPE.name,), ("Shop-dev-Api",))


def test_a_table_that_no_stack_has_is_read_too(session: boto3.Session) -> None:
    session.client("dynamodb").create_table(**TABLE)
    found = read_deployed((StackShape("D", "Shop-dev-Data", (SHAPE,), 1),), session)
    assert (found.tables, found.stacked, found.new) == ({SHAPE.name: SHAPE}, (), ("Shop-dev-Data",))


def test_a_secret_that_an_earlier_stack_retained_is_found(
    session: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    stacks = (StackShape("D", "Shop-dev-Data", (), 1, ("persisty/shop/dev/tokens",)),)
    assert read_deployed(stacks, session).secrets == ()
    made = session.client("secretsmanager").create_secret(Name="persisty/shop/dev/tokens", SecretString="s")
    assert read_deployed(stacks, session).secrets == ("persisty/shop/dev/tokens",)
    monkeypatch.setattr("persisty.deploy.deployed_tables._status", lambda client, stack: "CREATE_COMPLETE")
    listed = {"AWS::SecretsManager::Secret": [made["ARN"]]}
    monkeypatch.setattr("persisty.deploy.deployed_tables._stacked", lambda client, stack, kind: listed.get(kind, []))
    assert read_deployed(stacks, session).secrets == ()


def test_missing_credentials_are_an_error_with_the_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    stacks = (StackShape("D", "Shop-dev-Data", (), 1),)
    for session in (boto3.Session(), boto3.Session(region_name="us-east-1")):
        with pytest.raises(InvalidDeclaration, match="The deployed resources cannot be read from AWS"):
            read_deployed(stacks, session)


@pytest.mark.parametrize(
    ("status", "way"), [("UPDATE_ROLLBACK_FAILED", "cdk rollback"), ("DELETE_FAILED", "cdk destroy")]
)
def test_a_stuck_stack_is_named_with_the_remedy(
    status: str, way: str, session: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("persisty.deploy.deployed_tables._status", lambda client, stack: status)
    with pytest.raises(InvalidDeclaration, match=f"Shop-dev-Data is in {status}.*{way} Shop-dev-Data"):
        read_deployed((StackShape("D", "Shop-dev-Data", (), 1),), session)


@pytest.mark.parametrize("status", ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "DELETE_IN_PROGRESS"])
def test_a_stack_that_another_deployment_changes_is_named(
    status: str, session: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("persisty.deploy.deployed_tables._status", lambda client, stack: status)
    with pytest.raises(BackendUnavailable, match=f"Shop-dev-Data is in {status}: wait until"):
        read_deployed((StackShape("D", "Shop-dev-Data", (), 1),), session)


def test_a_stack_of_a_change_set_that_was_never_executed_is_new(
    session: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("persisty.deploy.deployed_tables._status", lambda client, stack: "REVIEW_IN_PROGRESS")
    assert read_deployed((StackShape("D", "Shop-dev-Data", (), 1),), session).new == ("Shop-dev-Data",)


def test_the_arns_of_secrets_are_found_by_their_names(session: boto3.Session) -> None:
    made = session.client("secretsmanager").create_secret(Name="persisty/shop/dev/tokens", SecretString="a")
    declared = ("persisty/shop/dev/tokens", "persisty/shop/prod/tokens")
    stacks = (StackShape("Data", "Shop-dev-Data", (), 1, declared), StackShape("Api", "Shop-dev-Api", (), 1))
    assert list(secret_arns(stacks, session)) == [made["ARN"]]
