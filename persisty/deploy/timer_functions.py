"""The functions of timed actions, as rows of a plan: one for each, with its schedules, and the size and permissions that its options declare."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import Fault, InvalidDeclaration
from ..naming import snake
from ..triggers.declared import Declared, Runner
from .functions import Common
from .options import ActionOptions, FunctionOptions
from .resources import Function, TimerFunction
from .scheduler_expressions import scheduled
from .triggered_functions import MAX_TIMEOUT, triggered_function

KIND = "timer"
"""Key in the tables of functions for these functions, and the beginning of their names."""


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
    own = common.own.get(name, ActionOptions())
    size = FunctionOptions(
        memory=own.memory, timeout=own.timeout or MAX_TIMEOUT, reserved_concurrency=own.reserved_concurrency
    )
    return triggered_function(common, KIND, timer_name(name), f"Timer {name} of {common.app.name}", [name], size)
