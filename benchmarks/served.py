"""The app of the HTTP measurements: validated messages. Every caller sees those that are not withdrawn.

The peers have no such rule; persisty applies it to every request.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from persisty import GENERATED, VERSION, Access, App, Attr, Create, Index, everyone, stored, where

AUTHOR = "6f2f3ac6-3b51-4e0f-8c8a-3d7b1c1b0a01"
ITEMS = 500


@stored(
    indexes=[Index("author_id", "created_at")],
    access=Access(read=where(withdrawn=False), create=everyone, update=where(withdrawn=False)),
)
class Message:
    id: UUID = GENERATED
    text: Annotated[str, Meta(min_length=1, max_length=1000)]
    author_id: UUID
    withdrawn: bool = Attr(default=False, creatable=False, updatable=False)
    version: int = Attr(generator=VERSION)
    created_at: datetime = GENERATED
    updated_at: datetime = GENERATED


app = App("messenger", items=[Message])


def seed(app: App) -> int:
    """Store the data that the peers start with too."""
    for start in range(0, ITEMS, 100):
        batch = [Create({"text": f"note {number}", "author_id": AUTHOR}) for number in range(start, start + 100)]
        app.store(Message).edit_batch(batch)
    return ITEMS
