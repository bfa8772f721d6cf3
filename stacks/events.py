"""The part of events: functions that read the streams of the tables. One publishes changes to the GraphQL API, and one for each store calls its after triggers. Schedules
invoke the functions of timed actions.

As a separate stack it refers to the other stacks by names and by parameters, which each deployment looks up, and exports nothing. It can be deleted
and created again without the others.
"""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambdas
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from persisty.deploy.alarms import QUEUE, STREAM
from persisty.deploy.events import (
    AFTER_MAX_AGE,
    BATCH,
    MAX_AGE,
    RETRIES,
    AfterTriggers,
    Events,
    Publishing,
    Source,
    alarms_parameter,
)
from persisty.deploy.resources import Function, Plan
from persisty.naming import dead_letters_name, pascal

from .constructs.exceptions import DEAD_LETTERS, accept, accept_wildcards
from .constructs.functions import Functions, FunctionSettings
from .constructs.monitoring import Watched, add_alarms, add_dashboard, watched_functions
from .constructs.passed_values import Values
from .constructs.placement import Placement
from .constructs.schedules import Schedules

URL, DEAD_LETTERS_URL = "PERSISTY_GRAPHQL_URL", "PERSISTY_DEAD_LETTERS_URL"
STREAM_ACTIONS = (
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
)
"""The actions with which Lambda reads a stream for a function."""
RETENTION = 14
"""Days for which a dead-letter queue stores a message: the maximum of SQS."""


class EventsPart:
    """Adds the part to `scope`. `functions`: by their names in the plan. `dead_letters`: the queue of changes that could not be published, `event_dead_letters` that of events
    of after triggers that were given up; each None if the app does not need it."""

    def __init__(
        self, scope: Construct, plan: Plan, events: Events, values: Values, settings: FunctionSettings
    ) -> None:
        self._scope, self._values = scope, values
        self._placement = Placement(scope, split=settings.options.split)
        self._made = Functions(scope, plan, settings)
        self._queues: list[Watched] = []
        self.functions: dict[str, lambdas.Function] = {}
        self.dead_letters = self.event_dead_letters = None
        if events.publishing is not None:
            self.dead_letters = self._publish(events.publishing)
        if events.after or events.timers:
            self.event_dead_letters = self._call_triggers(plan, events)
        if settings.options.alarms:
            self._monitoring(plan, events, settings.app_constructs.topic)

    def _publish(self, publishing: Publishing) -> sqs.Queue:
        function = self._function(publishing.function)
        function.add_environment(URL, self._values.take(self._scope, publishing.url))
        function.add_to_role_policy(self._publishing(publishing))
        queue = self._queue("StreamDeadLetters", "dead-letters", "Dead-letter queue of the stream function")
        # the same grant allows the function to send to the queue, as Lambda does
        function.add_environment(DEAD_LETTERS_URL, queue.queue_url)
        self._allow_reading(publishing.function, function, publishing.sources)
        for source in publishing.sources:
            place = self._placement.of(source.store)
            self._read(
                place,
                f"{pascal(source.store)}Stream",
                source,
                publishing.function,
                function,
                queue,
                max_record_age=cdk.Duration.seconds(MAX_AGE),
                starting_position=lambdas.StartingPosition.LATEST,
            )
        return queue

    def _call_triggers(self, plan: Plan, events: Events) -> sqs.Queue:
        name = dead_letters_name(plan.app, plan.stage)
        queue = self._queue(
            "EventDeadLetters", "event-dead-letters", "Dead-letter queue of after triggers and timers", name
        )
        for one in events.after:
            self._read_for(one, queue)
        if events.timers:
            invoking = Schedules(self._scope, queue)
            for timer in events.timers:
                function = self._function(timer.function)
                function.add_environment(DEAD_LETTERS_URL, queue.queue_url)
                invoking.add(timer, function)
        return queue

    def _read_for(self, one: AfterTriggers, queue: sqs.Queue) -> None:
        function = self._function(one.function)
        function.add_environment(DEAD_LETTERS_URL, queue.queue_url)
        self._allow_reading(one.function, function, [one.source])
        self._read(
            self._scope,
            f"{pascal(one.source.store)}-After",
            one.source,
            one.function,
            function,
            queue,
            max_record_age=cdk.Duration.seconds(AFTER_MAX_AGE),
            # from LATEST, Lambda would miss changes until it reads the stream, and during each update of the mapping
            starting_position=lambdas.StartingPosition.TRIM_HORIZON,
            filters=[{"pattern": pattern} for pattern in one.patterns] or None,
        )

    def _function(self, planned: Function) -> lambdas.Function:
        function = self.functions[planned.name] = self._made.make(planned)
        return function

    def _queue(self, id: str, kind: str, description: str, name: str | None = None) -> sqs.Queue:  # noqa: A002 - CDK's name
        queue = sqs.Queue(
            self._scope,
            id,
            queue_name=name,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(RETENTION),
        )
        accept(queue, DEAD_LETTERS)
        cdk.CfnOutput(self._scope, f"{id}Url", value=queue.queue_url, description=description)
        self._queues.append(Watched(QUEUE, kind, queue.queue_name))
        return queue

    def _monitoring(self, plan: Plan, events: Events, topic: sns.ITopic | None) -> None:
        if topic is None:
            arn = self._values.take(self._scope, alarms_parameter(plan))
            topic = sns.Topic.from_topic_arn(self._scope, "Alarms", arn)
        streams = [Watched(STREAM, one.name, self.functions[one.name].function_name) for one in events.readers]
        resources = [*watched_functions(self.functions), *streams, *self._queues]
        add_alarms(self._scope, resources, topic)
        if self.event_dead_letters is not None:
            add_dashboard(self._scope, f"{plan.prefix}-Events", resources)

    def _publishing(self, publishing: Publishing) -> iam.PolicyStatement:
        """Allow to call the mutations that publish, and no other field."""
        api = self._values.take(self._scope, publishing.arn)
        fields = [f"{api}/types/Mutation/fields/{name}" for name in publishing.publishers]
        return iam.PolicyStatement(actions=["appsync:GraphQL"], resources=fields)

    def _role(self, planned: Function) -> Construct:
        role: Construct = self._scope.node.find_child(f"{pascal(planned.name)}Role")
        return role

    def _allow_reading(self, planned: Function, function: lambdas.Function, read: Sequence[Source]) -> None:
        """Allow a function to read streams."""
        streams = [
            cdk.Stack.of(self._scope).format_arn(
                service="dynamodb", resource="table", resource_name=f"{source.table}/stream/*"
            )
            for source in read
        ]
        function.add_to_role_policy(iam.PolicyStatement(actions=list(STREAM_ACTIONS), resources=streams))
        accept_wildcards(self._role(planned), streams)

    def _read(
        self,
        place: Construct,
        id: str,  # noqa: A002 - CDK's name
        source: Source,
        planned: Function,
        function: lambdas.Function,
        queue: sqs.Queue,
        **options: object,
    ) -> None:
        """Read a table's stream. A record that always fails is split from its batch and sent to the dead-letter queue."""
        mapping = lambdas.EventSourceMapping(
            place,
            id,
            target=function,
            event_source_arn=self._values.take(place, source.parameter),
            batch_size=BATCH,
            bisect_batch_on_error=True,
            report_batch_item_failures=True,
            retry_attempts=RETRIES,
            on_failure=sources.SqsDlq(queue),
            **options,
        )
        mapping.node.add_dependency(self._role(planned))  # Lambda rejects a stream that the function may not read
