"""Triggers of time and of messages: `Cron`, `Scheduled` and `Queue`. The table of runners has servey's `FixedRateTrigger`, too.

```
Cron, FixedRateTrigger   the action is called at the times of a schedule
Scheduled                … at a time that `App.schedule` names
Queue                    … with each message that is sent to the queue
```
"""

from __future__ import annotations

import re
from typing import Literal

from ..errors import Fault, InvalidDeclaration
from .trigger import Retry, Trigger

CatchUp = Literal["skip", "once", "all"]
"""The calls to make up for after a time without workers: none, the last one, or all of them."""
QUEUE_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}")


class Timer(Trigger, frozen=True):
    """Calls an action at the times of a schedule."""


class Cron(Timer, frozen=True):
    """Calls an action at the local times of a cron expression: `Cron("0 8 * * MON-FRI", timezone="Europe/Rome")`.

    `expression`: minute, hour, day of month, month and day of week, as in crontab(5). `timezone`: of its local times. `catch_up`: the calls to make up for
    after a time without workers: `skip` none, `once` the last one, `all` each of them, at most 1,000. `retry`: how often a call that failed is
    repeated. The expression and the zone are checked when the app starts.
    """

    expression: str
    timezone: str = "UTC"
    catch_up: CatchUp = "once"
    retry: Retry | None = None


class Scheduled(Trigger, frozen=True):
    """Calls an action at the times that `App.schedule` names. `retry`: how often a call that failed is repeated."""

    retry: Retry | None = None


class Queue(Trigger, frozen=True):
    """Calls an action with each message of a queue: `App.queue(name).send(message)`. `retry`: how often a call that failed is repeated.

    Raises `InvalidDeclaration` if the name is not of letters, digits, hyphens and underscores.
    """

    name: str
    retry: Retry | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.name, str) or not QUEUE_NAME.fullmatch(self.name):
            expected = "1 to 64 letters, digits, hyphens and underscores"
            fault = Fault("/name", "Not the name of a queue", expected, repr(self.name)[:80])
            raise InvalidDeclaration("The trigger is not valid", faults=[fault])
