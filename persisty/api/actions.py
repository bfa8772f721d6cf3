"""Custom actions: functions that are marked by servey's `@action` and have a web trigger become operations, like the verbs of stores.

This module is imported only for an action or for the list of all operations. A Lambda function that serves only stores does not import it.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, get_type_hints

import msgspec

from ..application import App
from ..deferred import deferred
from ..errors import Fault, InvalidDeclaration, InvalidInput
from ..model.dataclass_defaults import completed
from ..model.decimal_texts import check_decimals
from ..model.generators import acting_as
from ..model.json_numbers import contains_unrounded, convert_exactly
from ..model.msgspec_faults import pointer
from ..model.nested_faults import faults_within
from ..model.rules import Rule
from ..model.type_descriptions import described
from ..model.types import identity, unwrap
from ..model.undeclared_members import Shapes, shapes_within, undeclared_members
from ..naming import kebab
from ..security.caller import ANONYMOUS, Caller
from ..triggers.calls import result_of
from ..triggers.declared import Declared, Runner
from ..triggers.registry import trigger_faults
from .action_access import access_faults, admit, marked, rule_of
from .action_arguments import item_faults, names_items
from .action_results import Redaction, guards
from .multi_store_operations import operations_of_stores
from .operations import ActionOperation, Arguments, Operation, Parameter, unknown_members
from .routes import routes_of

AUTHORIZATION = "servey.security.authorization"
"""The module of servey's `Authorization`. Annotations of parameters are recognised by it, without importing servey."""


def action_operations(app: App, stores: Mapping[str, Operation] | None = None) -> dict[str, ActionOperation]:
    """Return the operations of the app's custom actions that have a web trigger, by name. Imports the actions' modules.

    `stores`: the operations of the app's stores, if the caller already has them. Raises `InvalidDeclaration`, which lists every trigger that no
    host runs and every action that does not declare its callers.
    """
    declared = app.declared_triggers
    faults = [*declared.faults, *trigger_faults(declared, app.metas)]
    faults += [fault for function in app.actions for fault in access_faults(marked(function))]
    if faults:
        raise InvalidDeclaration("The actions of the app are not valid", faults=faults)
    first = {one.function: one for one in reversed(declared.of(Runner.WEB))}
    found = [_action_operation(app, one) for one in reversed(first.values())]
    if found and (faults := [*_duplicate_faults(operations_of_stores(app) if stores is None else stores, found)]):
        raise InvalidDeclaration("The actions of the app are not valid", faults=faults)
    return {operation.name: operation for operation in found}


def _duplicate_faults(stores: Mapping[str, Operation], actions: list[ActionOperation]) -> Iterator[Fault]:
    """Yield a fault for each action that has the name of another action, or the method and path of another route."""
    names = Counter(one.name for one in actions)
    routes = Counter((one.method, one.path) for one in routes_of([*stores.values(), *actions]))
    for one in actions:
        if names[one.name] > 1:
            yield Fault(f"/actions/{one.name}", "Another action has this name", "@action(name=…)", one.name)
        elif routes[one.method, one.path] > 1:
            found = f"{one.method} {one.path}"
            yield Fault(f"/actions/{one.name}", "Another route has this method and path", "another path", found)


def _action_operation(app: App, declared: Declared) -> ActionOperation:
    function, action, trigger = declared.function, declared.action, declared.trigger
    hints = get_type_hints(function, include_extras=True)
    signature = inspect.signature(function)
    injected = {name: made for name in signature.parameters if (made := _maker_from_caller(hints.get(name)))}
    access = rule_of(action)
    parameters = tuple(
        Parameter(
            name, hints.get(name, Any), one.default is one.empty, None if one.default is one.empty else one.default
        )
        for name, one in signature.parameters.items()
        if name not in injected
    )
    method, result = trigger.method.value.upper(), hints.get("return", Any)
    redaction = Redaction(app, result)
    return ActionOperation(
        name=action.name,
        access=access,
        mutation=method not in ("GET", "HEAD"),
        method=method,
        path=trigger.path or f"/actions/{kebab(action.name)}",
        parameters=parameters,
        result=result,
        call=partial(
            _call_action,
            function,
            action.name,
            access,
            parameters,
            injected,
            _of_items(app, parameters),
            {one.name: shapes_within(described(one.shape)) for one in parameters},
            redaction,
        ),
        function=function,
        action=action,
        description=action.description,
    )


