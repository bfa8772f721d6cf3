"""`PersistyApp` next to the constructs of a user: a network, a topic, functions, buckets and routes of other stacks, feature flags, aspects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_apigatewayv2 as http
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambdas
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration

from stacks import PersistyApp

from .test_template import as_list, of_type, properties, text

Template = dict[str, Any]
ROOT = Path(__file__).parents[2]
APP = "examples.messenger.app:app"
pytestmark = pytest.mark.usefixtures("no_code")
FLAGS = ROOT / "node_modules/aws-cdk/lib/init-templates/.recommended-feature-flags.json"
"""The feature flags that `cdk init` writes into the `cdk.json` of a new project."""


def own_function(stack: cdk.Stack) -> lambdas.Function:
    code = lambdas.Code.from_inline("def handler(event, context): return 'hello'")
    return lambdas.Function(stack, "Own", runtime=lambdas.Runtime.PYTHON_3_13, handler="index.handler", code=code)


def templates(cdk_app: cdk.App) -> dict[str, Template]:
    return {one.stack_name: one.template for one in cdk_app.synth().stacks}


def test_a_network_and_a_topic_belong_to_another_stack() -> None:
    cdk_app = cdk.App()
    net = cdk.Stack(cdk_app, "Net")
    vpc = ec2.Vpc(net, "Vpc", max_azs=2)
    group = ec2.SecurityGroup(net, "Group", vpc=vpc)
    topic = sns.Topic(net, "OnCall")
    PersistyApp(cdk_app, "Messenger", app=APP, target="local", vpc=vpc, security_groups=[group], topic=topic)
    found = templates(cdk_app)
    for name in ("Messenger-dev-Api", "Messenger-dev-Events"):
        assert of_type(found[name], "AWS::EC2::SecurityGroup") == {}
        for one in properties(found[name], "AWS::Lambda::Function"):
            assert "Net:Exports" in str(one["VpcConfig"]["SubnetIds"])
            assert "Net:Exports" in str(one["VpcConfig"]["SecurityGroupIds"])
        for one in properties(found[name], "AWS::CloudWatch::Alarm"):
            assert "Net:Exports" in str(one["AlarmActions"])


def test_functions_and_buckets_of_another_stack_get_and_give_permissions() -> None:
    cdk_app = cdk.App()
    mine = cdk.Stack(cdk_app, "Mine")
    bucket = s3.Bucket(mine, "Pictures")
    made = PersistyApp(
        cdk_app, "Messenger", app=APP, target="local", graphql="http",
        actions={"sign_up": {"environment": {"PICTURES": bucket.bucket_name}}},
    )  # fmt: skip
    bucket.grant_put(made.functions["action_sign_up"])
    own = own_function(cdk.Stack(cdk_app, "Reports"))
    made.tables["message"].grant_read_data(own)
    made.grant_read("user", own)
    found = templates(cdk_app)
    [policy] = properties(found["Reports"], "AWS::IAM::Policy")
    resources = str(policy["PolicyDocument"]["Statement"])
    assert "Messenger-dev-Data:Exports" in resources
    assert "messenger-dev-user" in resources
    [writing] = [
        one
        for policy in properties(found["Messenger-dev-Api"], "AWS::IAM::Policy")
        for one in policy["PolicyDocument"]["Statement"]
        if "s3:PutObject" in as_list(one["Action"])
    ]
    assert "Mine:Exports" in str(writing["Resource"])


def test_a_route_of_another_function_is_added_to_the_http_api() -> None:
    cdk_app = cdk.App()
    made = PersistyApp(cdk_app, "Messenger", app=APP, target="local", graphql="none")
    own = own_function(cdk.Stack(cdk_app, "Mine"))
    made.http.add_routes(path="/hello", methods=[http.HttpMethod.GET], integration=HttpLambdaIntegration("Hello", own))
    routes = {
        one["RouteKey"] for one in properties(templates(cdk_app)["Messenger-dev-Api"], "AWS::ApiGatewayV2::Route")
    }
    assert {"GET /hello", "ANY /api/{proxy+}"} <= routes


def test_boundaries_and_tags_of_the_cdk_app_reach_every_resource() -> None:
    cdk_app = cdk.App()
    PersistyApp(cdk_app, "Messenger", app=APP, target="local", tags={"team": "sales"})
    cdk.Tags.of(cdk_app).add("cost-center", "7")
    iam.PermissionsBoundary.of(cdk_app).apply(iam.ManagedPolicy.from_aws_managed_policy_name("PowerUserAccess"))
    found = templates(cdk_app)
    for template in found.values():
        for role in properties(template, "AWS::IAM::Role"):
            assert text(role["PermissionsBoundary"]).endswith(":iam::aws:policy/PowerUserAccess")
    tags = {
        tag["Key"]: tag["Value"] for tag in properties(found["Messenger-dev-Data"], "AWS::DynamoDB::Table")[0]["Tags"]
    }
    assert tags == {"app": "messenger", "stage": "dev", "team": "sales", "cost-center": "7"}


@pytest.mark.parametrize("flags", [False, True])
def test_two_synths_are_equal_with_and_without_the_feature_flags_of_a_new_project(flags: bool) -> None:
    def synthesised() -> dict[str, Template]:
        cdk_app = cdk.App(context=json.loads(FLAGS.read_text()) if flags else {})
        PersistyApp(cdk_app, "Messenger", app=APP, target="local", tracing=True, metrics=True, actions={"sign_up": {}})
        return templates(cdk_app)

    first = synthesised()
    assert first == synthesised()
    functions_ = properties(first["Messenger-dev-Api"], "AWS::Lambda::Function")
    assert {one["Handler"].split(".")[1] for one in functions_} == {
        "rest",
        "graphql",
        "appsync",
        "authorizer",
        "action",
    }
    assert all("LogGroup" in one["LoggingConfig"] for one in functions_)
    wildcards = [
        one
        for template in first.values()
        for policy in properties(template, "AWS::IAM::Policy")
        for one in policy["PolicyDocument"]["Statement"]
        if one["Resource"] == "*"
        and not {*as_list(one["Action"])} <= {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
    ]
    assert wildcards == []
