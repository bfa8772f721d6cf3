"""The guarantees of workers, and mutants without them: each test fails for its mutant.

```
an event is finished after its handler        mutant: it is finished before
a worker without its session finishes nothing  mutant: the session is not checked
events without a signal are found             mutant: the worker waits for signals alone
events that are committed late are found      mutant: the worker reads on after the highest position
```
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import sleep, time
from typing import Any

import psycopg
import pytest

from persisty import App, BackendUnavailable
from persisty.application.working import working
from persisty.backends.sql.outbox import SqlOutbox
from persisty.store.outbox import LANES, Changed, State, lane_of
from persisty.triggers import worker as worker_module
from persisty.triggers.cursors import Cursors
from persisty.triggers.worker import Worker

from .orders import Note, Registry, app_at, eventually, outbox_of, waiting

Shop = tuple[App, Registry]
MUTANT = pytest.param(True, id="mutant")
RIGHT = pytest.param(False, id="right")


@contextmanager
def expect(*, mutant: bool) -> Iterator[None]:
    """Expect the assertions of the block to hold, except for a mutant."""
    if not mutant:
        yield
        return
    with pytest.raises(AssertionError):
        yield


@contextmanager
def running(app: App, *, beat: float = 0.1, life: float = 0.5) -> Iterator[Worker]:
    """Run a worker, and leave it as if it was killed."""
    made = Worker(outbox_of(app), app.triggers, lambda: app.metas, threads=2, beat=beat, life=life)
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.stop()
        thread.join()


@pytest.mark.parametrize("mutant", [RIGHT, MUTANT])
def test_an_event_whose_handler_was_killed_is_handled_by_another_worker(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, mutant: bool
) -> None:
    app, registry = shop
    begun, release = threading.Event(), threading.Event()

    def handle(event: Any) -> None:
        if not begun.is_set():
            begun.set()
            release.wait(20)
            raise RuntimeError("this thread stands for a process that was killed")
        registry.log(event)

    registry.only("killed", handle)
    if mutant:
        take = Worker._take

        def acknowledge(self: Worker, event: Any) -> None:
            take(self, event)
            self._outbox.finish(self._lanes.session, [event], [])

        monkeypatch.setattr(Worker, "_take", acknowledge)
    app.store(Note).create(Note(id="a"))
    with running(app):
        assert begun.wait(5)
    with expect(mutant=mutant), running(app):
        assert eventually(lambda: registry.events, 2)
    release.set()


@pytest.mark.parametrize("mutant", [RIGHT, MUTANT])
def test_a_worker_that_was_paused_changes_no_event_of_its_successor(
    shared: Shop, monkeypatch: pytest.MonkeyPatch, mutant: bool
) -> None:
    app, _ = shared
    outbox = outbox_of(app)
    app.store(Note).create(Note(id="a"))
    outbox.beat("A", 0.05, new=True)
    lanes = outbox.claim("A", LANES)
    [event] = outbox.fetch([(lane, 0, 10) for lane in lanes]).events
    sleep(0.1)  # A is paused
    outbox.beat("B", 10, new=True)
    assert len(outbox.claim("B", LANES)) == LANES
    failed = Changed(event.lane, event.position, State.HELD, 2, time(), "failed")
    assert outbox.finish("B", [], [failed])
    if mutant:
        finish = SqlOutbox.finish
        monkeypatch.setattr(SqlOutbox, "finish", lambda self, session, done, changed: finish(self, "B", done, changed))
    with expect(mutant=mutant):
        assert not outbox.finish("A", [event], [])
        assert outbox.at(event.position) is not None
    assert outbox.beat("A", 10, new=False) is None


@pytest.mark.parametrize("mutant", [RIGHT, MUTANT])
def test_events_are_found_without_a_signal(shared: Shop, monkeypatch: pytest.MonkeyPatch, mutant: bool) -> None:
    app, registry = shared
    monkeypatch.setattr(SqlOutbox, "listen", lambda self, wake: lambda: None)
    if mutant:
        monkeypatch.setattr(worker_module, "POLL", 3600.0)
    with working(app), expect(mutant=mutant):
        sleep(0.3)
        app.store(Note).create(Note(id="a"))
        assert eventually(lambda: registry.events, 3)


@pytest.mark.parametrize("mutant", [RIGHT, MUTANT])
def test_events_that_are_committed_late_are_found(
    postgres_schema: str, monkeypatch: pytest.MonkeyPatch, mutant: bool
) -> None:
    app, registry = app_at(postgres_schema)
    notes = app.store(Note)
    if mutant:

        def by_position(self: Cursors, wanted: Any, fetched: Any) -> bool:
            for event in fetched.events:
                self._floor[event.lane] = max(self._floor[event.lane], event.position)
            return False

        monkeypatch.setattr(Cursors, "seen", by_position)
    keys = _keys_of_one_lane(2)
    schema = postgres_schema.rpartition("=")[2]
    with working(app), psycopg.connect(postgres_schema.rpartition("&")[0]) as late:
        late.execute(f'UPDATE "{schema}".note SET text = text')  # it gets a number
        late.execute(*_insert(schema, keys[0]))
        for _ in range(3):
            notes.create(Note(id=keys[1]))
            notes.delete(keys[1])
        assert eventually(lambda: len(registry.events) == 6)
        sleep(1.2)  # longer than transactions are assumed to have ended
        late.commit()
        with expect(mutant=mutant):
            assert eventually(lambda: len(registry.events) == 7, 3)
    app.close()


@pytest.mark.parametrize("mutant", [RIGHT, MUTANT])
def test_events_of_a_transaction_that_no_snapshot_lists_are_found(
    postgres_schema: str, monkeypatch: pytest.MonkeyPatch, mutant: bool
) -> None:
    """A snapshot lists only transactions with lower numbers than the last that has ended."""
    app, registry = app_at(postgres_schema)
    if mutant:
        seen = Cursors.seen

        def by_snapshot(self: Cursors, wanted: Any, fetched: Any) -> bool:
            again = seen(self, wanted, fetched)
            self._floor.update(self._low)
            return again

        monkeypatch.setattr(Cursors, "seen", by_snapshot)
    monkeypatch.setattr("persisty.triggers.cursors.RECENT", 0.0)
    first, second = _keys_of_one_lane(2)
    server, _, schema = postgres_schema.rpartition("&schema=")
    number = "SELECT pg_current_xact_id()"
    with (
        running(app, beat=60.0, life=120.0) as worker,
        psycopg.connect(server) as early,
        psycopg.connect(server) as late,
    ):
        assert eventually(lambda: len(worker._lanes.own) == LANES)
        sleep(0.2)  # its last write has ended
        for connection in (early, late):
            connection.execute(number)
        late.execute(*_insert(schema, first))
        early.execute(*_insert(schema, second))
        early.commit()
        assert eventually(lambda: len(registry.events) == 1)
        sleep(0.2)
        late.commit()
        app.store(Note).create(Note(id="wakes the worker"))
        with expect(mutant=mutant):
            assert eventually(lambda: len(registry.events) == 3, 4)
    app.close()


def _insert(schema: str, key: str) -> tuple[str, tuple[Any, ...]]:
    payload = '{"id":"5eb937d1-5bfd-456e-aacd-a87f7a43118d","at":"2026-01-01T00:00:00Z","before":null,"after":null,"caller":null}'
    text = (
        f'INSERT INTO "{schema}".persisty_event (lane, store, kind, "key", action, payload) '
        "VALUES (%s, 'note', 'created', %s, 'log', %s)"
    )
    return text, (lane_of("note", key), key, payload)


def _keys_of_one_lane(count: int) -> list[str]:
    lane = lane_of("note", "a")
    return [key for number in range(10_000) if lane_of("note", key := f"k{number}") == lane][:count]


def test_workers_share_the_lanes_and_take_over_those_of_a_killed_one(shop: Shop) -> None:
    app, registry = shop
    with running(app) as first:
        assert eventually(lambda: len(first._lanes.own) == LANES)
        with running(app) as second:
            assert eventually(lambda: len(second._lanes.own) == len(first._lanes.own) == LANES // 2)
            assert not first._lanes.own & second._lanes.own
            for number in range(50):
                app.store(Note).create(Note(id=str(number)))
            assert eventually(lambda: not waiting(app))
        assert eventually(lambda: len(first._lanes.own) == LANES)
    assert len(registry.events) == 50


def test_a_lane_is_released_only_when_its_running_handler_has_returned(shop: Shop) -> None:
    app, registry = shop
    begun, release = threading.Event(), threading.Event()

    def handle(event: Any) -> None:
        begun.set()
        release.wait(10)
        registry.log(event)

    registry.only("slow", handle)
    for number in range(40):
        app.store(Note).create(Note(id=str(number)))
    with running(app) as first:
        assert begun.wait(5)
        with running(app) as second:
            sleep(0.5)
            held = set(first._known.values())
            assert held
            assert not held & second._lanes.own
            release.set()
            assert eventually(lambda: not waiting(app))
    assert len(registry.events) == 40


def test_a_session_that_was_lost_is_begun_again(shared: Shop) -> None:
    app, _ = shared
    outbox = outbox_of(app)
    with running(app, life=30.0) as worker:
        assert eventually(lambda: worker._lanes.own)
        outbox.leave(worker._lanes.session)
        app.store(Note).create(Note(id="a"))
        assert eventually(lambda: not waiting(app))
        assert eventually(lambda: len(worker._lanes.own) == LANES)


WRITER = """
import sys
from tests.unit.triggers.orders import Note, app_at
app, _ = app_at(sys.argv[1])
for line in sys.stdin:
    app.store(Note).create(Note(id=line.strip()))
