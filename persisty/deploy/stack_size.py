"""The number of resources of a deployment, which CloudFormation limits to 500 a stack."""

from __future__ import annotations

from msgspec import Struct

from ..errors import Fault, InvalidDeclaration
from .alarms import ALARMS, FUNCTION, STREAM
from .events import events_of
from .resources import Plan

MAX_RESOURCES = 500
RESERVE = 40
"""Resources of a part in addition to those of its functions, routes, fields and tables: layers, APIs, stages, data sources, caches, alarms."""
OF_FUNCTION = 6 + len(ALARMS[FUNCTION])
"""Resources of a function: itself, its role, policy, log group, a permission for each API, and its alarms."""

OF_STREAM_FUNCTION = OF_FUNCTION + len(ALARMS[STREAM])


class StackSizes(Struct, frozen=True):
    """An upper bound of the resources of each part."""

    data: int
    api: int
    events: int


def stack_sizes(plan: Plan) -> StackSizes:
    """Return how many resources each part of a deployment has at most."""
    streams = sum(table.stream for table in plan.tables)
    functions, events = OF_FUNCTION * len(plan.functions), events_of(plan)
    # each route has a permission, which at most one route uses
    return StackSizes(
        data=len(plan.tables) + streams + 1,
        api=RESERVE + functions + 2 * len(plan.routes) + len(plan.fields),
        events=0 if events is None else RESERVE + OF_STREAM_FUNCTION * len(events.functions) + events.mappings,
    )


def check_size(plan: Plan, *, split: bool, together: bool) -> None:
    """Raise `InvalidDeclaration` if a stack would have more resources than CloudFormation accepts. `together`: all parts are in one stack."""
    sizes = stack_sizes(plan)
    stacks = {"stack": sizes.data + sizes.api + sizes.events} if together else {
        "Data": sizes.data, "Api": sizes.api, "Events": sizes.events
    }  # fmt: skip
    beyond = {name: size for name, size in stacks.items() if size > MAX_RESOURCES}
    if beyond and not split:
        raise InvalidDeclaration(
            "The deployment has more resources than a stack may have. Set the option `split`, which spreads them over more stacks, before the first "
            "deployment; or deploy `graphql=http`, which does not grow with the items",
            faults=[
                Fault("/split", f"{name}: up to {size} resources", f"at most {MAX_RESOURCES}")
                for name, size in beyond.items()
            ],
        )
