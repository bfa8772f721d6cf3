"""The change events of a deployment, as plain data: streams of tables, and the functions that read them. One publishes changes to AppSync, and one for each
store calls its after triggers.

They are computed from the plan of the APIs. Values that exist only after the deployment of a stack are SSM parameters, whose names are derived from the
app's: a stream's ARN contains its creation time, and AppSync generates the id of an API.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from ..naming import parameter_name
from .layers import layers_of
from .resources import HANDLERS, Function, Plan, TimerFunction

HANDLER = f"{HANDLERS}.stream.handler"
BATCH = 100
"""Most records of an invocation. The function is invoked without waiting for a full batch."""
RETRIES, MAX_AGE = 8, 3600
"""Retries of a record, and seconds after which it is given up. It is then sent to the dead-letter queue, and the stream continues."""
AFTER_MAX_AGE = 6 * 3600
"""The same seconds for after triggers, whose function retries failed events itself."""
PLACE = ("PERSISTY_APP", "PERSISTY_URL", "PERSISTY_STAGE")
"""Variables that this function shares with the functions of the APIs: the places of the app and its stores."""


class Source(Struct, frozen=True):
    """The stream of a table. `parameter`: the name of the SSM parameter with its ARN."""

    store: str
    table: str
    parameter: str


class Publishing(Struct, frozen=True):
    """The publication of changes to AppSync's subscriptions. `publishers`: the mutations that the function may call; `url` and `arn`: the SSM parameters with those of the API."""

    function: Function
    sources: tuple[Source, ...]
    publishers: tuple[str, ...]
    url: str
    arn: str


class AfterTriggers(Struct, frozen=True):
    """The after triggers of a store. `patterns`: the filter patterns of its event source mapping."""

    function: Function
    source: Source
    patterns: tuple[str, ...]


class Events(Struct, frozen=True):
    """The change events of a deployment. `publishing`: None if no caller can subscribe."""

    publishing: Publishing | None
    after: tuple[AfterTriggers, ...]
    timers: tuple[TimerFunction, ...] = ()

    @property
    def functions(self) -> tuple[Function, ...]:
        """The functions that no API invokes."""
        return (*self.readers, *(one.function for one in self.timers))

    @property
    def readers(self) -> tuple[Function, ...]:
        """The functions that read streams."""
        publishing = () if self.publishing is None else (self.publishing.function,)
        return (*publishing, *(one.function for one in self.after))

    @property
    def queues(self) -> int:
        """The number of dead-letter queues: one for changes that could not be published, one for events that no handler has handled."""
        return (self.publishing is not None) + bool(self.after or self.timers)

    @property
    def mappings(self) -> int:
        """The number of event source mappings and schedules."""
        return (
            sum(len(one.schedules) for one in self.timers)
            + len(self.after)
            + (0 if self.publishing is None else len(self.publishing.sources))
        )


def stream_parameter(plan: Plan, store: str) -> str:
    return parameter_name(plan.app, plan.stage, "stream", store)


def api_parameter(plan: Plan, what: str) -> str:
    """Return the name of an SSM parameter of the API. `what`: `url` or `arn`."""
    return parameter_name(plan.app, plan.stage, "graphql", what)


def alarms_parameter(plan: Plan) -> str:
    return parameter_name(plan.app, plan.stage, "alarms")


def events_of(plan: Plan) -> Events | None:
    """Return the events of a plan, None if it has no function that no API invokes."""
    sources = {
        table.store: Source(table.store, table.name, stream_parameter(plan, table.store))
        for table in plan.tables
        if table.stream
    }
    if not sources and not plan.timers:
        return None
    after = tuple(AfterTriggers(one.function, sources[one.store], one.patterns) for one in plan.after)
    return Events(_publishing(plan, sources), after, plan.timers)


def _publishing(plan: Plan, sources: Mapping[str, Source]) -> Publishing | None:
    if not plan.publishers:
        return None
    environment = plan.functions[0].environment
    function = Function(
        name="stream",
        handler=HANDLER,
        description=f"Publishes changes to the subscribers of {plan.app}",
        environment={**plan.variables, **{name: environment[name] for name in PLACE}, **plan.stream_settings},
        grants=(),
        layers=layers_of("stream", tokens=False, actions=False, eager=plan.eager_actions),
    )
    followed = tuple(source for store, source in sources.items() if store in plan.followed)
    return Publishing(function, followed, plan.publishers, api_parameter(plan, "url"), api_parameter(plan, "arn"))
