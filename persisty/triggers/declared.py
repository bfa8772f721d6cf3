"""The triggers that the actions of an app declare, and what runs them: `RUNNERS`, a row for each type.

```
@action(triggers=…) ─► declared_triggers ─► WEB      operations of REST, GraphQL and the clients
                                            BEFORE   the change path, before a write
                                            AFTER    the workers, by the outbox
                                            TIMER, SCHEDULED, QUEUE   the workers, by the outbox of the app's own engine
```

A type without a row stops the start, because nothing would ever run its triggers.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from ..errors import Fault
from .trigger import Trigger


class Runner(enum.Enum):
    """A part of persisty that runs triggers."""

    WEB = "web"
    BEFORE = "before"
    AFTER = "after"
    TIMER = "timer"
    SCHEDULED = "scheduled"
    QUEUE = "queue"


DETACHED = (Runner.TIMER, Runner.SCHEDULED, Runner.QUEUE)
"""The runners of triggers that no change of an item causes."""
RUNNERS: dict[str, Runner] = {
    "servey.trigger.web_trigger.WebTrigger": Runner.WEB,
    "persisty.triggers.changes.BeforeChange": Runner.BEFORE,
    "persisty.triggers.changes.AfterChange": Runner.AFTER,
    "persisty.triggers.timed.Timer": Runner.TIMER,
    "servey.trigger.fixed_rate_trigger.FixedRateTrigger": Runner.TIMER,
    "persisty.triggers.timed.Scheduled": Runner.SCHEDULED,
    "persisty.triggers.timed.Queue": Runner.QUEUE,
}
"""Type of trigger, or a base of it, by its qualified name → what runs it. A name loads nothing: servey and modules of triggers that an app does not use."""
EXPECTED = "a WebTrigger, or a trigger of persisty"


class Declared(Struct, frozen=True):
    """One trigger of one action. `action`: servey's description of the function. `path`: of the trigger, in faults."""

    action: Any
    function: Callable[..., Any]
    trigger: Any
    path: str

    @property
    def name(self) -> str:
        """The name of the action."""
        return str(self.action.name)


class DeclaredTriggers(Struct, frozen=True):
    """The triggers of an app in the order of their declaration. `faults`: the triggers that nothing runs."""

    by_runner: Mapping[Runner, Sequence[Declared]]
    faults: Sequence[Fault]

    def of(self, runner: Runner) -> Sequence[Declared]:
        """Return the triggers that a runner runs."""
        return self.by_runner.get(runner, ())

    def handled(self) -> Iterator[Declared]:
        """Yield the triggers whose events workers handle."""
        for runner in (Runner.AFTER, *DETACHED):
            yield from self.of(runner)


def triggers_of(action: Any) -> tuple[Any, ...]:
    """Return the triggers of an action. servey does not put a trigger into a tuple that was made before servey was loaded."""
    found = action.triggers
    return (found,) if isinstance(found, Trigger) else tuple(found)


def runner_of(trigger: Any) -> Runner | None:
    """Return what runs a trigger. None if nothing does."""
    names = (f"{one.__module__}.{one.__qualname__}" for one in type(trigger).__mro__)
    return next((RUNNERS[name] for name in names if name in RUNNERS), None)


def is_called_by_web(action: Any) -> bool:
    """Return whether callers of the surfaces can reach an action: it has a web trigger, or none of another kind."""
    runners = [runner_of(one) for one in triggers_of(action)]
    return Runner.WEB in runners or not any(runners)


def declared_triggers(functions: Iterable[Callable[..., Any]]) -> DeclaredTriggers:
    """Return the triggers of functions that are marked by servey's `@action`."""
    found: dict[Runner, list[Declared]] = {}
    faults: list[Fault] = []
    for function in functions:
        action = function.__servey_action__  # type: ignore[attr-defined]  # servey's mark
        for position, trigger in enumerate(triggers_of(action)):
            path = f"/actions/{action.name}/triggers/{position}"
            runner = runner_of(trigger)
            if runner is None:
                faults.append(Fault(path, "No host runs this trigger", EXPECTED, type(trigger).__name__))
            else:
                found.setdefault(runner, []).append(Declared(action, function, trigger, path))
    return DeclaredTriggers(found, faults)
