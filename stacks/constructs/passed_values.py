"""Values that one part of a deployment passes to another: the ARN of a table's stream, the URL of the GraphQL API.

Between stacks they are SSM parameters, which each deployment looks up. The passing stack could not change an export. Within one stack they are
references, because a parameter does not exist before the first deployment.
"""

from __future__ import annotations

from typing import Protocol

from aws_cdk import aws_ssm as ssm
from constructs import Construct


class Values(Protocol):
    def give(self, scope: Construct, id: str, name: str, value: str) -> None:  # noqa: A002 - CDK's name
        """Pass a value under a name. `id`: of the construct in `scope` that stores it."""

    def take(self, scope: Construct, name: str) -> str:
        """Return the value of a name."""


class Parameters:
    """Values between stacks."""

    def give(self, scope: Construct, id: str, name: str, value: str) -> None:  # noqa: A002 - CDK's name
        ssm.StringParameter(scope, id, parameter_name=name, string_value=value)

    def take(self, scope: Construct, name: str) -> str:
        value: str = ssm.StringParameter.value_for_string_parameter(scope, name)
        return value


class References:
    """Values within one stack. A value must be passed before it is read."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def give(self, scope: Construct, id: str, name: str, value: str) -> None:  # noqa: A002 - CDK's name
        self._values[name] = value

    def take(self, scope: Construct, name: str) -> str:
        return self._values[name]