def _call_action(
    function: Callable[..., Any],
    name: str,
    access: Rule,
    parameters: tuple[Parameter, ...],
    injected: Mapping[str, Callable[[Caller], Any]],
    items: ItemCheck,
    shapes: Mapping[str, Shapes],
    redaction: Redaction,
    arguments: Arguments,
    caller: Caller = ANONYMOUS,
) -> Any:
    """Convert the arguments to the function's types, call it on behalf of the caller, and redact its result.

    Raises `InvalidInput` with every fault of the arguments.
    """
    admit(name, access, caller)
    known = tuple(one.name for one in parameters)
    faults = unknown_members(arguments, known, "")
    values: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.name in arguments:
            given = arguments[parameter.name]
            unknown = undeclared_members(shapes[parameter.name], given, pointer(parameter.name))
            try:
                values[parameter.name] = _argument(given, parameter.shape)
            except (msgspec.ValidationError, ValueError, TypeError) as error:
                found = faults_within(error, pointer(parameter.name), parameter.shape, given, _argument)
                paths = {one.path for one in unknown}
                faults += [one for one in found if one.path not in paths]
            else:
                faults += items(parameter.name, values[parameter.name], given, caller)
            faults += unknown
        elif parameter.required:
            faults.append(Fault(pointer(parameter.name), "Missing"))
    if faults:
        raise InvalidInput(faults=faults)
    values |= {one: made(caller) for one, made in injected.items()}
    with acting_as(caller.subject):
        return redaction.of_call(lambda: result_of(function(**values)), caller)


ItemCheck = Callable[[str, Any, Any, Caller], Iterable[Fault]]
"""(parameter, converted value, given value, caller) → the faults of the items within it."""


def _of_items(app: App, parameters: tuple[Parameter, ...]) -> ItemCheck:
    """Return the check of the stored items in the arguments of an action."""
    checked = frozenset(one.name for one in parameters if names_items(one.shape))

    def check(name: str, value: Any, given: Any, caller: Caller) -> Iterable[Fault]:
        return item_faults(value, given, pointer(name), guards(app, caller)) if name in checked else ()

    return check


def _argument(given: Any, shape: Any) -> Any:
    check_decimals(shape, given)
    exactly = contains_unrounded(given)
    return completed(convert_exactly(given, shape) if exactly else msgspec.convert(given, shape, str_keys=True))


def _maker_from_caller(annotation: Any) -> Callable[[Caller], Any] | None:
    """Return the function that makes a parameter's value from the caller, or None if the parameter is an argument of the request.

    A parameter is made from the caller if its type is persisty's `Caller` or servey's `Authorization`. An optional `Authorization` is None for
    an anonymous caller.
    """
    inner, optional = unwrap(annotation)
    if inner is Caller:
        return identity
    if isinstance(inner, type) and inner.__module__ == AUTHORIZATION and inner.__name__ == "Authorization":
        return lambda caller: None if optional and not caller.authenticated else _authorization(caller)
    return None


def _authorization(caller: Caller) -> Any:
    return deferred("persisty.api.authorization").authorization_of(caller)  # an app with actions has servey


def operations(app: App) -> dict[str, Operation]:
    """Return every operation of the app, by name."""
    stores = operations_of_stores(app)
    actions = action_operations(app, stores)
    if twice := sorted(stores.keys() & actions.keys()):
        raise InvalidDeclaration(f"Actions have the names of store operations: {', '.join(twice)}")
    return {**stores, **actions}
