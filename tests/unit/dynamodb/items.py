"""The declaration of the tests of DynamoDB's parts: every kind of value, and indexes of every shape."""

from __future__ import annotations

import enum
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from persisty import Attr, Index, meta_of, stored


class Color(enum.Enum):
    RED = "red"
    NONE = ""
    ZERO = "\0"


class Level(enum.IntEnum):
    LOW = -1
    HIGH = 10


@stored(
    indexes=[
        Index("owner", "at"),
        Index("owner", "color", "count"),
        Index("text", "price"),
        Index("level"),
    ]
)
class Thing:
    id: str
    owner: str
    at: datetime
    count: int = 0
    color: Color = Color.RED
    text: str | None = None
    ratio: float | None = None
    done: bool | None = None
    day: date | None = None
    ref: UUID | None = None
    price: Decimal | None = None
    level: Level | None = None
    blob: bytes | None = None
    tags: list[str] = Attr(factory=list)
    extra: dict[str, Any] | None = None


@stored(key=("device", "at"))
class Reading:
    device: str
    at: datetime
    value: float = 0.0


@stored(key=("sheet", "row", "column"))
class Cell:
    sheet: str
    row: int
    column: str
    text: str | None = None


THING, READING, CELL = meta_of(Thing), meta_of(Reading), meta_of(Cell)
