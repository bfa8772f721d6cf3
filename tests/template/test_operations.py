"""Alarms, the dashboard and access logs."""

from __future__ import annotations

import json
from typing import Any

from persisty.deploy.alarms import ALARMS, FUNCTION, GRAPHQL, HTTP, QUEUE, STREAM
from stacks.constructs.access_logs import LINE

from .test_events import parameter
from .test_template import of_type, properties, text

Template = dict[str, Any]


def alarms(template: Template) -> dict[tuple[str, str], set[str]]:
    """(namespace, metric) → the resources with such an alarm."""
    found: dict[tuple[str, str], set[str]] = {}
    for one in properties(template, "AWS::CloudWatch::Alarm"):
        [dimension] = one["Dimensions"]
        found.setdefault((one["Namespace"], one["MetricName"]), set()).add(text(dimension["Value"]))
    return found


def test_every_function_and_api_has_the_alarms_of_its_row(api: Template, events: Template) -> None:
    found, functions = alarms(api), {f"<{name}>" for name in of_type(api, "AWS::Lambda::Function")}
    for row in ALARMS[FUNCTION]:
        assert found["AWS/Lambda", row.metric] == functions
    for row in ALARMS[HTTP]:
        assert len(found["AWS/ApiGateway", row.metric]) == 1
    for row in ALARMS[GRAPHQL]:
        assert len(found["AWS/AppSync", row.metric]) == 1
    streaming, readers = alarms(events), {f"<{name}>" for name in of_type(events, "AWS::Lambda::Function")}
    queues = {f"<{name}.QueueName>" for name in of_type(events, "AWS::SQS::Queue")}
    assert (len(readers), len(queues)) == (2, 2), "of subscriptions and of after triggers"
    for row in (*ALARMS[FUNCTION], *ALARMS[STREAM]):
        assert streaming["AWS/Lambda", row.metric] == readers
    for row in ALARMS[QUEUE]:
        assert streaming["AWS/SQS", row.metric] == queues


def test_alarms_publish_to_one_topic_that_rejects_plain_http(api: Template, events: Template) -> None:
    [topic] = of_type(api, "AWS::SNS::Topic")
    for one in properties(api, "AWS::CloudWatch::Alarm"):
        assert one["AlarmActions"] == one["OKActions"] == [{"Ref": topic}]
        assert one["TreatMissingData"] == "notBreaching"
    for one in properties(events, "AWS::CloudWatch::Alarm"):
        assert [parameter(events, action) for action in one["AlarmActions"]] == ["/persisty/messenger/dev/alarms"]
    [policy] = properties(api, "AWS::SNS::TopicPolicy")
    [statement] = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_one_dashboard_shows_the_functions_and_the_apis(api: Template) -> None:
    [dashboard] = properties(api, "AWS::CloudWatch::Dashboard")
    assert dashboard["DashboardName"] == "Messenger-dev"
    body = text(dashboard["DashboardBody"])
    assert all(name in body for name in of_type(api, "AWS::Lambda::Function"))
    assert all(f'"{metric}"' in body for metric in ("Errors", "5xx", "5XXError", "Latency"))


def test_the_http_api_logs_requests_without_what_callers_send(api: Template) -> None:
    [stage] = properties(api, "AWS::ApiGatewayV2::Stage")
    settings = stage["AccessLogSettings"]
    assert json.loads(settings["Format"]) == LINE
    group = api["Resources"][settings["DestinationArn"]["Fn::GetAtt"][0]]
    assert group["Properties"]["RetentionInDays"] == 30
    [http] = of_type(api, "AWS::ApiGatewayV2::Api")
    assert text(group["Properties"]["LogGroupName"]) == f"/aws/vendedlogs/apis/<{http}>"
    assert not [value for value in LINE.values() if "header" in value.lower() or "query" in value.lower()]


def test_appsync_logs_failures_without_content_and_writes_no_other_log(api: Template) -> None:
    [(name, graphql)] = of_type(api, "AWS::AppSync::GraphQLApi").items()
    config = graphql["Properties"]["LogConfig"]
    role = config.pop("CloudWatchLogsRoleArn")["Fn::GetAtt"][0]
    assert config == {"ExcludeVerboseContent": True, "FieldLogLevel": "ERROR"}
    groups = of_type(api, "AWS::Logs::LogGroup")
    [group] = [
        key
        for key, one in groups.items()
        if text(one["Properties"].get("LogGroupName", "")) == f"/aws/appsync/apis/<{name}.ApiId>"
    ]
    [policy] = [one for one in properties(api, "AWS::IAM::Policy") if one["Roles"] == [{"Ref": role}]]
    assert [text(one["Resource"]) for one in policy["PolicyDocument"]["Statement"]] == [f"<{group}.Arn>"]
