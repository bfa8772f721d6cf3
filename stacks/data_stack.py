"""The stack of data: a DynamoDB table for each item, and the token secret if the deployment generates one. Both are retained when the stack is
deleted."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_secretsmanager as secrets
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from persisty.deploy.events import stream_parameter
from persisty.deploy.resources import KeyAttribute, Plan, Table
from persisty.naming import pascal

TYPES = {
    "S": dynamodb.AttributeType.STRING,
    "N": dynamodb.AttributeType.NUMBER,
    "B": dynamodb.AttributeType.BINARY,
}


SECRET_LENGTH = 64
"""Letters and digits of a generated secret: 380 bits."""


class DataStack(cdk.Stack):
    def __init__(self, scope: Construct, id: str, plan: Plan, **options: Any) -> None:  # noqa: A002 - CDK's name
        super().__init__(scope, id, description=f"Tables of {plan.app}, stage {plan.stage}", **options)
        self._plan = plan
        for table in plan.tables:
            self._table(table)
        if plan.secret is not None:
            self._secret(plan.secret)

    def _secret(self, name: str) -> None:
        """Make a secret whose value Secrets Manager generates. A change of what it generates would replace the value, and end all tokens."""
        secrets.Secret(
            self,
            "Tokens",
            secret_name=name,
            description=f"Signs the tokens of {self._plan.app}, stage {self._plan.stage}: the first line signs, every line verifies",
            generate_secret_string=secrets.SecretStringGenerator(
                password_length=SECRET_LENGTH, exclude_punctuation=True
            ),
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )

    def _table(self, table: Table) -> None:
        # Table, not TableV2: emulators deploy only Table
        made = dynamodb.Table(
            self,
            pascal(table.store),
            table_name=table.name,
            partition_key=_attribute(table.partition),
            sort_key=_attribute(table.sort) if table.sort else None,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.AWS_MANAGED,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES if table.stream else None,
            time_to_live_attribute=table.ttl,
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
        for index in table.indexes:
            made.add_global_secondary_index(
                index_name=index.name,
                partition_keys=[_attribute(index.partition)],
                sort_keys=[_attribute(sort) for sort in index.sorts],
                projection_type=dynamodb.ProjectionType.ALL,
            )
        if made.table_stream_arn is not None:
            # a parameter: an export would keep the table from leaving its stack
            ssm.StringParameter(
                self,
                f"{pascal(table.store)}Stream",
                parameter_name=stream_parameter(self._plan, table.store),
                string_value=made.table_stream_arn,
            )


def _attribute(key: KeyAttribute) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=key.name, type=TYPES[key.type])
