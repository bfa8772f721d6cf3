"""Compile the triggers that no change of an item causes: timers, scheduled calls and queues.

```
declared triggers ─► Timed        one for each action with timers: the schedules, and the policy for missed fires
                     scheduled    action → what it takes
                     queues       queue → its action, and what it takes
                     handlers     action → the function that handles its events
```

Their events are in the outbox of the app's own engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from ..errors import Fault
from ..store.outbox import MESSAGE, NONE, SCHEDULED
from ..store.trigger_registry import Handler, UnfitEvent
from .calls import handle
from .declared import DETACHED, Declared, DeclaredTriggers, Runner
from .detached_triggers import Detached, QueueAction, Timed
from .event import Event
from .messages import Signature, signature_of
from .schedules import either
from .timed import CatchUp
from .timed_schedules import schedule_of
from .trigger import Retry


def detached_of(declared: DeclaredTriggers) -> Detached:
    """Return the compiled timers, scheduled calls and queues of an app."""
    faults: list[Fault] = []
    rows = [one for runner in DETACHED for one in declared.of(runner)]
    signatures: dict[str, Signature] = {}
    for one in rows:
        retry = getattr(one.trigger, "retry", None)
        if retry is not None and not isinstance(retry, Retry):
            faults.append(Fault(f"{one.path}/retry", "Not retries", "Retry(attempts=…)", repr(retry)[:80]))
        if one.name not in signatures:
            signatures[one.name] = signature_of(one, faults)
    timed = [_timed(some, signatures[name], faults) for name, some in _by_action(declared.of(Runner.TIMER)).items()]
    queues: dict[str, QueueAction] = {}
    for one in declared.of(Runner.QUEUE):
        faults += _queue_faults(one, signatures[one.name], queues)
        queues.setdefault(one.trigger.name, QueueAction(one.name, signatures[one.name]))
    scheduled = {one.name: signatures[one.name] for one in declared.of(Runner.SCHEDULED)}
    handled = _by_action([*declared.handled()])
    handlers = {} if faults else {name: _handler(handled[name], one) for name, one in signatures.items()}
    return Detached([one for one in timed if one is not None], scheduled, queues, handlers, faults)


def _by_action(rows: Sequence[Declared]) -> dict[str, list[Declared]]:
    found: dict[str, list[Declared]] = {}
    for one in rows:
        found.setdefault(one.name, []).append(one)
    return found


def _timed(timers: Sequence[Declared], signature: Signature, faults: list[Fault]) -> Timed | None:
    """Return the timed action of some timers: it fires once at an instant that several of them have."""
    first = timers[0]
    if signature.event is not None and signature.of not in (Any, type(None)):
        path = f"/actions/{first.name}/parameters/{signature.event}"
        faults.append(
            Fault(path, "The event of a timer has no item", "Event[None]", f"Event[{_name_of(signature.of)}]")
        )
    faults += [
        Fault(f"/actions/{first.name}/parameters/{one.name}", "A timer gives no arguments", "an event, or a default")
        for one in signature.parameters
        if one.required
    ]
    schedules = [schedule_of(one.trigger, one.path, faults) for one in timers]
    policies = {_catch_up(one) for one in timers}
    if len(policies) > 1:
        expected = "one policy for all timers of an action"
        faults.append(Fault(f"{first.path}/catch_up", "Different policies", expected, ", ".join(sorted(policies))))
    known = [one for one in schedules if one is not None]
    return Timed(first.name, either(known), _catch_up(first)) if len(known) == len(timers) else None


def _name_of(annotation: Any) -> str:
    return str(getattr(annotation, "__name__", annotation))[:80]


def _catch_up(declared: Declared) -> CatchUp:
    found: CatchUp = getattr(declared.trigger, "catch_up", "once")
    return found


def _queue_faults(declared: Declared, signature: Signature, queues: Mapping[str, QueueAction]) -> Iterator[Fault]:
    name = declared.trigger.name
    if name in queues:
        yield Fault(declared.path, f"{queues[name].action} handles this queue", "one action for each queue", name)
    if not signature.parameters and signature.event is None:
        yield Fault(
            f"/actions/{declared.name}/parameters", "It takes no message", "a parameter such as `message: Email`"
        )
    yield from (
        Fault(f"/actions/{declared.name}/parameters/{one.name}", "A message is one argument", "a default")
        for one in signature.parameters[1:]
        if one.required
    )


def _handler(declared: Sequence[Declared], signature: Signature) -> Handler:
    retries = (retry for one in declared if (retry := getattr(one.trigger, "retry", None)) is not None)
    retry = next(retries, Retry())
    timeout = float(declared[0].action.timeout)
    return Handler(partial(_call, signature, timeout), timeout, retry.attempts, retry.pause)


ARGUMENTS = {MESSAGE: Signature.of_message, SCHEDULED: Signature.of_arguments}
"""Kind of event → the arguments of its function."""


def _call(signature: Signature, timeout: float, event: Event[Any]) -> Any:
    """Call the function of an action. Raises `UnfitEvent` if a stored message does not fit its parameters any more."""
    arguments = ARGUMENTS.get(event.kind)
    try:
        if arguments is not None:
            given = arguments(signature, event, NONE if event.after is None else event.after)
        else:
            given = {} if signature.event is None else {signature.event: event}
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise UnfitEvent(f"The message does not fit the parameters of the action: {error}") from error
    return handle(partial(signature.function, **given), False, event, timeout)
