"""The cache of items in a process: what it saves, and that nobody is ever told what a write of this process replaced."""

import contextlib
import random
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from msgspec import UNSET

from persisty import (
    Access,
    App,
    Attr,
    BackendUnavailable,
    BelongsTo,
    Cache,
    Caller,
    Conflict,
    Create,
    Delete,
    Index,
    PreconditionFailed,
    Store,
    Unsupported,
    Update,
    add,
    link,
    meta_of,
    owned,
    scope,
    stored,
)
from persisty.backends import connect, memory
from persisty.store import item_cache as cache
from persisty.store.backend import Engine
from persisty.store.change_feed import Feed
from persisty.store.change_path import ChangePath, Connection
from persisty.store.context import StoreContext
from persisty.store.store import context_of
from persisty.store.transactions import Transactions

from ..counting import Counted, counted

SECONDS = 60


@stored(cache=Cache(seconds=SECONDS, items=3))
class Note:
    id: str
    count: int = 0
    tags: list[str] = Attr(factory=list)


@stored(cache=Cache(seconds=SECONDS, misses=True))
class Guess:
    id: str


@stored(
    cache=Cache(seconds=SECONDS),
    access=Access(read=owned("author") | scope("admin"), update=owned("author"), delete=owned("author")),
)
class Diary:
    id: str
    author: str
    text: str = ""
    secret: str = Attr(default="", readable=owned("author"))


@stored
class Plain:
    id: str


class Time:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Held:
    """Holds the engine after it has read, and before its answer or an error is there, once."""

    def __init__(self, backend: Any, error: BaseException | None = None) -> None:
        self._read, self._backend, self._error = backend.read, backend, error
        self.reached, self.go = threading.Event(), threading.Event()
        backend.read = self

    def __call__(self, keys: Any) -> Any:
        found = self._read(keys)
        self._backend.read = self._read
        self.reached.set()
        assert self.go.wait(10)
        if self._error is not None:
            raise self._error
        return found


class Place:
    """A store with a cache, the engine's own backend under it, and the clock."""

    def __init__(self, item: type[Any], engine: Engine) -> None:
        self.clock = Time()
        self.meta = item.__persisty__
        self.engine = Connection(engine, cached=True, clock=self.clock)
        self.engine.prepare((self.meta,))
        self.store: Store[Any] = Store(StoreContext(self.meta, lambda: self.engine.open(self.meta)))
        self.backend: Any = context_of(self.store).backend
        plain = ChangePath(self.backend, Transactions(engine, Feed()), Feed())
        self.uncached: Store[Any] = Store(StoreContext(self.meta, lambda: plain))

    @contextmanager
    def counted(self) -> Iterator[Counted]:
        with counted(self.backend) as counting:
            yield counting


@pytest.fixture
def notes() -> Place:
    return Place(Note, memory.MemoryEngine())


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=64) as made:
        yield made


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Counts the threads that have come to wait for another's call."""
    came, own = threading.Semaphore(0), cache._Load.wait

    def wait(load: cache._Load) -> Any:
        came.release()
        return own(load)

    monkeypatch.setattr(cache._Load, "wait", wait)
    return came


# What it saves


def test_an_item_is_asked_for_once_until_its_time_is_over(notes: Place) -> None:
    notes.store.create({"id": "a", "count": 1})
    with notes.counted() as counting:
        assert [notes.store.read("a").count for _ in range(3)] == [1, 1, 1]
        notes.uncached.update("a", {"count": 2})  # as somebody else would
        notes.clock.now += SECONDS - 0.1
        assert notes.store.read("a").count == 1
        notes.clock.now += 0.1
        assert notes.store.read("a").count == 2
        assert counting.calls == ["read", "write", "read"]


