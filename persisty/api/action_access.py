"""Access to custom actions: the rule that `@action(access_control=…)` declares.

An action has no item, so its rule is decided by the caller alone: `everyone`, `authenticated`, `scope(…)`, `claim(…)`, `custom(…)` and what combines them.
servey's own access controls become rules, so that every surface and the access matrix read one form. servey's default allows every caller and is the
same object as an explicit `ALLOW_ALL`, so it counts as undeclared: deny unless declared.

servey's classes are recognised by name, so that an app without actions does not import them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..application import App
from ..deferred import deferred
from ..errors import Fault, Forbidden, InvalidDeclaration, Unauthenticated
from ..model.access import Access, private, public
from ..model.rules import CustomFunction, Member, Owned, Rule, Scope, Through, Where, everyone, leaves, nobody
from ..security.caller import Caller
from ..security.policy import personal
from ..security.row_filters import admits
from ..triggers.declared import is_called_by_web

PACKAGE = "servey.security.access_control."
CONTROLS: dict[str, Callable[[Any], Rule]] = {
    "AllowNone": lambda control: nobody,
    "ScopeAccessControl": lambda control: Scope(control.execute_scope) if control.execute_scope else nobody,
}
"""Class of servey → the equivalent rule. An application's own access control becomes a `CustomFunction`."""
UNDECLARED = "AllowAll"
"""Class of servey's default."""
EXPECTED = "access_control= with a rule: everyone, authenticated, scope(…), claim(…), custom(…) or nobody"
OF_ITEMS = (Owned, Member, Where, Through)
"""Rules that need an item to decide."""


def rule_of(action: Any) -> Rule:
    """Return the rule of an action whose declaration is valid; `nobody` for any other."""
    control = action.access_control
    if isinstance(control, Rule):
        return control
    if isinstance(control, Access):
        return everyone if control == public else nobody
    kind = type(control)
    if kind.__module__.startswith(PACKAGE):
        return CONTROLS[kind.__name__](control) if kind.__name__ in CONTROLS else nobody
    return CustomFunction(_Control(control)) if hasattr(control, "is_executable") else nobody


class _Control:
    """Calls an application's own access control with the caller as servey's `Authorization`."""

    def __init__(self, control: Any) -> None:
        self._control = control
        self.__name__ = type(control).__name__

    def __call__(self, caller: Caller) -> bool:
        return bool(self._control.is_executable(deferred("persisty.api.authorization").authorization_of(caller)))


def access_faults(action: Any) -> Iterator[Fault]:
    """Yield a fault for each mistake in the access that an action declares."""
    control, path = action.access_control, f"/actions/{action.name}/access_control"
    kind = type(control)
    if kind.__module__.startswith(PACKAGE) and kind.__name__ == UNDECLARED:
        if not is_called_by_web(action):
            return  # no caller can reach it
        yield Fault(path, "The action does not declare who may call it", EXPECTED)
    elif isinstance(control, Rule):
        for at, one in leaves(control, path):
            if isinstance(one, OF_ITEMS):
                yield Fault(at, "An action has no item, which this rule needs", EXPECTED, str(one))
    elif isinstance(control, Access):
        if control not in (public, private):
            yield Fault(path, "These are rules of an item's verbs", EXPECTED)
    elif not hasattr(control, "is_executable"):
        yield Fault(path, "Not a rule", EXPECTED, kind.__name__)


def check_access(actions: Iterable[Any]) -> None:
    """Raise `InvalidDeclaration` for actions without an access rule, or with one that no action can have. It lists every fault."""
    if faults := [fault for action in actions for fault in access_faults(action)]:
        raise InvalidDeclaration("The actions of the app are not valid", faults=faults)


def admit(name: str, access: Rule, caller: Caller) -> None:
    """Raise unless the rule of an action allows the caller."""
    if not admits(access, caller):
        message = f"Not allowed: {name}"
        raise Forbidden(message) if caller.authenticated else Unauthenticated(message)


def looks_at_callers(app: App) -> bool:
    """Return whether the rules of the app's items or actions depend on the caller. Imports the actions' modules."""
    return app.looks_at_callers or any(personal(rule_of(marked(one))) for one in app.actions)


def marked(function: Callable[..., Any]) -> Any:
    """Return servey's description of a function that is marked by `@action`."""
    return function.__servey_action__  # type: ignore[attr-defined]  # servey's mark