app.close()
"""


def test_an_event_of_another_process_wakes_the_worker(shared_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "POLL", 3600.0)
    app, registry = app_at(shared_url)
    writer = subprocess.Popen([sys.executable, "-c", WRITER, shared_url], stdin=subprocess.PIPE, text=True)
    assert writer.stdin is not None
    with working(app):
        sleep(0.5)
        for number in range(3):
            writer.stdin.write(f"{number}\n")
            writer.stdin.flush()
            assert eventually(lambda: len(registry.events) == number + 1)  # noqa: B023
        writer.stdin.close()
        writer.wait()
    app.close()


def test_workers_go_on_after_the_engine_was_away(shared: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    app, registry = shared
    away = threading.Event()
    for name in ("fetch", "finish", "beat", "due"):
        original: Callable[..., Any] = getattr(SqlOutbox, name)

        def call(*arguments: Any, _original: Callable[..., Any] = original, **named: Any) -> Any:
            if away.is_set():
                raise BackendUnavailable("away")
            return _original(*arguments, **named)

        monkeypatch.setattr(SqlOutbox, name, call)
    with working(app):
        app.store(Note).create(Note(id="a"))
        assert eventually(lambda: registry.events)
        away.set()
        app.store(Note).create(Note(id="b"))
        sleep(0.3)
        away.clear()
        assert eventually(lambda: len(registry.events) == 2)
        assert eventually(lambda: not waiting(app))


def test_a_worker_goes_on_after_an_unexpected_error(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    app, registry = shop
    app.store(Note).create(Note(id="a"))
    failures = iter([KeyError("a mistake"), BackendUnavailable("away")])
    for name in ("prepare", "fetch"):
        original = getattr(outbox_of(app), name)

        def call(*arguments: Any, _original: Callable[..., Any] = original) -> Any:
            error = next(failures, None)
            if error is not None:
                raise error
            return _original(*arguments)

        monkeypatch.setattr(outbox_of(app), name, call)
    with running(app):
        assert eventually(lambda: registry.events)


def test_the_events_of_new_lanes_wait_until_their_held_chains_are_known(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, registry = shop
    app.store(Note).create(Note(id="a", text="1"))
    app.store(Note).update("a", {"text": "2"})
    outbox = outbox_of(app)
    outbox.beat("before", 10, new=True)
    [first, _] = outbox.fetch([(lane, 0, 10) for lane in outbox.claim("before", LANES)]).events
    assert outbox.finish("before", [], [Changed(first.lane, first.position, State.HELD, 2, time() + 1, "failed")])
    outbox.leave("before")
    failures, original = iter(range(2)), outbox.held_chains

    def held_chains(lanes: Any) -> Any:
        if next(failures, None) is not None:
            raise BackendUnavailable("away")
        return original(lanes)

    monkeypatch.setattr(outbox, "held_chains", held_chains)
    with running(app):
        assert eventually(lambda: not waiting(app))
    assert [one.after.text for one in registry.events] == ["1", "2"]


def test_the_end_of_a_session_frees_its_lanes_at_once(shop: Shop) -> None:
    app, _ = shop
    outbox = outbox_of(app)
    for name in ("A", "B"):
        outbox.beat(name, 10, new=True)
    assert len(outbox.claim("A", LANES)) == LANES
    assert outbox.claim("B", LANES) == frozenset()
    outbox.leave("A")
    assert len(outbox.claim("B", LANES)) == LANES


def test_concurrent_claims_take_different_lanes(shop: Shop) -> None:
    app, _ = shop
    outbox = outbox_of(app)
    taken: list[int] = []

    def claim(name: str) -> None:
        outbox.beat(name, 10, new=True)
        for _ in range(4):
            taken.extend(outbox.claim(name, 4))

    threads = [threading.Thread(target=claim, args=(str(number),)) for number in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(taken) == len(set(taken)) == LANES
