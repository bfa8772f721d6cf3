"""The part of events: a function that reads the streams of the tables and publishes changes to the GraphQL API.

As a separate stack it refers to the other stacks by names and by parameters, which each deployment looks up, and exports nothing. It can be deleted
and created again without the others.
"""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambdas
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from persisty.deploy.alarms import QUEUE, STREAM
from persisty.deploy.events import BATCH, MAX_AGE, RETRIES, Events, alarms_parameter
from persisty.deploy.resources import Plan
from persisty.naming import pascal

from .constructs.exceptions import DEAD_LETTERS, accept, accept_wildcards
from .constructs.functions import Functions, FunctionSettings
from .constructs.monitoring import Watched, add_alarms, watched_functions
from .constructs.passed_values import Values
from .constructs.placement import Placement

URL, DEAD_LETTERS_URL = "PERSISTY_GRAPHQL_URL", "PERSISTY_DEAD_LETTERS_URL"
STREAM_ACTIONS = (
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
)
"""The actions with which Lambda reads a stream for a function."""
RETENTION = 14
"""Days for which the dead-letter queue stores a message: the maximum of SQS."""


class EventsPart:
    """Adds the part to `scope`. `function` reads the streams, and `dead_letters` is the queue of the records that were given up."""

    def __init__(
        self, scope: Construct, plan: Plan, events: Events, values: Values, settings: FunctionSettings
    ) -> None:
        self._scope, self._events, self._values = scope, events, values
        self._placement = Placement(scope, split=settings.options.split)
        self.function = Functions(scope, plan, settings).make(events.function)
        self.function.add_environment(URL, values.take(scope, events.url))
        self.function.add_to_role_policy(self._publishing())
        self.dead_letters = sqs.Queue(
            scope,
            "StreamDeadLetters",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(RETENTION),
        )
        accept(self.dead_letters, DEAD_LETTERS)
        # the same grant allows the function to send to the queue, as Lambda does
        self.function.add_environment(DEAD_LETTERS_URL, self.dead_letters.queue_url)
        self._read()
        if settings.options.alarms:
            self._monitoring(plan, settings.app_constructs.topic)
        cdk.CfnOutput(
            scope,
            "StreamDeadLettersUrl",
            value=self.dead_letters.queue_url,
            description="Dead-letter queue of the stream function",
        )

    def _monitoring(self, plan: Plan, topic: sns.ITopic | None) -> None:
        if topic is None:
            arn = self._values.take(self._scope, alarms_parameter(plan))
            topic = sns.Topic.from_topic_arn(self._scope, "Alarms", arn)
        name = self._events.function.name
        resources = [
            *watched_functions({name: self.function}),
            Watched(STREAM, name, self.function.function_name),
            Watched(QUEUE, "dead-letters", self.dead_letters.queue_name),
        ]
        add_alarms(self._scope, resources, topic)

    def _publishing(self) -> iam.PolicyStatement:
        """Allow to call the mutations that publish, and no other field."""
        api = self._values.take(self._scope, self._events.arn)
        fields = [f"{api}/types/Mutation/fields/{name}" for name in self._events.publishers]
        return iam.PolicyStatement(actions=["appsync:GraphQL"], resources=fields)

    def _read(self) -> None:
        """Read each table's stream from now on. A record that always fails is split from its batch and sent to the dead-letter queue."""
        streams = [
            cdk.Stack.of(self._scope).format_arn(
                service="dynamodb", resource="table", resource_name=f"{source.table}/stream/*"
            )
            for source in self._events.sources
        ]
        self.function.add_to_role_policy(iam.PolicyStatement(actions=list(STREAM_ACTIONS), resources=streams))
        role = self._scope.node.find_child(f"{pascal(self._events.function.name)}Role")
        accept_wildcards(role, streams)
        for source in self._events.sources:
            place = self._placement.of(source.store)
            mapping = lambdas.EventSourceMapping(
                place,
                f"{pascal(source.store)}Stream",
                target=self.function,
                event_source_arn=self._values.take(place, source.parameter),
                starting_position=lambdas.StartingPosition.LATEST,
                batch_size=BATCH,
                bisect_batch_on_error=True,
                report_batch_item_failures=True,
                retry_attempts=RETRIES,
                max_record_age=cdk.Duration.seconds(MAX_AGE),
                on_failure=sources.SqsDlq(self.dead_letters),
            )
            mapping.node.add_dependency(role)  # Lambda rejects a stream that the function may not read
