"""The functions of a stack: their layers, their code, and a role with exactly the permissions that the plan grants.

Each stack with functions makes its own layers, from the same folders. A layer of another stack would be an export, which keeps that stack
from changing it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambdas
from aws_cdk import aws_logs as logs
from constructs import Construct

from persisty.deploy.grants import INDEX_ACTIONS
from persisty.deploy.layers import LAYERS
from persisty.deploy.resources import Function, Plan
from persisty.naming import pascal

from .byte_code import compiler_of, lacks_compiler
from .code import dependency_layer, function_code, runtime_layer
from .target import Target

TIMEOUT, MEMORY = 28, 1024
"""Seconds, below the 30 that both APIs wait; MB, which also decide the share of CPU: less makes cold starts longer."""
SECRET_ACTIONS = {"secretsmanager": "secretsmanager:GetSecretValue", "ssm": "ssm:GetParameter"}
"""Service that stores a secret → the action that reads it."""
SECRET_VARIABLE = "PERSISTY_TOKEN_SECRET_ARN"


class Functions:
    """Makes the functions of the stack `scope`. Functions share the layers of the stack."""

    def __init__(self, scope: Construct, plan: Plan, target: Target, spec: str) -> None:
        self._scope, self._plan, self._target = scope, plan, target
        self._architecture = (
            lambdas.Architecture.ARM_64 if target.architecture == "arm64" else lambdas.Architecture.X86_64
        )
        self._runtime = lambdas.Runtime(f"python{target.python}", lambdas.RuntimeFamily.PYTHON)
        self._spec = spec
        if compiler_of(target.python) is None:
            cdk.Annotations.of(scope).add_warning_v2("persisty:byte-code", lacks_compiler(target.python))
        self._runtime_layer = self._layer("RuntimeLayer", f"persisty for {plan.app}", runtime_layer(target))
        self._dependency_layers: dict[str, lambdas.LayerVersion] = {}

    def make(self, function: Function) -> lambdas.Function:
        """Make a function, with its role, its log group and the layers that the stack does not have yet."""
        name = pascal(function.name)
        folder = function_code(self._plan, self._target)
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
            code=lambdas.Code.from_asset(str(folder), **_hashed(folder)),
            layers=[*map(self._dependency_layer, function.layers), self._runtime_layer],
            memory_size=MEMORY,
            timeout=cdk.Duration.seconds(TIMEOUT),
            environment=self._environment(function),
            log_group=log_group,
            role=self._role(f"{name}Role", function, log_group),
        )

    def _dependency_layer(self, name: str) -> lambdas.LayerVersion:
        layer = self._dependency_layers.get(name)
        if layer is None:
            folder = dependency_layer(name, self._spec, self._target)
            layer = self._dependency_layers[name] = self._layer(f"{pascal(name)}Layer", LAYERS[name], folder)
        return layer

    def _layer(self, name: str, description: str, folder: Path) -> lambdas.LayerVersion:
        return lambdas.LayerVersion(
            self._scope,
            name,
            code=lambdas.Code.from_asset(str(folder), **_hashed(folder)),
            compatible_architectures=[self._architecture],
            compatible_runtimes=[self._runtime],
            description=description,
        )

    def _role(self, id: str, function: Function, log_group: logs.LogGroup) -> iam.Role:  # noqa: A002 - CDK's name
        """Make a role that may write the function's own log and do what the plan grants. AWS's managed policy for functions would also let it
        write every other log of the account."""
        role = iam.Role(self._scope, id, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        log_group.grant_write(role)
        tables = {table.store: table for table in self._plan.tables}
        for grant in function.grants:
            table = tables[grant.store]
            # by name, not by reference: an export would keep the table from leaving its stack
            arn = cdk.Stack.of(self._scope).format_arn(service="dynamodb", resource="table", resource_name=table.name)
            role.add_to_policy(iam.PolicyStatement(actions=list(grant.actions), resources=[arn]))
            on_indexes = [action for action in grant.actions if action in INDEX_ACTIONS]
            if on_indexes and table.indexes:
                indexes = [f"{arn}/index/{index.name}" for index in table.indexes]
                role.add_to_policy(iam.PolicyStatement(actions=on_indexes, resources=indexes))
        if function.secret is not None:
            role.add_to_policy(_read_secret(self._secret_arn(function.secret)))
        return role

    def _environment(self, function: Function) -> dict[str, str]:
        if function.secret is None:
            return function.environment
        return {**function.environment, SECRET_VARIABLE: self._secret_arn(function.secret)}

    def _secret_arn(self, secret: str) -> str:
        """Return the ARN of a secret. That of a generated one lacks the six characters that Secrets Manager appends: the data stack exports
        nothing."""
        if secret != self._plan.secret:
            return secret
        arn: str = cdk.Stack.of(self._scope).format_arn(
            service="secretsmanager",
            resource="secret",
            resource_name=secret,
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        return arn


def _hashed(folder: Path) -> dict[str, Any]:
    """Return the options of an asset whose folder name has the hash of its sources, so that CDK does not hash the folder again."""
    return {"asset_hash": folder.name, "asset_hash_type": cdk.AssetHashType.CUSTOM}


def _read_secret(secret: str) -> iam.PolicyStatement:
    """Allow to read one secret or parameter. The ARN of a secret may lack the six characters that Secrets Manager appends to its name."""
    service = secret.split(":")[2]
    return iam.PolicyStatement(
        actions=[SECRET_ACTIONS[service]],
        resources=[secret, f"{secret}-??????"] if service == "secretsmanager" else [secret],
    )
