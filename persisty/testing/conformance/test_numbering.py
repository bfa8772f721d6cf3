"""Generated numbers and keys: a sequence gives each number once, and UUIDs of version 7 sort by time of creation."""

from __future__ import annotations

import pytest

from persisty import Create, InvalidInput, Store

from .items import Event, Ticket
from .test_concurrency import THREADS, at_once


def test_a_sequence_starts_at_one_and_increments(tickets: Store[Ticket]) -> None:
    for number in range(1, 4):
        made = tickets.create(Ticket(title=f"ticket {number}"))
        assert (made.number, made.series) == (number, number)
        assert tickets.read(number) == tickets.read(str(number)) == made


@pytest.mark.parametrize("atomic", [False, True])
def test_a_batch_is_numbered_in_its_order(tickets: Store[Ticket], atomic: bool) -> None:
    for turn in range(2):
        results = tickets.edit_batch((Create(Ticket(title=str(n))) for n in range(30)), atomic=atomic)
        made = [one.item for one in results if one.item]
        assert [(one.number, one.series) for one in made] == [(n, n) for n in range(30 * turn + 1, 30 * turn + 31)]
        assert [one.title for one in made] == list(map(str, range(30)))
    assert [one.number for one in tickets.search_all(order="number")] == list(range(1, 61))


def test_neither_a_rejected_create_nor_a_delete_affects_a_sequence(tickets: Store[Ticket]) -> None:
    first = tickets.create(Ticket())
    with pytest.raises(InvalidInput):
        tickets.create({"title": "x" * 21})
    with pytest.raises(InvalidInput):
        tickets.edit_batch([Create(Ticket()), Create({"title": 5})])
    assert tickets.create(Ticket()).number == 2
    assert tickets.delete(2)
    assert tickets.delete(first.number)
    assert tickets.create(Ticket()).number == 3


def test_a_number_that_is_given_advances_its_sequence(tickets: Store[Ticket]) -> None:
    assert tickets.create(Ticket(number=1, series=4)).number == 1
    made = tickets.create(Ticket())
    assert (made.number, made.series) == (2, 5)
    tickets.edit_batch([Create(Ticket(number=9)), Create(Ticket()), Create(Ticket(number=7))])
    numbers = {one.number for one in tickets.search_all()}
    assert {1, 2, 7, 9} < numbers
    assert tickets.create(Ticket()).number > max(numbers)
    tickets.create(Ticket(number=3))
    assert tickets.create(Ticket()).number > max(numbers)


def test_a_number_that_is_not_positive_does_not_affect_a_sequence(tickets: Store[Ticket]) -> None:
    tickets.create(Ticket(number=0))
    tickets.create(Ticket(number=-5))
    assert tickets.create(Ticket()).number == 1


def test_concurrent_creates_get_distinct_numbers(tickets: Store[Ticket]) -> None:
    def work(number: int) -> list[Ticket]:
        made = [tickets.create(Ticket(title=str(number))) for _ in range(5)]
        return made + [one.item for one in tickets.edit_batch(Create(Ticket()) for _ in range(5)) if one.item]

    made = [one for some in at_once(work) for one in some]
    assert len(made) == 10 * THREADS
    for numbers in ([one.number for one in made], [one.series for one in made]):
        assert sorted(numbers) == list(range(1, 10 * THREADS + 1))
    assert tickets.count() == 10 * THREADS


def test_uuid7_keys_sort_by_time_of_creation(events: Store[Event]) -> None:
    made = [events.create(Event(rank=rank)) for rank in range(20)]
    assert {one.id.version for one in made} == {7}
    assert [one.rank for one in events.search_all(order="id")] == list(range(20))
    assert [one.rank for one in events.search(Event.id > made[9].id, order="id", limit=3)] == [10, 11, 12]
    assert events.read_batch(one.id for one in made) == made
