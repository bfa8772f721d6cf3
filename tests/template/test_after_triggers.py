"""Templates of after triggers: a function for each store, its event source mapping, permissions, dead letters and alarms. Code is not built."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from persisty.deploy.alarms import ALARMS, FUNCTION, QUEUE, STREAM
from persisty.deploy.events import AFTER_MAX_AGE, BATCH, RETRIES
from stacks import PersistyApp

from .test_operations import alarms
from .test_template import as_list, of_type, properties, text

Template = dict[str, Any]
APP = "tests.parcels:app"
HANDLER = "persisty_lambdas.after.handler"
pytestmark = pytest.mark.usefixtures("no_code")


def deployed(**options: Any) -> tuple[PersistyApp, Template]:
    """The stacks of the app, and the template of the events."""
    cdk_app = cdk.App()
    made = PersistyApp(cdk_app, "Parcels", **{"app": APP, "target": "local", "graphql": "http", **options})
    assembly = cdk_app.synth()
    return made, assembly.get_stack_by_name(made.stacks[-1].stack_name).template


def functions(template: Template) -> dict[str, dict[str, Any]]:
    """Logical id → properties of the functions of after triggers."""
    found = of_type(template, "AWS::Lambda::Function")
    return {name: one["Properties"] for name, one in found.items() if one["Properties"]["Handler"] == HANDLER}


def test_without_subscriptions_the_stack_of_events_has_the_functions_of_triggers_alone() -> None:
    made, found = deployed()
    assert made.stacks[-1].stack_name == "Parcels-dev-Events"
    assert len(functions(found)) == 2
    assert made.functions.keys() == {"rest", "graphql_http", "after_parcel", "after_receipt", "timer_tick"}
    assert made.dead_letters is None
    assert made.event_dead_letters is not None


def test_with_subscriptions_a_stream_has_two_readers() -> None:
    made, found = deployed(graphql="both")
    assert {"stream", "after_parcel", "after_receipt"} < made.functions.keys()
    assert len(properties(found, "AWS::Lambda::EventSourceMapping")) == 5
    assert None not in (made.dead_letters, made.event_dead_letters)


def test_each_mapping_loses_no_change_and_isolates_a_record_that_ends_the_function() -> None:
    _, found = deployed()
    [queue] = of_type(found, "AWS::SQS::Queue")
    mappings = properties(found, "AWS::Lambda::EventSourceMapping")
    assert {one["FunctionName"]["Ref"] for one in mappings} == functions(found).keys()
    for one in mappings:
        assert one["StartingPosition"] == "TRIM_HORIZON"
        assert one["BatchSize"] == BATCH
        assert one["BisectBatchOnFunctionError"] is True
        assert one["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert (one["MaximumRetryAttempts"], one["MaximumRecordAgeInSeconds"]) == (RETRIES, AFTER_MAX_AGE)
        assert one["DestinationConfig"] == {"OnFailure": {"Destination": {"Fn::GetAtt": [queue, "Arn"]}}}


def test_a_mapping_filters_by_what_the_triggers_of_its_store_want() -> None:
    _, found = deployed()
    patterns = {
        one["FunctionName"]["Ref"]: [json.loads(each["Pattern"]) for each in one["FilterCriteria"]["Filters"]]
        for one in properties(found, "AWS::Lambda::EventSourceMapping")
        if "FilterCriteria" in one
    }
    [(name, filters)] = patterns.items()
    assert name.startswith("AfterReceipt")
    assert filters == [
        {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"id": {"S": ["special"]}}}},
        {"eventName": ["REMOVE"]},
    ]


def test_a_function_may_read_its_stream_use_what_its_actions_use_and_send_dead_letters() -> None:
    actions = {"check": {"stores": {}}, "record": {"stores": {}}, "confirm": {"stores": {"receipt": ["create"]}}}
    _, found = deployed(actions=actions)
    allowed: dict[str, set[str]] = {}
    for policy in properties(found, "AWS::IAM::Policy"):
        if not text(policy["Roles"][0]).startswith("<AfterParcel"):
            continue
        for statement in policy["PolicyDocument"]["Statement"]:
            for action in as_list(statement["Action"]):
                allowed.setdefault(action, set()).update(
                    text(one).rpartition(">:")[2] for one in as_list(statement["Resource"])
                )
    assert allowed.pop("dynamodb:PutItem") == {"table/parcels-dev-receipt"}
    reading = {action: allowed.pop(action) for action in list(allowed) if action.startswith("dynamodb:")}
    assert reading.keys() == {
        "dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams",
    }  # fmt: skip
    assert set.union(*reading.values()) == {"table/parcels-dev-parcel/stream/*"}
    assert allowed.keys() == {
        "logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl",
    }  # fmt: skip


def test_a_function_knows_its_queue_and_has_the_time_for_retries() -> None:
    _, found = deployed(functions={"after_parcel": {"memory": 256}})
    [queue] = of_type(found, "AWS::SQS::Queue")
    for name, one in functions(found).items():
        assert one["Environment"]["Variables"]["PERSISTY_DEAD_LETTERS_URL"] == {"Ref": queue}
        assert one["Timeout"] == 900
        assert one["MemorySize"] == (256 if name.startswith("AfterParcel") else 1024)


def test_every_function_stream_and_queue_has_its_alarms() -> None:
    _, found = deployed(graphql="both")
    streaming = alarms(found)
    every = {f"<{name}>" for name in of_type(found, "AWS::Lambda::Function")}
    for row in ALARMS[FUNCTION]:
        assert streaming["AWS/Lambda", row.metric] == every
    for row in ALARMS[STREAM]:
        assert streaming["AWS/Lambda", row.metric] == {name for name in every if not name.startswith("<Timer")}
    queues = {f"<{name}.QueueName>" for name in of_type(found, "AWS::SQS::Queue")}
    assert len(queues) == 2
    for row in ALARMS[QUEUE]:
        assert streaming["AWS/SQS", row.metric] == queues


def test_a_schedule_invokes_the_function_of_its_action_with_the_time() -> None:
    _, found = deployed()
    [queue] = of_type(found, "AWS::SQS::Queue")
    [schedule] = properties(found, "AWS::Scheduler::Schedule")
    target = schedule["Target"]
    name = target["Arn"]["Fn::GetAtt"][0]
    assert name.startswith("TimerTick")
    assert (schedule["ScheduleExpression"], schedule["ScheduleExpressionTimezone"]) == ("rate(1 minute)", "UTC")
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert json.loads(text(target["Input"])) == {
        "action": "tick",
        "time": "<aws.scheduler.scheduled-time>",
        "function": f"<{name}>",
    }
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86_400}
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": [queue, "Arn"]}}
    [config] = properties(found, "AWS::Lambda::EventInvokeConfig")
    assert config["FunctionName"] == {"Ref": name}
    assert config["MaximumRetryAttempts"] == 2
    assert config["DestinationConfig"] == {"OnFailure": {"Destination": {"Fn::GetAtt": [queue, "Arn"]}}}


def test_scheduler_may_invoke_these_functions_and_send_to_the_queue() -> None:
    _, found = deployed()
    [queue] = of_type(found, "AWS::SQS::Queue")
    [(role, made)] = [one for one in of_type(found, "AWS::IAM::Role").items() if one[0].startswith("SchedulerRole")]
    [assumed] = made["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert assumed["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert assumed["Condition"]["StringEquals"].keys() == {"aws:SourceAccount"}
    allowed = {
        action: {text(one) for one in as_list(statement["Resource"])}
        for policy in properties(found, "AWS::IAM::Policy")
        if policy["Roles"] == [{"Ref": role}]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in as_list(statement["Action"])
    }
    [name] = [name for name in of_type(found, "AWS::Lambda::Function") if name.startswith("TimerTick")]
    assert allowed == {"sqs:SendMessage": {f"<{queue}.Arn>"}, "lambda:InvokeFunction": {f"<{name}.Arn>"}}


def test_within_a_stack_nothing_is_a_parameter() -> None:
    stack = cdk.Stack(cdk.App(), "Mine", env=cdk.Environment(account="123456789012", region="eu-west-1"))
    PersistyApp(stack, "Parcels", app=APP, target="local", graphql="none")
    found = cdk.App.of(stack).synth().get_stack_by_name("Mine").template  # type: ignore[union-attr]
    assert properties(found, "AWS::SSM::Parameter") == []
    assert len(functions(found)) == 2


def test_cfn_lint_finds_nothing(tmp_path: Path) -> None:
    cdk_app = cdk.App(outdir=str(tmp_path / "cdk.out"))
    PersistyApp(cdk_app, "Parcels", app=APP, target="local")
    cdk_app.synth()
    templates = sorted(map(str, (tmp_path / "cdk.out").glob("*.template.json")))
    run = subprocess.run(
        [Path(sys.executable).parent / "cfn-lint", "--ignore-checks", "W3005", "--", *templates],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
