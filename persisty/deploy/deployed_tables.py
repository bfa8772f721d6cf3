"""Read the deployed resources: tables with their indexes from DynamoDB, stacks with their tables from CloudFormation, secrets that no stack has.

The resources of one region: a session of boto3 has one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from msgspec import Struct

from ..drivers import driver
from ..errors import BackendUnavailable, InvalidDeclaration
from ..naming import is_table_of
from .assembly import NESTED, SECRET, TABLE, StackShape, table_shape
from .waves import TableShape

ABSENT = frozenset({None, "REVIEW_IN_PROGRESS", "DELETE_COMPLETE", "ROLLBACK_COMPLETE"})
"""Statuses of a stack that does not exist, None, or has no resources."""
BLOCKED = {
    "UPDATE_ROLLBACK_FAILED": "its last update failed, and its rollback failed too: find the reason in its events, then `cdk rollback {stack}`",
    "ROLLBACK_FAILED": "its creation failed, and its removal failed too: find the reason in its events, then `cdk destroy {stack}`",
    "DELETE_FAILED": "its deletion failed: find the reason in its events, then `cdk destroy {stack}`",
}
"""Status of a stack that blocks a deployment → its meaning and the remedy. Source: "Stack status codes" in the AWS CloudFormation User Guide."""
RUNNING = "_IN_PROGRESS"
"""End of the statuses of a stack that CloudFormation changes at the moment. It refuses another change."""


class Deployed(Struct, frozen=True):
    """`tables`: those that exist, by name. `stacked`: the names of the tables in deployed stacks. `new`: the stacks that are not deployed. `secrets`: the names
    of declared secrets that exist outside of their stack, because an earlier one retained them."""

    tables: Mapping[str, TableShape]
    stacked: tuple[str, ...]
    new: tuple[str, ...]
    secrets: tuple[str, ...] = ()


def read_deployed(stacks: Sequence[StackShape], session: Any) -> Deployed:
    """Return the deployed resources of these stacks. `session`: a session of boto3.

    `InvalidDeclaration` for a stack that is stuck, and for missing credentials or permissions; `BackendUnavailable` if AWS cannot be reached, or if another
    deployment changes a stack.
    """
    with aws_errors():
        cloud = session.client("cloudformation")
        statuses = {one.name: _status(cloud, one.name) for one in stacks}
        for name, status in statuses.items():
            if status in BLOCKED:
                raise InvalidDeclaration(_blocked(name, status))
            if status is not None and status not in ABSENT and status.endswith(RUNNING):
                raise BackendUnavailable(f"The stack {name} is in {status}: wait until the other deployment has ended")
        existing = [name for name, status in statuses.items() if status not in ABSENT]
        stacked = tuple(table for name in existing for table in _stacked(cloud, name, TABLE))
        names = dict.fromkeys([*(table.name for one in stacks for table in one.tables), *stacked])
        new = tuple(name for name in statuses if name not in existing)
        return Deployed(
            _tables(session.client("dynamodb"), names), stacked, new, _retained(stacks, existing, session, cloud)
        )


def stuck_stacks(stacks: Iterable[StackShape], session: Any) -> list[str]:
    """Return a sentence with the remedy for each stack that blocks a deployment. Raises what `read_deployed` raises if AWS cannot be asked."""
    with aws_errors():
        cloud = session.client("cloudformation")
        statuses = {one.name: _status(cloud, one.name) for one in stacks}
    return [_blocked(name, status) for name, status in statuses.items() if status in BLOCKED]


def _blocked(name: str, status: str) -> str:
    return f"The stack {name} is in {status}: {BLOCKED[status].format(stack=name)}"


def existing_stacks(stacks: Iterable[StackShape], session: Any) -> tuple[StackShape, ...]:
    """Return the stacks that exist, in any state. Raises what `read_deployed` raises if AWS cannot be asked."""
    with aws_errors():
        cloud = session.client("cloudformation")
        return tuple(one for one in stacks if _status(cloud, one.name) not in (None, "DELETE_COMPLETE"))


def remaining(stacks: Iterable[StackShape], apps: Iterable[tuple[str, str]], session: Any) -> tuple[str, ...]:
    """Return the names of the tables and secrets that exist after a deletion of these stacks: those that the stacks declare, and every other table of
    `apps`, pairs of an app's name and a stage, such as the tables that `persisty migrate` creates."""
    declared = [table.name for one in stacks for table in one.tables]
    pairs = list(apps)
    with aws_errors():
        pages = session.client("dynamodb").get_paginator("list_tables").paginate()
        names = [name for page in pages for name in page["TableNames"]]
        client = session.client("secretsmanager")
        secrets = [name for one in stacks for name in one.secrets if _has_secret(client, name)]
    tables = [name for name in names if name in declared or any(is_table_of(name, *pair) for pair in pairs)]
    return (*tables, *secrets)


