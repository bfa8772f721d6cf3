"""One suite over any SQL engine: persisty against SQLAlchemy Core, and optionally its ORM, on the same server or file.

Verbs are measured in CPU time of this process, calls over many items in items a second.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from uuid import UUID, uuid4

from sqlalchemy import Engine

from benchmarks.messages import Message, app
from persisty import Create, Update

from .measure import Row, cpu, rates, row
from .peers import core as peers
from .peers.core import BATCH, Base, Calls

AUTHOR = "6f2f3ac6-3b51-4e0f-8c8a-3d7b1c1b0a01"
FEW, MANY = 500, 10_000
"""Items of the author for the verbs, and for the calls over all items."""
VERBS = {"create": 300, "read": 500, "update": 300, "delete": 300}
PAGES = {25: 100, 100: 40}
BATCHES = {"read_batch": (f"read_batch of {BATCH}", 20), "edit_batch": (f"edit_batch of {BATCH} creates", 10)}
CLOCKS = {"CPU": time.process_time, "clock": time.perf_counter}
UPDATES = {"upsert": "SQLAlchemy Core, one upsert for all", "update_each": "SQLAlchemy Core, item by item"}
"""Peers of an `edit_batch` of updates, which returns each item and decides each condition: the fastest statement, which does neither, and
the statements that do both."""
ALL = {"scan": "full scan", "update_all": "update_all", "delete_all": "delete_all"}


def measured(name: str, url: str, engine: Engine, *, orm: bool) -> Iterator[Row]:
    """Yield the rows of an engine, with those of SQLAlchemy's ORM if `orm` is true."""
    Base.metadata.create_all(engine)
    peers.fill(engine, AUTHOR, FEW)
    subjects = {"persisty": _persisty(url), "SQLAlchemy Core": peers.core(engine, AUTHOR)}
    if orm:
        subjects["SQLAlchemy ORM"] = peers.orm(engine, AUTHOR)
    for verb, calls in VERBS.items():
        yield from _compared(f"{name} {verb}, CPU", subjects, verb, calls)
    for limit, calls in PAGES.items():
        of_limit = {peer: {"search": partial(calls["search"], limit)} for peer, calls in subjects.items()}
        yield from _compared(f"{name} search, a page of {limit}, CPU", of_limit, "search", calls)
    for verb, (called, calls) in BATCHES.items():
        yield from _compared(f"{name} {called}, CPU", subjects, verb, calls)
    yield from _updates(name, subjects)
    yield from _throughput(name, subjects, engine)
    app.close()


def _updates(name: str, subjects: dict[str, Calls]) -> Iterator[Row]:
    ours, core = subjects["persisty"], subjects["SQLAlchemy Core"]
    calls = {"persisty": ours["updates"], **{peer: core[verb] for verb, peer in UPDATES.items()}}
    for clock, read in CLOCKS.items():
        found = cpu(calls, 10, clock=read)
        for peer in UPDATES.values():
            work = f"{name} edit_batch of {BATCH} updates, {clock}"
            yield row(work, peer, found["persisty"], found[peer])


def _compared(work: str, subjects: dict[str, Calls], verb: str, calls: int) -> Iterator[Row]:
    able = {peer: found for peer, found in subjects.items() if verb in found}
    before = {peer: found.get(f"before_{verb}", _nothing) for peer, found in able.items()}
    found = cpu({peer: verbs[verb] for peer, verbs in able.items()}, calls, before=before)
    for peer in list(found)[1:]:
        yield row(work, peer, found["persisty"], found[peer])


def _throughput(name: str, subjects: dict[str, Calls], engine: Engine) -> Iterator[Row]:
    """Measure calls over all items. The items are created again before each call."""
    able = {peer: subjects[peer] for peer in ("persisty", "SQLAlchemy Core")}

    def refill_ours(_: int) -> None:
        app.store(Message).delete_all(allow_scan=True)
        for _ in range(MANY // BATCH):
            able["persisty"]["edit_batch"]()

    def refill_theirs(_: int) -> None:
        able["SQLAlchemy Core"]["delete_all"]()
        peers.fill(engine, AUTHOR, MANY)

    before = {"persisty": refill_ours, "SQLAlchemy Core": refill_theirs}
    for verb, called in ALL.items():
        found = rates({peer: verbs[verb] for peer, verbs in able.items()}, MANY, before=before)
        ours, theirs = found.values()
        yield row(f"{name} {called} of {MANY:,}, items/s", "SQLAlchemy Core", ours, theirs, unit="items/s")


def _nothing(_: int) -> None:
    pass


def _persisty(url: str) -> Calls:
    app.use(url)
    app.prepare()
    store = app.store(Message)
    author = UUID(AUTHOR)
    waiting: list[UUID] = []

    def fill(count: int) -> None:
        for start in range(0, count, BATCH):
            size = min(BATCH, count - start)
            store.edit_batch([Create(Message(text=f"note {number}", author_id=author)) for number in range(size)])

    def before_delete(count: int) -> None:
        for start in range(0, count, BATCH):
            edits = [Create(Message(text="gone", author_id=uuid4())) for _ in range(min(BATCH, count - start))]
            waiting.extend(result.item.id for result in store.edit_batch(edits) if result.item is not None)

    fill(FEW)
    items = store.search(limit=BATCH).items
    key, keys = str(items[0].id), [str(one.id) for one in items]
    by_author = {"where": Message.author_id == author}
    return {
        "create": lambda: store.create(Message(text="hello", author_id=uuid4())),
        "read": lambda: store.read(key),
        "update": lambda: store.update(key, {"text": "new"}),
        "before_delete": before_delete,
        "delete": lambda: store.delete(waiting.pop()),
        "search": lambda limit: store.search(Message.author_id == author, order=Message.created_at.desc(), limit=limit),
        "read_batch": lambda: store.read_batch(keys),
        "edit_batch": lambda: fill(BATCH),
        "updates": lambda: store.edit_batch([Update(one, {"text": "new"}) for one in keys]),
        "scan": lambda: sum(1 for _ in store.search_all()),
        "update_all": lambda: store.update_all({"text": "new"}, **by_author),
        "delete_all": lambda: store.delete_all(**by_author),
    }
