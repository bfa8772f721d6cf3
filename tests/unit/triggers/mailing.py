"""An app with timed actions, scheduled calls and a queue, which record their calls."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from msgspec import Meta
from servey.action.action import action
from servey.security.access_control.allow_none import ALLOW_NONE
from servey.trigger.fixed_rate_trigger import FixedRateTrigger

from persisty import App, Attr, stored
from persisty.store.outbox import State
from persisty.triggers.calls import current_event
from persisty.triggers.event import Event
from persisty.triggers.timed import Cron, Queue, Scheduled
from persisty.triggers.trigger import Retry

SOON, HOUR = timedelta(milliseconds=1), timedelta(hours=1)
calls: list[tuple[str, Any]] = []
lock = threading.Lock()


def record(name: str, value: Any) -> None:
    with lock:
        calls.append((name, value))


@stored
class Letter:
    id: Attr[str]
    text: Attr[str] = Attr(default="")


@dataclass
class Email:
    to: Annotated[str, Meta(min_length=3)]
    subject: str = ""
    tags: list[str] = field(default_factory=list)


@action(access_control=ALLOW_NONE, triggers=Cron("0 8 * * MON-FRI", timezone="Europe/Rome"))
def wake_up(event: Event[Any]) -> None:
    record("wake_up", event.at)


@action(access_control=ALLOW_NONE, triggers=Cron("0 3 * * *", catch_up="skip"))
def purge() -> None:
    record("purge", getattr(current_event(), "at", None))


@action(access_control=ALLOW_NONE, triggers=FixedRateTrigger(3600))
def count() -> None:
    record("count", getattr(current_event(), "at", None))


@action(access_control=ALLOW_NONE, triggers=Scheduled(retry=Retry(attempts=2, pause=0.01)))
def remind(letter: str, at: datetime | None = None, times: Annotated[int, Meta(ge=1)] = 1) -> None:
    record("remind", (letter, at, times))
    if letter == "bad":
        raise ValueError("it is bad")


@action(access_control=ALLOW_NONE, triggers=Queue("emails", retry=Retry(attempts=3, pause=0.01)))
def mail(message: Email) -> None:
    record("mail", message)
    if message.subject == "bad":
        raise ValueError("it is bad")


@action(access_control=ALLOW_NONE, triggers=Queue("faxes"))
def fax(event: Event[Email]) -> None:
    record("fax", (event.after, event.kind, event.store))


ACTIONS = (wake_up, purge, count, remind, mail, fax)


def app_at(url: str, *actions: Any, prepare: bool = True) -> App:
    """Return an app with these actions, and forget the calls so far."""
    app = App("mailing", items=[Letter], url=url, actions=actions or ACTIONS, idempotency=None)
    calls.clear()
    if prepare:
        app.prepare()
    return app


def called(name: str) -> list[Any]:
    """Return the values of the calls of an action, in order."""
    with lock:
        return [value for one, value in calls if one == name]


class UndoneError(Exception):
    """Rolls back a transaction."""


def counts(app: App) -> dict[State, int]:
    """Return the number of events in each state that has some."""
    return {state: count for state, count in app.outboxes[None].counts().items() if count}


def later(seconds: float = 3600) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)