def test_an_item_is_as_old_as_the_call_for_it(notes: Place, pool: ThreadPoolExecutor) -> None:
    notes.store.create({"id": "a"})
    held = Held(notes.backend)
    reading = pool.submit(notes.store.read, "a")
    assert held.reached.wait(10)
    notes.clock.now += SECONDS  # that long took the answer
    held.go.set()
    reading.result(10)
    with notes.counted() as counting:
        notes.store.read("a")
        assert counting.calls == ["read"]


def test_time_goes_on_while_a_machine_sleeps_and_never_goes_back() -> None:
    steady, wall = Time(), Time()
    elapsed = cache.Elapsed(steady, wall)
    start = elapsed()
    for moved, clock, total in (
        (5, steady, 5),
        (5, wall, 5),
        (3600, wall, 3605),
        (-7200, wall, 3605),
        (10, steady, 3615),
    ):
        clock.now += moved
        assert elapsed() - start == total, (moved, clock is steady)


def test_a_batch_asks_once_for_what_is_not_kept_and_keeps_positions(notes: Place) -> None:
    for key in "abc":
        notes.store.create({"id": key})
    notes.store.read("b")
    asked: list[Any] = []
    with notes.counted() as counting:
        own = notes.backend.read
        notes.backend.read = lambda keys: asked.append(keys) or own(keys)
        found = notes.store.read_batch(["c", "none", "b", "a", "c"])
        notes.backend.read = own
        assert counting.calls == ["read"]
    assert [one and one.id for one in found] == ["c", None, "b", "a", "c"]
    assert asked == [[("c",), ("none",), ("a",)]]
    assert found[0] is not found[4]


def test_no_more_items_are_kept_than_declared_and_the_least_recently_used_go_first(notes: Place) -> None:
    for key in "abcd":
        notes.store.create({"id": key})
    for key in "abca":
        notes.store.read(key)
    notes.store.read("d")
    with notes.counted() as counting:
        for key in "acd":
            notes.store.read(key)
        assert counting.calls == []
        notes.store.read("b")
        assert counting.calls == ["read"]


def test_that_there_is_no_item_is_kept_only_where_it_is_declared(notes: Place) -> None:
    guesses = Place(Guess, memory.MemoryEngine())
    for place, calls in ((notes, ["read", "read"]), (guesses, ["read"])):
        with place.counted() as counting:
            assert (place.store.read("a"), place.store.read("a")) == (None, None)
            assert counting.calls == calls
    guesses.store.create({"id": "a"})
    assert guesses.store.read("a") == Guess(id="a")
    guesses.store.delete("a")
    assert guesses.store.read("a") is None


def test_what_is_given_can_be_changed_without_changing_what_is_kept(notes: Place) -> None:
    notes.store.create({"id": "a", "tags": ["x"]})
    for _ in range(3):
        item = notes.store.read("a")
        assert (item.count, item.tags) == (0, ["x"])
        item.count = 5
        item.tags.append("y")


def test_everything_else_asks_the_engine(notes: Place) -> None:
    notes.store.create({"id": "a"})
    notes.store.read("a")
    with notes.counted() as counting:
        for _ in range(2):
            assert len(notes.store.search()) == 1
            assert notes.store.count() == 1
            assert notes.store.count_by("count") == {0: 1}
            notes.store.explain()
        assert counting.calls == ["query", "count", "aggregate", "explain"] * 2


def test_a_store_that_declares_no_cache_has_none() -> None:
    plain = Connection(memory.MemoryEngine(), cached=True).open(meta_of(Plain))
    assert plain._cache is None


def test_what_is_kept_was_read_at_several_moments_and_the_capabilities_say_so(notes: Place) -> None:
    assert notes.backend.capabilities.snapshot_reads
    assert not context_of(notes.store).path.capabilities.snapshot_reads


# Many at once


