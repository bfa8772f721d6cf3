"""`when`: a write is done only if its condition matches; otherwise the error has the current item."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from persisty import Filter, InvalidQuery, PreconditionFailed, Store
from persisty.model.expressions import ALL

from .dirty import rows
from .fixtures import present
from .items import Color, Note, Place, Specimen
from .oracle import holds

S = Specimen
UNTYPED: Any = Note
"""For filters that a type checker rejects."""
ROW = {
    "id": "one",
    "text": "Straße 100%",
    "count": 7,
    "ratio": 0.1,
    "done": True,
    "color": Color.GREEN,
    "blob": b"\0a",
    "place": Place("Bern", 540.0),
    "tags": ["a"],
}
"""An item with some nulls."""
CONDITIONS: list[Any] = [
    S.text == "Straße 100%",
    S.text != "Straße 100%",
    S.text > "S",
    S.text <= "S",
    S.text.startswith("Str"),
    S.text.startswith("str"),
    S.text.endswith("%"),
    S.text.endswith("x"),
    S.text.contains("ß"),
    S.text.contains("ss"),
    S.text.icontains("STRASSE"),
    S.text.icontains("strase"),
    ~S.text.icontains("strasse"),
    ~S.text.endswith("x"),
    S.text.oneof(["x", "Straße 100%"]),
    ~S.text.oneof(["x", "Straße 100%"]),
    S.count == 7,
    S.count != 7,
    S.count > 7,
    S.count >= 7,
    S.count.oneof([1, 2]),
    S.count.oneof([]),
    ~S.count.oneof([]),
    S.ratio == 0.1,
    S.ratio < 0.1,
    S.done == True,  # noqa: E712
    S.done == False,  # noqa: E712
    S.color == Color.GREEN,
    S.color != Color.GREEN,
    S.blob == b"\0a",
    S.blob > b"\1",
    S.place.is_null(),
    S.place.is_null(False),
    S.at.is_null(),
    S.at == None,  # noqa: E711
    S.at != None,  # noqa: E711
    S.day.is_null(False),
    S.id == "one",
    S.id == "two",
    ~S.price.oneof([Decimal(1), Decimal(2)]),
    (S.count == 7) & (S.done == True),  # noqa: E712
    (S.count == 7) & (S.done == False),  # noqa: E712
    (S.count == 8) | S.text.icontains("strasse"),
    (S.count == 8) | S.text.icontains("x"),
    ~((S.count == 7) & S.text.endswith("%")),
    (S.count == 1) & (S.count == 2),
    (S.count == 1) | (S.count != 1),
]


@pytest.mark.parametrize("when", CONDITIONS, ids=str)
def test_a_write_is_done_only_if_its_condition_matches(specimens: Store[Specimen], when: Any) -> None:
    stored = specimens.create(ROW)
    if holds(when, ROW):
        new = specimens.update("one", {"count": 8, "price": Decimal(1)}, when=when)
        assert new is not None
        assert (new.count, new.price) == (8, Decimal(1))
        assert specimens.read("one") == new
        assert specimens.update("one", {"count": 7, "price": None}) == stored
        assert specimens.delete("one", when=when) is True
        assert specimens.read("one") is None
    else:
        for write in (
            lambda: specimens.update("one", {"count": 8}, when=when),
            lambda: specimens.delete("one", when=when),
        ):
            with pytest.raises(PreconditionFailed) as caught:
                write()
            assert caught.value.item == stored
        assert specimens.read("one") == stored


def test_a_condition_on_a_changed_attribute_reads_the_old_value(notes: Store[Note]) -> None:
    note = notes.create(Note(rank=1))
    assert present(notes.update(note.id, {"rank": 2}, when=Note.rank == 1)).rank == 2
    with pytest.raises(PreconditionFailed) as caught:
        notes.update(note.id, {"rank": 1}, when=Note.rank == 1)
    assert caught.value.item.rank == 2


def test_a_missing_item_is_missing_with_any_condition(notes: Store[Note]) -> None:
    for when in (Note.rank == 1, Note.text.is_null(), ~Note.text.endswith("x"), Note.text.icontains("x")):
        assert notes.update(uuid4(), {"rank": 2}, when=when) is None
        assert notes.delete(uuid4(), when=when) is False
    assert notes.count() == 0


def test_an_optimistic_lock_by_version(notes: Store[Note]) -> None:
    note = notes.create(Note(text="a"))
    assert present(notes.update(note.id, {"text": "b"}, when=Note.version == note.version)).version == 2
    with pytest.raises(PreconditionFailed) as caught:
        notes.update(note.id, {"text": "c"}, when=Note.version == note.version)
    current = present(notes.read(note.id))
    assert caught.value.item == current
    assert (current.text, current.version) == ("b", 2)


def test_an_optimistic_lock_by_time_sees_a_microsecond(notes: Store[Note]) -> None:
    note = notes.create(Note())
    for off in (timedelta(microseconds=1), -timedelta(microseconds=1)):
        with pytest.raises(PreconditionFailed):
            notes.delete(note.id, when=Note.updated_at == note.updated_at + off)
    assert notes.delete(note.id, when=Note.updated_at == note.updated_at) is True


def test_an_invalid_condition_rejects_the_write(notes: Store[Note]) -> None:
    note = notes.create(Note(rank=1))
    for write in (
        lambda when: notes.update(note.id, {"rank": 2}, when=when),
        lambda when: notes.delete(note.id, when=when),
        lambda when: notes.update(uuid4(), {"rank": 2}, when=when),
    ):
        with pytest.raises(InvalidQuery) as caught:
            write((UNTYPED.rank == "high") & UNTYPED.rank.contains("x"))
        assert [fault.path for fault in caught.value.faults] == ["/when/and/0/rank/eq", "/when/and/1/rank/contains"]
    assert notes.read(note.id) == note


def test_every_dirty_row_can_be_the_condition_of_its_own_update(specimens: Store[Specimen]) -> None:
    """Use every value of an item as the condition, nulls included."""
    for row in rows()[::4]:
        stored = specimens.create(row)
        when: Filter = ALL
        for name, attribute in specimens.meta.attributes.items():
            if attribute.sortable:
                when &= getattr(Specimen, name) == getattr(stored, name)
        new = specimens.update(stored.id, {"tags": ["locked"]}, when=when)
        assert new is not None
        assert new.tags == ["locked"]
        with pytest.raises(PreconditionFailed):
            specimens.delete(stored.id, when=~when)
