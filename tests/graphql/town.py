"""An app with links of every kind, rules for items and for attributes, numbers that GraphQL cannot represent, and actions with invalid results."""

import enum
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct
from servey.action.action import action
from servey.trigger.web_trigger import WEB_GET, WEB_POST

from persisty import (
    Access,
    App,
    Attr,
    BelongsTo,
    HasCount,
    HasMany,
    HasOne,
    Index,
    ResultPage,
    everyone,
    link,
    owned,
    public,
    scope,
    stored,
)


class Mood(enum.Enum):
    CALM = "calm"
    LOUD = "loud"


@stored(access=public)
class Person:
    """An inhabitant of the town."""

    id: UUID
    name: str
    age: int | None = None
    steps: int = 0
    wide: Annotated[int, Meta(ge=0, le=2**40)] | None = None
    secret: str = Attr(default="hidden", readable=False)
    diary: str | None = Attr(default=None, readable=scope("friend"))
    mood: Mood = Mood.CALM
    tags: list[str] = Attr(factory=list)
    house_id: UUID | None = None
    house: BelongsTo["House"]
    letters: HasMany["Letter"] = link(by="writer_id", description="What they wrote")
    received: HasMany["Letter"] = link(by="reader_id")
    letter_count: HasCount["Letter"] = link(by="writer_id")
    pet: HasOne["Pet"]
    clubs: HasMany["Club"] = link(through="Membership")
    notes: HasMany["Note"] = link(by="owner")
    vault: BelongsTo["Vault"] = link(by="house_id")


@stored(access=public)
class House:
    id: UUID
    street: str
    number: int = 1
    people: HasMany["Person"]
    person_count: HasCount["Person"]


@stored(access=public, indexes=[Index("writer_id", "rank")])
class Letter:
    id: UUID
    text: str
    rank: int = 0
    writer_id: UUID
    reader_id: UUID | None = None
    writer: BelongsTo["Person"]
    reader: BelongsTo["Person"]


@stored(access=public)
class Pet:
    id: UUID
    name: str
    person_id: UUID
    person: BelongsTo["Person"]


@stored(access=public)
class Club:
    id: UUID
    name: str
    people: HasMany["Person"] = link(through="Membership")


@stored(key=("person_id", "club_id"), access=public, indexes=[Index("club_id")])
class Membership:
    person_id: UUID
    club_id: UUID
    person: BelongsTo["Person"]
    club: BelongsTo["Club"]


@stored(access=Access(read=owned("owner"), create=everyone))
class Note:
    """Readable by its owner only."""

    id: UUID
    text: str
    owner: UUID | None


@stored(access=Access(read=scope("clerk"), create=everyone))
class Slip:
    """Every caller may create one; only the clerk may read it."""

    id: UUID
    text: str
    note: str | None = None


@stored
class Vault:
    """Not readable, so no link leads there."""

    id: UUID
    gold: int = 0


class Odd(Struct):
    """The result of an action, with values that break their declared types."""

    fine: int | None
    never: int
    inner: "Odd | None" = None
    many: list["Odd"] = []
    some: list["Odd | None"] = []


@action(access_control=everyone, triggers=WEB_GET)
def odd(depth: int = 2, seed: int = 1) -> Odd | None:
    """Return a result with numbers that are too large and nulls of required fields."""
    return _odd(depth, seed)


def _odd(depth: int, seed: int) -> Any:
    values: list[Any] = [1, None, 2**40, "x", 7]
    fine, never = values[seed % 5], values[(seed * 3 + depth) % 5] if seed % 4 == 0 else 3
    if depth == 0:
        return Odd(fine, never)
    return Odd(
        fine,
        never,
        _odd(depth - 1, seed + 1) if seed % 3 else None,
        [_odd(depth - 1, seed + n) for n in range(seed % 3)],
        [_odd(depth - 1, seed + n + 5) if n else None for n in range(seed % 3)],
    )


@action(access_control=everyone, triggers=WEB_GET)
def neighbours(first: int = 3) -> ResultPage[Person]:
    return app.store(Person).search(order="name", limit=first)


@action(access_control=everyone, triggers=WEB_GET)
def somebody(name: str) -> Person | None:
    return next(iter(app.store(Person).search(Person.name == name, limit=1)), None)


@action(access_control=everyone, triggers=WEB_POST)
def shout(times: int) -> list[str]:
    return ["hey"] * times


app = App(
    "town",
    items=[Person, House, Letter, Pet, Club, Membership, Note, Slip, Vault],
    actions=[odd, neighbours, somebody, shout],
    url="memory://",
)  # fmt: skip

ID = "00000000-0000-4000-8000-{:012d}"


def fill(target: App = app, url: str = "memory://") -> None:
    """Return the same town each time."""
    target.use(url)
    target.prepare()
    for number in range(3):
        target.store(House).create(
            {"id": ID.format(number), "street": f"Street {number % 2}", "number": 2**31 * (number == 2)}
        )
    for number in range(6):
        target.store(Person).create(
            {
                "id": ID.format(100 + number), "name": f"p{number}", "age": [None, 30, 2**33, 7, 8, 9][number],
                "steps": 2**40 if number == 3 else number, "wide": 2**35 + number, "tags": ["a"] * number,
                "mood": "loud" if number % 2 else "calm", "diary": f"dear {number}", "house_id": None if number == 4 else ID.format(number % 3),
            }
        )  # fmt: skip
    for number in range(12):
        letter = {
            "id": ID.format(200 + number),
            "text": f"l{number}",
            "rank": number % 4,
            "writer_id": ID.format(100 + number % 4),
        }
        target.store(Letter).create({**letter, "reader_id": ID.format(105 - number % 3) if number % 2 else None})
    for number in range(3):
        target.store(Pet).create(
            {"id": ID.format(300 + number), "name": f"pet{number}", "person_id": ID.format(100 + number)}
        )
        target.store(Club).create({"id": ID.format(400 + number), "name": f"c{number}"})
        for person in range(number + 1):
            target.store(Membership).create({"person_id": ID.format(100 + person), "club_id": ID.format(400 + number)})
        target.store(Note).create(
            {"id": ID.format(500 + number), "text": f"n{number}", "owner": ID.format(100 + number)}
        )
