"""The functions of a part: their layers, their code, and a role with exactly the permissions that the plan grants.

Each part with functions makes its own layers, from the same folders. A layer of another stack would be an export, which that stack
could not change.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambdas
from aws_cdk import aws_logs as logs
from constructs import Construct
from msgspec import Struct, field

from persisty.deploy.grants import INDEX_ACTIONS
from persisty.deploy.layers import LAYERS
from persisty.deploy.options import FunctionOptions, Options
from persisty.deploy.resources import Function, Plan
from persisty.naming import pascal, table_name

from .app_constructs import AppConstructs
from .byte_code import compiler_missing, compiler_of
from .code import check_unzipped, dependency_layer, function_code, no_code, runtime_layer
from .deploy_time_values import DeployTimeValues
from .exceptions import accept_wildcards
from .retention import RETENTIONS
from .target import Target

NETWORK_ACTIONS = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)
"""The actions with which Lambda connects a function to a network. AWS has no narrower resource for them than `*`.
Source: "Giving Lambda functions access to resources in an Amazon VPC" in the AWS Lambda Developer Guide."""
ALIAS = "live"
"""The alias that the APIs invoke, if functions start from snapshots: SnapStart is for published versions."""
SECRET_VARIABLE = "PERSISTY_TOKEN_SECRET_ARN"
OBSERVED = {"tracing": "PERSISTY_TRACING", "metrics": "PERSISTY_METRICS"}
"""Option → the variable of the functions that has the same effect."""
MAX_DESCRIPTION = 256


class FunctionSettings(Struct, frozen=True):
    """The options that all functions of a deployment share."""

    options: Options
    app_constructs: AppConstructs
    deploy_time: DeployTimeValues = field(default_factory=DeployTimeValues)

    @property
    def target(self) -> Target:
        return Target.parse(self.options.target)


class Functions:
    """Makes the functions of a part in `scope`. They share its layers."""

    def __init__(self, scope: Construct, plan: Plan, settings: FunctionSettings) -> None:
        self._scope, self._plan = scope, plan
        self._options, self._app_constructs, self._target = settings.options, settings.app_constructs, settings.target
        self._deploy_time = settings.deploy_time
        target = self._target
        self._architecture = (
            lambdas.Architecture.ARM_64 if target.architecture == "arm64" else lambdas.Architecture.X86_64
        )
        self._runtime = lambdas.Runtime(
            f"python{target.python}", lambdas.RuntimeFamily.PYTHON, supports_snap_start=settings.options.snap_start
        )
        # a command such as `cdk list` needs no code, and one such as `cdk deploy --exclusively` that of some stacks
        self._no_code = None if cdk.Stack.of(scope).bundling_required else no_code()
        if self._no_code is None and compiler_of(target.python) is None:
            cdk.Annotations.of(scope).add_warning_v2("persisty:byte-code", compiler_missing(target.python))
        # together: each installation waits for the package index most of its time
        names = dict.fromkeys(name for function in plan.functions for name in function.layers)
        with ThreadPoolExecutor() as pool:
            building = {name: pool.submit(self._dependency_folder, name) for name in names}
            self._runtime_folder = self._no_code or runtime_layer(target)
            for one in building.values():
                one.result()
        self._runtime_layer = self._layer("RuntimeLayer", f"persisty for {plan.app}", self._runtime_folder)
        self._dependency_layers: dict[str, lambdas.LayerVersion] = {}
        # by name, not by reference: a table with an export could not leave its stack
        self._table_arns = cdk.Stack.of(scope).format_arn(service="dynamodb", resource="table", resource_name="")
        # the same for all: finding its files takes longer than making a construct
        self._code = self._no_code or function_code(plan, target)

    def make(self, function: Function, *, snap_start: bool = False) -> lambdas.Function:
        """Make a function, with its role, its log group and the layers that the part does not have yet. `snap_start`: it starts from snapshots."""
        name, options, network = pascal(function.name), self._options, self._app_constructs
        folder = self._code
        check_unzipped([folder, self._runtime_folder, *map(self._dependency_folder, function.layers)])
        size = _size(options.functions.get(function.name), function.size)
        log_group = logs.LogGroup(
            self._scope,
            f"{name}Logs",
            retention=RETENTIONS[options.log_retention],
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        return lambdas.Function(
            self._scope,
            name,
            description=function.description[:MAX_DESCRIPTION],
            handler=function.handler,
            runtime=self._runtime,
            architecture=self._architecture,
            code=lambdas.Code.from_asset(str(folder), **_hashed(folder)),
            layers=[*map(self._dependency_layer, function.layers), self._runtime_layer],
            memory_size=size.memory or options.memory,
            timeout=cdk.Duration.seconds(size.timeout or options.timeout),
            reserved_concurrent_executions=size.reserved_concurrency,
            environment=self._environment(function),
            log_group=log_group,
            role=self._role(f"{name}Role", function, log_group),
            snap_start=lambdas.SnapStartConf.ON_PUBLISHED_VERSIONS if snap_start else None,
            tracing=lambdas.Tracing.ACTIVE if options.tracing else None,
            vpc=network.vpc,
            vpc_subnets=network.subnets,
            security_groups=network.security_groups,
        )

    def invoked(self, function: lambdas.Function) -> lambdas.IFunction:
        """Return what an API invokes: the function, or its alias if it starts from a snapshot."""
        return function.add_alias(ALIAS) if self._options.snap_start else function

    def _dependency_layer(self, name: str) -> lambdas.LayerVersion:
        layer = self._dependency_layers.get(name)
        if layer is None:
            folder = self._dependency_folder(name)
            layer = self._dependency_layers[name] = self._layer(f"{pascal(name)}Layer", LAYERS[name], folder)
        return layer

    def _dependency_folder(self, name: str) -> Path:
        return self._no_code or dependency_layer(name, self._options.app, self._target, self._options.requirements)

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
        """Make a role that may write the function's own log and use the plan's grants. AWS's managed policy for functions would also let it
        write every other log of the account."""
        role = iam.Role(self._scope, id, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        log_group.grant_write(role)
        tables = {table.store: table for table in self._plan.tables}
        for grant in function.grants:
            table = tables.get(grant.store)
            name = table_name(self._plan.app, self._plan.stage, grant.store) if table is None else table.name
            arn = f"{self._table_arns}{name}"
            role.add_to_policy(iam.PolicyStatement(actions=list(grant.actions), resources=[arn]))
            on_indexes = [action for action in grant.actions if action in INDEX_ACTIONS]
            if on_indexes and table is not None and table.indexes:
                indexes = [f"{arn}/index/{index.name}" for index in table.indexes]
                role.add_to_policy(iam.PolicyStatement(actions=on_indexes, resources=indexes))
        for statement in function.statements:
            role.add_to_policy(
                iam.PolicyStatement(
                    actions=list(statement.actions),
                    resources=list(statement.resources),
                    conditions=statement.conditions or None,
                )
            )
        for secret in (*([] if function.secret is None else [self._secret_arn(function.secret)]), *function.secrets):
            self._deploy_time.read_secret(role, secret)
        if self._app_constructs.vpc is not None:
            role.add_to_policy(iam.PolicyStatement(actions=list(NETWORK_ACTIONS), resources=["*"]))
        if self._app_constructs.vpc is not None or self._options.tracing:
            accept_wildcards(role, ["*"])  # X-Ray has no resources that a policy could name
        return role

    def _environment(self, function: Function) -> dict[str, str]:
        observed = {variable: "on" for option, variable in OBSERVED.items() if getattr(self._options, option)}
        secret = {} if function.secret is None else {SECRET_VARIABLE: self._secret_arn(function.secret)}
        return {**function.environment, **observed, **secret}

    def _secret_arn(self, secret: str) -> str:
        """Return the ARN of a secret. The ARN of a generated secret lacks the six characters that Secrets Manager appends: the data stack exports
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


def _size(declared: FunctionOptions | None, planned: FunctionOptions) -> FunctionOptions:
    """Return the size that the options declare for a function. A member that they do not set has the value of the plan."""
    if declared is None:
        return planned
    return FunctionOptions(
        **{
            name: planned_value if (value := getattr(declared, name)) is None else value
            for name in FunctionOptions.__struct_fields__
            for planned_value in [getattr(planned, name)]
        }
    )


def _hashed(folder: Path) -> dict[str, Any]:
    """Return the options of an asset whose folder name has the hash of its sources, so that CDK does not hash the folder again."""
    return {"asset_hash": folder.name, "asset_hash_type": cdk.AssetHashType.CUSTOM}
