"""Custom actions with a separate function: its grants, variables and statements, and those of the other functions that execute the action.

An action's function answers its route of the HTTP API and its field of AppSync. Actions with before triggers are executed by each function that writes. A whole GraphQL request is executed by the function behind `/graphql`,
with every action in it, so this function has the grants and variables of all actions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..api.operations import ActionOperation
from ..application import App
from ..errors import Fault, InvalidDeclaration
from ..model.msgspec_faults import pointer
from ..naming import snake
from ..triggers.declared import Runner
from .grants import Verbs, every_verb
from .options import MAX_TIMEOUT, ActionOptions

KIND = "action"
"""Key in the tables of functions for the function of an action."""
WHOLE_REQUESTS = "graphql_http"
Actions = Mapping[str, ActionOptions]


def function_name(action: str) -> str:
    """Return the name of the function of an action."""
    return f"{KIND}_{snake(action)}"


def check_actions(app: App, offered: Mapping[str, ActionOperation], own: Actions) -> None:
    """Raise `InvalidDeclaration` for options of an action or store that the app does not have."""
    names = dict.fromkeys((*offered, *_called_by_triggers(app))) if own else {}
    faults = [
        Fault(pointer("actions", name), "Not an action of the app", "one of " + ", ".join(names), name)
        for name in own
        if name not in names
    ]
    faults += [
        Fault(
            pointer("actions", name, "stores", store), "Not a store of the app", "one of " + ", ".join(app.metas), store
        )
        for name, options in own.items()
        for store in options.stores or ()
        if store not in app.metas
    ]
    faults += [
        Fault(pointer("actions", name, "timeout"), f"Expected int <= {MAX_TIMEOUT}: callers of the APIs wait for it")
        for name, options in own.items()
        if name in offered and (options.timeout or 0) > MAX_TIMEOUT
    ]
    if faults:
        raise InvalidDeclaration("The options of actions do not fit the app", faults=faults)


RUN_ON_AWS = (Runner.WEB, Runner.BEFORE, Runner.AFTER, Runner.TIMER)
"""The runners of triggers in a deployment."""


def undeployable_triggers(app: App) -> list[Fault]:
    """Return a fault for each trigger that no function of a deployment runs."""
    return [
        Fault(one.path, "A deployment does not run this trigger yet", found=type(one.trigger).__name__)
        for runner in Runner
        if runner not in RUN_ON_AWS
        for one in app.declared_triggers.of(runner)
    ]


def check_triggers(app: App) -> None:
    """Raise `InvalidDeclaration` for triggers that no function of a deployment runs."""
    if faults := undeployable_triggers(app):
        raise InvalidDeclaration("The triggers of the app cannot run on AWS", faults=faults)


def _called_by_triggers(app: App) -> list[str]:
    runners = (Runner.AFTER, Runner.TIMER, Runner.BEFORE)
    return [one.name for runner in runners for one in app.declared_triggers.of(runner)]


def called_before_writes(app: App) -> tuple[str, ...]:
    """Return the actions with before triggers, which every function that writes may execute."""
    return tuple(dict.fromkeys(one.name for one in app.declared_triggers.of(Runner.BEFORE))) if app.has_actions else ()


def executed_by(function: str, actions: Collection[str], own: Actions) -> tuple[str, ...]:
    """Return the actions that a function executes."""
    if function == WHOLE_REQUESTS:
        return tuple(actions)
    alone = {function_name(name): name for name in own}
    return (alone[function],) if function in alone else tuple(name for name in actions if name not in own)


def verbs_used(app: App, executed: Collection[str], own: Actions) -> Verbs:
    """Return the verbs that actions may use. An action that declares no stores may use every verb of every store."""
    found: dict[str, set[str]] = {}
    for name in executed:
        declared = own[name].stores if name in own else None
        for store, verbs in (every_verb(app) if declared is None else declared).items():
            found.setdefault(store, set()).update(verbs)
    return found


def variables_used(executed: Collection[str], own: Actions) -> dict[str, str]:
    """Return the variables that actions declare, including those of secrets."""
    return {
        name: value
        for one in executed
        if one in own
        for name, value in {**own[one].environment, **own[one].secrets}.items()
    }