def test_all_who_miss_one_key_at_once_make_one_call(
    notes: Place, pool: ThreadPoolExecutor, waiting: threading.Semaphore
) -> None:
    notes.store.create({"id": "a", "tags": ["x"]})
    with notes.counted() as counting:
        held = Held(notes.backend)
        first = pool.submit(notes.store.read, "a")
        assert held.reached.wait(10)
        others = [pool.submit(notes.store.read, "a") for _ in range(20)]
        for _ in others:
            assert waiting.acquire(timeout=10)
        held.go.set()
        found = [one.result(10) for one in (first, *others)]
        assert notes.store.read("a") == found[0]
        assert counting.calls == ["read"]
    assert all(one.tags == ["x"] for one in found)
    assert len({id(one) for one in found}) == len({id(one.tags) for one in found}) == len(found)


def test_batches_that_miss_each_others_keys_wait_for_no_more_than_they_must(
    notes: Place, pool: ThreadPoolExecutor, waiting: threading.Semaphore
) -> None:
    for key in "abc":
        notes.store.create({"id": key})
    with notes.counted() as counting:
        held = Held(notes.backend)
        first = pool.submit(notes.store.read_batch, ["a", "b"])
        assert held.reached.wait(10)
        second = pool.submit(notes.store.read_batch, ["c", "b", "a"])
        assert waiting.acquire(timeout=10)  # it has read c, and now waits
        assert pool.submit(notes.store.read, "c").result(10).id == "c"
        assert counting.calls == ["read", "read"]
        held.go.set()
        assert [[one.id for one in found.result(10)] for found in (first, second)] == [["a", "b"], ["c", "b", "a"]]
        assert counting.calls == ["read", "read"]


def test_of_a_thousand_reads_of_one_key_through_many_threads_one_reaches_the_engine(
    notes: Place, pool: ThreadPoolExecutor
) -> None:
    notes.store.create({"id": "a"})
    start = threading.Barrier(50)

    def reads() -> set[str]:
        start.wait(10)
        return {notes.store.read("a").id for _ in range(20)}

    with notes.counted() as counting:
        assert [one.result(20) for one in [pool.submit(reads) for _ in range(50)]] == [{"a"}] * 50
        assert counting.calls == ["read"]


ENDS = [(BackendUnavailable("down"), "down", "down"), (KeyboardInterrupt(), "", "The call was given up")]


@pytest.mark.parametrize(("error", "told", "told_others"), ENDS)
def test_a_call_that_fails_fails_for_all_who_wait_for_it_and_is_made_again_by_the_next(
    notes: Place,
    pool: ThreadPoolExecutor,
    waiting: threading.Semaphore,
    error: BaseException,
    told: str,
    told_others: str,
) -> None:
    """An interrupt of the calling thread does not end other threads."""
    notes.store.create({"id": "a"})
    held = Held(notes.backend, error)
    first = pool.submit(notes.store.read, "a")
    assert held.reached.wait(10)
    second = pool.submit(notes.store.read, "a")
    assert waiting.acquire(timeout=10)
    held.go.set()
    assert (type(first.exception(10)), str(first.exception(10))) == (type(error), told)
    with pytest.raises(BackendUnavailable, match=told_others):
        second.result(10)
    assert notes.store.read("a") is not None


def test_a_call_that_never_ends_holds_nobody_for_ever(
    notes: Place, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "PATIENCE", 0.01)
    notes.store.create({"id": "a"})
    held = Held(notes.backend)
    reading = pool.submit(notes.store.read, "a")
    assert held.reached.wait(10)
    with notes.counted() as counting:
        assert [notes.store.read("a").id for _ in range(3)] == ["a"] * 3
        assert counting.calls == ["read", "read"]  # one that waited in vain, and one that began anew and was kept
    held.go.set()
    assert reading.result(10).id == "a"


# Writes


