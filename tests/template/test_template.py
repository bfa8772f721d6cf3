"""Templates of the example: wiring against the operations, privileges, retention, protection."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLObjectType, build_schema

from examples.messenger.app import app
from persisty.api.actions import operations
from persisty.api.graphql.subscriptions import subscriptions
from persisty.deploy.layers import LAYERS
from persisty.deploy.plan import BATCH, plan_of
from persisty.deploy.resources import KeyAttribute, Plan
from persisty.local.graphql_fields import DECLARED
from stacks.constructs.byte_code import compiler_of
from tests import tokens
from tests.appsync_schema import links_in

Template = dict[str, Any]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_of(app, "examples.messenger.app:app")


def of_type(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    """Logical id → resource."""
    return {name: resource for name, resource in template["Resources"].items() if resource["Type"] == kind}


def properties(template: Template, kind: str) -> list[dict[str, Any]]:
    return [resource["Properties"] for resource in of_type(template, kind).values()]


def text(value: Any) -> str:
    """Return an intrinsic function as one readable string: joined texts, with references as `<name>`."""
    match value:
        case str():
            return value
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(map(text, parts))
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
    raise AssertionError(f"no text: {value}")


def statements(template: Template) -> Iterator[dict[str, Any]]:
    for policy in (*properties(template, "AWS::IAM::Policy"), *properties(template, "AWS::IAM::ManagedPolicy")):
        yield from policy["PolicyDocument"]["Statement"]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# Data


def test_every_item_has_a_table_that_is_retained_encrypted_and_recoverable(data: Template, plan: Plan) -> None:
    tables = {
        resource["Properties"]["TableName"]: resource for resource in of_type(data, "AWS::DynamoDB::Table").values()
    }
    assert tables.keys() == {table.name for table in plan.tables}
    for table in plan.tables:
        made = tables[table.name]
        assert (made["DeletionPolicy"], made["UpdateReplacePolicy"]) == ("Retain", "Retain")
        assert made["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert made["Properties"]["SSESpecification"] == {"SSEEnabled": True}
        assert made["Properties"]["BillingMode"] == "PAY_PER_REQUEST"
        expiring = {"AttributeName": table.ttl, "Enabled": True}
        assert made["Properties"].get("TimeToLiveSpecification") == (expiring if table.ttl else None)
    assert [table.store for table in plan.tables if table.ttl] == ["counted_event", "persisty_request"]


def test_tables_and_indexes_have_the_keys_of_the_plan(data: Template, plan: Plan) -> None:
    made = {one["TableName"]: one for one in properties(data, "AWS::DynamoDB::Table")}
    for table in plan.tables:
        found = made[table.name]
        types = {one["AttributeName"]: one["AttributeType"] for one in found["AttributeDefinitions"]}
        assert _key(found, types) == [table.partition, *([table.sort] if table.sort else [])]
        indexes = {index["IndexName"]: _key(index, types) for index in found.get("GlobalSecondaryIndexes", [])}
        assert indexes == {index.name: [index.partition, *index.sorts] for index in table.indexes}


def _key(found: dict[str, Any], types: dict[str, str]) -> list[KeyAttribute]:
    ordered = sorted(found["KeySchema"], key=lambda one: one["KeyType"] != "HASH")
    return [KeyAttribute(one["AttributeName"], types[one["AttributeName"]]) for one in ordered]


# GraphQL


def test_every_operation_is_a_field_that_appsync_resolves_by_the_function(api: Template) -> None:
    resolvers = [one for one in properties(api, "AWS::AppSync::Resolver") if "MaxBatchSize" not in one]
    wired = {(one["TypeName"], one["FieldName"]) for one in resolvers}
    offered = {("Mutation" if one.mutation else "Query", one.field) for one in operations(app).values()}
    live = subscriptions(app.metas.values())
    published = {("Mutation", one.publisher) for one in live}
    assert wired == offered | published | {("Subscription", one.field) for one in live}
    assert len(resolvers) == len(wired)
    by_kind = {one["Type"]: (name, one) for name, one in _sources(api)}
    assert by_kind.keys() == {"AWS_LAMBDA", "NONE"}
    source_id, source = by_kind["AWS_LAMBDA"]
    function = source["LambdaConfig"]["LambdaFunctionArn"]["Fn::GetAtt"][0]
    assert api["Resources"][function]["Properties"]["Handler"] == "persisty_lambdas.appsync.handler"
    for one in resolvers:
        if (one["TypeName"], one["FieldName"]) in published:
            assert one["DataSourceName"] in (by_kind["NONE"][1]["Name"], {"Fn::GetAtt": [by_kind["NONE"][0], "Name"]})
            continue
        assert one["DataSourceName"] in (source["Name"], {"Fn::GetAtt": [source_id, "Name"]})
        assert (one["Kind"], one["Runtime"]) == ("UNIT", {"Name": "APPSYNC_JS", "RuntimeVersion": "1.0.0"})
        assert len(one["Code"].encode()) < 32_768  # AppSync's limit


def _sources(api: Template) -> list[tuple[str, dict[str, Any]]]:
    found = of_type(api, "AWS::AppSync::DataSource").items()
    return [(name, resource["Properties"]) for name, resource in found]


def test_every_root_field_of_the_deployed_schema_has_a_resolver(api: Template) -> None:
    [schema] = properties(api, "AWS::AppSync::GraphQLSchema")
    built = build_schema(schema["Definition"] + DECLARED)
    fields = {
        (root.name, name)
        for root in (built.query_type, built.mutation_type, built.subscription_type)
        if isinstance(root, GraphQLObjectType)
        for name in root.fields
    }
    resolvers = properties(api, "AWS::AppSync::Resolver")
    single = [one for one in resolvers if "MaxBatchSize" not in one]
    assert fields == {(one["TypeName"], one["FieldName"]) for one in single}
    several = [one for one in resolvers if "MaxBatchSize" in one]
    assert {(one["TypeName"], one["FieldName"]) for one in several} == links_in(built, app)
    assert several
    for one in several:
        assert one["MaxBatchSize"] == BATCH <= 2_000  # AppSync's limit
        assert 'operation: "BatchInvoke"' in one["Code"]
        assert (
            one["DataSourceName"] == next(other for other in single if other["TypeName"] == "Query")["DataSourceName"]
        )


def test_the_graphql_api_requires_a_token_and_accepts_a_key_that_expires_after_months(api: Template) -> None:
    [graphql] = properties(api, "AWS::AppSync::GraphQLApi")
    assert graphql["AuthenticationType"] == "AWS_LAMBDA"
    others = [one["AuthenticationType"] for one in graphql["AdditionalAuthenticationProviders"]]
    assert others == ["API_KEY", "AWS_IAM"]
    assert graphql["QueryDepthLimit"] > 0
    [key] = properties(api, "AWS::AppSync::ApiKey")
    assert key["Expires"] % 86_400 == 0


def test_the_authorizer_verifies_tokens_for_this_api_alone(api: Template) -> None:
    [(name, graphql)] = of_type(api, "AWS::AppSync::GraphQLApi").items()
    config = graphql["Properties"]["LambdaAuthorizerConfig"]
    function = config["AuthorizerUri"]["Fn::GetAtt"][0]
    assert api["Resources"][function]["Properties"]["Handler"] == "persisty_lambdas.authorizer.handler"
    assert config["AuthorizerResultTtlInSeconds"] == 0  # unless the function says so
    expected = re.compile(config["IdentityValidationExpression"])
    token = tokens.own()
    assert all(expected.match(given) for given in (token, f"Bearer {token}", f"bearer {token}"))
    assert not any(expected.match(given) for given in ("", "Bearer x", "a.b", f"{token}.x", "gibberish"))
    [permission] = [
        one for one in properties(api, "AWS::Lambda::Permission") if one["FunctionName"]["Fn::GetAtt"][0] == function
    ]
    assert permission["Principal"] == "appsync.amazonaws.com"
    assert permission["SourceArn"] == {"Fn::GetAtt": [name, "Arn"]}


# REST


def test_routes_go_to_their_functions_through_one_integration_each(api: Template, plan: Plan) -> None:
    routes = {one["RouteKey"]: text(one["Target"]) for one in properties(api, "AWS::ApiGatewayV2::Route")}
    integrations = of_type(api, "AWS::ApiGatewayV2::Integration")
    handlers: dict[str, str] = {}
    for name, integration in integrations.items():
        function = integration["Properties"]["IntegrationUri"]["Fn::GetAtt"][0]
        handlers[f"integrations/<{name}>"] = api["Resources"][function]["Properties"]["Handler"]
        assert integration["Properties"]["PayloadFormatVersion"] == "2.0"
    assert sorted(handlers.values()) == ["persisty_lambdas.graphql.handler", "persisty_lambdas.rest.handler"]
    assert {key: handlers[target] for key, target in routes.items()} == {
        f"{route.method} {route.path}": f"persisty_lambdas.{route.function.partition('_')[0]}.handler"
        for route in plan.routes
    }
    assert handlers[routes["ANY /graphql"]] == "persisty_lambdas.graphql.handler"


def test_only_the_apis_may_invoke_functions(api: Template) -> None:
    invokers = properties(api, "AWS::Lambda::Permission")
    invoked = {api["Resources"][one["FunctionName"]["Fn::GetAtt"][0]]["Properties"]["Handler"] for one in invokers}
    assert {"persisty_lambdas.graphql.handler", "persisty_lambdas.rest.handler"} <= invoked
    assert all("SourceArn" in one for one in invokers)


def test_the_http_api_is_throttled(api: Template) -> None:
    [stage] = properties(api, "AWS::ApiGatewayV2::Stage")
    limits = stage["DefaultRouteSettings"]
    assert limits["ThrottlingRateLimit"] > 0
    assert limits["ThrottlingBurstLimit"] > 0


# Privileges


def test_no_statement_allows_every_action_or_every_resource(api: Template, data: Template) -> None:
    found = [*statements(api), *statements(data)]
    assert found
    versions = {f"<{name}.Arn>:*" for name in of_type(api, "AWS::Lambda::Function")}
    for statement in found:
        for action in as_list(statement["Action"]):
            assert "*" not in action, statement
        for resource in map(text, as_list(statement["Resource"])):
            assert "*" not in resource or resource in versions, (
                statement
            )  # AppSync may call any version of its function


def test_no_role_has_a_managed_policy_of_aws(api: Template) -> None:
    roles = properties(api, "AWS::IAM::Role")
    assert roles
    for role in roles:
        assert "ManagedPolicyArns" not in role
        [trusted] = role["AssumeRolePolicyDocument"]["Statement"]
        assert trusted["Principal"]["Service"] in {"lambda.amazonaws.com", "appsync.amazonaws.com"}


def test_each_function_has_exactly_the_grants_of_the_plan(api: Template, plan: Plan) -> None:
    tables = {table.store: table for table in plan.tables}
    for function in plan.functions:
        [made] = [one for one in properties(api, "AWS::Lambda::Function") if one["Handler"] == function.handler]
        allowed: set[tuple[str, str]] = set()
        for policy in properties(api, "AWS::IAM::Policy"):
            if policy["Roles"] == [{"Ref": made["Role"]["Fn::GetAtt"][0]}]:
                allowed |= {
                    (action, text(resource).rpartition(":table/")[2])
                    for statement in policy["PolicyDocument"]["Statement"]
                    for action in as_list(statement["Action"])
                    for resource in as_list(statement["Resource"])
                    if action.startswith("dynamodb:")
                }
        expected = {(action, tables[grant.store].name) for grant in function.grants for action in grant.actions}
        expected |= {
            ("dynamodb:Query", f"{tables[grant.store].name}/index/{index.name}")
            for grant in function.grants
            for index in tables[grant.store].indexes
        }
        assert allowed == expected


# Functions


def test_functions_retain_logs_for_a_month_and_time_out_before_the_apis(api: Template) -> None:
    groups = of_type(api, "AWS::Logs::LogGroup")
    for function in properties(api, "AWS::Lambda::Function"):
        group = groups[function["LoggingConfig"]["LogGroup"]["Ref"]]
        assert group["Properties"]["RetentionInDays"] == 30
        assert function["Timeout"] < 30
        assert function["Environment"]["Variables"]["PERSISTY_URL"] == "dynamodb://"


def test_functions_run_on_arm64_and_python_3_13_by_default(api: Template) -> None:
    for function in properties(api, "AWS::Lambda::Function"):
        assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["arm64"])
        assert len(function["Layers"]) <= 5
    for layer in properties(api, "AWS::Lambda::LayerVersion"):
        assert (layer["CompatibleRuntimes"], layer["CompatibleArchitectures"]) == (["python3.13"], ["arm64"])


def folder(assembly: Path, api: Template, kind: str, start: str) -> Path:
    """The folder of the assembly that becomes the zip of a function or layer."""
    place = next(
        resource["Properties"].get("Content") or resource["Properties"]["Code"]
        for name, resource in of_type(api, kind).items()
        if name.startswith(start)
    )
    return assembly / f"asset.{Path(place['S3Key']).stem}"


PACKAGES = {
    "base": {"msgspec", "aws_lambda_powertools", "argon2"},
    "tokens": {"jwt", "cryptography"},
    "actions": {"servey", "schemey", "jsonschema"},
    "graphql": {"graphql"},
}
"""Layer → packages in it that no other layer has."""
NOWHERE = {"boto3", "botocore", "aws_cdk", "jsii", "sqlalchemy", "starlette", "persisty", "pip"}


@pytest.mark.parametrize("name", PACKAGES)
def test_a_dependency_layer_has_wheels_of_its_target_and_the_packages_of_its_row(
    name: str, assembly: Path, api: Template
) -> None:
    layer = folder(assembly, api, "AWS::Lambda::LayerVersion", f"{name.capitalize()}Layer") / "python"
    names = {path.name for path in layer.iterdir()}
    assert PACKAGES[name] <= names
    assert not names & (NOWHERE | {one for other in PACKAGES if other != name for one in PACKAGES[other]})
    binaries = [path.name for path in layer.rglob("*.so")]
    assert bool(binaries) is (name != "graphql")
    foreign = [one for one in binaries if "x86_64" in one or ("cpython-" in one and "cpython-313" not in one)]
    assert foreign == []


def test_a_function_has_the_layers_of_its_row_and_the_one_of_persisty(api: Template, plan: Plan) -> None:
    functions = of_type(api, "AWS::Lambda::Function")
    for function in plan.functions:
        [properties] = [
            one["Properties"] for one in functions.values() if one["Properties"]["Handler"] == function.handler
        ]
        names = {layer["Ref"].partition("Layer")[0].lower() for layer in properties["Layers"]}
        assert names == {*function.layers, "runtime"}


def test_the_runtime_layer_has_persisty_without_servers_and_commands(assembly: Path, api: Template) -> None:
    package = folder(assembly, api, "AWS::Lambda::LayerVersion", "RuntimeLayer") / "python" / "persisty"
    names = {path.name for path in package.iterdir()}
    assert {"__init__.py", "application", "api", "model", "backends"} < names
    assert not names & {"cli", "clients", "deploy", "hosting", "testing", "transfer", "__main__.py"}
    backends = {path.name for path in (package / "backends").iterdir()} - {"__pycache__"}
    assert backends == {"__init__.py", "dynamodb"}


def test_the_functions_zip_has_only_the_handlers_and_the_apps_package(assembly: Path, api: Template) -> None:
    code = folder(assembly, api, "AWS::Lambda::Function", "Rest")
    assert {path.name for path in code.iterdir()} == {"persisty_lambdas", "examples"}
    assert not [path for path in code.rglob("*") if path.suffix not in {"", ".py", ".pyc", ".txt"}]
    assert {path.name for path in (code / "examples").iterdir()} - {"__pycache__"} == {"__init__.py", "messenger"}


def test_code_and_layers_have_byte_code_of_the_version_of_the_functions(assembly: Path) -> None:
    found = compiler_of("3.13")
    magics = {file.read_bytes()[:4].hex() for file in assembly.rglob("*.pyc")}
    assert magics == ({found[1]} if found else set())


def test_outputs_have_the_urls(api: Template) -> None:
    assert api["Outputs"].keys() == {"HttpUrl", "GraphqlUrl", "GraphqlApiId"}


def test_cloudformation_accepts_the_templates(assembly: Path) -> None:
    templates = sorted(assembly.glob("*.template.json"))
    assert len(templates) == 3
    command: list[str | Path] = [
        Path(sys.executable).parent / "cfn-lint",
        "--ignore-checks",
        "W3005",  # a DependsOn that a reference implies: the CDK writes both
        "--format",
        "json",
        "--regions",
    ]
    run = subprocess.run([*command, "eu-west-1", "--", *templates], capture_output=True, text=True, check=False)
    found = [f"{one['Rule']['Id']} {one['Message']}" for one in json.loads(run.stdout or "[]")]
    assert (run.returncode, found, run.stderr) == (0, [], "")


def test_the_cdk_is_pinned_to_the_tested_version() -> None:
    tested = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().lower().split() if "==" in line)
    for name in (
        "requirements.txt",
        "examples/requirements.txt",
        *(f"lambdas/requirements/{layer}.txt" for layer in LAYERS),
    ):
        lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")]
        assert lines
        for line in lines:
            package, _, version = line.partition("==")
            assert tested.get(package, tested.get(package.replace("-", "_"))) == version, line
