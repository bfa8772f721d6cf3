"""The declarations that the suite stores: something small, every kind of value, and keys of two and three parts."""

from __future__ import annotations

import enum
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct

from persisty import SEQUENCE, UUID4_TEXT, UUID7, VERSION, Attr, Index, Unique, stored


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"
    BLUE = "Blue"


class Level(enum.IntEnum):
    LOW = -1
    MIDDLE = 2
    HIGH = 10


class Place(Struct):
    city: str
    height: float | None = None


@stored(indexes=[Index("topic", "rank")])
class Note:
    """A small item: what most tests are about."""

    id: UUID
    topic: str = "none"
    text: Annotated[str, Meta(max_length=2000)] | None = None
    rank: int = 0
    version: int = Attr(generator=VERSION)
    created_at: datetime
    updated_at: datetime


@stored(
    indexes=[
        Index("text", "count"),
        Index("color", "at"),
        Index("level", "price", "count"),
        Index("done", "ratio"),
        Index("day", "text"),
        Index("ref"),
        Index("count"),
    ]
)
class Specimen:
    """One attribute of every kind, each of which may be null, and indexes over most of them."""

    id: str = Attr(generator=UUID4_TEXT)
    text: str | None = None
    count: int | None = None
    ratio: float | None = None
    done: bool | None = None
    at: datetime | None = None
    day: date | None = None
    ref: UUID | None = None
    price: Decimal | None = None
    color: Color | None = None
    level: Level | None = None
    blob: bytes | None = None
    tags: list[str] = Attr(factory=list)
    extra: dict[str, Any] | None = None
    place: Place | None = None
    anything: Any
    size: Literal["s", "m", "l"] | None = None
    grade: Literal[-1, 1, 2] | None = None


@stored(key=("device", "at"))
class Reading:
    """A key of two attributes."""

    device: str
    at: datetime
    value: float = 0.0


@stored(key=("sheet", "row", "column"), indexes=[Index("text", "row"), Index("column", "row")])
class Cell:
    """A key of three attributes, one of them numeric, and an index of its later ones."""

    sheet: str
    row: int
    column: str
    text: str | None = None


@stored(key="name")
class Tally:
    """A counter that may be null, and no timestamps."""

    name: str
    hits: int | None = Attr(generator=VERSION)


@stored(indexes=[Unique("name"), Unique("realm", "badge"), Index("rank")])
class Account:
    """Values that are nobody else's: of one attribute, and of two, which may be null."""

    id: str
    name: str | None = None
    realm: str | None = None
    badge: int | None = None
    rank: int = 0


@stored(key="name")
class Meter:
    """Numbers to add to, within bounds or without, and lists to append to."""

    name: str
    total: int = 0
    maybe: int | None = None
    level: Annotated[int, Meta(ge=-10, le=10)] = 0
    log: list[str] = Attr(factory=list)
    anything: list[Any] | None = None


@stored(key="number")
class Ticket:
    """A number of the engine's as the key, and another beside it."""

    number: int = Attr(generator=SEQUENCE)
    series: int = Attr(generator=SEQUENCE)
    title: Annotated[str, Meta(max_length=20)] = ""


@stored
class Event:
    """A key that sorts by time of creation."""

    id: UUID = Attr(generator=UUID7)
    rank: int = 0
