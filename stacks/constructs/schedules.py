"""The schedules of EventBridge Scheduler that invoke the functions of timed actions."""

from __future__ import annotations

import json

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambdas
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from persisty.deploy.resources import TimerFunction
from persisty.naming import pascal

RETRIES = 2
"""Repetitions of an invocation that has crashed: the maximum of Lambda."""
SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"
"""Replaced by Scheduler with the time of the schedule. Source: "Adding context attributes" in the EventBridge Scheduler User Guide."""


class Schedules:
    """Adds schedules to `scope`. They share a role. `queue`: receives the invocations that failed."""

    def __init__(self, scope: Construct, queue: sqs.Queue) -> None:
        self._scope, self._queue = scope, queue
        account = cdk.Stack.of(scope).account
        self._role = iam.Role(
            scope,
            "SchedulerRole",
            assumed_by=iam.ServicePrincipal(
                "scheduler.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": account}}
            ),
        )
        self._role.add_to_policy(iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[queue.queue_arn]))

    def add(self, timer: TimerFunction, function: lambdas.Function) -> None:
        """Invoke a function at the times of its schedules, each with the time."""
        self._role.add_to_policy(
            iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[function.function_arn])
        )
        seconds = min(one.seconds for one in timer.schedules)
        function.configure_async_invoke(
            retry_attempts=RETRIES,
            max_event_age=cdk.Duration.seconds(min(seconds, 6 * 3600)),
            on_failure=destinations.SqsDestination(self._queue),
        )
        for number, one in enumerate(timer.schedules):
            schedule = scheduler.CfnSchedule(
                self._scope,
                f"{pascal(timer.function.name)}-Schedule{number}",
                description=f"Timer {timer.action}",
                schedule_expression=one.expression,
                schedule_expression_timezone=one.timezone,
                flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
                target=scheduler.CfnSchedule.TargetProperty(
                    arn=function.function_arn,
                    role_arn=self._role.role_arn,
                    input=cdk.Fn.join(
                        "",
                        [
                            json.dumps({"action": timer.action, "time": SCHEDULED_TIME})[:-1],
                            ', "function": "',
                            function.function_name,
                            '"}',
                        ],
                    ),
                    retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(maximum_event_age_in_seconds=one.seconds),
                    dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(arn=self._queue.queue_arn),
                ),
            )
            schedule.node.add_dependency(self._role)  # Scheduler rejects a role that may not invoke the function
