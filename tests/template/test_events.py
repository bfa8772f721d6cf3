"""Templates of subscriptions: streams, their readers, and the references between the three stacks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from examples.messenger.app import app
from persisty.deploy.events import MAX_AGE, RETRIES, Publishing, events_of
from persisty.deploy.plan import plan_of
from persisty.deploy.resources import Plan

from .test_template import as_list, of_type, properties, statements, text

Template = dict[str, Any]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_of(app, "examples.messenger.app:app")


@pytest.fixture(scope="module")
def planned(plan: Plan) -> Publishing:
    found = events_of(plan)
    assert found is not None
    assert found.publishing is not None
    return found.publishing


AFTER = ("After", "MessageAfter", "EventDeadLetters", "ActionsLayer", "aftermessage", "eventdeadletters")
"""The begins of the names of the resources of after triggers, which have their own tests."""


@pytest.fixture(scope="module")
def events(events: Template) -> Template:
    """The template of the events without the resources of after triggers."""
    kept = {name: one for name, one in events["Resources"].items() if not name.startswith(AFTER)}
    return {**events, "Resources": kept}


def parameter(template: Template, reference: Any) -> str:
    """Return the name of the SSM parameter of a reference."""
    found = template["Parameters"][reference["Ref"]]
    assert found["Type"] == "AWS::SSM::Parameter::Value<String>"
    name: str = found["Default"]
    return name


def test_tables_stream_old_and_new_images(data: Template, plan: Plan) -> None:
    streams = {one["TableName"]: one.get("StreamSpecification") for one in properties(data, "AWS::DynamoDB::Table")}
    assert streams == {
        table.name: {"StreamViewType": "NEW_AND_OLD_IMAGES"} if table.stream else None for table in plan.tables
    }


def test_stacks_pass_values_by_parameters_and_export_nothing(
    data: Template, api: Template, events: Template, planned: Publishing
) -> None:
    passed = {one["Name"]: text(one["Value"]) for one in properties(data, "AWS::SSM::Parameter")}
    assert passed.keys() == {source.parameter for source in planned.sources}
    assert all(value.endswith(".StreamArn>") for value in passed.values())
    passed = {one["Name"]: text(one["Value"]) for one in properties(api, "AWS::SSM::Parameter")}
    assert passed.keys() == {planned.url, planned.arn, "/persisty/messenger/dev/alarms"}
    assert passed[planned.url].endswith(".GraphQLUrl>")
    for template in (data, api, events):
        assert not [one for one in template.get("Outputs", {}).values() if "Export" in one]
        assert "Fn::ImportValue" not in json.dumps(template)


def test_each_stream_is_read_from_its_end_and_a_failing_record_is_isolated_retried_and_sent_to_the_dead_letter_queue(
    events: Template, planned: Publishing
) -> None:
    [(queue, _)] = of_type(events, "AWS::SQS::Queue").items()
    [function] = of_type(events, "AWS::Lambda::Function")
    mappings = properties(events, "AWS::Lambda::EventSourceMapping")
    assert {parameter(events, one["EventSourceArn"]) for one in mappings} == {one.parameter for one in planned.sources}
    for one in mappings:
        assert one["FunctionName"] == {"Ref": function}
        assert one["StartingPosition"] == "LATEST"
        assert one["BisectBatchOnFunctionError"] is True
        assert one["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert (one["MaximumRetryAttempts"], one["MaximumRecordAgeInSeconds"]) == (RETRIES, MAX_AGE)
        assert one["DestinationConfig"] == {"OnFailure": {"Destination": {"Fn::GetAtt": [queue, "Arn"]}}}


def test_a_mapping_is_created_after_the_permission_to_read_the_stream(events: Template) -> None:
    [policy] = of_type(events, "AWS::IAM::Policy")
    for one in of_type(events, "AWS::Lambda::EventSourceMapping").values():
        assert policy in one["DependsOn"]


def test_the_dead_letter_queue_is_encrypted_and_stores_messages_for_two_weeks(events: Template) -> None:
    [queue] = properties(events, "AWS::SQS::Queue")
    assert queue["SqsManagedSseEnabled"] is True
    assert queue["MessageRetentionPeriod"] == 14 * 86_400
    [policy] = properties(events, "AWS::SQS::QueuePolicy")
    [statement] = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_the_function_may_publish_read_the_streams_and_nothing_else(events: Template, planned: Publishing) -> None:
    allowed: dict[str, set[str]] = {}
    for statement in statements(events):
        assert statement["Effect"] == "Allow"
        for action in as_list(statement["Action"]):
            allowed.setdefault(action, set()).update(map(text, as_list(statement["Resource"])))
    published = {one.rpartition("/types/")[2] for one in allowed.pop("appsync:GraphQL")}
    assert published == {f"Mutation/fields/{name}" for name in planned.publishers}
    streams = {f"table/{source.table}/stream/*" for source in planned.sources}
    for action in [one for one in allowed if one.startswith("dynamodb:")]:
        assert {one.rpartition(">:")[2] for one in allowed.pop(action)} == streams
    [logs] = of_type(events, "AWS::Logs::LogGroup")
    [queue] = of_type(events, "AWS::SQS::Queue")
    rest = {resource for resources in allowed.values() for resource in resources}
    assert rest == {f"<{logs}.Arn>", f"<{queue}.Arn>"}
    assert allowed.keys() == {
        "logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl",
    }  # fmt: skip


def test_the_function_has_the_address_to_publish_to_and_no_secret(events: Template, planned: Publishing) -> None:
    [function] = properties(events, "AWS::Lambda::Function")
    variables = dict(function["Environment"]["Variables"])
    assert parameter(events, variables.pop("PERSISTY_GRAPHQL_URL")) == planned.url
    [queue] = of_type(events, "AWS::SQS::Queue")
    assert variables.pop("PERSISTY_DEAD_LETTERS_URL") == {"Ref": queue}
    assert variables == planned.function.environment
    assert function["Handler"] == "persisty_lambdas.stream.handler"
    assert function["Timeout"] < 30
    assert [layer["Ref"].partition("Layer")[0] for layer in function["Layers"]] == ["Base", "Runtime"]


def test_stacks_share_the_folders_of_their_layers(api: Template, events: Template) -> None:
    def keys(template: Template) -> set[str]:
        return {one["Content"]["S3Key"] for one in properties(template, "AWS::Lambda::LayerVersion")}

    assert len(keys(events)) == 2
    assert keys(events) < keys(api)


def test_publishing_uses_iam_which_is_not_the_default_mode(api: Template) -> None:
    [graphql] = properties(api, "AWS::AppSync::GraphQLApi")
    assert graphql["AuthenticationType"] != "AWS_IAM"
    assert {"AuthenticationType": "AWS_IAM"} in graphql["AdditionalAuthenticationProviders"]


def test_resolvers_of_subscriptions_refuse_without_a_filter_and_publishers_call_no_function(
    api: Template, plan: Plan
) -> None:
    resolvers = {one["FieldName"]: one for one in properties(api, "AWS::AppSync::Resolver")}
    live = [field.name for field in plan.fields if field.type == "Subscription"]
    assert live
    for name in live:
        code = resolvers[name]["Code"]
        assert "extensions.setSubscriptionFilter(filter)" in code
        assert code.index("if (!filter)") < code.index("extensions.setSubscriptionFilter")
    for name in plan.publishers:
        assert "util" not in resolvers[name]["Code"]
