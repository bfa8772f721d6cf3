"""The first deployment of a stack fails after its tables and secret were created: the next one must succeed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import aws_cdk as cdk
import boto3
import pytest

from examples.messenger.app import app
from persisty.deploy.plan import plan_of
from tests.parts import data_stack

from .deployment import SECRET
from .emulators import REGION, ministack_server

TABLES = {"messenger-dev-user", "messenger-dev-message"}


@pytest.fixture
def url() -> Iterator[str]:
    with ministack_server() as url:
        yield url


class Account:
    """The account at a URL. `policies`: the deletion policies of the tables in the template."""

    def __init__(self, url: str, **options: Any) -> None:
        self._url = url
        stack = data_stack(cdk.App(), plan_of(app, "examples.messenger.app:app"), **options)
        template = cdk.App.of(stack).synth().get_stack_by_name("Data").template  # type: ignore[union-attr]
        self._resources = template["Resources"]
        self.policies = {
            one["DeletionPolicy"] for one in self._resources.values() if one["Type"] == "AWS::DynamoDB::Table"
        }

    def client(self, service: str) -> Any:
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        return boto3.client(service, endpoint_url=self._url, region_name=REGION, **keys)

    def create(self, *, failing: bool = False, adopted: bool = False) -> str:
        """Create the stack and return its last state. `failing`: a resource that depends on everything else cannot be created."""
        resources = self._resources
        if failing:
            properties = {"AuthType": "NONE", "TargetFunctionArn": "absent"}
            broken = {"Type": "AWS::Lambda::Url", "Properties": properties, "DependsOn": list(resources)}
            resources = {**resources, "Broken": broken}
        cloud = self.client("cloudformation")
        cloud.create_change_set(
            StackName="Data", ChangeSetName="first", ChangeSetType="CREATE", ImportExistingResources=adopted,
            TemplateBody=json.dumps({"Resources": resources}), Capabilities=["CAPABILITY_IAM"],
        )  # fmt: skip
        self._settle(lambda: cloud.describe_change_set(StackName="Data", ChangeSetName="first")["Status"])
        cloud.execute_change_set(StackName="Data", ChangeSetName="first")
        return self._settle(lambda: cloud.describe_stacks(StackName="Data")["Stacks"][0]["StackStatus"])

    def delete(self) -> None:
        self.client("cloudformation").delete_stack(StackName="Data")

    def tables(self) -> set[str]:
        return TABLES & set(self.client("dynamodb").list_tables()["TableNames"])

    def secrets(self) -> set[str]:
        return {one["Name"] for one in self.client("secretsmanager").list_secrets()["SecretList"]}

    def _settle(self, state: Any) -> str:
        for _ in range(200):
            found: str = state()
            if not found.endswith(("IN_PROGRESS", "PENDING")):
                return found
            time.sleep(0.1)
        pytest.fail(f"still {found}")


def test_a_failed_creation_leaves_nothing_that_the_next_would_meet(url: str) -> None:
    account = Account(url, deletion_protection=False)
    assert account.policies == {"RetainExceptOnCreate"}
    assert account.create(failing=True) == "ROLLBACK_COMPLETE"
    assert (account.tables(), account.secrets()) == (set(), set())
    account.delete()
    assert account.create() == "CREATE_COMPLETE"
    account.delete()
    assert (account.tables(), account.secrets()) == (TABLES, {SECRET})  # the creation succeeded, so they are retained


def test_tables_with_deletion_protection_remain_and_are_adopted(url: str) -> None:
    account = Account(url)
    assert account.policies == {"Retain"}
    assert account.create(failing=True) == "ROLLBACK_COMPLETE"  # not ROLLBACK_FAILED
    assert (account.tables(), account.secrets()) == (TABLES, set())
    account.delete()
    assert account.create(adopted=True) == "CREATE_COMPLETE"


def test_a_failed_creation_does_not_remove_tables_that_it_adopted(url: str) -> None:
    account = Account(url, deletion_protection=False)
    assert account.create() == "CREATE_COMPLETE"
    account.delete()
    account.client("secretsmanager").delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)
    assert account.create(failing=True, adopted=True) == "ROLLBACK_COMPLETE"
    assert account.tables() == TABLES
