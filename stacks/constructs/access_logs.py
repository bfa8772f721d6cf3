"""Access logs: a line for each request of the HTTP API, and for each failed field of AppSync.

A line has the id of the request. It is `X-Request-Id` in the response and `request_id` in the lines of the function's log. Bodies, tokens and
query strings are never logged.
"""

from __future__ import annotations

import json

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as http
from aws_cdk import aws_appsync as appsync
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

LINE = {
    "request_id": "$context.requestId",
    "time": "$context.requestTime",
    "ip": "$context.identity.sourceIp",
    "method": "$context.httpMethod",
    "path": "$context.path",
    "route": "$context.routeKey",
    "status": "$context.status",
    "bytes": "$context.responseLength",
    "latency": "$context.responseLatency",
    "error": "$context.integrationErrorMessage",
}
"""Members of a line of the HTTP API."""


def log_requests(scope: Construct, stage: http.HttpStage, retention: logs.RetentionDays) -> None:
    """Make a stage of an HTTP API log its requests.

    AWS lists every other log in a policy of the account, which has room for a few dozen. It has one entry for all names with this beginning.
    Source: "Enable logging from AWS services" in the Amazon CloudWatch Logs User Guide.
    """
    group = _group(scope, "HttpAccessLogs", retention, name=f"/aws/vendedlogs/apis/{stage.api.api_id}")
    stage.node.default_child.access_log_settings = http.CfnStage.AccessLogSettingsProperty(
        destination_arn=group.log_group_arn, format=json.dumps(LINE)
    )


def log_fields(scope: Construct, api: appsync.GraphqlApi, retention: logs.RetentionDays) -> None:
    """Make a GraphQL API log its failed fields, without their content, in the log whose name AWS prescribes. Its role may write only this log."""
    role = iam.Role(scope, "GraphqlLogsRole", assumed_by=iam.ServicePrincipal("appsync.amazonaws.com"))
    # CDK's own option would add a function that sets the retention
    api.node.default_child.log_config = appsync.CfnGraphQLApi.LogConfigProperty(
        cloud_watch_logs_role_arn=role.role_arn, field_log_level="ERROR", exclude_verbose_content=True
    )
    _group(scope, "GraphqlLogs", retention, name=f"/aws/appsync/apis/{api.api_id}").grant_write(role)


def _group(scope: Construct, id: str, retention: logs.RetentionDays, name: str | None = None) -> logs.LogGroup:  # noqa: A002 - CDK's name
    return logs.LogGroup(scope, id, log_group_name=name, retention=retention, removal_policy=cdk.RemovalPolicy.DESTROY)
