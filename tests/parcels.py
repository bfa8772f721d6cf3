"""Parcels whose after triggers append a line to the file of `EVENTS`, for functions that tests deploy. It needs no other module of the tests.

A parcel of the text `kill` ends the process of its handler at the first attempt. A parcel of the text `bad` fails for good.
"""

from __future__ import annotations

import enum
import os
import signal
from pathlib import Path
from typing import Any

from servey.action.action import action
from servey.trigger.fixed_rate_trigger import FixedRateTrigger
from servey.trigger.web_trigger import WEB_POST

from persisty import (
    AfterCreate,
    AfterDelete,
    AfterUpdate,
    App,
    Attr,
    BeforeCreate,
    Event,
    Forbidden,
    Retry,
    everyone,
    public,
    stored,
)


class Status(enum.Enum):
    OPEN = "open"
    SENT = "sent"


@stored(access=public)
class Parcel:
    id: Attr[str]
    status: Attr[Status] = Attr(default=Status.OPEN)
    text: Attr[str] = Attr(default="")
    number: Attr[int] = Attr(default=0)


@stored(access=public)
class Receipt:
    id: Attr[str]


@stored(access=public)
class Label:
    id: Attr[str]


@action(triggers=(AfterCreate(Parcel, retry=Retry(attempts=3, pause=0.1)), AfterUpdate(Parcel), AfterDelete(Parcel)))
def record(event: Event[Parcel]) -> None:
    """Append the event to the file."""
    marker = Path(f"{os.environ['EVENTS']}.killed.{event.key}")
    if event.item.text == "kill" and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if event.item.text == "bad":
        raise ValueError("it is bad")
    with Path(os.environ["EVENTS"]).open("a") as file:
        file.write(f"{event.kind} {event.key} {event.item.number} {event.id}\n")


@action(triggers=BeforeCreate(Parcel))
def check(event: Event[Parcel]) -> Any:
    """Refuse a parcel of the text `no`. Give the others a number if there is a label for them."""
    assert event.after is not None
    if event.after.text == "no":
        raise Forbidden("No such parcels")
    return {"number": 7} if app.store(Label).read(event.key) is not None else None


@action(triggers=AfterUpdate(Parcel, before=Parcel.status == Status.OPEN, after=Parcel.status == Status.SENT))
def confirm(event: Event[Parcel]) -> None:
    """Write a receipt."""
    app.store(Receipt).create(Receipt(id=event.key))


@action(triggers=AfterCreate(Receipt, where=Receipt.id == "special"))
def frame(event: Event[Receipt]) -> None:
    """Do nothing."""


@action(access_control=everyone, triggers=(WEB_POST, AfterDelete(Receipt)))
def tidy() -> None:
    """Do nothing, for a request or after a change."""


@action(triggers=FixedRateTrigger(60))
def tick(event: Event[None]) -> None:
    """Append the time to the file."""
    with Path(os.environ["EVENTS"]).open("a") as file:
        file.write(f"{event.kind} tick 0 {event.at.isoformat()}\n")


app = App(
    "parcels",
    items=[Parcel, Receipt, Label],
    actions=[check, record, confirm, frame, tidy, tick],
    url="memory://",
    idempotency=None,
)
