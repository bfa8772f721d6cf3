"""Reads from the process cache against the same reads from the engine, by wall clock, because a cache saves waiting."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from uuid import UUID, uuid4

from persisty import App, Cache, stored
from tests.dynamodb_local import dynamodb_local
from tests.postgres import postgres_server

from .measure import Row, cpu, row

READS, BATCHES, BATCH = 300, 20, 100


@stored(cache=Cache(seconds=3600))
class Message:
    id: UUID
    text: str
    author_id: UUID
    created_at: datetime
    updated_at: datetime


def rows() -> Iterator[Row]:
    os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": "us-east-1"}
    for engine, url in PLACES.items():
        with ExitStack() as stack:
            place = url(stack)
            kept, asked = _reads(stack, place, cache=True), _reads(stack, place, cache=False)
            for work, calls in (("read", READS), (f"read_batch of {BATCH}", BATCHES)):
                found = cpu({"kept": kept[work], "asked": asked[work]}, calls, clock=time.perf_counter)
                yield row(f"{engine} {work} from the cache", "without a cache", found["kept"], found["asked"])


def _reads(stack: ExitStack, url: str, *, cache: bool) -> dict[str, Callable[[], object]]:
    app = App("cached", items=[Message], url=url, cache=cache)
    app.prepare()
    stack.callback(app.close)
    store = app.store(Message)
    keys = [str(store.create({"text": f"note {number}", "author_id": uuid4()}).id) for number in range(BATCH)]
    return {"read": lambda: store.read(keys[0]), f"read_batch of {BATCH}": lambda: store.read_batch(keys)}


def _sqlite(stack: ExitStack) -> str:
    return f"sqlite:///{stack.enter_context(tempfile.TemporaryDirectory())}/cached.db"


def _postgres(stack: ExitStack) -> str:
    return stack.enter_context(postgres_server())


def _dynamodb(stack: ExitStack) -> str:
    return f"dynamodb://us-east-1?endpoint={stack.enter_context(dynamodb_local())}"


PLACES: dict[str, Callable[[ExitStack], str]] = {
    "SQLite": _sqlite,
    "PostgreSQL": _postgres,
    "DynamoDB Local": _dynamodb,
}
"""Engine → function that starts it and returns its URL."""
