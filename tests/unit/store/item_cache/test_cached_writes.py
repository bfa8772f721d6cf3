"""Writes and concurrent reads."""

import random
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from persisty import (
    BackendUnavailable,
    Conflict,
    Create,
    Delete,
    PreconditionFailed,
    Store,
    Update,
    add,
)
from persisty.backends import memory
from persisty.store.store import context_of

from .places import Note, Paused, Place

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
def test_the_next_read_returns_the_written_item(notes: Place, write: str) -> None:
    notes.store.create({"id": "a"})
    notes.store.create({"id": "b"})
    notes.store.read_batch(["a", "b"])
    WRITES[write](notes.store)
    assert notes.store.read("a") == notes.uncached.read("a") != Note(id="a")
    assert notes.store.read("b") == notes.uncached.read("b")


def test_a_rejected_or_failed_write_leaves_nothing_in_the_cache(notes: Place) -> None:
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
def test_a_read_that_began_before_a_write_does_not_cache_the_old_item(
    notes: Place, pool: ThreadPoolExecutor, write: str
) -> None:
    notes.store.create({"id": "a"})
    notes.store.create({"id": "b"})
    paused = Paused(notes.backend)
    reading = pool.submit(notes.store.read, "a")
    assert paused.reached.wait(10)
    WRITES[write](notes.store)
    assert notes.store.read("a") == notes.uncached.read("a")  # it does not wait for the earlier call
    paused.go.set()
    assert reading.result(10) == Note(id="a")  # it overlapped with the write
    assert notes.store.read("a") == notes.uncached.read("a") != Note(id="a")


@pytest.mark.parametrize("write", ["update", "update_all"])
def test_every_read_of_a_key_calls_the_engine_during_a_write(
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
        assert [notes.store.read("a").count for _ in range(2)] == [
            7,
            7,
        ]  # the engine has the new item before the write returns
        assert counting.calls.count("read") == 4
        go[1].set()
        writing.result(10)
        assert [notes.store.read("a").count for _ in range(3)] == [7, 7, 7]
        assert counting.calls.count("read") == 5


def test_no_thread_reads_the_old_item_after_a_write_has_returned(pool: ThreadPoolExecutor) -> None:
    """Sums go up: a reader that has seen a sum must not read a smaller one later."""
    notes = Place(Note, memory.MemoryEngine())
    keys = [*"abcde"]  # more keys than the cache has places, so that entries are evicted
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
    assert len(entries._cached) <= 3