WRITES: dict[str, Callable[[Store[Any]], Any]] = {
    "update": lambda store: store.update("a", {"count": 7}),
    "sum": lambda store: store.update("a", {"count": add(7)}),
    "delete": lambda store: store.delete("a"),
    "update_all": lambda store: store.update_all({"count": 7}),
    "delete_all": lambda store: store.delete_all(Note.count == 0),
    "batch": lambda store: store.edit_batch([Update("b", {"count": 1}), Update("a", {"count": 7})]),
    "atomic batch": lambda store: store.edit_batch([Delete("a"), Create({"id": "c"})], atomic=True),
}


@pytest.mark.parametrize("write", WRITES)
def test_a_write_is_seen_by_the_next_read(notes: Place, write: str) -> None:
    notes.store.create({"id": "a"})
    notes.store.create({"id": "b"})
    notes.store.read_batch(["a", "b"])
    WRITES[write](notes.store)
    assert notes.store.read("a") == notes.uncached.read("a") != Note(id="a")
    assert notes.store.read("b") == notes.uncached.read("b")


def test_a_write_that_is_refused_or_fails_leaves_nothing_kept(notes: Place) -> None:
    notes.store.create({"id": "a"})
    own = notes.backend.write

    def lost(writes: Any, *, atomic: bool) -> Any:
        own(writes, atomic=atomic)
        raise BackendUnavailable("the answer was lost")

    with pytest.raises(PreconditionFailed):
        notes.store.update("a", {"count": 1}, when=Note.count == 5)
    with pytest.raises(Conflict):
        notes.store.create({"id": "a"})
    notes.store.read("a")
    notes.backend.write = lost
    with pytest.raises(BackendUnavailable):
        notes.store.update("a", {"count": 7})
    notes.backend.write = own
    assert notes.store.read("a").count == 7


@pytest.mark.parametrize("write", WRITES)
def test_a_read_that_began_before_a_write_does_not_bring_the_old_item_back(
    notes: Place, pool: ThreadPoolExecutor, write: str
) -> None:
    notes.store.create({"id": "a"})
    notes.store.create({"id": "b"})
    held = Held(notes.backend)
    reading = pool.submit(notes.store.read, "a")
    assert held.reached.wait(10)
    WRITES[write](notes.store)
    assert notes.store.read("a") == notes.uncached.read("a")  # it does not wait for the call that began before
    held.go.set()
    assert reading.result(10) == Note(id="a")  # it overlapped with the write
    assert notes.store.read("a") == notes.uncached.read("a") != Note(id="a")


@pytest.mark.parametrize("write", ["update", "update_all"])
def test_while_a_key_is_written_every_read_of_it_asks_the_engine(
    notes: Place, pool: ThreadPoolExecutor, write: str
) -> None:
    notes.store.create({"id": "a"})
    notes.store.create({"id": "b"})
    notes.store.read_batch(["a", "b"])
    before, after, go = threading.Event(), threading.Event(), [threading.Event(), threading.Event()]
    name = "write" if write == "update" else "write_all"
    own = getattr(notes.backend, name)

    def slow(*arguments: Any, **named: Any) -> Any:
        before.set()
        assert go[0].wait(10)
        done = own(*arguments, **named)
        after.set()
        assert go[1].wait(10)
        return done

    setattr(notes.backend, name, slow)
    writing = pool.submit(WRITES[write], notes.store)
    assert before.wait(10)
    with notes.counted() as counting:
        assert [notes.store.read("a").count for _ in range(2)] == [0, 0]
        go[0].set()
        assert after.wait(10)
        assert [notes.store.read("a").count for _ in range(2)] == [7, 7]  # the engine knows before the write returns
        assert counting.calls.count("read") == 4
        go[1].set()
        writing.result(10)
        assert [notes.store.read("a").count for _ in range(3)] == [7, 7, 7]
        assert counting.calls.count("read") == 5


