"""After triggers: writes with an event against plain writes, the time from a write to its handler, and events a second.

PostgreSQL waits for the disk in this suite, as it does in production. The peers drain the same number of empty jobs on the same server;
procrastinate keeps the order of a key by a lock, PgQueuer keeps none.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from persisty import UUID4_TEXT, App, Attr, stored
from persisty.application.working import drain
from persisty.store.outbox import NewEvent
from persisty.store.trigger_registry import AfterTrigger, Handler
from tests.postgres import postgres_server

from .measure import Row, cpu, row

WRITERS, TURN, TURNS = 8, 0.5, 16
EVENTS, KEYS = 5_000, 500
LATENCIES = 300
DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
PAYLOAD = (
    '{"id":"5eb937d1-5bfd-456e-aacd-a87f7a43118d","at":"2026-01-01T00:00:00Z","before":null,'
    '"after":{"id":"5eb937d1-5bfd-456e-aacd-a87f7a43118d","text":"a text","sent":0},"caller":null}'
)


@stored
class Plain:
    id: Attr[str] = UUID4_TEXT
    text: Attr[str] = Attr(default="a text of a usual length")
    sent: Attr[float] = Attr(default=0.0)


@stored
class Noted:
    id: Attr[str] = UUID4_TEXT
    text: Attr[str] = Attr(default="a text of a usual length")
    sent: Attr[float] = Attr(default=0.0)


class Empty:
    """One after trigger. Its handler does nothing, or what it is given."""

    stores = frozenset({"noted"})

    def __init__(self, handle: Callable[[Any], Any] = lambda event: None) -> None:
        self._handler, self._triggers = Handler(handle), (AfterTrigger("empty"),)

    def after(self, store: str, kind: str) -> Sequence[AfterTrigger]:
        return self._triggers

    def handler(self, action: str) -> Handler | None:
        return self._handler


@contextmanager
def app_at(url: str, handle: Callable[[Any], Any] = lambda event: None) -> Iterator[App]:
    app = App("noted", items=[Plain, Noted], url=url, idempotency=None)
    app.triggers = Empty(handle)
    app.prepare()
    yield app
    app.close()


def rows() -> Iterator[Row]:
    yield from _sqlite()
    with postgres_server(options=DURABLE) as url:
        yield from _writers(url)
        yield from _latency(url)
        yield from _draining(url)


def _sqlite() -> Iterator[Row]:
    for mode, clock, unit in (
        ("normal", time.process_time, "CPU"),
        ("full", time.perf_counter, "clock, synchronous=full"),
    ):
        with TemporaryDirectory() as folder:
            place = f"sqlite:///{Path(folder) / 'noted.db'}?synchronous={mode}"
            with app_at(place) as app:
                creates = {item.__name__: _creating(app, item) for item in (Plain, Noted)}
                found = cpu(creates, 100, clock=clock)
                yield row(f"SQLite create with an event, {unit}", "create", found["Noted"], found["Plain"])


def _creating(app: App, item: type[Any]) -> Callable[[], object]:
    store = app.store(item)
    return lambda: store.create(item())


def _writers(url: str) -> Iterator[Row]:
    """The writers take turns of half a second; the median of the ratios counts, because a turn on a busy machine may be twice as slow."""
    with app_at(f"{url}&schema=writers&pool=16") as app:
        ratios: list[float] = []
        best = 0.0
        for _ in range(TURNS):
            plain, noted = (_rate(_creating(app, item)) for item in (Plain, Noted))
            ratios.append(noted / plain)
            best = max(best, noted)
    ratio = statistics.median(ratios)
    yield row(
        "PostgreSQL creates of 8 writers with an event, creates/s", "creates", best, best / ratio, unit="creates/s"
    )


def _rate(call: Callable[[], object]) -> float:
    end, counts = time.perf_counter() + TURN, [0] * WRITERS

    def write(number: int) -> None:
        while time.perf_counter() < end:
            call()
            counts[number] += 1

    threads = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return sum(counts) / TURN


WORKER = """
import os, sys, time
from benchmarks.triggers import app_at
from persisty.application.working import working
def log(event):
    os.write(1, f"{time.time() - event.after.sent}\\n".encode())  # one call, because several threads write
with app_at(sys.argv[1], log) as app, working(app):
    sys.stdin.read()
"""


def _latency(url: str) -> Iterator[Row]:
    """A worker in another process, and a write every 10 ms."""
    place = f"{url}&schema=latency"
    with app_at(place) as app:
        command = [sys.executable, "-c", WORKER, place]
        worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        store = app.store(Noted)
        time.sleep(3)
        for _ in range(LATENCIES):
            store.create(Noted(sent=time.time()))
            time.sleep(0.01)
        time.sleep(1)
        out, _ = worker.communicate(timeout=30)
    found = sorted(float(line) * 1_000 for line in out.splitlines())
    yield row("PostgreSQL, write to handler, p95", "50 ms", found[int(len(found) * 0.95)], 50.0, unit="ms")


def _draining(url: str) -> Iterator[Row]:
    work = "PostgreSQL events a second and worker, in order per key"
    with app_at(f"{url}&schema=draining") as app:
        ours = max(_drained(app) for _ in range(4))
        yield row(work, "3,000 events/s", ours, 3_000, unit="events/s")
        for name, measure in PEERS.items():
            theirs = asyncio.run(measure(url))
            yield row(work, name, ours, theirs, unit="events/s")
        with psycopg.connect(url) as old:
            old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            old.execute("SELECT count(*) FROM pg_class")
            for _ in range(8):
                _drained(app)
            held = [_drained(app) for _ in range(4)]
        yield row(f"{work}, with an old snapshot open", "without it", max(held), ours, unit="events/s")


def _drained(app: App) -> float:
    """Return the events that one worker handles in a second."""
    connection = app._engines.connected()
    for start in range(0, EVENTS, 500):
        with connection.transaction():
            connection.append(
                [
                    NewEvent("noted", "created", f"k{number % KEYS}", "empty", PAYLOAD)
                    for number in range(start, start + 500)
                ]
            )
    begun = time.perf_counter()
    assert drain(app) == EVENTS
    return EVENTS / (time.perf_counter() - begun)


async def _procrastinate(url: str) -> float:
    import procrastinate

    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url))

    @app.task(name="empty")
    async def empty(number: int) -> None:
        pass

    count = EVENTS // 5
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        for number in range(count):
            await empty.configure(lock=f"k{number % KEYS}").defer_async(number=number)
        begun = time.perf_counter()
        await app.run_worker_async(wait=False, concurrency=8, install_signal_handlers=False)
        return count / (time.perf_counter() - begun)


async def _pgqueuer(url: str) -> float:
    from pgqueuer import PgQueuer
    from pgqueuer.db import PsycopgDriver
    from pgqueuer.queries import Queries
    from pgqueuer.types import QueueExecutionMode

    connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
    driver = PsycopgDriver(connection)
    queries, queuer = Queries(driver), PgQueuer(driver)
    await queries.install()

    @queuer.entrypoint("empty")
    async def empty(job: Any) -> None:
        pass

    await queries.enqueue(["empty"] * EVENTS, [b""] * EVENTS, [0] * EVENTS)
    begun = time.perf_counter()
    await queuer.run(batch_size=100, mode=QueueExecutionMode.drain)
    return EVENTS / (time.perf_counter() - begun)


PEERS = {"procrastinate, locks": _procrastinate, "PgQueuer, no order": _pgqueuer}
