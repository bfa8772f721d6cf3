"""Custom actions: what a store's verbs do not say, beside them in REST and GraphQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from msgspec import Meta
from servey.action.action import action
from servey.trigger.web_trigger import WEB_GET, WEB_POST

from persisty import Caller
from persisty.errors import Unauthenticated

from .app import Message, User, app
from .passwords import digest, verify

Username = Annotated[str, Meta(min_length=1, max_length=255)]
Password = Annotated[str, Meta(min_length=10, max_length=200)]


@dataclass
class Session:
    """Who somebody is, and a token that says so for an hour: send it as `Authorization: Bearer …`."""

    user_id: UUID
    token: str


@dataclass
class Statistics:
    """How much was written by how many."""

    users: int
    messages: int


@action(triggers=WEB_POST)
def sign_up(username: Username, password: Password, full_name: str | None = None, email: str | None = None) -> Session:
    """Become a user. `conflict` if the name is taken."""
    user = app.store(User).create(
        User(username=username, full_name=full_name, email=email, password_digest=digest(password))
    )
    return _session(user)


@action(triggers=WEB_POST)
def log_in(username: str, password: str) -> Session:
    """A new token. Whether it is the name or the password that is wrong is not told."""
    user = next(iter(app.store(User).search(User.username == username, limit=1)), None)
    if not verify(user.password_digest if user else None, password) or user is None:
        raise Unauthenticated("The name or the password is wrong")
    return _session(user)


@action(triggers=WEB_GET)
def statistics() -> Statistics:
    """Count users and messages."""
    return Statistics(users=app.store(User).count(), messages=app.store(Message).count())


def _session(user: User) -> Session:
    scopes = frozenset({"admin"}) if user.admin else frozenset()
    return Session(user.id, app.authenticator.token(Caller(str(user.id), scopes)))
