"""The change events of a deployment, as plain data: streams of tables, a function, the mutations that it calls.

They are computed from the plan of the APIs. Values that exist only after the deployment of a stack are SSM parameters, whose names are derived from the
app's: a stream's ARN contains its creation time, and AppSync generates the id of an API.
"""

from __future__ import annotations

from msgspec import Struct

from ..naming import parameter_name
from .layers import layers_of
from .resources import HANDLERS, Function, Plan

HANDLER = f"{HANDLERS}.stream.handler"
BATCH = 100
"""Most records of an invocation. The function is invoked without waiting for a full batch."""
RETRIES, MAX_AGE = 8, 3600
"""Retries of a record, and seconds after which it is given up. It is then sent to the dead-letter queue, and the stream continues."""
PLACE = ("PERSISTY_APP", "PERSISTY_URL", "PERSISTY_STAGE")
"""Variables that this function shares with the functions of the APIs: the places of the app and its stores."""


class Source(Struct, frozen=True):
    """The stream of a table. `parameter`: the name of the SSM parameter with its ARN."""

    store: str
    table: str
    parameter: str


class Events(Struct, frozen=True):
    """The change events of a deployment. `publishers`: the mutations that the function may call; `url` and `arn`: the SSM parameters with those of the API."""

    function: Function
    sources: tuple[Source, ...]
    publishers: tuple[str, ...]
    url: str
    arn: str


def stream_parameter(plan: Plan, store: str) -> str:
    return parameter_name(plan.app, plan.stage, "stream", store)


def api_parameter(plan: Plan, what: str) -> str:
    """Return the name of an SSM parameter of the API. `what`: `url` or `arn`."""
    return parameter_name(plan.app, plan.stage, "graphql", what)


def alarms_parameter(plan: Plan) -> str:
    return parameter_name(plan.app, plan.stage, "alarms")


def events_of(plan: Plan) -> Events | None:
    """Return the events of a plan, None if no caller can subscribe."""
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
    sources = tuple(
        Source(table.store, table.name, stream_parameter(plan, table.store)) for table in plan.tables if table.stream
    )
    return Events(function, sources, plan.publishers, api_parameter(plan, "url"), api_parameter(plan, "arn"))
