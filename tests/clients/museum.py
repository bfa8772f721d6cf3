"""An app with every type that an attribute can have, and with the names that a client may stumble over."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, TypedDict
from uuid import UUID

from msgspec import Meta, Struct
from servey.action.action import action
from servey.trigger.web_trigger import WEB_GET, WEB_POST

from persisty import (
    VERSION,
    Access,
    App,
    Attr,
    BelongsTo,
    HasCount,
    HasMany,
    Index,
    authenticated,
    everyone,
    link,
    public,
    stored,
)
from persisty.model.pages import ResultPage


class Floor(enum.IntEnum):
    CELLAR = -1
    GROUND = 0


class Mood(enum.Enum):
    CALM = "calm"
    LOUD = 'lo"ud'


class Oil(Struct, tag=True, rename="camel"):
    brush_width: float = 1.5
    coats: list[str] = []


class Stone(Struct, tag="stone"):
    """Cut, and not painted."""

    weight: int


class Spot(Struct, array_like=True):
    x: int
    y: int = 0


class Size(NamedTuple):
    width: int
    height: int


class Frame(TypedDict, total=False):
    wood: str
    gold: bool


@dataclass
class Part:
    name: str
    parts: list[Part] = field(default_factory=list)


class Odd(Struct, rename={"kind": "kind-of", "from_": "from"}):
    kind: str
    from_: int | None = None


def empty() -> list[int]:
    """What an attribute called `list` cannot have by that name."""
    return []


@stored(key="id", indexes=[Index("page_id")], access=public)
class Exhibit:
    """Something to look at. It says: "Don't touch" */ \\o/ {braces}."""

    id: str
    text: Annotated[str, Meta(description='With a "quote", a \\\\ and */')] = "x"
    list: list[int] = Attr(factory=empty)
    uuid: UUID | None = None
    str: bool = True
    whole: int | None = None
    big: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] = 9007199254740991
    real: float = 0.5
    decimal: Decimal = Decimal("12.50")
    datetime: datetime | None = None
    date: date | None = None
    bytes: bytes = b"\x00\xff"
    floor: Floor = Floor.GROUND
    mood: Mood | None = None
    level: Literal["low", "high"] | None = "low"
    step: Literal[1, 2, 3] = 1
    opens: time | None = None
    lasts: timedelta | None = None
    made: Oil | Stone | None = None
    spot: Spot | None = None
    size: Size | None = None
    frame: Frame | None = None
    whole_of: Part | None = None
    odd: Odd | None = None
    pair: tuple[int, str] | None = None
    marks: set[str] = Attr(factory=set)
    by_name: dict[str, int] = Attr(factory=dict)
    by_id: dict[UUID, Spot] = Attr(factory=dict)
    anything: Any = None
    page_id: UUID | None = None
    version: int = Attr(generator=VERSION)
    page: BelongsTo[Page]


@stored(access=public)
class Page:
    """Called as a class of the client."""

    id: UUID
    title: str
    exhibits: HasMany[Exhibit] = link()
    exhibit_count: HasCount[Exhibit] = link()


@stored(name="actions", key=("day", "at", "hall"), access=public)
class Visit:
    """Its store is called as what the app does beside its stores, and its key has three parts."""

    day: date
    at: datetime
    hall: str
    seats: int = 0


@stored(name="class", access=Access(read=everyone))
class Lesson:
    """Called as no name in Python may be, and only read."""

    id: UUID


@stored(access=Access(create=authenticated))
class Complaint:
    """Taken, and never shown."""

    id: UUID
    text: str


@stored
class Secret:
    """Not offered at all."""

    id: UUID


class Found(Struct):
    pages: ResultPage[Page]
    parts: dict[str, list[Part]]


@action(access_control=everyone, triggers=WEB_GET)
def look(words: str, depth: int = 1, since: datetime | None = None) -> Found:
    """Look around."""
    return Found(app.store(Page).search(limit=depth), {words: [Part("a", [Part("b")])]})


@action(access_control=everyone, triggers=WEB_GET)
def gather(
    ids: list[int],
    days: list[date] | None = None,
    moods: set[Mood] = frozenset(),  # type: ignore[assignment]
    place: Spot | None = None,
    parts: list[Part] | None = None,
    from_: str = "",
    exact: Decimal = Decimal(0),
) -> list[Any]:
    """What was given."""
    return [ids, days, sorted(one.value for one in moods), place, parts, from_, exact]


@action(access_control=everyone, triggers=WEB_POST)
def rearrange(made: list[Oil | Stone], where: dict[str, Spot], frame: Frame | None = None) -> list[Oil | Stone]:
    """What is given, the other way round."""
    return made[::-1]


@action(access_control=everyone, triggers=WEB_POST)
def close() -> None:
    """Nothing is given, and nothing comes back."""


app = App("museum", items=[Exhibit, Page, Visit, Lesson, Complaint, Secret], actions=[look, gather, rearrange, close])
