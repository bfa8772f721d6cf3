"""Create, read, update and delete one item."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import msgspec
import pytest

from persisty import Conflict, InvalidInput, Store, Update

from .fixtures import present
from .items import Cell, Note, Reading, Tally


def test_create_returns_the_complete_item_and_read_finds_it(notes: Store[Note]) -> None:
    before = datetime.now(UTC)
    note = notes.create(Note(topic="a", text="hello"))
    after = datetime.now(UTC)
    assert isinstance(note, Note)
    assert isinstance(note.id, UUID)
    assert (note.topic, note.text, note.rank, note.version) == ("a", "hello", 0, 1)
    assert before <= note.created_at <= after
    assert note.created_at == note.updated_at
    assert notes.read(str(note.id)) == notes.read(note.id) == note


def test_every_spelling_of_a_uuid_names_the_item(notes: Store[Note]) -> None:
    note = notes.create(Note(text="a", id=UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")))
    upper = str(note.id).upper()
    assert notes.read(upper) == note
    assert notes.read_batch([upper, note.id]) == [note, note]
    assert [one.code for one in notes.edit_batch([Update(upper, {"text": "b"}), Update(note.id, {"text": "c"})])] == [
        "ok"
    ] * 2
    assert present(notes.update(upper, {"text": "d"})).version == 4
    with pytest.raises(Conflict):
        notes.create({"id": upper})
    assert notes.delete(upper)


def test_create_of_an_existing_key_conflicts_and_keeps_the_first(notes: Store[Note]) -> None:
    first = notes.create(Note(text="first"))
    with pytest.raises(Conflict):
        notes.create(Note(id=first.id, text="second"))
    assert notes.read(first.id) == first
    assert notes.count() == 1


def test_create_again_after_delete(notes: Store[Note]) -> None:
    first = notes.create(Note(text="first"))
    assert notes.delete(first.id) is True
    second = notes.create(Note(id=first.id, text="second"))
    assert notes.read(first.id) == second


def test_create_of_a_mapping_is_the_same_as_of_an_item(notes: Store[Note]) -> None:
    key = uuid4()
    note = notes.create({"id": str(key), "text": "hello", "rank": 3})
    assert (note.id, note.text, note.rank) == (key, "hello", 3)
    assert notes.read(key) == note


def test_invalid_input_is_rejected_and_nothing_is_written(notes: Store[Note]) -> None:
    with pytest.raises(InvalidInput) as caught:
        notes.create({"text": "x" * 2001, "rank": "high", "colour": "red"})
    assert {fault.path for fault in caught.value.faults} == {"/text", "/rank", "/colour"}
    assert notes.count() == 0


def test_read_of_a_missing_or_impossible_key_is_none(notes: Store[Note]) -> None:
    notes.create(Note())
    assert notes.read(uuid4()) is None
    assert notes.read("no uuid") is None
    assert notes.read("") is None


def test_read_returns_a_copy(notes: Store[Note]) -> None:
    note = notes.create(Note(text="stored"))
    note.text = "changed here only"
    found = notes.read(note.id)
    assert found is not None
    assert found.text == "stored"
    found.text = "changed here only"
    assert present(notes.read(note.id)).text == "stored"


def test_update_changes_some_attributes_and_returns_the_new_item(notes: Store[Note]) -> None:
    note = notes.create(Note(topic="a", text="one", rank=1))
    new = notes.update(note.id, {"text": "two"})
    assert new is not None
    assert (new.text, new.topic, new.rank, new.id) == ("two", "a", 1, note.id)
    assert new.version == 2
    assert new.created_at == note.created_at
    assert new.updated_at >= note.updated_at
    assert notes.read(note.id) == new


def test_update_to_none_stores_null_and_back(notes: Store[Note]) -> None:
    note = notes.create(Note(text="one"))
    assert present(notes.update(note.id, {"text": None})).text is None
    assert present(notes.read(note.id)).text is None
    assert present(notes.update(note.id, {"text": "two"})).text == "two"
    assert present(notes.read(note.id)).text == "two"


def test_an_update_without_changes_increments_the_version(notes: Store[Note]) -> None:
    note = notes.create(Note(text="one"))
    assert present(notes.update(note.id, {})).version == 2


def test_an_update_without_changes_of_an_item_without_generators(readings: Store[Reading]) -> None:
    key = ("a", datetime(2026, 1, 1, tzinfo=UTC))
    reading = readings.create(Reading(device=key[0], at=key[1], value=1.5))
    assert readings.update(key, {}) == reading
    assert readings.update(("b", key[1]), {}) is None


def test_a_version_that_was_set_to_null_counts_from_zero(open_store: Callable[[type], Store[Any]]) -> None:
    tallies = open_store(Tally)
    tallies.create(Tally(name="a"))
    assert present(tallies.update("a", {})).hits == 2
    assert present(tallies.update("a", {"hits": None})).hits is None
    assert present(tallies.update("a", {})).hits == 1
    assert present(tallies.read("a")).hits == 1


def test_update_of_a_missing_item_is_none_and_creates_nothing(notes: Store[Note]) -> None:
    assert notes.update(uuid4(), {"text": "x"}) is None
    assert notes.update("no uuid", {"text": "x"}) is None
    assert notes.count() == 0


def test_update_never_changes_the_key(notes: Store[Note]) -> None:
    note = notes.create(Note(text="one"))
    with pytest.raises(InvalidInput) as caught:
        notes.update(note.id, {"id": uuid4(), "rank": 1.5})
    assert {fault.path for fault in caught.value.faults} == {"/id", "/rank"}
    assert notes.read(note.id) == note


def test_delete_returns_whether_the_item_existed(notes: Store[Note]) -> None:
    note, other = notes.create(Note()), notes.create(Note())
    assert notes.delete(note.id) is True
    assert notes.delete(note.id) is False
    assert notes.delete("no uuid") is False
    assert notes.read(note.id) is None
    assert notes.read(other.id) == other


AWKWARD = ["a", "A", " ", "a~b", "~", "%7E", "a/b", "?#&", "\0", "\0\0x", "ünïcödé", "😀", "\U0010ffff", "x" * 500]


@pytest.mark.parametrize("device", AWKWARD, ids=ascii)
def test_keys_of_two_attributes_are_distinct_for_every_text(readings: Store[Reading], device: str) -> None:
    at = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
    for value, name in enumerate(dict.fromkeys([*AWKWARD[:9], device])):
        readings.create(Reading(device=name, at=at, value=value))
    for value, name in enumerate(dict.fromkeys([*AWKWARD[:9], device])):
        assert readings.read((name, at)) == Reading(device=name, at=at, value=value)
    text = readings.meta.key_of(Reading(device=device, at=at))
    assert present(readings.update(text, {"value": 99.0})).value == 99.0
    assert readings.delete(text) is True
    assert readings.read((device, at)) is None
    assert readings.read((device, at + timedelta(microseconds=1))) is None


def test_keys_of_three_parts(cells: Store[Cell]) -> None:
    keys = [
        ("s", 1, "a"),
        ("s", 1, "b"),
        ("s", -1, "a"),
        ("s", 10, "a"),
        ("t", 1, "a~1"),
        ("t", 1, "a"),
        ("s~1", 1, "a"),
    ]
    for sheet, row, column in keys:
        cells.create(Cell(sheet=sheet, row=row, column=column, text=f"{sheet}{row}{column}"))
    for key in keys:
        with pytest.raises(Conflict):
            cells.create(Cell(sheet=key[0], row=key[1], column=key[2]))
        found = cells.read(key)
        assert found is not None
        assert (found.sheet, found.row, found.column) == key
        assert cells.meta.key_of(found) == cells.meta.key_codec.text(key)
    assert present(cells.update(keys[0], {"text": "new"})).text == "new"
    assert cells.delete(keys[1])
    assert cells.read_batch(keys)[:2] == [Cell(sheet="s", row=1, column="a", text="new"), None]
    assert cells.count() == len(keys) - 1


def test_a_key_is_the_same_in_every_time_zone(readings: Store[Reading]) -> None:
    at = datetime(2026, 7, 1, 12, tzinfo=UTC)
    reading = readings.create(Reading(device="a", at=at.astimezone(ZoneInfo("Asia/Tokyo"))))
    assert reading.at == at
    assert readings.read(("a", at.astimezone(ZoneInfo("America/New_York")))) == reading


@pytest.mark.parametrize("key", [None, 5, ("a", "b"), (), {"id": 1}, b"x"], ids=repr)
def test_a_key_of_the_wrong_type_is_invalid_input(notes: Store[Note], key: Any) -> None:
    for verb in (
        notes.read,
        notes.delete,
        lambda one: notes.update(one, {"text": "x"}),
        lambda one: notes.read_batch([one]),
    ):
        with pytest.raises(InvalidInput):
            verb(key)


def test_items_are_msgspec_structs_that_encode_as_json(notes: Store[Note]) -> None:
    note = notes.create(Note(text="hello"))
    assert msgspec.json.decode(msgspec.json.encode(notes.read(note.id)))["text"] == "hello"


def test_text_that_is_not_a_key_matches_no_item_and_a_key_of_another_type_is_invalid(notes: Store[Note]) -> None:
    note = notes.create(Note(text="stored"))
    assert notes.read("nope") is None
    assert notes.update("nope", {"text": "x"}) is None
    assert notes.delete("nope") is False
    verbs: list[Callable[[Any], Any]] = [notes.read, lambda key: notes.update(key, {"text": "x"}), notes.delete]
    for verb in verbs:
        with pytest.raises(InvalidInput, match="Not a key of"):
            verb(3)
    assert notes.read(note.id) == note
