"""The events of timers on AWS: EventBridge Scheduler invokes the function of a timed action with the time of its schedule.

Scheduler may invoke it more than once for a time. The event has the same id then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from .. import settings
from ..errors import BackendUnavailable
from ..store.outbox import TIMER
from ..triggers.batches import Batches, Delivery, GivenUp
from ..triggers.event import Event
from ..triggers.timers import fire
from .app import App
from .stream_events import dead_letter_queue

log = logging.getLogger("persisty")
ACTION, TIME = "action", "time"
"""Members of the events that the schedules send."""


class TimerEvents:
    """Handles the fires of timed actions. `send`: sends a message to the dead-letter queue, or raises an error."""

    def __init__(self, app: App, send: Callable[[Mapping[str, Any]], None]) -> None:
        self._app, self._send = app.name, send
        self._batches = Batches(app.triggers, self._give_up)

    def handle(self, event: Mapping[str, Any], seconds: float) -> None:
        """Call the action within about these seconds. Raises `BackendUnavailable` if it has to be invoked again."""
        at = datetime.fromisoformat(event[TIME])
        key, id_ = fire(self._app, event[ACTION], at)
        delivery = Delivery(0, Event(id_, "", TIMER, key, None, None, at), (event[ACTION],))
        if self._batches.handle([delivery], seconds) is not None:
            raise BackendUnavailable(f"{key} is not finished")

    def _give_up(self, given_up: GivenUp) -> None:
        event = given_up.delivery.event
        self._send(
            {
                "id": str(event.id),
                "store": "",
                "kind": event.kind,
                "key": event.key,
                "actions": [given_up.action],
                "attempts": given_up.attempts,
                "reason": given_up.reason,
                "function": settings.lambda_function(),
                "event": {ACTION: given_up.action, TIME: event.at.isoformat()},
            }
        )


def deployed_timers(app: App, configured: settings.Settings) -> TimerEvents:
    """Return the timers of a deployed app. Raises `InvalidDeclaration` if the settings name no dead-letter queue."""
    return TimerEvents(app, dead_letter_queue(configured))
