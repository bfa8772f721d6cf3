"""Read what was deployed: functions, routes of the HTTP API and the GraphQL API, from the templates of the assembly and from the emulator.

The templates describe what belongs together. The emulator has the values that CloudFormation has computed, such as the variables of functions.

Source: AWS::Lambda, AWS::ApiGatewayV2 and AWS::AppSync in the AWS CloudFormation Template Reference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from ..errors import InvalidDeclaration
from .emulator import ACCOUNT, REGION, Emulator
from .functions import FunctionCode
from .stream_mappings import StreamMapping, read_mappings

FUNCTION, LAYER, ALIAS = "AWS::Lambda::Function", "AWS::Lambda::LayerVersion", "AWS::Lambda::Alias"
ROUTE, INTEGRATION = "AWS::ApiGatewayV2::Route", "AWS::ApiGatewayV2::Integration"
SCHEMA, SOURCE, RESOLVER = "AWS::AppSync::GraphQLSchema", "AWS::AppSync::DataSource", "AWS::AppSync::Resolver"
GRAPHQL_API, TABLE, STACK = "AWS::AppSync::GraphQLApi", "AWS::DynamoDB::Table", "aws:cloudformation:stack"
EMULATOR = re.compile(r"^http://localhost:\d+(?=/)")
KEY = re.compile(r"[0-9a-f]{64}")

Resources = Mapping[str, Mapping[str, Any]]


class HttpRoute(Struct, frozen=True):
    """A route of the HTTP API: its key, as `ANY /api/{proxy+}`, and the logical id of its function."""

    key: str
    function: str


class Resolver(Struct, frozen=True):
    """A field with its JavaScript. `function`: the logical id of the function that it invokes, None if it invokes none."""

    type: str
    field: str
    code: str
    function: str | None
    batch: int


class GraphqlApi(Struct, frozen=True):
    """An AppSync API. `authorizer`: the logical id of the function that verifies tokens. `modes`: the first is the default. `keys`: its API keys."""

    id: str
    sdl: str
    resolvers: tuple[Resolver, ...]
    authorizer: str | None
    modes: tuple[str, ...]
    keys: tuple[str, ...]


class Deployed(Struct, frozen=True):
    """The parts of the deployment that this machine runs. `functions`: by their logical ids. `streams`: the tables whose streams a function reads.
    `publisher`: the logical id of the function that publishes changes to AppSync."""

    functions: Mapping[str, FunctionCode]
    routes: tuple[HttpRoute, ...]
    graphql: GraphqlApi | None
    streams: tuple[StreamMapping, ...]
    publisher: str | None


def read_assembly(assembly: Path) -> dict[str, Resources]:
    """Return the resources of each stack of an assembly, by the stack's name. `InvalidDeclaration` for nested stacks."""
    manifest = json.loads((assembly / "manifest.json").read_text())
    found = {}
    for id_, artifact in manifest["artifacts"].items():
        if artifact["type"] == STACK:
            template = json.loads((assembly / artifact["properties"]["templateFile"]).read_text())
            found[artifact["properties"].get("stackName", id_)] = template.get("Resources", {})
    if any(one["Type"] == "AWS::CloudFormation::Stack" for some in found.values() for one in some.values()):
        raise InvalidDeclaration("Nested stacks of your own CDK app do not run locally")
    return found


def read_deployed(assembly: Path, aws: Emulator) -> Deployed:
    """Return what was deployed from an assembly."""
    stacks = read_assembly(assembly)
    every = {name: one for some in stacks.values() for name, one in some.items()}
    physical = dict(_physical(stacks, aws))
    functions = dict(_functions(assembly, every, physical, aws))
    handlers = {name: code.handler for name, code in functions.items()}
    publisher = next((name for name, handler in handlers.items() if handler.endswith(".stream.handler")), None)
    streams = tuple(one for one in read_mappings(assembly) if one.function in functions)
    return Deployed(functions, tuple(_routes(every)), _graphql(every, physical, aws), streams, publisher)


def _of(resources: Resources, kind: str) -> Resources:
    return {name: one for name, one in resources.items() if one["Type"] == kind}


def _physical(stacks: Mapping[str, Resources], aws: Emulator) -> Iterator[tuple[str, str]]:
    client = aws.client("cloudformation")
    for stack in stacks:
        for one in client.describe_stack_resources(StackName=stack)["StackResources"]:
            yield one["LogicalResourceId"], one.get("PhysicalResourceId", "")


