"""Users and messages that every caller may read and write. The measurements are about the work, not about access rules.

`benchmarks/rules.py` measures the cost of rules.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from persisty import GENERATED, VERSION, App, Attr, Index, Unique, public, stored


@stored(indexes=[Unique("username")], access=public)
class User:
    id: UUID = GENERATED
    username: Annotated[str, Meta(min_length=1, max_length=255)]
    full_name: str | None = None
    created_at: datetime = GENERATED
    updated_at: datetime = GENERATED


@stored(indexes=[Index("author_id", "created_at")], access=public)
class Message:
    id: UUID = GENERATED
    text: Annotated[str, Meta(min_length=1, max_length=1000)]
    author_id: UUID
    version: int = Attr(generator=VERSION)
    created_at: datetime = GENERATED
    updated_at: datetime = GENERATED


app = App("messenger", items=[User, Message])
