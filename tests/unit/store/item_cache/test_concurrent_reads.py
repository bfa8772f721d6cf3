"""Concurrent reads: one call of the engine for all."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from persisty import (
    BackendUnavailable,
)
from persisty.store import item_cache as cache

from .places import Held, Place


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Counts the threads that have come to wait for another's call."""
    came, own = threading.Semaphore(0), cache._Load.wait

    def wait(load: cache._Load) -> Any:
        came.release()
        return own(load)

    monkeypatch.setattr(cache._Load, "wait", wait)
    return came


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


ENDS = [(BackendUnavailable("down"), "down", "down"), (KeyboardInterrupt(), "", "The load was interrupted")]


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
    monkeypatch.setattr(cache, "LOAD_TIMEOUT", 0.01)
    notes.store.create({"id": "a"})
    held = Held(notes.backend)
    reading = pool.submit(notes.store.read, "a")
    assert held.reached.wait(10)
    with notes.counted() as counting:
        assert [notes.store.read("a").id for _ in range(3)] == ["a"] * 3
        assert counting.calls == ["read", "read"]  # one that waited in vain, and one that began anew and was kept
    held.go.set()
    assert reading.result(10).id == "a"
