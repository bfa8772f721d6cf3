"""`update_all` and `delete_all` write every match and nothing else, in one call or in parts that continue from a cursor."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from persisty import Conflict, Create, Filter, InvalidCursor, InvalidInput, InvalidQuery, Store, Update, add, append
from persisty.store.store import context_of

from .dirty import DOMAINS, rows
from .generated import FILTERS
from .items import Account, Color, Meter, Note, Reading, Specimen
from .oracle import holds
from .test_concurrency import THREADS, at_once

S = Specimen
ROWS = [{**dict.fromkeys(DOMAINS), **row} for row in rows()]
FILLED = [
    S.color == Color.RED,
    (S.color == Color.RED) & S.at.is_null(False),
    S.count > 0,
    S.text.icontains("A"),
    ~S.text.endswith("a"),
    S.place.city == "Zürich",
    (S.count == 1) | (S.level.is_null() & (S.done == True)),  # noqa: E712
    S.id.oneof(["001", "002", "nobody"]),
    (S.count == 1) & (S.count == 2),
]


def fill(store: Store[Specimen]) -> None:
    for start in range(0, len(ROWS), 50):
        store.edit_batch(map(Create, ROWS[start : start + 50]))


def some(notes: Store[Note], count: int) -> None:
    for start in range(0, count, 100):
        notes.edit_batch(Create(Note(rank=rank)) for rank in range(start, min(start + 100, count)))


@pytest.mark.parametrize("where", FILLED, ids=str)
def test_exactly_the_matches_are_changed_and_then_deleted(specimens: Store[Specimen], where: Any) -> None:
    fill(specimens)
    before = {one.id: one for one in specimens.search_all()}
    matches = {row["id"] for row in ROWS if holds(where, row)}
    done = specimens.update_all({"tags": append("changed"), "extra": {"a": 1}}, where)
    assert (done.changed, done.cursor) == (len(matches), None)
    for one in specimens.search_all():
        old = before[one.id]
        assert one.tags == [*old.tags, "changed"] if one.id in matches else one == old
        assert one.extra == ({"a": 1} if one.id in matches else old.extra)
    done = specimens.delete_all(where)
    assert (done.changed, done.cursor) == (len(matches), None)
    assert {one.id for one in specimens.search_all()} == before.keys() - matches
    assert specimens.delete_all(where).changed == 0


def test_a_bulk_write_without_a_filter_writes_every_item(notes: Store[Note]) -> None:
    some(notes, 130)
    assert notes.update_all({"topic": "all"}).changed == 130
    assert notes.count(Note.topic == "all") == 130
    assert {one.version for one in notes.search_all()} == {2}
    assert notes.delete_all().changed == 130
    assert (notes.count(), notes.delete_all().changed, notes.update_all({"topic": "none"}).changed) == (0, 0, 0)


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_a_bulk_write_in_parts_continues_at_the_cursor_and_changes_each_item_once(
    notes: Store[Note], limit: int
) -> None:
    some(notes, 40)
    where, cursor, changed = Note.rank < 30, None, 0
    for _ in range(100):
        done = notes.update_all({"rank": add(0), "topic": "seen"}, where, limit=limit, cursor=cursor)
        cursor, changed = done.cursor, changed + done.changed
        assert notes.count(Note.topic == "seen") == changed
        assert 1 <= done.changed <= 2 * limit or cursor is None
        if cursor is None:
            break
    assert changed == 30
    assert {one.version for one in notes.search_all(Note.rank < 30)} == {2}
    assert {one.version for one in notes.search_all(Note.rank >= 30)} == {1}


def test_delete_all_in_parts(notes: Store[Note]) -> None:
    some(notes, 40)
    cursor, changed = None, 0
    for _ in range(100):
        done = notes.delete_all(Note.rank >= 10, limit=8, cursor=cursor)
        cursor, changed = done.cursor, changed + done.changed
        if cursor is None:
            break
        assert notes.count() == 40 - changed
    assert (changed, notes.count(), notes.count(Note.rank >= 10)) == (30, 10, 0)


def test_a_change_that_moves_items_in_or_out_of_the_filter_changes_each_once(notes: Store[Note]) -> None:
    some(notes, 60)
    assert notes.update_all({"rank": add(1)}, Note.rank >= 20).changed == 40
    assert sorted(one.rank for one in notes.search_all()) == [*range(20), *range(21, 61)]
    assert notes.update_all({"rank": add(100)}, Note.rank < 50).changed == 49
    assert notes.update_all({"topic": "b"}, Note.topic == "none").changed == 60
    assert notes.update_all({"topic": "a"}, (Note.topic == "b") & (Note.rank > 100)).changed == 48
    assert notes.count_by(Note.topic) == {"a": 48, "b": 12}


def test_an_item_whose_sum_would_leave_its_bounds_is_not_changed(meters: Store[Meter]) -> None:
    for level in range(-10, 11, 4):
        meters.create(Meter(name=str(level), level=level))
    assert meters.update_all({"level": add(5), "log": append("x")}).changed == 4
    assert {one.name: (one.level, len(one.log)) for one in meters.search_all()} == {
        "-10": (-5, 1), "-6": (-1, 1), "-2": (3, 1), "2": (7, 1), "6": (6, 0), "10": (10, 0),
    }  # fmt: skip
    assert meters.update_all({"level": add(100)}).changed == 0


def test_bulk_writes_of_items_with_two_key_attributes(readings: Store[Reading]) -> None:
    from_day = [f"2026-01-0{day}T00:00:00Z" for day in range(1, 6)]
    readings.edit_batch(Create({"device": device, "at": at}) for device in "ab" for at in from_day)
    assert readings.update_all({"value": 1.5}, Reading.device == "a").changed == 5
    assert readings.delete_all((Reading.device == "b") & (Reading.value == 0.0), limit=3).changed == 3
    assert readings.aggregate(Reading.value.sum(), by=Reading.device)[0].values == (7.5,)
    assert readings.count(Reading.device == "b") == 2


def test_update_all_to_one_unique_value_conflicts_if_several_items_match(accounts: Store[Account]) -> None:
    accounts.edit_batch(Create(Account(id=str(n), name=f"name {n}", realm="a", badge=n)) for n in range(5))
    with pytest.raises(Conflict) as caught:
        accounts.update_all({"name": "same", "rank": 1})
    assert caught.value.details["attributes"] == ["name"]
    changed = caught.value.details["changed"]
    assert accounts.count(Account.rank == 1) <= 1
    if context_of(accounts).backend.capabilities.atomic_bulk:
        assert (changed, accounts.count(Account.rank == 1)) == (0, 0)
    assert accounts.update_all({"name": None, "badge": add(100)}).changed == 5
    assert [one.badge for one in accounts.search_all(order="badge")] == [100, 101, 102, 103, 104]
    assert accounts.create(Account(id="x", name="name 3", realm="a", badge=3)).id == "x"
    assert accounts.delete_all(Account.realm == "a").changed == 6
    accounts.edit_batch(Create(Account(id=f"new {n}", name=f"name {n}", realm="a", badge=n + 100)) for n in range(5))
    assert accounts.count() == 5


SUMS = [(1, "123"), (-1, "321"), (1, "312"), (-2, "2413"), (2, "1234567")]


@pytest.mark.parametrize(("amount", "order"), SUMS, ids=str)
def test_sums_over_unique_numbers_conflict_only_if_their_result_does(
    accounts: Store[Account], amount: int, order: str
) -> None:
    """Badges 1, 2, 3 + 1 are 2, 3, 4, in any order in which the engine finds them."""
    for key, badge in enumerate(order):
        accounts.create(Account(id=str(key), realm="a", badge=int(badge)))
    accounts.create(Account(id="other", realm="b", badge=2))
    assert accounts.update_all({"badge": add(amount), "rank": add(1)}, Account.realm == "a").changed == len(order)
    found = {one.id: (one.badge, one.rank) for one in accounts.search_all()}
    assert found == {
        "other": (2, 0),
        **{str(key): (int(badge) + amount, 1) for key, badge in enumerate(order)},
    }
    freed = min(map(int, order)) if amount > 0 else max(map(int, order))
    assert accounts.create(Account(id="new", realm="a", badge=freed)).badge == freed
    with pytest.raises(Conflict):
        accounts.create(Account(id="newer", realm="a", badge=freed + amount))


def test_a_sum_over_unique_numbers_that_ends_on_a_taken_one_conflicts(accounts: Store[Account]) -> None:
    for badge in (1, 2, 3, 4):
        accounts.create(Account(id=str(badge), realm="a", badge=badge, rank=badge))
    with pytest.raises(Conflict) as caught:
        accounts.update_all({"badge": add(1)}, Account.rank <= 3)
    assert caught.value.details["attributes"] == ["realm", "badge"]
    assert caught.value.details["changed"] == 0, "the highest is written first, and it is the one that is taken"
    assert [one.badge for one in accounts.search_all(order="id")] == [1, 2, 3, 4]
    assert accounts.update_all({"badge": add(1)}, Account.rank >= 2, limit=50).changed == 3
    assert [one.badge for one in accounts.search_all(order="id")] == [1, 3, 4, 5]


def test_null_counts_as_0_in_a_sum_over_unique_numbers(accounts: Store[Account]) -> None:
    for key, badge in enumerate((None, 1, 2)):
        accounts.create(Account(id=str(key), realm="a", badge=badge))
    assert accounts.update_all({"badge": add(1)}).changed == 3
    assert [one.badge for one in accounts.search_all(order="id")] == [1, 2, 3]


def test_many_unique_numbers_move_up(accounts: Store[Account]) -> None:
    for start in (0, 60):
        accounts.edit_batch(Create(Account(id=f"{n:03}", realm="a", badge=n)) for n in range(start, start + 60))
    assert accounts.update_all({"badge": add(1)}, limit=120).changed == 120
    assert [one.badge for one in accounts.search_all(order="id")] == [*range(1, 121)]


def test_in_a_batch_unique_values_are_taken_in_the_order_of_the_edits(accounts: Store[Account]) -> None:
    """A swap conflicts with the value of the other item, so it needs a value in between."""
    accounts.create(Account(id="1", name="ann"))
    accounts.create(Account(id="2", name="bob"))
    swap = [Update("1", {"name": "bob"}), Update("2", {"name": "ann"})]
    for atomic in (False, True):
        assert [one.code for one in accounts.edit_batch(swap, atomic=atomic)] == ["conflict", "conflict"]
    between = [Update("1", {"name": None}), Update("2", {"name": "ann"}), Update("1", {"name": "bob"})]
    assert [one.code for one in accounts.edit_batch(between)] == ["ok"] * 3
    chain = [Update("1", {"name": "eve"}), Update("2", {"name": "bob"})]
    assert [one.code for one in accounts.edit_batch(chain, atomic=True)] == ["ok", "ok"]
    assert {one.id: one.name for one in accounts.search_all()} == {"1": "eve", "2": "bob"}


def test_an_invalid_bulk_write_changes_nothing(notes: Store[Note]) -> None:
    some(notes, 3)
    before = list(notes.search_all(order="id"))
    for verb in (lambda **how: notes.update_all({"rank": 9}, **how), notes.delete_all):
        for how, path in (
            ({"where": Note.rank == "high"}, "/where/rank/eq"),
            ({"limit": 0}, "/limit"),
            ({"limit": True}, "/limit"),
        ):
            with pytest.raises(InvalidQuery) as caught:
                verb(**how)
            assert [fault.path for fault in caught.value.faults] == [path]
        with pytest.raises(InvalidCursor):
            verb(cursor="nonsense")
    for changes in ({"rank": "high"}, {"id": None}, {"colour": "red"}):
        with pytest.raises(InvalidInput):
            notes.update_all(changes)
    assert list(notes.search_all(order="id")) == before


def test_a_cursor_of_another_bulk_write_is_rejected(notes: Store[Note]) -> None:
    some(notes, 30)
    cursor = notes.update_all({"topic": "x"}, Note.rank >= 0, limit=2).cursor
    assert cursor is not None
    with pytest.raises(InvalidCursor):
        notes.update_all({"topic": "x"}, Note.rank >= 1, cursor=cursor)


def test_each_of_several_concurrent_bulk_updates_changes_each_item_once(notes: Store[Note]) -> None:
    some(notes, 20)
    assert sum(at_once(lambda _: notes.update_all({"rank": add(100)}).changed)) == 20 * THREADS
    assert sorted(one.rank for one in notes.search_all()) == [rank + 100 * THREADS for rank in range(20)]


def test_one_of_several_concurrent_bulk_updates_moves_each_item_out_of_the_filter(notes: Store[Note]) -> None:
    """Each write has the condition that the item still matches."""
    some(notes, 20)
    done = at_once(lambda number: notes.update_all({"topic": f"taken by {number}"}, Note.topic == "none").changed)
    assert sum(done) == 20
    assert notes.count_by(Note.topic) == {f"taken by {n}": count for n, count in enumerate(done) if count}
    assert {one.version for one in notes.search_all()} == {2}
    assert sum(at_once(lambda _: notes.delete_all().changed)) == 20


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(where=FILTERS)
def test_generated_filters_change_the_items_of_the_oracle(specimens: Store[Specimen], where: Filter) -> None:
    if specimens.count() == 0:
        fill(specimens)
    specimens.update_all({"tags": []})
    matches = sorted(row["id"] for row in ROWS if holds(where, row))
    assert specimens.update_all({"tags": append("x")}, where).changed == len(matches)
    assert sorted(one.id for one in specimens.search_all() if one.tags == ["x"]) == matches
