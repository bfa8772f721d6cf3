"""The items that the suite stores: a small one, one with every kind of value, and keys of two and three parts."""

from __future__ import annotations

import enum
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct

from persisty import (
    GENERATED,
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
    """A small item, for most tests."""

    id: Attr[UUID] = GENERATED
    topic: Attr[str] = Attr(default="none")
    text: Attr[Annotated[str, Meta(max_length=2000)] | None] = Attr(default=None)
    rank: Attr[int] = Attr(default=0)
    version: Attr[int] = VERSION
    created_at: Attr[datetime] = GENERATED
    updated_at: Attr[datetime] = GENERATED


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
    """An item with a nullable attribute of every kind, and indexes over most of them."""

    id: Attr[str] = UUID4_TEXT
    text: Attr[str | None] = Attr(default=None)
    count: Attr[int | None] = Attr(default=None)
    ratio: Attr[float | None] = Attr(default=None)
    done: Attr[bool | None] = Attr(default=None)
    at: Attr[datetime | None] = Attr(default=None)
    day: Attr[date | None] = Attr(default=None)
    ref: Attr[UUID | None] = Attr(default=None)
    price: Attr[Decimal | None] = Attr(default=None)
    color: Attr[Color | None] = Attr(default=None)
    level: Attr[Level | None] = Attr(default=None)
    blob: Attr[bytes | None] = Attr(default=None)
    tags: Attr[list[str]] = Attr(factory=list)
    extra: Attr[dict[str, Any] | None] = Attr(default=None)
    place: Attr[Place | None] = Attr(default=None)
    anything: Attr[Any] = Attr(default=None)
    size: Attr[Literal["s", "m", "l"] | None] = Attr(default=None)
    grade: Attr[Literal[-1, 1, 2] | None] = Attr(default=None)


@stored
class Shift:
    """An item with values that are stored as JSON although their types are scalars or sets."""

    id: Attr[str]
    starts: Attr[time | None] = Attr(default=None)
    length: Attr[timedelta | None] = Attr(default=None)
    people: Attr[set[str]] = Attr(factory=set)
    days: Attr[frozenset[date] | None] = Attr(default=None)
    pair: Attr[tuple[int, str] | None] = Attr(default=None)


@stored(key=("device", "at"))
class Reading:
    """An item with a key of two attributes."""

    device: Attr[str]
    at: Attr[datetime]
    value: Attr[float] = Attr(default=0.0)


@stored(key=("sheet", "row", "column"), indexes=[Index("text", "row"), Index("column", "row")])
class Cell:
    """An item with a key of three attributes, one of them numeric, and an index of the last two."""

    sheet: Attr[str]
    row: Attr[int]
    column: Attr[str]
    text: Attr[str | None] = Attr(default=None)


@stored(key="name")
class Tally:
    """An item with a nullable counter and without timestamps."""

    name: Attr[str]
    hits: Attr[int | None] = VERSION


@stored(indexes=[Unique("name"), Unique("realm", "badge"), Index("rank")])
class Account:
    """An item with unique values: of one attribute, and of two, which may be null."""

    id: Attr[str]
    name: Attr[str | None] = Attr(default=None)
    realm: Attr[str | None] = Attr(default=None)
    badge: Attr[int | None] = Attr(default=None)
    rank: Attr[int] = Attr(default=0)


@stored(key="name")
class Meter:
    """An item with numbers for `add`, bounded and unbounded, and lists for `append`."""

    name: Attr[str]
    total: Attr[int] = Attr(default=0)
    maybe: Attr[int | None] = Attr(default=None)
    level: Attr[Annotated[int, Meta(ge=-10, le=10)]] = Attr(default=0)
    log: Attr[list[str]] = Attr(factory=list)
    anything: Attr[list[Any] | None] = Attr(default=None)


@stored(key="number")
class Ticket:
    """An item with a sequence as its key, and a second sequence."""

    number: Attr[int] = SEQUENCE
    series: Attr[int] = SEQUENCE
    title: Attr[Annotated[str, Meta(max_length=20)]] = Attr(default="")


@stored
class Event:
    """An item whose key sorts by time of creation."""

    id: Attr[UUID] = UUID7
    rank: Attr[int] = Attr(default=0)


@stored(key="name")
class Town:
    name: Attr[str]
    size: Attr[int] = Attr(default=0)
    people: HasMany[Person] = link()


@stored(key="name", indexes=[Index("town_name", "age"), Index("boss_name")])
class Person:
    """An item linked to a town, to other persons, and through memberships to clubs."""

    name: Attr[str]
    age: Attr[int] = Attr(default=0)
    town_name: Attr[str | None] = Attr(default=None)
    town: BelongsTo[Town] = link(by="town_name", on_delete="nullify")
    boss_name: Attr[str | None] = Attr(default=None)
    boss: BelongsTo[Person] = link(by="boss_name", on_delete="cascade")
    staff: HasMany[Person] = link(by="boss_name")
    staff_count: HasCount[Person] = link(by="boss_name")
    desk: HasOne[Desk] = link()
    clubs: HasMany[Club] = link(through="Membership")
    club_count: HasCount[Club] = link(through="Membership")


@stored(key="number", indexes=[Index("person_name")])
class Desk:
    number: Attr[int]
    person_name: Attr[str]
    person: BelongsTo[Person] = link(by="person_name", on_delete="block")


@stored(key="name")
class Club:
    name: Attr[str]
    fee: Attr[int] = Attr(default=0)
    members: HasMany[Person] = link(through="Membership")


@stored(key=("club_name", "person_name"), indexes=[Index("person_name")])
class Membership:
    club_name: Attr[str]
    person_name: Attr[str]
    club: BelongsTo[Club] = link(by="club_name", on_delete="cascade")
    person: BelongsTo[Person] = link(by="person_name", on_delete="cascade")


LINKED = (Town, Person, Desk, Club, Membership)
