"""Retries: when an event is handled again after a failure, and when it is parked.

An event that a process cannot handle is not parked at once, because another version of the app may be running:

```
new code   declares the action `mail`, stores an event for it
old code   has the lane, and no action `mail`         the event is held, and tried again
new code   takes the lane over, and handles the event
```
"""

from __future__ import annotations

from random import random

from ..store.outbox import Changed, OutboxEvent, State
from ..store.trigger_registry import Handler
from .failure_texts import stored_reason
from .handler_threads import Failure

LONGEST = 3600.0
"""The most seconds before a retry."""
UNFIT = Handler(print, attempts=6, pause=10.0)
"""The retries of an event that a process cannot handle: a few minutes, the time of a rolling deployment."""


def after_failure(event: OutboxEvent, failure: Failure, handler: Handler | None, now: float) -> Changed:
    """Return the state of an event whose handler failed: held until its next attempt, or parked."""
    reason = stored_reason(failure.reason)
    policy = UNFIT if failure.unfit or handler is None else handler
    if event.attempt >= policy.attempts:
        return Changed(event.lane, event.position, State.PARKED, event.attempt, None, reason)
    pause = random() * pause_after(event.attempt, policy)
    return Changed(event.lane, event.position, State.HELD, event.attempt + 1, now + pause, reason)


def pause_after(attempt: int, policy: Handler) -> float:
    """Return the most seconds before the next attempt."""
    doubled: int = 2 ** min(attempt - 1, 30)
    return min(LONGEST, policy.pause * doubled)
