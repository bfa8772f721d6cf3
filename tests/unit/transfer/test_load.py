"""Rows are imported or rejected independently of each other."""

from __future__ import annotations

import enum
import random
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta

from persisty import App, Attr, BackendUnavailable, BelongsTo, Create, EditResult, Fault, Store, link, stored
from persisty.errors import InvalidInput
from persisty.store.store import context_of
from persisty.transfer import waiting_rows
from persisty.transfer.load import Settled, load, with_json_hint
from persisty.transfer.rows import Row
from persisty.transfer.values import typed_values


@stored
class Thing:
    id: str
    count: Annotated[int, Meta(ge=0, le=99)]


@pytest.fixture
def store() -> Store[Thing]:
    return App("load", items=[Thing], url="memory://").store(Thing)


def as_given(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return row


def things(*ids: str) -> list[Row]:
    return [Row(line, {"id": id_, "count": 1}) for line, id_ in enumerate(ids, 1)]


def total(settled: list[Settled]) -> tuple[int, list[tuple[int, str]]]:
    rejected = [one for some in settled for one in some.rejected]
    return sum(some.imported for some in settled), [(one.line, one.code) for one in rejected]


def test_every_row_is_stored_in_batches_of_the_given_size(store: Store[Thing]) -> None:
    settled = list(load(store, things(*map(str, range(25))), as_given, batch=10))
    assert [some.imported for some in settled] == [10, 10, 5]
    assert store.count() == 25


def test_an_invalid_row_is_rejected_with_every_fault_and_other_rows_are_stored(store: Store[Thing]) -> None:
    rows = things("a", "b", "c", "d")
    rows[1] = Row(2, {"id": "", "count": 100})
    rows[2] = Row(3, {"color": "red"})
    [settled] = load(store, rows, as_given)
    assert settled.imported == 2
    second, third = settled.rejected
    assert (second.line, second.code, second.row) == (2, "invalid_input", {"id": "", "count": 100})
    assert [fault.path for fault in second.faults] == ["/id", "/count"]
    assert sorted(fault.path for fault in third.faults) == ["/color", "/count", "/id"]
    assert [item.id for item in store.search(order="id")] == ["a", "d"]


def test_a_taken_key_is_rejected_and_the_first_item_is_not_changed(store: Store[Thing]) -> None:
    store.create({"id": "old", "count": 7})
    settled = list(load(store, [*things("a", "old", "a"), Row(4, {"id": "a", "count": 5})], as_given, batch=3))
    assert total(settled) == (1, [(2, "conflict"), (3, "conflict"), (4, "conflict")])
    assert {item.id: item.count for item in store.search()} == {"old": 7, "a": 1}
    faults = [one.faults for some in settled for one in some.rejected]
    assert faults == [(Fault("/id", "id is already taken"),)] * 3


def test_rows_that_could_not_be_read_are_rejected_in_their_place(store: Store[Thing]) -> None:
    unread = InvalidInput(faults=[Fault("", "Not UTF-8")])
    rows = [
        Row(1, "x", unread),
        Row(2, {"id": "a", "count": 1}),
        Row(3, {"id": "b", "count": -1}),
        Row(4, "y", unread),
    ]
    settled = list(load(store, rows, as_given))
    assert total(settled) == (1, [(1, "invalid_input"), (3, "invalid_input"), (4, "invalid_input")])


def test_a_batch_of_unreadable_rows_writes_nothing(store: Store[Thing]) -> None:
    rows = [Row(line, "x", InvalidInput()) for line in (1, 2)]
    assert total(list(load(store, rows, as_given))) == (0, [(1, "invalid_input"), (2, "invalid_input")])


def test_valid_rows_are_validated_once_in_the_batch_that_writes_them() -> None:
    class Counting(Store[Thing]):
        batches: list[int] = []

        def edit_batch(self, batch: Any, *, atomic: bool = False) -> list[EditResult[Thing]]:
            given = list(batch)
            assert all(isinstance(edit, Create) for edit in given)
            self.batches.append(len(given))
            return super().edit_batch(given, atomic=atomic)

    app = App("load", items=[Thing], url="memory://")
    counting = Counting(context_of(app.store(Thing)))
    rows = things(*map(str, range(30)))
    rows[15] = Row(16, {"id": "bad", "count": -1})
    list(load(counting, rows, as_given, batch=10))
    assert counting.batches == [10, 10, 9, 10]


def test_an_engine_error_ends_the_import_after_the_finished_batches(store: Store[Thing]) -> None:
    class Failing(Store[Thing]):
        def edit_batch(self, batch: Any, *, atomic: bool = False) -> list[EditResult[Thing]]:
            if store.count():
                raise BackendUnavailable
            return store.edit_batch(batch, atomic=atomic)

    settled = load(Failing(context_of(store)), things("a", "b"), as_given, batch=1)
    assert next(settled).imported == 1
    with pytest.raises(BackendUnavailable):
        next(settled)


@stored
class Part:
    id: Attr[str]
    count: Attr[Annotated[int, Meta(ge=0)]] = Attr(default=0)
    whole_id: Attr[str | None] = Attr(default=None)
    whole: BelongsTo[Part] = link(on_delete="block")


@pytest.fixture(params=["memory://", "sqlite://"])
def parts(request: pytest.FixtureRequest) -> Iterator[Store[Part]]:
    app = App("parts", items=[Part], url=request.param)
    yield app.store(Part)
    app.close()


def tree(many: int) -> list[dict[str, Any]]:
    """Return rows of which each belongs to the row at half of its number."""
    return [{"id": str(one), "whole_id": str(one // 2) if one else None} for one in range(many)]


@pytest.mark.parametrize("order", ["parents first", "children first", "random"])
def test_a_tree_is_stored_in_one_import_whatever_the_order_of_its_rows(parts: Store[Part], order: str) -> None:
    values = tree(300)
    if order == "children first":
        values.reverse()
    elif order == "random":
        random.Random(1).shuffle(values)
    rows = [Row(line, one) for line, one in enumerate(values, 1)]
    settled = [*load(parts, rows, as_given, batch=20)]
    assert total(settled) == (300, [])
    assert parts.count() == 300
    assert parts.count(Part.whole_id.is_null()) == 1


def test_rows_that_lead_to_no_row_are_rejected_once_with_their_faults(parts: Store[Part]) -> None:
    given: list[dict[str, Any]] = [
        {"id": "b", "whole_id": "a"},
        {"id": "lost", "whole_id": "none"},
        {"id": "below", "whole_id": "lost"},
        {"id": "wrong", "whole_id": "a", "count": -1},
        {"id": "c", "whole_id": 5},
        {"id": "a"},
        {"id": "a", "whole_id": "b"},
    ]
    settled = [*load(parts, [Row(line, one) for line, one in enumerate(given, 1)], as_given, batch=2)]
    imported, rejected = total(settled)
    assert (imported, sorted(rejected)) == (
        2, [(2, "invalid_input"), (3, "invalid_input"), (4, "invalid_input"), (5, "invalid_input"), (7, "conflict")]
    )  # fmt: skip
    paths = {one.line: [fault.path for fault in one.faults] for some in settled for one in some.rejected}
    assert (paths[2], paths[3], paths[4], paths[5]) == (["/whole_id"], ["/whole_id"], ["/count"], ["/whole_id"])
    assert sorted(one.id for one in parts.search_all()) == ["a", "b"]


def test_the_bytes_of_waiting_rows_are_limited(parts: Store[Part], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_rows, "MAX_WAITING", 100)
    rows = [Row(line, one) for line, one in enumerate(reversed(tree(20)), 1)]
    imported, rejected = total([*load(parts, rows, as_given, batch=1)])
    assert imported + len(rejected) == 20
    assert {code for _, code in rejected} == {"invalid_input"}
    assert imported == parts.count() == 1


class Schedule(enum.IntEnum):
    NONE = 0
    SOME = 2


@stored
class Drug:
    id: str
    schedule: Schedule = Schedule.NONE
    grade: Literal[1, 2] = 1
    schedules: list[Schedule] = Attr(factory=list)
    names: set[str] = Attr(factory=set)
    place: dict[str, int] = Attr(factory=dict)
    doses: list[float] = Attr(factory=list)
    rates: dict[str, float] = Attr(factory=dict)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"schedule": "9"}, "/schedule: Invalid enum value 9 (expected one of 0, 2)"),
        ({"grade": "9"}, "/grade: Invalid enum value 9 (expected one of 1, 2)"),
        ({"schedules": "{0,9}"}, "/schedules/1: Invalid enum value 9 (expected one of 0, 2)"),
        ({"schedule": "high"}, "/schedule: Expected int, got str"),
        ({"names": "["}, "/names: Malformed JSON: Input data was truncated (expected array, found text)"),
        ({"place": '{"a" 1}'}, "/place: Malformed JSON: expected ':' (byte 5) (expected object, found text)"),
        ({"names": '"red"'}, "/names: Expected array, got str"),
        ({"doses": "{1,NaN}"}, "/doses/1: Expected a finite number"),
        ({"doses": "{1.5,-Infinity}"}, "/doses/1: Expected a finite number"),
        ({"doses": "{1,NULL}"}, "/doses/1: Expected float, got null"),
        ({"doses": '["nan"]'}, "/doses/0: Expected float, got str"),
    ],
)
def test_the_fault_of_a_field_of_csv_names_the_values_of_an_enum_or_the_mistake_in_the_json(
    given: dict[str, str], message: str
) -> None:
    store = App("drugs", items=[Drug], url="memory://").store(Drug)
    typed = typed_values(store.meta, json_text=True)
    [settled] = with_json_hint(store.meta, load(store, [Row(1, {"id": "a", **given})], typed))
    assert [str(one) for one in settled.rejected[0].faults] == [message]


def test_numbers_of_an_integer_enum_in_an_array_of_postgresql_are_read() -> None:
    store = App("drugs", items=[Drug], url="memory://").store(Drug)
    [settled] = load(store, [Row(1, {"id": "a", "schedules": "{0,2}"})], typed_values(store.meta, json_text=True))
    assert settled.imported == 1
