"""The items of the app, and who may do what with them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta
from persisty import GENERATED, VERSION, Access, App, Attr, Index, authenticated, everyone, owned, scope, stored

owner = owned("author_id") | scope("admin")


@stored(
    indexes=[Index("author_id", "created_at")],
    access=Access(read=everyone, create=authenticated, update=owner, delete=owner),
)
class Note:
    """A note. Everyone reads it; its author changes it."""

    id: Attr[UUID] = GENERATED
    text: Attr[Annotated[str, Meta(min_length=1, max_length=1000)]]
    author_id: Attr[str] = GENERATED
    version: Attr[int] = VERSION
    created_at: Attr[datetime] = GENERATED


app = App("app-name", items=[Note])
