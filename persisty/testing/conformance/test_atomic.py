"""`edit_batch(atomic=True)` writes all or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persisty import Create, Delete, InvalidInput, PreconditionFailed, Store, Update
from persisty.store.edits import Edit

from .items import Account, Cell, Note


def snapshot(notes: Store[Note]) -> list[Note]:
    return list(notes.search_all(order="id"))


def test_an_atomic_batch_performs_all_its_edits(notes: Store[Note]) -> None:
    a, b = notes.create(Note(text="a")), notes.create(Note(text="b"))
    fresh = uuid4()
    results = notes.edit_batch(
        [
            Create(Note(id=fresh, text="new")),
            Update(a.id, {"text": "A"}, when=Note.version == 1),
            Delete(b.id, when=Note.text == "b"),
        ],
        atomic=True,
    )
    assert [one.code for one in results] == ["ok", "ok", "ok"]
    assert [one.item for one in results] == [notes.read(fresh), notes.read(a.id), None]
    assert results[1].item is not None
    assert (results[1].item.text, results[1].item.version) == ("A", 2)
    assert notes.count() == 2


def test_a_hundred_edits_are_atomic(notes: Store[Note]) -> None:
    results = notes.edit_batch([Create(Note(rank=n)) for n in range(100)], atomic=True)
    assert [one.item.rank for one in results if one.item] == list(range(100))
    taken = results[50].item
    assert taken is not None
    again = [Create(Note(rank=n)) for n in range(99)] + [Create(Note(id=taken.id))]
    codes = [one.code for one in notes.edit_batch(again, atomic=True)]
    assert codes == ["aborted"] * 99 + ["conflict"]
    assert notes.count() == 100


def test_a_conflict_aborts_the_others_and_nothing_is_written(notes: Store[Note]) -> None:
    a, b = notes.create(Note(text="a")), notes.create(Note(text="b"))
    before = snapshot(notes)
    results = notes.edit_batch(
        [Create(Note()), Update(a.id, {"text": "A"}), Create(Note(id=b.id)), Delete(uuid4()), Create(Note())],
        atomic=True,
    )
    assert [one.code for one in results] == ["aborted", "aborted", "conflict", "not_found", "aborted"]
    assert [one.item for one in results] == [None] * 5
    assert snapshot(notes) == before


def test_a_false_condition_aborts_the_others_and_returns_the_current_item(notes: Store[Note]) -> None:
    a, b = notes.create(Note(text="a")), notes.create(Note(text="b"))
    before = snapshot(notes)
    results = notes.edit_batch(
        [
            Update(a.id, {"text": "A"}),
            Delete(b.id, when=Note.text == "x"),
        ],
        atomic=True,
    )
    assert [one.code for one in results] == ["aborted", "precondition_failed"]
    assert isinstance(results[1].error, PreconditionFailed)
    assert results[1].error.item == b
    assert snapshot(notes) == before


def test_every_failed_edit_is_reported_whether_the_engine_or_persisty_checks_its_condition(notes: Store[Note]) -> None:
    a, b, c = (notes.create(Note(text=text)) for text in "abc")
    before = snapshot(notes)
    results = notes.edit_batch(
        [
            Update(a.id, {"text": "A"}, when=Note.text.endswith("a")),
            Update(b.id, {"text": "B"}, when=Note.text.endswith("x")),
            Update(uuid4(), {"text": "D"}, when=Note.text.icontains("D")),
            Update(c.id, {"text": "C"}, when=Note.text == "x"),
            Delete(uuid4()),
            Create(Note()),
        ],
        atomic=True,
    )
    codes = ["aborted", "precondition_failed", "not_found", "precondition_failed", "not_found", "aborted"]
    assert [one.code for one in results] == codes
    assert snapshot(notes) == before


@pytest.mark.parametrize("key", [uuid4(), "no uuid"], ids=["missing", "impossible"])
def test_a_missing_item_aborts_the_others(notes: Store[Note], key: object) -> None:
    a = notes.create(Note(text="a"))
    for failing in (Update(key, {"text": "x"}), Delete(key)):
        results = notes.edit_batch([Create(Note()), failing, Delete(a.id)], atomic=True)
        assert [one.code for one in results] == ["aborted", "not_found", "aborted"]
        assert snapshot(notes) == [a]


def test_an_atomic_batch_of_one(notes: Store[Note]) -> None:
    note = notes.create(Note())
    assert [one.code for one in notes.edit_batch([Create(Note(id=note.id))], atomic=True)] == ["conflict"]
    assert [one.code for one in notes.edit_batch([Delete(uuid4())], atomic=True)] == ["not_found"]
    assert [one.code for one in notes.edit_batch([Delete(note.id)], atomic=True)] == ["ok"]
    assert notes.count() == 0


def test_an_atomic_batch_names_a_key_once(notes: Store[Note]) -> None:
    note = notes.create(Note(text="a"))
    with pytest.raises(InvalidInput) as caught:
        notes.edit_batch([Create(Note()), Update(note.id, {"text": "b"}), Delete(str(note.id))], atomic=True)
    assert [fault.path for fault in caught.value.faults] == ["/edits/2"]
    assert snapshot(notes) == [note]


def test_atomic_batches_over_keys_of_three_parts(cells: Store[Cell]) -> None:
    first = cells.create(Cell(sheet="s", row=1, column="a"))
    results = cells.edit_batch(
        [Create(Cell(sheet="s", row=2, column="a")), Create(Cell(sheet="s", row=1, column="a", text="x"))], atomic=True
    )
    assert [one.code for one in results] == ["aborted", "conflict"]
    assert list(cells.search_all()) == [first]


NAMES = st.sampled_from([None, "ann", "eve"])
BADGES = st.sampled_from([None, 1, 2])
CONDITIONS: dict[str, tuple[Any, Callable[[Account], bool]]] = {
    "none": (None, lambda one: True),
    "badge": (Account.badge == 1, lambda one: one.badge == 1),
    "name": (Account.name.endswith("e"), lambda one: (one.name or "").endswith("e")),
}
"""Conditions that every engine checks itself, and conditions that some engines leave to persisty."""
EDIT = st.one_of(
    st.tuples(st.just("create"), NAMES, BADGES, st.just("none")),
    st.tuples(st.just("update"), NAMES, BADGES, st.sampled_from(sorted(CONDITIONS))),
    st.tuples(st.just("delete"), st.none(), st.none(), st.sampled_from(sorted(CONDITIONS))),
)
BATCHES = st.dictionaries(st.sampled_from("1234"), EDIT, min_size=1, max_size=4)
"""Key → its one edit."""


def account(key: str, name: str | None, badge: int | None) -> Account:
    return Account(id=key, name=name, realm="a", badge=badge)


def expected_code(rows: dict[str, Account], key: str, drawn: tuple[str, Any, Any, str]) -> str:
    """Return the result of an edit applied to plain rows."""
    verb, name, badge, condition = drawn
    if verb != "create":
        if key not in rows:
            return "not_found"
        if not CONDITIONS[condition][1](rows[key]):
            return "precondition_failed"
    if verb == "delete":
        del rows[key]
        return "ok"
    other_items = [one for other, one in rows.items() if other != key]
    names, badges = ({getattr(one, part) for one in other_items} - {None} for part in ("name", "badge"))
    if (verb == "create" and key in rows) or name in names or badge in badges:
        return "conflict"
    rows[key] = account(key, name, badge)
    return "ok"


def edit(key: str, drawn: tuple[str, Any, Any, str]) -> Edit:
    verb, name, badge, condition = drawn
    when = CONDITIONS[condition][0]
    if verb == "create":
        return Create(account(key, name, badge))
    return Delete(key, when=when) if verb == "delete" else Update(key, {"name": name, "badge": badge}, when=when)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(batches=st.lists(BATCHES, min_size=1, max_size=4))
def test_generated_batches_are_done_as_a_whole_or_name_the_failed_edits(
    accounts: Store[Account], batches: list[dict[str, tuple[str, Any, Any, str]]]
) -> None:
    """The rejected edits are those that would be rejected one after another, without the rejected ones."""
    accounts.edit_batch(map(Delete, "1234"))
    rows: dict[str, Account] = {}
    for batch in batches:
        after = dict(rows)
        codes = [expected_code(after, key, drawn) for key, drawn in batch.items()]
        if set(codes) == {"ok"}:
            rows = after
        else:
            codes = ["aborted" if code == "ok" else code for code in codes]
        results = accounts.edit_batch([edit(key, drawn) for key, drawn in batch.items()], atomic=True)
        assert [one.code for one in results] == codes
        assert {one.id: one for one in accounts.search_all()} == rows
