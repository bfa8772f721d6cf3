"""The part of data: a DynamoDB table for each item, and the token secret if the deployment generates one. Both are retained when their stack is
deleted, unless an option says otherwise."""

from __future__ import annotations

from collections.abc import Callable

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_secretsmanager as secrets
from constructs import Construct

from persisty.deploy.events import stream_parameter
from persisty.deploy.options import Options
from persisty.deploy.resources import KeyAttribute, Plan, Table
from persisty.deploy.token_secret import RETAINED
from persisty.naming import pascal

from .constructs.exceptions import ROTATION, accept
from .constructs.passed_values import Values
from .constructs.placement import Placement

TYPES = {
    "S": dynamodb.AttributeType.STRING,
    "N": dynamodb.AttributeType.NUMBER,
    "B": dynamodb.AttributeType.BINARY,
}


MAX_RECOVERY = 35
"""Days of DynamoDB's point-in-time recovery by default."""
SECRET_LENGTH = 64
"""Letters and digits of a generated secret: 380 bits."""


def removal(options: Options, *, protected: bool = False) -> cdk.RemovalPolicy:
    """Return the policy of a table or secret.

    A retained one is removed only if the deployment that creates it fails, so that the next deployment can create it again. A table with deletion
    protection is never removed: CloudFormation's attempt would fail, and its stack would be stuck in ROLLBACK_FAILED.
    """
    if options.removal == "destroy":
        return cdk.RemovalPolicy.DESTROY
    return cdk.RemovalPolicy.RETAIN if protected else cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE


def creates_secret(scope: Construct, plan: Plan) -> bool:
    """Return whether the deployment creates a secret: it needs one, and no earlier stack has retained it."""
    return plan.secret is not None and plan.secret not in (scope.node.try_get_context(RETAINED) or "").split(",")


class Data:
    """Adds the part to `scope`. `tables`: by the names of their stores. `make`: makes a stack for tables, if they are split, by its number."""

    def __init__(
        self,
        scope: Construct,
        plan: Plan,
        options: Options,
        values: Values,
        make: Callable[[int], Construct] | None = None,
    ) -> None:
        self._scope, self._plan, self._options, self._values = scope, plan, options, values
        self._placement = Placement(scope, split=options.split, make=make)
        self.tables = {table.store: self._table(table) for table in plan.tables}
        self.secret: secrets.ISecret | None = None if plan.secret is None else self._secret(plan.secret)

    def _secret(self, name: str) -> secrets.ISecret:
        """Make a secret whose value Secrets Manager generates. A change of these options would replace the value, which ends all tokens. A secret that an
        earlier stack retained is not changed."""
        if not creates_secret(self._scope, self._plan):
            return secrets.Secret.from_secret_name_v2(self._placement.of(self._plan.tables[0].store), "Tokens", name)
        made = secrets.Secret(
            self._scope,
            "Tokens",
            secret_name=name,
            description=f"Signs the tokens of {self._plan.app}, stage {self._plan.stage}: the first line signs, every line verifies",
            generate_secret_string=secrets.SecretStringGenerator(
                password_length=SECRET_LENGTH, exclude_punctuation=True
            ),
            removal_policy=removal(self._options),
        )
        accept(made, ROTATION)
        return made

    def _table(self, table: Table) -> dynamodb.Table:
        options, scope, name = self._options, self._placement.of(table.store), pascal(table.store)
        # CloudFormation cannot replace a table that has a name: another table is another resource, and the former one leaves the stack
        identifier = name if table.declared is None else f"{name}-{table.declared}"
        protected = options.deletion_protection and options.removal == "retain"
        # Table, not TableV2: emulators deploy only Table
        made = dynamodb.Table(
            scope,
            identifier,
            table_name=table.name,
            partition_key=_attribute(table.partition),
            sort_key=_attribute(table.sort) if table.sort else None,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.AWS_MANAGED,
            point_in_time_recovery_specification=_recovery(options.recovery_days),
            deletion_protection=protected,
            stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES if table.stream else None,
            time_to_live_attribute=table.ttl,
            removal_policy=removal(options, protected=protected),
        )
        for index in table.indexes:
            made.add_global_secondary_index(
                index_name=index.name,
                partition_keys=[_attribute(index.partition)],
                sort_keys=[_attribute(sort) for sort in index.sorts],
                projection_type=dynamodb.ProjectionType.ALL,
            )
        if made.table_stream_arn is not None:
            parameter = stream_parameter(self._plan, table.store)
            self._values.give(scope, f"{name}Stream", parameter, made.table_stream_arn)
        return made


def _recovery(days: int) -> dynamodb.PointInTimeRecoverySpecification:
    """Return the specification of point-in-time recovery for a number of days. Zero days turn it off."""
    longest = days == MAX_RECOVERY or not days
    return dynamodb.PointInTimeRecoverySpecification(
        point_in_time_recovery_enabled=days > 0, recovery_period_in_days=None if longest else days
    )


def _attribute(key: KeyAttribute) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=key.name, type=TYPES[key.type])
