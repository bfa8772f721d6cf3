"""The events of a deployment, as plain data: streams of tables, a function, the mutations that it calls.

They are computed from the plan of the APIs. Values that a stack knows only after its deployment are SSM parameters with names that follow from the
app's: a stream's ARN contains its creation time, and AppSync generates the id of an API.
"""

from __future__ import annotations

from msgspec import Struct

from ..naming import parameter_name
from .layers import layers_of
from .resources import HANDLERS, Function, Plan

HANDLER = f"{HANDLERS}.stream.handler"
BATCH = 100
"""Records that the function is invoked with at most; what is there is handed on without waiting for more."""
RETRIES, MAX_AGE = 8, 3600
"""Retries of a record, and seconds until it is given up. It then goes to the dead-letter queue, and the stream continues."""
PLACE = ("PERSISTY_APP", "PERSISTY_URL", "PERSISTY_STAGE")
"""Variables of the APIs' functions that this function has too: where the app and its stores are."""


class Source(Struct, frozen=True):
    """The stream of a table. `parameter` has its ARN."""

    store: str
    table: str
    parameter: str


class Events(Struct, frozen=True):
    """`publishers`: the mutations that the function may call; `url` and `arn`: the parameters that have those of the API."""

    function: Function
    sources: tuple[Source, ...]
    publishers: tuple[str, ...]
    url: str
    arn: str


def stream_parameter(plan: Plan, store: str) -> str:
    return parameter_name(plan.app, plan.stage, "stream", store)


def api_parameter(plan: Plan, what: str) -> str:
    """`what`: `url` or `arn`."""
    return parameter_name(plan.app, plan.stage, "graphql", what)


def alarms_parameter(plan: Plan) -> str:
    return parameter_name(plan.app, plan.stage, "alarms")


def events_of(plan: Plan) -> Events | None:
    """Return the events of a plan, or None if no caller can subscribe to anything."""
    if not plan.publishers:
        return None
    known = plan.functions[0].environment
    function = Function(
        name="stream",
        handler=HANDLER,
        description=f"Publishes changes to the subscribers of {plan.app}",
        environment={**plan.variables, **{name: known[name] for name in PLACE}, **plan.stream_settings},
        grants=(),
        layers=layers_of("stream", tokens=False, actions=False, eager=plan.eager_actions),
    )
    sources = tuple(
        Source(table.store, table.name, stream_parameter(plan, table.store)) for table in plan.tables if table.stream
    )
    return Events(function, sources, plan.publishers, api_parameter(plan, "url"), api_parameter(plan, "arn"))
