"""An item with an attribute of every kind, for the tests of queries."""

from __future__ import annotations

import enum
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from persisty import Index, meta_of, stored


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@stored(key=("shelf", "id"), indexes=[Index("color", "count")])
class Thing:
    shelf: str
    id: UUID
    text: Annotated[str, Meta(max_length=5)] | None = None
    count: Annotated[int, Meta(ge=0)] = 0
    size: int | None = None
    ratio: float | None = None
    done: bool = False
    at: datetime | None = None
    day: date | None = None
    price: Decimal | None = None
    color: Color = Color.RED
    blob: bytes | None = None
    extra: dict[str, Any] | None = None


META = meta_of(Thing)
