"""Workers: order, retries, parking, timeouts, and events that cannot be handled."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from time import sleep
from typing import Any

import pytest

from persisty import App, Attr, stored
from persisty.application.working import working
from persisty.store.outbox import NewEvent, State
from persisty.store.trigger_registry import Handler
from persisty.triggers import retries

from .orders import Note, Registry, app_at, drain, eventually, outbox_of, parked, waiting

Shop = tuple[App, Registry]


def test_events_of_a_key_are_handled_in_order_and_others_meanwhile(shop: Shop) -> None:
    app, registry = shop
    running: Counter[str] = Counter()
    together: list[int] = []
    texts: dict[str, list[str]] = defaultdict(list)

    def handle(event: Any) -> None:
        with registry.lock:
            running[event.key] += 1
            assert running[event.key] == 1, "two events of a key at a time"
            together.append(sum(running.values()))
        sleep(0.001)
        with registry.lock:
            running[event.key] -= 1
            texts[event.key].append(event.after.text)

    registry.only("slow", handle)
    notes = app.store(Note)
    with working(app):
        for number in range(20):
            for key in "abcdef":
                (notes.update(key, {"text": f"{number}"}) if number else notes.create(Note(id=key, text="0")))
        assert eventually(lambda: not waiting(app))
    assert texts == {key: [str(number) for number in range(20)] for key in "abcdef"}
    assert max(together) > 1


def test_a_failure_is_tried_again_before_later_events_of_its_key(shop: Shop) -> None:
    app, registry = shop
    attempts: list[tuple[str, str, int]] = []

    def handle(event: Any) -> None:
        attempts.append((event.key, event.after.text, event.attempt))
        if event.key == "bad" and event.after.text == "1" and event.attempt < 4:
            raise ValueError("not yet")

    registry.only("flaky", handle)
    notes = app.store(Note)
    with working(app):
        for key in ("bad", "good"):
            notes.create(Note(id=key, text="0"))
            for number in range(1, 4):
                notes.update(key, {"text": str(number)})
        assert eventually(lambda: not waiting(app))
    bad = [(text, attempt) for key, text, attempt in attempts if key == "bad"]
    assert bad == [("0", 1), ("1", 1), ("1", 2), ("1", 3), ("1", 4), ("2", 1), ("3", 1)]
    assert [text for key, text, _ in attempts if key == "good"] == ["0", "1", "2", "3"]


def test_hundreds_of_events_behind_a_failure_stay_in_order(shop: Shop) -> None:
    app, registry = shop
    texts: list[str] = []
    failures = iter(range(2))

    def handle(event: Any) -> None:
        if event.after.text == "3" and next(failures, None) is not None:
            raise ValueError("not yet")
        texts.append(event.after.text)

    registry.only("flaky", handle)
    notes = app.store(Note)
    notes.create(Note(id="a", text="0"))
    for number in range(1, 350):
        notes.update("a", {"text": str(number)})
    with working(app):
        assert eventually(lambda: not waiting(app), 20)
        notes.update("a", {"text": "350"})
        assert eventually(lambda: not waiting(app))
    assert texts == [str(number) for number in range(351)]


def test_an_event_whose_attempts_have_failed_is_parked_and_others_go_on(shop: Shop) -> None:
    app, registry = shop

    def handle(event: Any) -> None:
        if event.after.text == "bad":
            raise ValueError("it will never work")
        registry.log(event)

    registry.only("broken", handle, attempts=3)
    notes = app.store(Note)
    notes.create(Note(id="a", text="bad"))
    notes.update("a", {"text": "good"})
    with working(app):
        assert eventually(lambda: registry.events)
    [event] = parked(app)
    assert (event.key, event.attempt, event.due) == ("a", 3, None)
    assert "ValueError: it will never work" in event.error
    assert "Traceback" in event.error
    assert [one.after.text for one in registry.events] == ["good"]
    registry.handlers["broken"] = registry.handlers["broken"].__class__(registry.log)
    outbox = outbox_of(app)
    assert outbox.replay([event.position], 0.0) == 1
    with working(app):
        assert eventually(lambda: not waiting(app))
    assert [one.after.text for one in registry.events] == ["good", "bad"]


def test_a_reason_that_no_engine_stores_as_it_is_is_stored_with_escapes(shop: Shop) -> None:
    """A message may contain the bytes of a file name, which Python reads as halves of surrogate pairs."""
    app, registry = shop

    def handle(event: Any) -> None:
        if event.key == "bad":
            raise ValueError("cannot read caf\udce9.txt\0")
        registry.log(event)

    registry.only("broken", handle, attempts=2)
    for key in ("bad", "good"):
        app.store(Note).create(Note(id=key))
    with working(app):
        assert eventually(lambda: parked(app) and registry.events)
    [event] = parked(app)
    assert (event.key, event.attempt) == ("bad", 2)
    assert event.error.rstrip().endswith(r"ValueError: cannot read caf\udce9.txt\0")
    assert [one.key for one in registry.events] == ["good"]


def test_a_worker_that_runs_handles_a_replayed_event(shop: Shop) -> None:
    app, registry = shop
    broken = [True]

    def handle(event: Any) -> None:
        if broken[0]:
            raise ValueError("broken")
        registry.log(event)

    registry.only("broken", handle, attempts=1)
    with working(app):
        app.store(Note).create(Note(id="a"))
        assert eventually(lambda: parked(app))
        broken[0] = False
        outbox_of(app).replay([parked(app)[0].position], 0.0)
        assert eventually(lambda: not waiting(app))
    assert [one.key for one in registry.events] == ["a"]


def test_the_chain_of_a_dropped_event_goes_on(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    app, registry = shop
    monkeypatch.setattr("persisty.triggers.worker.LOST_CHAINS", 0.2)

    def handle(event: Any) -> None:
        if event.after.text == "bad":
            raise ValueError("bad")
        registry.log(event)

    registry.only("broken", handle, pause=3600.0)
    notes = app.store(Note)
    with working(app):
        notes.create(Note(id="a", text="bad"))
        held = eventually(lambda: outbox_of(app).search(State.HELD, None, None, 1))
        assert held
        notes.update("a", {"text": "good"})
        [first] = outbox_of(app).search(State.HELD, None, None, 1)
        assert outbox_of(app).drop([first.position]) == 1
        assert eventually(lambda: not waiting(app))
    assert [one.after.text for one in registry.events] == ["good"]


def test_a_handler_that_hangs_fails_by_its_timeout_and_others_go_on(shop: Shop) -> None:
    app, registry = shop
    release = threading.Event()
    calls: list[tuple[str, int]] = []

    def handle(event: Any) -> None:
        calls.append((event.key, event.attempt))
        if event.key == "hangs" and event.attempt == 1:
            release.wait(20)
            return
        registry.log(event)

    registry.only("slow", handle, timeout=0.3)
    notes = app.store(Note)
    with working(app, 1, seconds=0):
        notes.create(Note(id="hangs"))
        assert eventually(lambda: calls)
        notes.create(Note(id="other"))
        assert eventually(lambda: not waiting(app))
        release.set()
    assert sorted(one.key for one in registry.events) == ["hangs", "other"]
    assert ("hangs", 2) in calls


def test_a_worker_ends_when_all_of_its_threads_hang(shop: Shop) -> None:
    app, registry = shop
    release = threading.Event()
    registry.only("hangs", lambda event: release.wait(20), timeout=0.1, attempts=1)
    for number in range(6):
        app.store(Note).create(Note(id=str(number)))
    with working(app, 1, seconds=0) as workers:
        assert eventually(lambda: not workers.alive)
        release.set()
    assert waiting(app) == 6
    assert len(parked(app)) >= 2


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), MemoryError(), RecursionError()])
def test_no_error_of_a_handler_ends_the_worker(shop: Shop, error: BaseException) -> None:
    app, registry = shop

    def handle(event: Any) -> None:
        if event.attempt == 1:
            raise error
        registry.log(event)

    registry.only("exits", handle)
    with working(app):
        app.store(Note).create(Note(id="a"))
        assert eventually(lambda: registry.events)


def test_the_answer_of_a_handler_is_ignored(shop: Shop) -> None:
    app, registry = shop
    registry.only("garbage", lambda event: object())
    app.store(Note).create(Note(id="a"))
    assert drain(app) == 1
    assert waiting(app) == 0


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an event that a process cannot handle have one attempt."""
    monkeypatch.setattr(retries, "UNFIT", Handler(print, attempts=1))


