"""`read_batch`, and `edit_batch` whose edits are independent of each other."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from persisty import BatchTooLarge, Create, Delete, InvalidInput, InvalidQuery, PreconditionFailed, Store, Update

from .fixtures import present
from .items import Note

UNTYPED: Any = Note
"""For filters that a type checker rejects."""


def test_read_batch_returns_items_in_position_for_missing_impossible_and_repeated_keys(notes: Store[Note]) -> None:
    a, b = notes.create(Note(text="a")), notes.create(Note(text="b"))
    assert notes.read_batch([b.id, uuid4(), a.id, "no uuid", str(b.id), b.id]) == [b, None, a, None, b, b]
    assert notes.read_batch(["no uuid"]) == [None]
    assert notes.read_batch([]) == []


def test_read_batch_of_a_hundred(notes: Store[Note]) -> None:
    made = [one.item for one in notes.edit_batch(Create(Note(rank=n)) for n in range(100))]
    assert [one.rank for one in made if one] == list(range(100))
    assert notes.read_batch(one.id for one in reversed(made) if one) == made[::-1]


def test_edit_batch_returns_a_code_for_each_edit_in_order(notes: Store[Note]) -> None:
    a, b, c = (notes.create(Note(text=text)) for text in "abc")
    fresh = uuid4()
    results = notes.edit_batch(
        [
            Create(Note(id=fresh, text="new")),
            Create(Note(id=a.id, text="again")),
            Update(b.id, {"text": "B"}),
            Update(uuid4(), {"text": "x"}),
            Update("no uuid", {"text": "x"}),
            Update(a.id, {"text": "x"}, when=Note.rank > 0),
            Delete(c.id),
            Delete(uuid4()),
            Delete(a.id, when=Note.text == "b"),
        ]
    )
    codes = "ok conflict ok not_found not_found precondition_failed ok not_found precondition_failed"
    assert [one.code for one in results] == codes.split()
    assert results[0].item == notes.read(fresh)
    assert results[2].item == notes.read(b.id)
    assert present(results[2].item).text == "B"
    assert [one.item for one in results[3:]] == [None] * 6
    failed = results[5].error
    assert isinstance(failed, PreconditionFailed)
    assert failed.item == a
    assert notes.read_batch([a.id, c.id]) == [a, None]
    assert notes.count() == 3


@pytest.mark.parametrize("stale", [None, 3])
def test_each_update_of_a_batch_has_its_own_condition_and_item(notes: Store[Note], stale: int | None) -> None:
    made = [notes.create(Note(text=f"note {rank}", rank=rank)) for rank in range(6)]
    edits = [
        Update(
            one.id,
            {"text": None if one.rank == 2 else f"new {one.rank}"},
            when=Note.rank == one.rank - (one.rank == stale),
        )
        for one in made
    ]
    edits[4] = Update(str(made[4].id), {"rank": 40})
    results = notes.edit_batch(edits)
    assert [one.code for one in results] == ["precondition_failed" if rank == stale else "ok" for rank in range(6)]
    stored = notes.read_batch(one.id for one in made)
    assert [one.item for one in results] == [None if rank == stale else one for rank, one in enumerate(stored)]
    assert [(one.rank, one.text, one.version) for one in stored if one] == [
        (0, "new 0", 2),
        (1, "new 1", 2),
        (2, None, 2),
        (3, "new 3", 2) if stale is None else (3, "note 3", 1),
        (40, "note 4", 2),
        (5, "new 5", 2),
    ]
    if stale is not None:
        failed = results[stale].error
        assert isinstance(failed, PreconditionFailed)
        assert failed.item == made[stale]


def test_edits_of_one_key_happen_in_order(notes: Store[Note]) -> None:
    key = uuid4()
    results = notes.edit_batch(
        [
            Delete(key),
            Create(Note(id=key, rank=1)),
            Create(Note(id=key, rank=2)),
            Update(key, {"rank": 3}, when=Note.rank == 1),
            Update(key, {"rank": 4}, when=Note.rank == 1),
            Delete(key),
            Create(Note(id=key, rank=5)),
        ]
    )
    codes = "not_found ok conflict ok precondition_failed ok ok"
    assert [one.code for one in results] == codes.split()
    assert present(notes.read(key)).rank == 5


def test_create_in_a_batch_never_overwrites(notes: Store[Note]) -> None:
    existing = [notes.create(Note(text=f"existing {n}")) for n in range(30)]
    results = notes.edit_batch(Create(Note(id=one.id, text="overwritten")) for one in existing)
    assert {one.code for one in results} == {"conflict"}
    assert notes.read_batch(one.id for one in existing) == existing


@pytest.mark.parametrize("atomic", [False, True])
def test_invalid_input_in_one_edit_rejects_all_edits_with_every_fault(notes: Store[Note], atomic: bool) -> None:
    note = notes.create(Note(text="a"))
    with pytest.raises(InvalidInput) as caught:
        notes.edit_batch(
            [
                Create(Note(text="fine")),
                Create({"rank": "high", "text": "x" * 2001}),
                Update(note.id, {"colour": "red"}),
                Delete(note.id, when=UNTYPED.rank == "high"),
                Update(None, {"rank": 1}),
                "not an edit",  # type: ignore[list-item]
            ],
            atomic=atomic,
        )
    assert [fault.path for fault in caught.value.faults] == [
        "/edits/1/item/text",
        "/edits/1/item/rank",
        "/edits/2/changes/colour",
        "/edits/3/when/rank/eq",
        "/edits/4/key",
        "/edits/5",
    ]
    assert notes.count() == 1
    assert notes.read(note.id) == note


@pytest.mark.parametrize("atomic", [False, True])
def test_an_empty_batch_does_nothing(notes: Store[Note], atomic: bool) -> None:
    assert notes.edit_batch([], atomic=atomic) == []


@pytest.mark.parametrize("atomic", [False, True])
def test_a_batch_over_a_hundred_is_rejected_before_anything_is_written(notes: Store[Note], atomic: bool) -> None:
    with pytest.raises(BatchTooLarge) as caught:
        notes.edit_batch((Create(Note()) for _ in range(101)), atomic=atomic)
    assert caught.value.details == {"limit": 100, "found": 101}
    with pytest.raises(BatchTooLarge):
        notes.read_batch(uuid4() for _ in range(101))
    assert notes.count() == 0


@pytest.mark.parametrize("wrong", [None, 5])
def test_a_batch_that_is_not_a_list_is_rejected(notes: Store[Note], wrong: Any) -> None:
    for call, path in ((notes.edit_batch, "/edits"), (notes.read_batch, "/keys")):
        with pytest.raises(InvalidInput) as refused:
            call(wrong)
        assert [fault.path for fault in refused.value.faults] == [path]


@pytest.mark.parametrize("limit", [0, 2**63, 10**30])
def test_a_bulk_write_with_an_invalid_limit_is_rejected(notes: Store[Note], limit: int) -> None:
    with pytest.raises(InvalidQuery) as of_update:
        notes.update_all({"text": "x"}, limit=limit)
    with pytest.raises(InvalidQuery) as of_delete:
        notes.delete_all(limit=limit)
    assert [fault.path for error in (of_update, of_delete) for fault in error.value.faults] == ["/limit", "/limit"]
