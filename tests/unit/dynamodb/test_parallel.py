"""Parallel work: each task is done once, no source runs far ahead, and errors are raised."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from persisty.backends.dynamodb.parallel import MAX_THREADS, in_parallel, side_by_side


def counting(first: int, count: int) -> Iterator[int]:
    yield from range(first, first + count)


@pytest.mark.parametrize("sources", [1, 2, MAX_THREADS, 50])
def test_values_of_all_sources_are_yielded_once(sources: int) -> None:
    found = list(side_by_side([counting(100 * number, number % 4) for number in range(sources)]))
    expected = [100 * number + one for number in range(sources) for one in range(number % 4)]
    assert sorted(found) == expected
    assert not expected or [one for one in found if one < 200] == [one for one in expected if one < 200]


def test_sources_run_at_the_same_time() -> None:
    both_started = threading.Barrier(2, timeout=5)

    def waiting(number: int) -> Iterator[int]:
        both_started.wait()
        yield number

    assert sorted(side_by_side([waiting(1), waiting(2)])) == [1, 2]


def test_no_source_runs_ahead_of_the_consumer() -> None:
    started = threading.Semaphore(0)
    given: list[int] = []

    def endless(number: int) -> Iterator[int]:
        while True:
            given.append(number)
            started.release()
            yield number

    found = side_by_side([endless(1), endless(2), endless(3)])
    for taken in range(1, 20):
        next(found)
        assert started.acquire(timeout=5)
        assert len(given) <= taken + 6  # three that wait to be taken, and one in the hands of each source
    found.close()  # type: ignore[attr-defined]


def test_the_end_of_the_iterator_is_the_end_of_its_sources() -> None:
    before = threading.active_count()
    found = side_by_side([counting(0, 1000) for _ in range(4)])
    next(found)
    workers = [one for one in threading.enumerate() if one.daemon and one.name.endswith("(work)")]
    found.close()  # type: ignore[attr-defined]
    for worker in workers:
        worker.join(timeout=5)
    assert threading.active_count() <= before


def test_the_error_of_a_source_is_raised_and_ends_the_others() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    taken: list[int] = []
    with pytest.raises(OSError, match="gone"):
        taken += side_by_side([counting(0, 3), broken()])
    endless = side_by_side([broken(), (n for n in iter(int, 1))])
    with pytest.raises(OSError, match="gone"):
        for _ in endless:
            pass
    assert list(endless) == []


def test_all_tasks_are_tried_before_an_error_is_raised() -> None:
    done: list[int] = []

    def run(number: int) -> None:
        done.append(number)
        if number % 3 == 0:
            raise ValueError(number)

    with pytest.raises(ValueError, match=r"\d"):
        in_parallel(run, range(20))
    assert sorted(done) == list(range(20))