def test_an_event_of_a_new_action_waits_for_a_worker_that_knows_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """During a rolling deployment, workers of the old code get events of the new one."""
    app, registry = shop
    monkeypatch.setattr(retries, "UNFIT", Handler(print, attempts=100, pause=0.05))
    registry.add("new", registry.log)
    known = registry.handlers.pop("new")
    app.store(Note).create(Note(id="a"))
    drain(app)
    [event] = outbox_of(app).search(State.HELD, None, None, 10)
    assert event.error == "The app has no action new"
    registry.handlers["new"] = known
    with working(app):
        assert eventually(lambda: not waiting(app))
    first, second = registry.events
    assert (first.attempt, second.attempt > 1, first.id == second.id) == (1, True, True)


def test_an_event_of_a_removed_action_is_parked(shop: Shop, impatient: None) -> None:
    app, registry = shop
    registry.add("removed", registry.log)
    app.store(Note).create(Note(id="a"))
    del registry.handlers["removed"]
    drain(app)
    [event] = parked(app)
    assert event.error == "The app has no action removed"
    assert registry.seen == [("note", "created", "a")]


def test_an_event_that_does_not_fit_the_declaration_is_parked(shop: Shop, impatient: None) -> None:
    app, registry = shop
    payload = '{"id":"5eb937d1-5bfd-456e-aacd-a87f7a43118d","at":"2026-01-01T00:00:00Z","before":null,"after":{"id":[]},"caller":null}'
    broken = [NewEvent("note", "created", "a", "log", payload), NewEvent("gone", "created", "a", "log", payload)]
    garbage = NewEvent("note", "created", "b", "log", "not JSON")
    connection = app._engines.connected()
    with app.transaction() if connection.engine.outbox is not None and "memory" not in app.url else threading.Lock():
        connection.append([*broken, garbage])
    app.store(Note).create(Note(id="a"))
    drain(app)
    assert [one.error.splitlines()[0][:31] for one in parked(app)] == [
        "The event does not fit the decl",
        "The app has no item gone",
        "The event does not fit the decl",
    ]
    assert registry.seen == [("note", "created", "a")]


