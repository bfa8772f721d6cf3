"""Custom actions: operations that are not verbs of a store, which REST and GraphQL offer too, and functions that changes of items call."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from time import time
from typing import Annotated
from uuid import UUID, uuid4

from msgspec import Meta
from servey.action.action import action
from servey.trigger.web_trigger import WEB_GET, WEB_POST

from persisty import AfterCreate, Caller, Create, Event, Unauthenticated, Update, add, everyone

from .app import AuthorTotal, CountedEvent, Message, User, app
from .passwords import digest, verify

log = logging.getLogger("messenger")
MONTH = 30 * 24 * 3600
"""Seconds for which events are recognised as counted: events that failed may be handled again much later."""

Username = Annotated[str, Meta(min_length=1, max_length=255)]
Password = Annotated[str, Meta(min_length=10, max_length=200)]


@dataclass
class Session:
    """A user, with a token that is valid for an hour. Send it as `Authorization: Bearer …`."""

    user_id: UUID
    token: str


@dataclass
class Statistics:
    """The number of users and of messages."""

    users: int
    messages: int


@action(access_control=everyone, triggers=WEB_POST)
def sign_up(username: Username, password: Password, full_name: str | None = None, email: str | None = None) -> Session:
    """Create a user. Fails with `conflict` if the name is taken."""
    user = User(id=uuid4(), username=username, full_name=full_name, email=email, password_digest=digest(password))
    session = _session(user)  # before the write: if no token can be signed, no user is left behind
    app.store(User).create(user)
    return session


@action(access_control=everyone, triggers=WEB_POST)
def log_in(username: str, password: str) -> Session:
    """Return a new token. The error does not reveal whether the name or the password is wrong."""
    user = next(iter(app.store(User).search(User.username == username, limit=1)), None)
    if not verify(user.password_digest if user else None, password) or user is None:
        raise Unauthenticated("The name or the password is wrong")
    return _session(user)


@action(access_control=everyone, triggers=WEB_GET)
def statistics() -> Statistics:
    """Count users and messages."""
    return Statistics(users=app.store(User).count(), messages=app.store(Message).count())


@action(triggers=AfterCreate(Message))
def notify(event: Event[Message]) -> None:
    """Write a line about a new message to the log."""
    log.info("%s has written message %s", event.item.author_id, event.key)


@action(triggers=AfterCreate(Message))
def count_message(event: Event[Message]) -> None:
    """Count a message of its author. The event may be delivered again: its mark and the count are one change, which is done once."""
    author, mark = event.item.author_id, Create(CountedEvent(id=event.id, expires=int(time()) + MONTH))
    marked, counted = app.edit_batch([mark, Update(author, {"messages": add(1)}, store=AuthorTotal)], atomic=True)
    if counted.code == "not_found":  # the author's first message
        marked, counted = app.edit_batch([mark, Create(AuthorTotal(author_id=author, messages=1))], atomic=True)
    error = counted.error if marked.code == "aborted" else marked.error
    if error is not None and marked.code != "conflict":
        raise error


def _session(user: User) -> Session:
    scopes = frozenset({"admin"}) if user.admin else frozenset()
    return Session(user.id, app.authenticator.token(Caller(str(user.id), scopes)))