@contextmanager
def aws_errors() -> Iterator[None]:
    """Raise the errors of boto3 as `InvalidDeclaration` for missing credentials or permissions, and `BackendUnavailable` if AWS cannot be reached."""
    errors = driver("botocore.exceptions")
    try:
        yield
    except (
        errors.NoCredentialsError,
        errors.PartialCredentialsError,
        errors.NoRegionError,
        errors.ProfileNotFound,
    ) as error:
        raise InvalidDeclaration(f"The deployed resources cannot be read from AWS: {error}") from error
    except errors.ClientError as error:
        refusal = error.response["Error"].get("Message", error)
        raise InvalidDeclaration(f"AWS denies access to the deployed resources: {refusal}") from error
    except errors.BotoCoreError as error:
        raise BackendUnavailable(f"AWS cannot be reached: {error}") from error


def _tables(client: Any, names: Iterable[str]) -> dict[str, TableShape]:
    found = {}
    for name in names:
        try:
            found[name] = table_shape(client.describe_table(TableName=name)["Table"])
        except client.exceptions.ResourceNotFoundException:
            continue
    return found


def _status(client: Any, stack: str) -> str | None:
    try:
        return str(client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])
    except client.exceptions.ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":  # the stack does not exist
            return None
        raise


def _retained(stacks: Sequence[StackShape], existing: Sequence[str], session: Any, cloud: Any) -> tuple[str, ...]:
    """Return the names of secrets that exist and are not in the stack that declares them. CloudFormation imports tables by name but not secrets,
    and it fails to create a secret that exists."""
    found = []
    for stack in stacks:
        arns = list(_stacked(cloud, stack.name, SECRET)) if stack.secrets and stack.name in existing else []
        # an ARN ends with the name and seven characters that Secrets Manager appends: -a1b2c3
        inside = {arn.rpartition(":secret:")[2][:-7] for arn in arns}
        client = session.client("secretsmanager")
        found += [name for name in stack.secrets if name not in inside and _has_secret(client, name)]
    return tuple(found)


def _has_secret(client: Any, name: str) -> bool:
    try:
        client.describe_secret(SecretId=name)
    except client.exceptions.ResourceNotFoundException:
        return False
    return True


def secret_arns(stacks: Sequence[StackShape], session: Any) -> Iterator[str]:
    """Yield the ARNs of the deployed secrets that these stacks declare, as far as the caller may see them."""
    for name in (name for stack in stacks for name in stack.secrets):
        client = session.client("secretsmanager")
        with suppress(client.exceptions.ClientError):
            yield client.describe_secret(SecretId=name)["ARN"]


def _stacked(client: Any, stack: str, kind: str) -> Iterator[str]:
    """Yield the names or ARNs of the resources of a kind in a stack and in its nested stacks."""
    for page in client.get_paginator("list_stack_resources").paginate(StackName=stack):
        for one in page["StackResourceSummaries"]:
            if one["ResourceStatus"] == "DELETE_COMPLETE" or "PhysicalResourceId" not in one:
                continue
            if one["ResourceType"] == kind:
                yield one["PhysicalResourceId"]
            elif one["ResourceType"] == NESTED:
                yield from _stacked(client, one["PhysicalResourceId"], kind)
