"""The declarations that the suite stores: something small, every kind of value, and keys of two and three parts."""

from __future__ import annotations

import enum
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct

from persisty import (
    SEQUENCE,
    UUID4_TEXT,
    UUID7,
    VERSION,
    Attr,
    BelongsTo,
    HasCount,
    HasMany,
    HasOne,
    Index,
    Unique,
    link,
    stored,
)


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


@stored(key="name")
class Town:
    name: str
    size: int = 0
    people: HasMany[Person] = link()


@stored(key="name", indexes=[Index("town_name", "age"), Index("boss_name")])
class Person:
    """Linked to a town, to others of its kind, and through memberships to clubs."""

    name: str
    age: int = 0
    town_name: str | None = None
    town: BelongsTo[Town] = link(by="town_name", on_delete="nullify")
    boss_name: str | None = None
    boss: BelongsTo[Person] = link(by="boss_name", on_delete="cascade")
    staff: HasMany[Person] = link(by="boss_name")
    staff_count: HasCount[Person] = link(by="boss_name")
    desk: HasOne[Desk] = link()
    clubs: HasMany[Club] = link(through="Membership")
    club_count: HasCount[Club] = link(through="Membership")


@stored(key="number", indexes=[Index("person_name")])
class Desk:
    number: int
    person_name: str
    person: BelongsTo[Person] = link(by="person_name", on_delete="block")


@stored(key="name")
class Club:
    name: str
    fee: int = 0
    members: HasMany[Person] = link(through="Membership")


@stored(key=("club_name", "person_name"), indexes=[Index("person_name")])
class Membership:
    club_name: str
    person_name: str
    club: BelongsTo[Club] = link(by="club_name", on_delete="cascade")
    person: BelongsTo[Person] = link(by="person_name", on_delete="cascade")


LINKED = (Town, Person, Desk, Club, Membership)
