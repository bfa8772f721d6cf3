"""The functions of timed actions, as rows of a plan: one for each, with its schedules, and the size and permissions that its options declare."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import Fault, InvalidDeclaration
from ..naming import snake
from ..triggers.declared import Declared, Runner
from .action_functions import called_before_writes, variables_used, verbs_used
from .deployed_settings import variables_of
from .functions import Common
from .grants import grants_of
from .layers import layers_of
from .options import ActionOptions, FunctionOptions
from .resources import HANDLERS, Function, TimerFunction
from .scheduler_expressions import scheduled

KIND = "timer"
"""Key in the tables of functions for these functions, and the beginning of their names."""
HANDLER = f"{HANDLERS}.timer.handler"
TIMEOUT = 900
"""Seconds, if the options declare none: the maximum of Lambda."""


def timer_functions(common: Common) -> Iterator[TimerFunction]:
    """Yield the functions of an app. `InvalidDeclaration` lists every timer that AWS cannot express."""
    app = common.app
    declared: dict[str, list[Declared]] = {}
    for one in app.declared_triggers.of(Runner.TIMER) if app.has_actions and app.detached.timed else ():
        declared.setdefault(one.name, []).append(one)
    faults: list[Fault] = []
    for name, timers in declared.items():
        schedules = [scheduled(one.trigger, one.path, faults) for one in timers]
        known = tuple(dict.fromkeys(one for one in schedules if one is not None))
        yield TimerFunction(_function(common, name), name, known)
    if faults:
        raise InvalidDeclaration("AWS cannot run timers of the app", faults=faults)


def timer_name(action: str) -> str:
    """Return the name of the function of a timed action."""
    return f"{KIND}_{snake(action)}"


def _function(common: Common, name: str) -> Function:
    app, own = common.app, common.own.get(name, ActionOptions())
    executed = tuple(dict.fromkeys((name, *called_before_writes(app))))
    options = [common.own[one] for one in executed if one in common.own]
    return Function(
        name=timer_name(name),
        handler=HANDLER,
        description=f"Timer {name} of {app.name}",
        environment={
            **common.variables,
            **variables_used(executed, common.own),
            "PERSISTY_APP": common.spec,
            "PERSISTY_URL": "dynamodb://",
            "PERSISTY_STAGE": app.stage,
            **variables_of(KIND, common.configured),
        },
        grants=grants_of(app, verbs_used(app, executed, common.own)),
        layers=layers_of(KIND, tokens=False, actions=True, eager=common.eager),
        secrets=tuple(dict.fromkeys(arn for one in options for arn in one.secrets.values())),
        statements=tuple(statement for one in options for statement in one.statements),
        size=FunctionOptions(
            memory=own.memory, timeout=own.timeout or TIMEOUT, reserved_concurrency=own.reserved_concurrency
        ),
    )
