"""The resources of `benchmarks.synth_app` by L2 constructs of the CDK, without persisty: `python cdk_by_hand.py WHAT.json`.

The file stands for what a person would write down: names, keys, fields and folders of code.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as http
from aws_cdk import aws_appsync as appsync
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambdas
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secrets
from aws_cdk import aws_sns as sns
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration

what = json.loads(Path(sys.argv[1]).read_text())
app = cdk.App()
data, api_stack = cdk.Stack(app, "Many-dev-Data"), cdk.Stack(app, "Many-dev-Api")
api_stack.add_stack_dependency(data)


def key(attribute):
    return dynamodb.Attribute(name=attribute["name"], type=dynamodb.AttributeType.STRING)


for one in what["tables"]:
    table = dynamodb.Table(
        data, one["store"], table_name=one["name"], partition_key=key(one["partition"]),
        billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST, encryption=dynamodb.TableEncryption.AWS_MANAGED,
        point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(point_in_time_recovery_enabled=True),
        deletion_protection=True, removal_policy=cdk.RemovalPolicy.RETAIN,
    )  # fmt: skip
    for index in one["indexes"]:
        table.add_global_secondary_index(index_name=index["name"], partition_key=key(index["partition"]))
if what["secret"]:
    secrets.Secret(data, "Tokens", secret_name=what["secret"], removal_policy=cdk.RemovalPolicy.RETAIN)

names = {one["store"]: one["name"] for one in what["tables"]}
layers = [
    lambdas.LayerVersion(api_stack, f"Layer{number}", code=lambdas.Code.from_asset(folder, asset_hash=Path(folder).name, asset_hash_type=cdk.AssetHashType.CUSTOM))
    for number, folder in enumerate(what["layers"])
]  # fmt: skip
code = lambdas.Code.from_asset(
    what["code"], asset_hash=Path(what["code"]).name, asset_hash_type=cdk.AssetHashType.CUSTOM
)
functions = {}
for one in what["functions"]:
    group = logs.LogGroup(api_stack, f"{one['name']}Logs", retention=logs.RetentionDays.ONE_MONTH, removal_policy=cdk.RemovalPolicy.DESTROY)  # fmt: skip
    role = iam.Role(api_stack, f"{one['name']}Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    group.grant_write(role)
    for grant in one["grants"]:
        arn = api_stack.format_arn(service="dynamodb", resource="table", resource_name=names[grant["store"]])
        role.add_to_policy(iam.PolicyStatement(actions=grant["actions"], resources=[arn, f"{arn}/index/*"]))
    functions[one["name"]] = lambdas.Function(
        api_stack, one["name"], handler=one["handler"], runtime=lambdas.Runtime.PYTHON_3_11, code=code, layers=layers,
        memory_size=1024, timeout=cdk.Duration.seconds(28), environment=one["environment"], log_group=group, role=role,
    )  # fmt: skip

api = http.HttpApi(api_stack, "Http", create_default_stage=False)
stage = http.HttpStage(
    api_stack, "Stage", http_api=api, stage_name="$default", auto_deploy=True,
    throttle=http.ThrottleSettings(rate_limit=500, burst_limit=1000),
)  # fmt: skip
access = logs.LogGroup(api_stack, "AccessLogs", retention=logs.RetentionDays.ONE_MONTH, removal_policy=cdk.RemovalPolicy.DESTROY)  # fmt: skip
stage.node.default_child.access_log_settings = http.CfnStage.AccessLogSettingsProperty(
    destination_arn=access.log_group_arn, format="$context.requestId"
)
integrations = {name: HttpLambdaIntegration(f"{name}Integration", function) for name, function in functions.items()}
for route in what["routes"]:
    api.add_routes(
        path=route["path"], methods=[http.HttpMethod(route["method"])], integration=integrations[route["function"]]
    )
cdk.CfnOutput(api_stack, "HttpUrl", value=api.api_endpoint)

schema = Path(cdk.FileSystem.mkdtemp("sdl")) / "schema.graphql"
schema.write_text(what["sdl"])
graphql = appsync.GraphqlApi(
    api_stack, "Graphql", name="many", definition=appsync.Definition.from_file(str(schema)), query_depth_limit=20,
    authorization_config=appsync.AuthorizationConfig(
        default_authorization=appsync.AuthorizationMode(
            authorization_type=appsync.AuthorizationType.API_KEY, api_key_config=appsync.ApiKeyConfig(name="many")
        )
    ),
)  # fmt: skip
log_role = iam.Role(api_stack, "GraphqlLogsRole", assumed_by=iam.ServicePrincipal("appsync.amazonaws.com"))
graphql.node.default_child.log_config = appsync.CfnGraphQLApi.LogConfigProperty(
    cloud_watch_logs_role_arn=log_role.role_arn, field_log_level="ERROR", exclude_verbose_content=True
)
logs.LogGroup(
    api_stack, "GraphqlLogs", log_group_name=f"/aws/appsync/apis/{graphql.api_id}", retention=logs.RetentionDays.ONE_MONTH
).grant_write(log_role)  # fmt: skip
sources = {}
for field in what["fields"]:
    name = field["function"]
    if name not in sources:
        sources[name] = graphql.add_lambda_data_source(f"{name}Source", functions[name])
    sources[name].create_resolver(
        f"{field['type']}{field['name']}", type_name=field["type"], field_name=field["name"],
        runtime=appsync.FunctionRuntime.JS_1_0_0, code=appsync.Code.from_inline(what["resolver"]),
        max_batch_size=field["batch"] or None,
    )  # fmt: skip
cdk.CfnOutput(api_stack, "GraphqlUrl", value=graphql.graphql_url)

topic = sns.Topic(api_stack, "Alarms", enforce_ssl=True)
action = actions.SnsAction(topic)
widgets = []
for namespace, metric, statistic, dimension, id_, name in what["alarms"]:
    ids = {"http": api.api_id, "graphql": graphql.api_id} | {k: one.function_name for k, one in functions.items()}
    watched = cloudwatch.Metric(namespace=namespace, metric_name=metric, statistic=statistic, dimensions_map={dimension: ids[id_]}, period=cdk.Duration.minutes(5))  # fmt: skip
    alarm = watched.create_alarm(api_stack, name, threshold=1, evaluation_periods=1)
    alarm.add_alarm_action(action)
    alarm.add_ok_action(action)
    widgets.append(cloudwatch.GraphWidget(title=name, left=[watched]))
cloudwatch.Dashboard(api_stack, "Dashboard", dashboard_name="many").add_widgets(*widgets)
for name in ("app", "stage"):
    for stack in (data, api_stack):
        cdk.Tags.of(stack).add(name, "many")
app.synth()
