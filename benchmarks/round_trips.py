"""Round trips of each verb: counted, not timed.

For DynamoDB, count the calls of the transport, which answers with recorded responses. For PostgreSQL, count on the wire to a real
server how often the client waits. The connection is open before, and each statement is new.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from benchmarks.messages import Message
from persisty import App, Create, Delete, Store, Update, meta_of
from persisty.backends.dynamodb.engine import DynamoDbEngine
from persisty.backends.dynamodb.transport import JSON
from persisty.store.connection import Connection
from persisty.store.context import StoreContext
from tests.postgres import postgres_server
from tests.unit.sql.proxy import Proxy

from . import echo

COLUMNS = ("verb", "target", "DynamoDB", "its requests", "PostgreSQL")
HUNDRED = 100
AUTHOR = UUID(echo.ID)
IDS = [echo.item(number)["id"]["S"] for number in range(HUNDRED)]
NEW: Any = {"text": "new"}
UNCHANGED: Any = Message.version == 1


def _creates() -> list[Create]:
    return [Create(Message(id=UUID(one), text="hello", author_id=AUTHOR)) for one in IDS]


VERBS: dict[str, tuple[int, Callable[[Store[Message]], object]]] = {
    "create": (1, lambda store: store.create(Message(text="hello", author_id=AUTHOR))),
    "read": (1, lambda store: store.read(IDS[0])),
    "update": (1, lambda store: store.update(IDS[0], NEW)),
    "update with a condition": (1, lambda store: store.update(IDS[0], NEW, when=UNCHANGED)),
    "delete": (1, lambda store: store.delete(IDS[0])),
    "search, a page of 25 from an index": (
        1,
        lambda store: store.search(Message.author_id == AUTHOR, order=Message.created_at.desc()),
    ),
    "count by an index": (1, lambda store: store.count(Message.author_id == AUTHOR)),
    "read_batch of 100": (1, lambda store: store.read_batch(IDS)),
    "edit_batch of 100 creates": (4, lambda store: store.edit_batch(_creates())),
    "edit_batch of 100 updates with conditions": (
        4,
        lambda store: store.edit_batch([Update(one, NEW, when=UNCHANGED) for one in IDS]),
    ),
    "edit_batch of 100 deletes with conditions": (
        4,
        lambda store: store.edit_batch([Delete(one, when=UNCHANGED) for one in IDS]),
    ),
    "edit_batch of 100 creates, atomic": (1, lambda store: store.edit_batch(_creates(), atomic=True)),
    "edit_batch of 100 deletes with conditions, atomic": (
        1,
        lambda store: store.edit_batch([Delete(one, when=UNCHANGED) for one in IDS], atomic=True),
    ),
    "edit_batch of 100 updates with conditions, atomic": (
        1,
        lambda store: store.edit_batch([Update(one, NEW, when=UNCHANGED) for one in IDS], atomic=True),
    ),
}
"""Verb → (most round trips, call)."""


class Recorded:
    """A transport that answers every call of an operation with the same response, and records the calls."""

    def __init__(self, answers: Mapping[str, object]) -> None:
        self.operations: list[str] = []
        self._answers = {operation: msgspec.json.encode(answer) for operation, answer in answers.items()}

    def call(self, operation: str, payload: dict[str, Any], shape: Any = JSON, **options: Any) -> Any:
        self.operations.append(operation)
        return msgspec.json.decode(self._answers[operation], type=shape)

    def close(self) -> None:
        pass


def dynamodb() -> dict[str, list[str]]:
    """Return verb → its requests."""
    answers = echo.answers(HUNDRED)
    answers["Query"] = {**answers["Query"], "LastEvaluatedKey": None}  # a count continues while there is one
    transport = Recorded(answers)
    connection = Connection(DynamoDbEngine(transport, "messenger", "dev"))
    store = Store(StoreContext(meta_of(Message), lambda: connection.open(meta_of(Message))))
    found: dict[str, list[str]] = {}
    for verb, (_, call) in VERBS.items():
        transport.operations.clear()
        call(store)
        found[verb] = list(transport.operations)
    return found


def postgres() -> dict[str, int]:
    """Return verb → number of times that it waits for the server."""
    found: dict[str, int] = {}
    with postgres_server() as url, tempfile.TemporaryDirectory() as folder:
        near = App("near", items=[Message], url=f"{url}{'&' if '?' in url else '?'}schema=trips")
        near.prepare()
        proxy = Proxy(Path(folder), near.url)
        far = App("far", items=[Message], url=proxy.url)
        store, refill = far.store(Message), near.store(Message)
        store.read(IDS[0])  # opens the connection
        for verb, (_, call) in VERBS.items():
            refill.delete_all()
            if "create" not in verb:
                refill.edit_batch(_creates())
            proxy.turns = 0
            call(store)
            found[verb] = proxy.turns
        for app in (far, near):
            app.close()
        proxy.close()
    return found


def table() -> list[tuple[str, ...]]:
    """Return every verb on both engines, as rows of the page."""
    ours, theirs = dynamodb(), postgres()
    return [
        (verb, f"≤ {most}", str(len(ours[verb])), _named(ours[verb]), str(theirs[verb]))
        for verb, (most, _) in VERBS.items()
    ]


def _named(operations: list[str]) -> str:
    return "; ".join(name if times == 1 else f"{name}, {times} times" for name, times in Counter(operations).items())
