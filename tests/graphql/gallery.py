"""An app with one of everything that GraphQL has a type for: every kind of attribute, unusual keys, access rules, actions."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, TypedDict
from uuid import UUID

from msgspec import Meta, Struct
from servey.action.action import action
from servey.trigger.web_trigger import WEB_GET, WEB_POST

from persisty import (
    VERSION,
    Access,
    App,
    Attr,
    Conflict,
    ResultPage,
    Unique,
    everyone,
    nobody,
    public,
    read_only,
    stored,
)


class Status(enum.Enum):
    """How far it is."""

    OPEN = "open"
    DONE = "done"


class Shade(enum.Enum):
    DARK_RED = "dark-red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = -1
    HIGH = 10


@dataclass
class Geo:
    lat: float
    zone: Annotated[int, Meta(ge=0, le=2**62)] = 0


class Place(Struct, rename="camel"):
    """Where something was found."""

    city: str
    post_code: str | None = None
    shade: Shade | None = None
    seen_at: datetime | None = None
    geo: Geo | None = None
    notes: dict[str, Any] = {}


@stored(indexes=[Unique("label")], access=public)
class Specimen:
    """One attribute of every kind."""

    id: UUID
    text: Annotated[str, Meta(min_length=1, max_length=20, description="What it says")]
    count: int | None = None
    wide: Annotated[int, Meta(ge=0, le=2**40)] | None = None
    long: Annotated[int, Meta(ge=-(2**62), le=2**62)] | None = None
    ratio: float | None = None
    done: bool = False
    at: datetime | None = None
    day: date | None = None
    ref: UUID | None = None
    price: Decimal | None = None
    status: Status = Status.OPEN
    shade: Shade | None = None
    level: Level | None = None
    blob: bytes | None = None
    tags: list[str] = Attr(factory=list)
    extra: dict[str, Any] | None = None
    anything: Any | None = None
    size: Literal["s", "m", "l"] | None = None
    grade: Literal[1, 2, 3] | None = None
    place: Place | None = None
    label: str | None = None
    version: int = Attr(generator=VERSION)
    created_at: datetime
    updated_at: datetime


@stored(key=("person", "club"), access=public)
class Membership:
    """An item with only the two attributes of its key, so that an update has nothing to change."""

    person: str
    club: int


@stored(access=read_only)
class Fact:
    id: UUID
    text: str


@stored(access=Access(read=everyone, delete=everyone, search=nobody))
class Leaving:
    """May be deleted, in batches too, but never created."""

    id: UUID
    text: str = ""


@stored
class Secret:
    """Offered to no caller."""

    id: UUID
    text: str


@dataclass
class Point:
    """A place on the map."""

    x: float
    y: float = 0
    label: str | None = None
    seen: int = 1


class Branch(Struct, omit_defaults=True, rename="camel"):
    """Contains itself."""

    own_name: str
    below: list[Branch] = []
    notes: dict[str, int] = {}


class Loose(TypedDict, total=False):
    a: int
    b: str


@dataclass
class Everything:
    status: Status
    level: Level
    at: datetime
    point: Point
    points: list[Point | None]
    long: Annotated[int, Meta(le=2**62)]
    wide: Annotated[int, Meta(le=2**40)]
    extra: dict[str, Any] = field(default_factory=dict)
    loose: Loose = field(default_factory=Loose)
    either: int | str | None = None


@action(access_control=everyone, triggers=WEB_POST)
def echo(everything: Everything, tags: list[Status] | None = None, times: int = 1) -> list[Everything]:
    """Return the argument."""
    return [everything] * times if tags is None or Status.DONE in tags else []


@action(access_control=everyone, triggers=WEB_GET)
def describe(status: Status, point: Point | None = None, times: int = 2) -> str:
    """Return the received arguments as text."""
    return f"{status!r} {point!r} {times!r}"


@action(access_control=everyone, triggers=WEB_GET)
def tree(depth: int) -> Branch:
    return Branch("leaf", notes={"n": depth}) if depth == 0 else Branch(f"b{depth}", [tree(depth - 1)] * 2)


@action(access_control=everyone, triggers=WEB_GET)
async def newest(first: int = 1) -> ResultPage[Specimen]:
    return app.store(Specimen).search(order="-created_at", limit=first)


@action(access_control=everyone, triggers=WEB_POST)
def remember(specimen: Specimen) -> Specimen | None:
    return app.store(Specimen).create(specimen)


@action(access_control=everyone, triggers=WEB_GET)
def whatever(value: Any) -> Any:
    return value


@action(access_control=everyone, triggers=WEB_POST)
def nothing_at_all() -> None:
    return None


@action(access_control=everyone, triggers=WEB_GET)
def conflicts() -> int:
    raise Conflict("Taken by somebody else")


@action(access_control=everyone, triggers=WEB_GET)
def breaks() -> int:
    raise KeyError("the password is 1234")


@action(access_control=everyone, triggers=WEB_GET)
def lies() -> int:
    return "not a number"  # type: ignore[return-value]


@action(access_control=everyone, triggers=WEB_GET)
def too_big() -> int:
    return 2**40


@action(access_control=nobody)
def not_offered() -> int:
    return 1


app = App(
    "gallery",
    items=[Specimen, Membership, Fact, Leaving, Secret],
    actions=[
        echo, describe, tree, newest, remember, whatever, nothing_at_all, conflicts, breaks, lies, too_big, not_offered,
    ],
)  # fmt: skip
