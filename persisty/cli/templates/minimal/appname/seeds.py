"""The first items. A second run adds nothing: the keys are fixed, and a create never overwrites."""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

from persisty import App, Create

from .app import Note

TEXTS = ("Hello", "This note is stored, served and deployed by persisty")


def seed(app: App) -> int:
    """Store the missing notes. Return their number."""
    notes = [Note(id=uuid5(NAMESPACE_URL, f"app-name/{text}"), text=text, author_id="ann") for text in TEXTS]
    return sum(result.code == "ok" for result in app.store(Note).edit_batch([Create(note) for note in notes]))