def test_no_thread_reads_what_was_there_before_a_write_that_has_returned(pool: ThreadPoolExecutor) -> None:
    """Sums go up; whoever knows that so many have been added must not read fewer."""
    notes = Place(Note, memory.MemoryEngine())
    keys = [*"abcde"]  # more than are kept, so that they also come and go
    for key in keys:
        notes.store.create({"id": key})
    added = dict.fromkeys(keys, 0)
    lock, start, stale = threading.Lock(), threading.Barrier(8), []
    interval = sys.getswitchinterval()

    def work(seed: int) -> None:
        chance = random.Random(seed)
        start.wait(10)
        for _ in range(400):
            key = chance.choice(keys)
            if chance.random() < 0.3:
                notes.store.update(key, {"count": add(1)})
                with lock:
                    added[key] += 1
            else:
                known = added[key]
                [found] = notes.store.read_batch([key]) if chance.random() < 0.5 else [notes.store.read(key)]
                if found is None or found.count < known:
                    stale.append((key, known, found))

    sys.setswitchinterval(1e-6)
    try:
        for one in [pool.submit(work, seed) for seed in range(8)]:
            one.result(60)
    finally:
        sys.setswitchinterval(interval)
    assert stale == []
    assert {key: notes.store.read(key).count for key in keys} == added
    entries: Any = context_of(notes.store).path._cache._entries  # type: ignore[union-attr]
    assert (entries._loads, entries._writing, entries._writing_all) == ({}, {}, 0)
    assert len(entries._kept) <= 3


# Callers


def test_callers_share_what_is_kept_and_each_sees_what_its_rules_let_it() -> None:
    diaries = Place(Diary, memory.MemoryEngine())
    diaries.store.create({"id": "1", "author": "ann", "text": "dear diary", "secret": "x"})
    ann, bob, admin = (
        diaries.store.on_behalf_of(caller)
        for caller in (Caller("ann"), Caller("bob"), Caller("root", frozenset({"admin"})))
    )
    with diaries.counted() as counting:
        for _ in range(2):
            assert ann.read("1") == Diary(id="1", author="ann", text="dear diary", secret="x")
            assert bob.read("1") is None
            assert bob.read_batch(["1"]) == [None]
            seen: Any = admin.read("1")
            assert seen.text == "dear diary"
            assert seen.secret is UNSET
        assert counting.calls == ["read"]
    assert bob.update("1", {"text": "y"}) is None
    ann.update("1", {"text": "new"})
    assert [store.read("1") and store.read("1").text for store in (ann, bob, admin)] == ["new", None, "new"]  # type: ignore[union-attr]


# The app


@stored(cache=Cache(seconds=SECONDS), indexes=[Index("count")])
class Counter:
    id: str
    count: int = 0


def test_an_app_keeps_items_only_where_it_is_switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for given, said, kept in ((False, "", False), (True, "", True), (True, "off", False), (False, "on", True)):
        monkeypatch.setenv("PERSISTY_CACHE", said)
        app = App("counters", items=[Counter], url="memory://", cache=given)
        store = app.store(Counter)
        assert (context_of(store).path._cache is not None) == kept
        store.create({"id": "a"})
        assert store.read("a") == Counter(id="a")
        app.use("memory://")
        assert store.read("a") is None  # another engine, with nothing kept of the one before
        app.close()


@stored(cache=Cache(seconds=SECONDS))
class House:
    id: str


@stored(cache=Cache(seconds=SECONDS), indexes=[Index("house_id")])
class Person:
    id: str
    house_id: str | None
    house: BelongsTo["House"] = link(on_delete="cascade")


@stored(cache=Cache(seconds=SECONDS), indexes=[Index("house_id")])
class Guest:
    id: str
    house_id: str | None
    house: BelongsTo["House"] = link(on_delete="nullify")


