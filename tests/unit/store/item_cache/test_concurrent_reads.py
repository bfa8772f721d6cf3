"""Concurrent reads: one call of the engine for all."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from persisty import (
    BackendUnavailable,
)
from persisty.store import item_cache as cache

from .places import Paused, Place


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Return a semaphore that counts the threads that wait for the call of another thread."""
    waiters, own = threading.Semaphore(0), cache._Load.wait

    def wait(load: cache._Load) -> Any:
        waiters.release()
        return own(load)

    monkeypatch.setattr(cache._Load, "wait", wait)
    return waiters


def test_threads_that_miss_one_key_at_once_make_one_call(
    notes: Place, pool: ThreadPoolExecutor, waiting: threading.Semaphore
) -> None:
    notes.store.create({"id": "a", "tags": ["x"]})
    with notes.counted() as counting:
        paused = Paused(notes.backend)
        first = pool.submit(notes.store.read, "a")
        assert paused.reached.wait(10)
        others = [pool.submit(notes.store.read, "a") for _ in range(20)]
        for _ in others:
            assert waiting.acquire(timeout=10)
        paused.go.set()
        found = [one.result(10) for one in (first, *others)]
        assert notes.store.read("a") == found[0]
        assert counting.calls == ["read"]
    assert all(one.tags == ["x"] for one in found)
    assert len({id(one) for one in found}) == len({id(one.tags) for one in found}) == len(found)


def test_overlapping_batches_wait_only_for_shared_keys(
    notes: Place, pool: ThreadPoolExecutor, waiting: threading.Semaphore
) -> None:
    for key in "abc":
        notes.store.create({"id": key})
    with notes.counted() as counting:
        paused = Paused(notes.backend)
        first = pool.submit(notes.store.read_batch, ["a", "b"])
        assert paused.reached.wait(10)
        second = pool.submit(notes.store.read_batch, ["c", "b", "a"])
        assert waiting.acquire(timeout=10)  # it has read c and waits
        assert pool.submit(notes.store.read, "c").result(10).id == "c"
        assert counting.calls == ["read", "read"]
        paused.go.set()
        assert [[one.id for one in found.result(10)] for found in (first, second)] == [["a", "b"], ["c", "b", "a"]]
        assert counting.calls == ["read", "read"]


def test_one_of_a_thousand_concurrent_reads_of_a_key_calls_the_engine(notes: Place, pool: ThreadPoolExecutor) -> None:
    notes.store.create({"id": "a"})
    start = threading.Barrier(50)

    def reads() -> set[str]:
        start.wait(10)
        return {notes.store.read("a").id for _ in range(20)}

    with notes.counted() as counting:
        assert [one.result(20) for one in [pool.submit(reads) for _ in range(50)]] == [{"a"}] * 50
        assert counting.calls == ["read"]


ENDS = [(BackendUnavailable("down"), "down", "down"), (KeyboardInterrupt(), "", "The load was interrupted")]


@pytest.mark.parametrize(("error", "message", "message_of_others"), ENDS)
def test_a_failed_load_fails_for_all_waiting_threads_and_is_retried_by_the_next_read(
    notes: Place,
    pool: ThreadPoolExecutor,
    waiting: threading.Semaphore,
    error: BaseException,
    message: str,
    message_of_others: str,
) -> None:
    """An interrupt of the calling thread does not end other threads."""
    notes.store.create({"id": "a"})
    paused = Paused(notes.backend, error)
    first = pool.submit(notes.store.read, "a")
    assert paused.reached.wait(10)
    second = pool.submit(notes.store.read, "a")
    assert waiting.acquire(timeout=10)
    paused.go.set()
    assert (type(first.exception(10)), str(first.exception(10))) == (type(error), message)
    with pytest.raises(BackendUnavailable, match=message_of_others):
        second.result(10)
    assert notes.store.read("a") is not None


def test_a_load_that_never_ends_blocks_other_threads_only_for_a_time(
    notes: Place, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "LOAD_TIMEOUT", 0.01)
    notes.store.create({"id": "a"})
    paused = Paused(notes.backend)
    reading = pool.submit(notes.store.read, "a")
    assert paused.reached.wait(10)
    with notes.counted() as counting:
        assert [notes.store.read("a").id for _ in range(3)] == ["a"] * 3
        assert counting.calls == ["read", "read"]  # the call that never ended, and a new one
    paused.go.set()
    assert reading.result(10).id == "a"
