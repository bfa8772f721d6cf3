"""The functions that handle events: what they take, checked at the start."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from ..errors import Fault
from .declared import Declared, Runner, runner_of, triggers_of
from .event import Event

MAX_TIMEOUT = 31_536_000
"""The most seconds of a call: a year."""
EXPECTED = "no parameter, or one such as `event: Event[Message]`"


def takes_event(function: Callable[..., Any]) -> bool:
    """Return whether a function takes an event. The declaration must be valid."""
    return bool(inspect.signature(function).parameters)


def call_faults(declared: Declared) -> Iterator[Fault]:
    """Yield the faults of a function that would stop each call: a timeout that is not a time, and a generator, whose body never runs."""
    timeout = declared.action.timeout
    if type(timeout) not in (int, float) or not 0 < timeout <= MAX_TIMEOUT:
        expected = f"more than 0, at most {MAX_TIMEOUT}"
        yield Fault(f"/actions/{declared.name}/timeout", "Not a number of seconds", expected, repr(timeout)[:80])
    if inspect.isgeneratorfunction(declared.function) or inspect.isasyncgenfunction(declared.function):
        yield Fault(f"/actions/{declared.name}", "A handler cannot be a generator", "a function without yield")


def handler_faults(declared: Declared, item: Any) -> Iterator[Fault]:
    """Yield the faults of a function that handles events of an item. `item`: its class, None for events without one."""
    yield from call_faults(declared)
    path = f"/actions/{declared.name}"
    parameters = list(inspect.signature(declared.function).parameters.values())
    if not parameters:
        return
    names = ", ".join(one.name for one in parameters)
    first, *others = parameters
    positional = first.kind in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD)
    if not positional or any(one.default is one.empty and one.kind is not one.VAR_KEYWORD for one in others):
        yield Fault(f"{path}/parameters", "A handler takes an event", EXPECTED, names)
        return
    if any(runner_of(one) is Runner.WEB for one in triggers_of(declared.action)):
        yield Fault(f"{path}/parameters", "A web request has no event", "no parameter, or no WebTrigger", names)
    try:
        hint = get_type_hints(declared.function).get(first.name, Any)
    except (NameError, TypeError) as error:
        yield Fault(f"{path}/parameters/{first.name}", "Its type cannot be found", "a type of the module", str(error))
        return
    if hint is not Any and hint is not Event and get_origin(hint) is not Event:
        yield Fault(f"{path}/parameters/{first.name}", "A handler takes an event", EXPECTED, _name(hint))
    elif item is not None and (of := _items_of(hint)) and not issubclass(item, of):
        yield Fault(declared.path, "The handler takes events of other items", _name(hint), item.__name__)


def _items_of(hint: Any) -> tuple[Any, ...]:
    """Return the classes of items in the type of an event, none if it may be of any item."""
    inner = next(iter(get_args(hint)), Any)
    of = get_args(inner) if get_origin(inner) in (Union, UnionType) else (inner,)
    return () if any(one is Any or not isinstance(one, type) for one in of) else of


def _name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)