@pytest.mark.parametrize("url", ["memory://", "sqlite:///{folder}/houses.db"])
def test_what_goes_with_an_item_that_is_deleted_goes_from_the_cache_too(tmp_path: Any, url: str) -> None:
    app = App("houses", items=[House, Person, Guest], url=url.format(folder=tmp_path), cache=True)
    app.prepare()
    app.store(House).create({"id": "h"})
    for item in (Person, Guest):
        app.store(item).create({"id": "x", "house_id": "h"})
        assert app.store(item).read("x") is not None
    assert app.store(House).read("h") is not None
    app.store(House).delete("h")
    assert (app.store(House).read("h"), app.store(Person).read("x")) == (None, None)
    assert app.store(Guest).read("x") == Guest(id="x", house_id=None)
    app.close()


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_transaction_sees_its_own_writes_and_nobody_keeps_what_may_be_taken_back(
    request: pytest.FixtureRequest, tmp_path: Any, pool: ThreadPoolExecutor, engine: str
) -> None:
    separate = engine == "postgresql"  # threads share SQLite's connection, and wait for the transaction's end
    url = request.getfixturevalue("postgres_url") if separate else f"sqlite:///{tmp_path}/counters.db"
    app = App("counters", items=[Counter], url=url, cache=True)
    app.prepare()
    store = app.store(Counter)
    store.delete_all()
    store.create({"id": "a"})
    store.read("a")

    def here() -> int:
        return store.read("a").count  # type: ignore[union-attr]

    def elsewhere() -> int:
        return pool.submit(here).result(10) if separate else 0

    for taken_back, then in ((True, 0), (False, 2)):
        with contextlib.suppress(RuntimeError), context_of(store).path.transaction():
            store.update("a", {"count": 1})
            assert (here(), elsewhere()) == (1, 0)
            with context_of(store).path.transaction():
                store.update("a", {"count": 2})
            assert (here(), elsewhere(), elsewhere()) == (2, 0, 0)
            if taken_back:
                raise RuntimeError
        assert (here(), pool.submit(here).result(10)) == (then, then)
    app.close()


def test_a_transaction_is_told_what_is_so_now_and_waits_for_no_call_that_waits_for_it(
    tmp_path: Any, pool: ThreadPoolExecutor
) -> None:
    counters = Place(Counter, connect(f"sqlite:///{tmp_path}/counters.db", app="counters", stage="dev"))
    counters.store.create({"id": "a"})
    counters.store.read("a")
    counters.uncached.update("a", {"count": 1})  # as somebody else would
    called = threading.Event()
    with context_of(counters.store).path.transaction():
        assert counters.store.read("a").count == 1
        counters.clock.now += SECONDS
        with counted(counters.backend, lambda name: called.set()):
            reading = pool.submit(counters.store.read, "a")  # which waits for the transaction to end
            assert called.wait(10)
        assert counters.store.read("a").count == 1
    assert reading.result(10).count == 1
    counters.engine.close()


def test_an_engine_without_transactions_refuses_one_and_its_cache_goes_on(notes: Place) -> None:
    notes.store.create({"id": "a"})
    with pytest.raises(Unsupported), context_of(notes.store).path.transaction():
        raise AssertionError
    with notes.counted() as counting:
        assert [notes.store.read("a").count for _ in range(2)] == [0, 0]
        assert counting.calls == ["read"]


def test_stores_of_two_revisions_of_an_item_forget_what_either_writes() -> None:
    def revision(**more: Any) -> type[Any]:
        body = {"__annotations__": {"id": str, "count": int, **dict.fromkeys(more, str)}, "count": 0, **more}
        return stored(cache=Cache(seconds=SECONDS))(type("Leaflet", (), body))

    app = App("leaflets", items=[first := revision()], url="sqlite://", cache=True)
    app.prepare()
    old = app.store(first)
    old.create({"id": "a"})
    app.replace(second := revision(title="?"))
    app.prepare(second)
    new = app.store(second)
    for count, (writer, reader) in enumerate([(old, new), (new, old), (old, new)], 1):
        assert reader.read("a").count == count - 1
        writer.update("a", {"count": count})
        assert (reader.read("a").count, writer.read("a").count) == (count, count)
    app.close()