@stored(name="parcel")
class Parcel1:
    id: Attr[str]
    weight: Attr[int]
    note: Attr[str] = Attr(default="")


@stored(name="parcel")
class Parcel2:
    id: Attr[str]
    grams: Attr[int] = Attr(former_names="weight")
    colour: Attr[str] = Attr(default="brown")


def test_an_event_of_an_older_declaration_is_read_like_a_stored_item(url: str) -> None:
    registry = Registry()
    registry.stores = {"parcel"}
    registry.only("log", registry.log)
    app = App("post", items=[Parcel1], url=url, idempotency=None)
    app.triggers = registry
    app.prepare()
    app.store(Parcel1).create(Parcel1(id="a", weight=5, note="x"))
    later = App("post", items=[Parcel2], url=url, idempotency=None)
    later.triggers = registry
    if url == "memory://":
        app.replace(Parcel2)
        later = app
    drain(later)
    assert registry.events[0].after == Parcel2(id="a", grams=5, colour="brown")
    app.close()
    later.close()


def test_handlers_that_write_cause_further_events(shop: Shop) -> None:
    app, registry = shop

    def handle(event: Any) -> None:
        registry.log(event)
        if len(event.key) < 4:
            app.store(Note).create(Note(id=event.key + "x"))

    registry.only("chain", handle)
    app.store(Note).create(Note(id="a"))
    assert drain(app) == 4
    assert [one.key for one in registry.events] == ["a", "ax", "axx", "axxx"]


def test_stopping_waits_for_running_handlers_and_leaves_the_others(shop: Shop) -> None:
    app, registry = shop
    begun = threading.Event()

    def handle(event: Any) -> None:
        begun.set()
        sleep(0.3)
        registry.log(event)

    registry.only("slow", handle)
    for number in range(20):
        app.store(Note).create(Note(id=str(number)))
    with working(app, 2):
        assert begun.wait(5)
    assert 1 <= len(registry.events) <= 4
    assert waiting(app) == 20 - len(registry.events)
    drain(app)
    assert sorted(one.key for one in registry.events) == sorted(map(str, range(20)))


def test_many_keys_and_a_hot_one(shop: Shop) -> None:
    """A key with thousands of events does not keep the others waiting for its end."""
    app, registry = shop
    order: list[str] = []

    def handle(event: Any) -> None:
        order.append(event.key)

    registry.only("log", handle)
    notes = app.store(Note)
    notes.create(Note(id="hot"))
    for _ in range(1_500):
        notes.update("hot", {"text": "x"})
    for number in range(50):
        notes.create(Note(id=f"cold{number}"))
    assert drain(app) == 1_551
    last = max(order.index(f"cold{number}") for number in range(50))
    assert last < 1_500


def test_keys_of_any_text_are_handled(url: str) -> None:
    app, registry = app_at(url)
    app.store(Note).create(Note(id="\0odd/ключ"))
    drain(app)
    assert registry.seen == [("note", "created", app.store(Note).meta.key_of(Note(id="\0odd/ключ")))]
    app.close()
