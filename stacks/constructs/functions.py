"""The functions of a stack: their two layers, their code, and a role that may do what the plan grants and nothing else.

A stack that has functions makes layers of its own, of the same folders: a layer of another stack would keep that one from
changing it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambdas
from aws_cdk import aws_logs as logs
from constructs import Construct

from persisty.deploy.plan import INDEX_ACTIONS, Function, Plan
from persisty.naming import pascal

from .code import Target, dependency_layer, function_code, runtime_layer

TIMEOUT, MEMORY = 28, 1024
"""Seconds, within the 30 that both APIs wait; MB, of which CPU is a share: less makes cold starts longer."""
SECRET_ACTIONS = {"secretsmanager": "secretsmanager:GetSecretValue", "ssm": "ssm:GetParameter"}
"""Service that keeps a secret → what it takes to read it."""


class Functions:
    """Makes the functions of the stack `scope`; the layers are made at once."""

    def __init__(self, scope: Construct, plan: Plan, target: Target, spec: str) -> None:
        self._scope, self._plan, self._target = scope, plan, target
        self._architecture = (
            lambdas.Architecture.ARM_64 if target.architecture == "arm64" else lambdas.Architecture.X86_64
        )
        self._runtime = lambdas.Runtime(f"python{target.python}", lambdas.RuntimeFamily.PYTHON)
        self._layers = [
            self._layer("Dependencies", dependency_layer(spec, target)),
            self._layer("Runtime", runtime_layer(target)),
        ]

    def make(self, function: Function) -> lambdas.Function:
        name = pascal(function.name)
        folder = function_code(function.environment["PERSISTY_APP"], self._target)
        log_group = logs.LogGroup(
            self._scope, f"{name}Logs", retention=logs.RetentionDays.ONE_MONTH, removal_policy=cdk.RemovalPolicy.DESTROY
        )
        return lambdas.Function(
            self._scope,
            name,
            description=function.description,
            handler=function.handler,
            runtime=self._runtime,
            architecture=self._architecture,
            code=lambdas.Code.from_asset(str(folder), **_known(folder)),
            layers=self._layers,
            memory_size=MEMORY,
            timeout=cdk.Duration.seconds(TIMEOUT),
            environment=function.environment,
            log_group=log_group,
            role=self._role(f"{name}Role", function, log_group),
        )

    def _layer(self, name: str, folder: Path) -> lambdas.LayerVersion:
        return lambdas.LayerVersion(
            self._scope,
            name,
            code=lambdas.Code.from_asset(str(folder), **_known(folder)),
            compatible_architectures=[self._architecture],
            compatible_runtimes=[self._runtime],
            description=f"{name} of {self._plan.app}",
        )

    def _role(self, id: str, function: Function, log_group: logs.LogGroup) -> iam.Role:  # noqa: A002 - CDK's name
        """What the function may do: write its own log, and what the plan grants. AWS's managed policy for functions
        would let it write every log of the account."""
        role = iam.Role(self._scope, id, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        log_group.grant_write(role)
        tables = {table.store: table for table in self._plan.tables}
        for grant in function.grants:
            table = tables[grant.store]
            # by name, not by reference: an export would keep a table from ever leaving its stack
            arn = cdk.Stack.of(self._scope).format_arn(service="dynamodb", resource="table", resource_name=table.name)
            role.add_to_policy(iam.PolicyStatement(actions=list(grant.actions), resources=[arn]))
            asked = [action for action in grant.actions if action in INDEX_ACTIONS]
            if asked and table.indexes:
                indexes = [f"{arn}/index/{index.name}" for index in table.indexes]
                role.add_to_policy(iam.PolicyStatement(actions=asked, resources=indexes))
        if function.secret is not None:
            role.add_to_policy(_reading(function.secret))
        return role


def _known(folder: Path) -> dict[str, Any]:
    """The folder's name carries the hash of what it was built from: CDK need not hash it again."""
    return {"asset_hash": folder.name, "asset_hash_type": cdk.AssetHashType.CUSTOM}


def _reading(secret: str) -> iam.PolicyStatement:
    """Reading one secret, or one parameter. The ARN of a secret may lack the six characters that Secrets Manager puts after its name."""
    service = secret.split(":")[2]
    return iam.PolicyStatement(
        actions=[SECRET_ACTIONS[service]],
        resources=[secret, f"{secret}-??????"] if service == "secretsmanager" else [secret],
    )
