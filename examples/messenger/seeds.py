"""Seeds: the first items of a new messenger. A second run adds nothing: the keys are fixed, and a create never overwrites."""

from __future__ import annotations

from uuid import NAMESPACE_URL, UUID, uuid5

from persisty import App, Create

from .app import Message, User

USERS = {"ann": "Ann Archer", "ben": "Ben Baker", "cleo": None}
MESSAGES = (
    ("ann", "Hello, is anybody here?"),
    ("ben", "I am. What is this?"),
    ("ann", "A messenger, declared in thirty lines."),
    ("cleo", "And it is deployed with one command."),
    ("ben", "Show me."),
)


def seed(app: App) -> int:
    """Store the missing seeds. Return their number."""
    users = [Create(User(id=_id(name), username=name, full_name=full)) for name, full in USERS.items()]
    messages = [
        Create(Message(id=_id(f"{position}"), text=text, author_id=_id(author)))
        for position, (author, text) in enumerate(MESSAGES)
    ]
    done = [result.code for result in app.store(User).edit_batch(users)]
    done += [result.code for result in app.store(Message).edit_batch(messages)]
    return done.count("ok")


def _id(name: str) -> UUID:
    return uuid5(NAMESPACE_URL, f"messenger/{name}")
