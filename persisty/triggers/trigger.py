"""`Trigger`: the base of the triggers that persisty declares, which `@action(triggers=…)` takes as it takes those of servey.

servey takes one trigger or a tuple of them, and recognises one by its own base class. `Trigger` becomes a virtual subclass of it as soon as servey is
loaded, so that persisty itself never loads servey.
"""

from __future__ import annotations

import sys

from msgspec import Struct

from ..errors import Fault, InvalidDeclaration

SERVEY = "servey.trigger.trigger_abc"
"""The module of servey's base class of triggers."""
MAX_ATTEMPTS, MAX_PAUSE = 1_000, 3_600.0


class Trigger(Struct, frozen=True):
    """A trigger of an action. `persisty.triggers.declared` has the runner of each type."""

    def __post_init__(self) -> None:
        module = sys.modules.get(SERVEY)
        if module is not None:
            module.TriggerABC.register(Trigger)


class Retry(Struct, frozen=True):
    """A policy for calls that fail.

    `attempts`: the most calls, with the first one. `pause`: before the n-th retry, a random time up to `pause` · 2ⁿ⁻¹ seconds, at most an hour, passes (full jitter).
    Raises `InvalidDeclaration` for a number that is out of range.
    """

    attempts: int = 12
    pause: float = 1.0

    def __post_init__(self) -> None:
        faults = []
        if type(self.attempts) is not int or not 1 <= self.attempts <= MAX_ATTEMPTS:
            faults.append(Fault("/attempts", "Not a number of attempts", f"1 to {MAX_ATTEMPTS}", repr(self.attempts)))
        if type(self.pause) not in (int, float) or not 0 < self.pause <= MAX_PAUSE:
            expected = f"more than 0, at most {MAX_PAUSE:.0f}"
            faults.append(Fault("/pause", "Not a number of seconds", expected, repr(self.pause)))
        if faults:
            raise InvalidDeclaration("The retries are not valid", faults=faults)
