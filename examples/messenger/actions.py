"""A custom action: what a store's verbs do not say, beside them in REST and GraphQL."""

from __future__ import annotations

from dataclasses import dataclass

from servey.action.action import action
from servey.trigger.web_trigger import WEB_GET

from .app import Message, User, app


@dataclass
class Statistics:
    """How much was written by how many."""

    users: int
    messages: int


@action(triggers=WEB_GET)
def statistics() -> Statistics:
    """Count users and messages."""
    return Statistics(users=app.store(User).count(), messages=app.store(Message).count())
