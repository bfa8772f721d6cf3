"""The stack of events: a function that reads the streams of the tables and publishes changes to the GraphQL API.

It refers to the other stacks by names and by parameters, which each deployment looks up, and exports nothing. So it can be deleted and created
again without the others.
"""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambdas
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from persisty.deploy.events import BATCH, MAX_AGE, RETRIES, Events
from persisty.deploy.resources import Plan
from persisty.naming import pascal

from .constructs.functions import Functions
from .constructs.target import Target

URL, DEAD_LETTERS_URL = "PERSISTY_GRAPHQL_URL", "PERSISTY_DEAD_LETTERS_URL"
STREAM_ACTIONS = (
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
)
"""The actions with which Lambda reads a stream for a function."""
KEPT = 14
"""Days for which the dead-letter queue stores a message: the maximum of SQS."""


class EventsStack(cdk.Stack):
    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - CDK's name
        plan: Plan,
        events: Events,
        target: Target,
        **options: Any,
    ) -> None:
        super().__init__(scope, id, description=f"Events of {plan.app}, stage {plan.stage}", **options)
        self._events = events
        self._function = Functions(self, plan, target, events.function.environment["PERSISTY_APP"]).make(
            events.function
        )
        self._function.add_environment(URL, ssm.StringParameter.value_for_string_parameter(self, events.url))
        self._function.add_to_role_policy(self._publishing())
        self._dead_letters = sqs.Queue(
            self,
            "StreamDeadLetters",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(KEPT),
        )
        # the function may send there as Lambda does, by the same grant
        self._function.add_environment(DEAD_LETTERS_URL, self._dead_letters.queue_url)
        self._read()
        cdk.CfnOutput(
            self,
            "StreamDeadLettersUrl",
            value=self._dead_letters.queue_url,
            description="Dead-letter queue of the stream function",
        )

    def _publishing(self) -> iam.PolicyStatement:
        """Allow to call the mutations that publish, and no other field."""
        api = ssm.StringParameter.value_for_string_parameter(self, self._events.arn)
        fields = [f"{api}/types/Mutation/fields/{name}" for name in self._events.publishers]
        return iam.PolicyStatement(actions=["appsync:GraphQL"], resources=fields)

    def _read(self) -> None:
        """Read each table's stream from now on. A record that keeps failing is split from its batch and ends in the dead-letter queue."""
        streams = [
            self.format_arn(service="dynamodb", resource="table", resource_name=f"{source.table}/stream/*")
            for source in self._events.sources
        ]
        self._function.add_to_role_policy(iam.PolicyStatement(actions=list(STREAM_ACTIONS), resources=streams))
        role = self.node.find_child(f"{pascal(self._events.function.name)}Role")
        for source in self._events.sources:
            mapping = lambdas.EventSourceMapping(
                self,
                f"{pascal(source.store)}Stream",
                target=self._function,
                event_source_arn=ssm.StringParameter.value_for_string_parameter(self, source.parameter),
                starting_position=lambdas.StartingPosition.LATEST,
                batch_size=BATCH,
                bisect_batch_on_error=True,
                report_batch_item_failures=True,
                retry_attempts=RETRIES,
                max_record_age=cdk.Duration.seconds(MAX_AGE),
                on_failure=sources.SqsDlq(self._dead_letters),
            )
            mapping.node.add_dependency(role)  # Lambda rejects a stream that the function may not read
