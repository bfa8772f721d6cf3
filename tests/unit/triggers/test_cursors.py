"""Cursors read events that are committed late, and do not read on from the start."""

from __future__ import annotations

import pytest

from persisty.store.outbox import OutboxEvent
from persisty.store.positions import Fetched
from persisty.triggers import cursors as module
from persisty.triggers.cursors import Cursors


def event(position: int, lane: int = 0) -> OutboxEvent:
    return OutboxEvent(position, lane, "note", "created", "a", "log", "{}")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Assume of no transaction that it has ended."""
    monkeypatch.setattr(module, "RECENT", -1.0)


def test_reads_go_on_after_the_last_position() -> None:
    cursors = Cursors()
    cursors.add([0, 1])
    wanted = cursors.wanted({0: 10, 1: 10})
    assert wanted == [(0, 0, 10), (1, 0, 10)]
    assert not cursors.seen(wanted, Fetched([event(3), event(4, lane=1), event(5)], frozenset(), 90))
    cursors.wrote()
    cursors.seen(cursors.wanted({0: 10, 1: 10}), Fetched([], frozenset(), 92))
    assert cursors.wanted({0: 10, 1: 10}) == [(0, 5, 10), (1, 4, 10)]


def test_reads_begin_where_those_before_the_last_write_of_the_worker_began() -> None:
    """Transaction 99 commits position 6 while 100 runs with position 5: a snapshot after this lists no transaction, because all below 100 have ended."""
    cursors = Cursors()
    cursors.add([0])
    cursors.seen(cursors.wanted({0: 10}), Fetched([event(6)], frozenset(), 100))
    assert cursors.wanted({0: 10}) == [(0, 0, 10)]
    cursors.wrote()
    cursors.seen(cursors.wanted({0: 10}), Fetched([event(7)], frozenset({100}), 103))
    cursors.wrote()
    assert not cursors.seen(cursors.wanted({0: 10}), Fetched([event(8)], frozenset({100}), 105))
    assert cursors.wanted({0: 10}) == [(0, 7, 10)], "a long transaction does not hold the others up"
    cursors.wrote()
    assert cursors.seen(cursors.wanted({0: 10}), Fetched([event(8)], frozenset(), 106)), "read again at once"
    assert cursors.wanted({0: 10}) == [(0, 0, 10)]
    assert not cursors.seen(cursors.wanted({0: 10}), Fetched([event(5), event(8)], frozenset(), 106))


def test_a_transaction_that_ran_unlisted_and_has_ended_is_found() -> None:
    cursors = Cursors()
    cursors.add([0])
    cursors.seen(cursors.wanted({0: 10}), Fetched([event(6)], frozenset(), 100))
    cursors.wrote()
    [(_, start, _)] = cursors.wanted({0: 10})
    assert start < 5, "transaction 100 has committed position 5 in between"
    cursors.seen([(0, start, 10)], Fetched([event(5), event(6)], frozenset(), 102))
    cursors.wrote()
    cursors.seen(cursors.wanted({0: 10}), Fetched([], frozenset(), 104))
    assert cursors.wanted({0: 10}) == [(0, 6, 10)]


def test_an_engine_with_one_writer_at_a_time_is_read_on() -> None:
    cursors = Cursors()
    cursors.add([0])
    cursors.seen(cursors.wanted({0: 10}), Fetched([event(6)]))
    assert cursors.wanted({0: 10}) == [(0, 6, 10)]


def test_lanes_are_read_again_when_a_transaction_that_ran_has_ended() -> None:
    cursors = Cursors()
    cursors.add([0])
    for found in (event(3), event(4)):
        cursors.seen(cursors.wanted({0: 10}), Fetched([found], frozenset(), 90))
        cursors.wrote()
    # transaction 95 runs, with position 5 perhaps, while position 6 is committed
    for found, following in ((event(6), 100), (event(7), 101), (event(8), 102)):
        assert not cursors.seen(cursors.wanted({0: 10}), Fetched([found], frozenset({95}), following))
        cursors.wrote()
    assert cursors.wanted({0: 10}) == [(0, 7, 10)], "a long transaction does not hold the others up"
    assert cursors.seen(cursors.wanted({0: 10}), Fetched([], frozenset(), 103)), "read again at once"
    assert cursors.wanted({0: 10}) == [(0, 3, 10)]
    assert not cursors.seen(cursors.wanted({0: 10}), Fetched([event(5)], frozenset(), 103))
    cursors.wrote()
    cursors.seen(cursors.wanted({0: 10}), Fetched([], frozenset(), 104))
    assert cursors.wanted({0: 10}) == [(0, 8, 10)]


def test_a_second_read_that_is_full_is_repeated_until_it_is_complete() -> None:
    cursors = Cursors()
    cursors.add([0])
    for running in ({95}, {95}, set()):
        cursors.seen(cursors.wanted({0: 2}), Fetched([event(9)], frozenset(running), 100))
        cursors.wrote()
    assert cursors.seen(cursors.wanted({0: 2}), Fetched([event(1), event(2)], frozenset(), 101))
    assert cursors.wanted({0: 4}) == [(0, 0, 4)]
    assert not cursors.seen(cursors.wanted({0: 4}), Fetched([event(1), event(2), event(3)], frozenset(), 101))
    cursors.wrote()
    assert not cursors.seen(cursors.wanted({0: 4}), Fetched([], frozenset(), 102))
    assert cursors.wanted({0: 4}) == [(0, 9, 4)]


def test_a_recent_transaction_is_assumed_to_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECENT", 100.0)
    cursors = Cursors()
    cursors.add([0])
    cursors.seen(cursors.wanted({0: 10}), Fetched([event(4)], frozenset({95}), 100))
    cursors.wrote()
    assert cursors.wanted({0: 10}) == [(0, 0, 10)]
    assert not cursors.seen(cursors.wanted({0: 10}), Fetched([event(3)], frozenset(), 101)), "one read was enough"
    assert cursors.wanted({0: 10}) == [(0, 4, 10)]


def test_lanes_that_were_released_are_forgotten_and_new_ones_read_from_the_start() -> None:
    cursors = Cursors()
    cursors.add([0])
    cursors.seen(cursors.wanted({0: 10}), Fetched([event(4)], frozenset({95}), 100))
    cursors.remove([0])
    cursors.add([0, 1])
    assert cursors.wanted({0: 10, 1: 10}) == [(0, 0, 10), (1, 0, 10)]
