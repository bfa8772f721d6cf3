"""A guard implements every step: a class that lacks one cannot be instantiated, and guards inherit no step from each other."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from persisty import App, Attr, Caller, InvalidInput, custom, everyone, stored
from persisty.store.caller_guard import CallerGuard
from persisty.store.guard import Guard
from persisty.store.trusted_guard import TrustedGuard

STEPS = sorted(Guard.__abstractmethods__)
GUARDS = (TrustedGuard, CallerGuard)


def _step(self: Any, *args: Any) -> Any:
    raise NotImplementedError


def test_every_member_of_guard_is_an_abstract_step() -> None:
    assert {name for name in vars(Guard) if not name.startswith("_")} == set(STEPS)


@pytest.mark.parametrize("step", STEPS)
def test_a_guard_that_lacks_a_step_cannot_be_instantiated(step: str) -> None:
    incomplete = type("Incomplete", (Guard,), {name: _step for name in STEPS if name != step})
    with pytest.raises(TypeError, match=step):
        incomplete()


def test_a_guard_with_every_step_can_be_instantiated() -> None:
    type("Complete", (Guard,), dict.fromkeys(STEPS, _step))()


@pytest.mark.parametrize("guard", GUARDS)
def test_a_guard_defines_every_step_itself(guard: type[Guard]) -> None:
    assert {name for name in STEPS if name not in vars(guard)} == set()
    assert guard.__bases__ == (Guard,)


@pytest.mark.parametrize("guard", GUARDS)
@pytest.mark.parametrize("step", [one for one in STEPS if one != "view"])
def test_a_step_has_the_parameters_of_its_declaration(guard: type[Guard], step: str) -> None:
    declared, own = (list(inspect.signature(getattr(one, step)).parameters) for one in (Guard, guard))
    assert own == declared


def test_the_function_of_a_rule_is_called_at_every_create() -> None:
    allowed = True

    @stored(access=everyone)
    class Ticket:
        id: str
        price: int = Attr(default=0, creatable=custom(lambda caller: allowed))

    tickets = App("tickets", items=[Ticket], url="memory://").store(Ticket).on_behalf_of(Caller("ann"))
    tickets.create({"id": "a", "price": 5})
    allowed = False
    with pytest.raises(InvalidInput, match="price"):
        tickets.create({"id": "b", "price": 5})
