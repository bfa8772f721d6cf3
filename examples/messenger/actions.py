"""Custom actions: operations that are not verbs of a store. REST and GraphQL offer them too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID, uuid4

from msgspec import Meta
from servey.action.action import action
from servey.trigger.web_trigger import WEB_GET, WEB_POST

from persisty import Caller, Unauthenticated, everyone

from .app import Message, User, app
from .passwords import digest, verify

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


def _session(user: User) -> Session:
    scopes = frozenset({"admin"}) if user.admin else frozenset()
    return Session(user.id, app.authenticator.token(Caller(str(user.id), scopes)))