def _functions(
    assembly: Path, resources: Resources, physical: Mapping[str, str], aws: Emulator
) -> Iterator[tuple[str, FunctionCode]]:
    client, assets = aws.client("lambda"), assets_of(assembly)
    for name, one in _of(resources, FUNCTION).items():
        declared = one["Properties"]
        if not str(declared.get("Runtime", "")).startswith("python"):
            continue
        configuration = client.get_function_configuration(FunctionName=physical[name])
        layers = [resources[layer["Ref"]]["Properties"]["Content"] for layer in declared.get("Layers", ())]
        task = _asset(assets, declared["Code"])
        if task is None:
            continue  # a function of the CDK's own, with its code in the template
        folders = [_asset(assets, layer) for layer in layers]
        given = configuration.get("Environment", {}).get("Variables", {})
        # an earlier run had the emulator at another port
        variables = {**{name: EMULATOR.sub(aws.url, value) for name, value in given.items()}, **aws.variables}
        paths = (task, *(folder / "python" for folder in folders if folder is not None))
        yield (
            name,
            FunctionCode(
                configuration["FunctionName"], declared["Handler"], paths, variables,
                float(declared.get("Timeout", 3)), declared.get("MemorySize", 128), configuration["FunctionArn"],
            ),
        )  # fmt: skip


def assets_of(assembly: Path) -> dict[str, Path]:
    """Return the folders of an assembly's assets, in it or elsewhere, by their hashes."""
    found = {}
    for file in assembly.glob("*.assets.json"):
        for key, one in json.loads(file.read_text())["files"].items():
            found[key] = assembly / one["source"]["path"]
    return found


def _asset(assets: Mapping[str, Path], place: Mapping[str, Any]) -> Path | None:
    """Return the folder of an asset."""
    found = KEY.search(str(place.get("S3Key", "")))
    return None if found is None else assets.get(found.group())


def _routes(resources: Resources) -> Iterator[HttpRoute]:
    for one in _of(resources, ROUTE).values():
        target = next(_references(one["Properties"]["Target"]))
        uri = resources[target]["Properties"]["IntegrationUri"]
        yield HttpRoute(one["Properties"]["RouteKey"], _function_in(resources, uri))


def _graphql(resources: Resources, physical: Mapping[str, str], aws: Emulator) -> GraphqlApi | None:
    apis = _of(resources, GRAPHQL_API)
    if not apis:
        return None
    [name] = apis
    id_ = physical[name].rpartition("/")[2]
    keys = [one["id"] for one in aws.client("appsync").list_api_keys(apiId=id_)["apiKeys"]]
    return graphql_api(resources, id_, keys)


def graphql_api(resources: Resources, id_: str, keys: Sequence[str]) -> GraphqlApi:
    """Return the one AppSync API of these resources, which was deployed with this id and these keys."""
    [api] = _of(resources, GRAPHQL_API).values()
    [schema] = _of(resources, SCHEMA).values()
    sources = {}
    for logical, one in _of(resources, SOURCE).items():
        properties = one["Properties"]
        arn = properties.get("LambdaConfig", {}).get("LambdaFunctionArn")
        sources[logical] = sources[properties["Name"]] = None if arn is None else _function_in(resources, arn)
    resolvers = []
    for one in _of(resources, RESOLVER).values():
        given = one["Properties"]
        source = given["DataSourceName"]
        source = source if isinstance(source, str) else next(_references(source))
        resolvers.append(
            Resolver(
                given["TypeName"], given["FieldName"], given["Code"], sources[source], given.get("MaxBatchSize", 0)
            )
        )
    declared = api["Properties"]
    lambda_config = declared.get("LambdaAuthorizerConfig")
    authorizer = None if lambda_config is None else _function_in(resources, lambda_config["AuthorizerUri"])
    additional = [one["AuthenticationType"] for one in declared.get("AdditionalAuthenticationProviders", ())]
    modes = (declared["AuthenticationType"], *additional)
    return GraphqlApi(id_, schema["Properties"]["Definition"], tuple(resolvers), authorizer, modes, tuple(keys))


def _function_in(resources: Resources, value: Any) -> str:
    """Return the logical id of the function that a part of a template refers to, by an alias perhaps."""
    for name in _references(value):
        kind = resources[name]["Type"]
        if kind == FUNCTION:
            return name
        if kind == ALIAS:
            return _function_in(resources, resources[name]["Properties"]["FunctionName"])
    raise InvalidDeclaration(f"An API of account {ACCOUNT} in {REGION} invokes no function of the stacks: {value}")


def _references(value: Any) -> Iterator[str]:
    """Return the logical ids that a part of a template refers to."""
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
            if not name.startswith("AWS::"):
                yield name
        case dict():
            yield from (name for one in value.values() for name in _references(one))
        case list():
            yield from (name for one in value for name in _references(one))
