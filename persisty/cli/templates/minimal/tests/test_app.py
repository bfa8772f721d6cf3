"""The rules of the notes, tested on the engine that a deployment uses."""

from __future__ import annotations

import pytest
from persisty import App, Caller, Forbidden, PreconditionFailed

from appname.app import Note
from appname.seeds import TEXTS, seed

ANN, BEN = Caller("ann"), Caller("ben")


def test_everyone_reads_a_note_and_its_author_changes_it(app: App) -> None:
    notes = app.store(Note)
    note = notes.on_behalf_of(ANN).create(Note(text="Buy milk"))
    assert note.author_id == "ann"
    assert notes.on_behalf_of(BEN).read(note.id) == note
    with pytest.raises(Forbidden):
        notes.on_behalf_of(BEN).update(note.id, {"text": "Buy beer"})
    changed = notes.on_behalf_of(ANN).update(note.id, {"text": "Buy bread"})
    assert changed is not None
    assert (changed.text, changed.version) == ("Buy bread", 2)


def test_a_stale_change_is_refused(app: App) -> None:
    notes = app.store(Note)
    note = notes.create(Note(text="Buy milk", author_id="ann"))
    notes.update(note.id, {"text": "Buy bread"})
    with pytest.raises(PreconditionFailed):
        notes.update(note.id, {"text": "Buy beer"}, when=Note.version == note.version)


def test_seeds_are_stored_once(app: App) -> None:
    assert (seed(app), seed(app)) == (len(TEXTS), 0)
    assert [note.author_id for note in app.store(Note).search()] == ["ann"] * len(TEXTS)
