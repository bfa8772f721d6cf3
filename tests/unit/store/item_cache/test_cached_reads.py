"""Reads that the item cache answers, the age of entries, and callers."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from msgspec import UNSET

from persisty import (
    Access,
    Attr,
    Cache,
    Caller,
    meta_of,
    owned,
    scope,
    stored,
)
from persisty.backends import memory
from persisty.store import item_cache as cache
from persisty.store.connection import Connection
from persisty.store.store import context_of

from .places import SECONDS, Paused, Place, Time


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


def test_an_item_is_read_once_until_it_expires(notes: Place) -> None:
    notes.store.create({"id": "a", "count": 1})
    with notes.counted() as counting:
        assert [notes.store.read("a").count for _ in range(3)] == [1, 1, 1]
        notes.uncached.update("a", {"count": 2})  # as by another process
        notes.clock.now += SECONDS - 0.1
        assert notes.store.read("a").count == 1
        notes.clock.now += 0.1
        assert notes.store.read("a").count == 2
        assert counting.calls == ["read", "write", "read"]


def test_the_age_of_an_item_counts_from_the_start_of_its_load(notes: Place, pool: ThreadPoolExecutor) -> None:
    notes.store.create({"id": "a"})
    paused = Paused(notes.backend)
    reading = pool.submit(notes.store.read, "a")
    assert paused.reached.wait(10)
    notes.clock.now += SECONDS  # the call took that long
    paused.go.set()
    reading.result(10)
    with notes.counted() as counting:
        notes.store.read("a")
        assert counting.calls == ["read"]


def test_the_clock_advances_during_suspension_and_never_goes_back() -> None:
    monotonic, wall = Time(), Time()
    elapsed = cache.Elapsed(monotonic, wall)
    start = elapsed()
    for moved, clock, total in (
        (5, monotonic, 5),
        (5, wall, 5),
        (3600, wall, 3605),
        (-7200, wall, 3605),
        (10, monotonic, 3615),
    ):
        clock.now += moved
        assert elapsed() - start == total, (moved, clock is monotonic)


def test_a_batch_loads_missing_items_in_one_call_and_returns_them_in_position(notes: Place) -> None:
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


def test_the_cache_is_bounded_and_evicts_the_least_recently_used_items(notes: Place) -> None:
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


def test_missing_items_are_cached_only_if_declared(notes: Place) -> None:
    guesses = Place(Guess, memory.MemoryEngine())
    for place, calls in ((notes, ["read", "read"]), (guesses, ["read"])):
        with place.counted() as counting:
            assert (place.store.read("a"), place.store.read("a")) == (None, None)
            assert counting.calls == calls
    guesses.store.create({"id": "a"})
    assert guesses.store.read("a") == Guess(id="a")
    guesses.store.delete("a")
    assert guesses.store.read("a") is None


def test_changing_a_returned_item_does_not_change_the_cached_one(notes: Place) -> None:
    notes.store.create({"id": "a", "tags": ["x"]})
    for _ in range(3):
        item = notes.store.read("a")
        assert (item.count, item.tags) == (0, ["x"])
        item.count = 5
        item.tags.append("y")


def test_all_other_reads_call_the_engine(notes: Place) -> None:
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


def test_a_cached_store_has_no_snapshot_reads(notes: Place) -> None:
    assert notes.backend.capabilities.snapshot_reads
    assert not context_of(notes.store).path.capabilities.snapshot_reads


def test_callers_share_cached_items_and_each_sees_them_redacted() -> None:
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
