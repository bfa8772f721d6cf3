"""Generated rows of the museums with realistic mistakes, from a seed. Each is the dict of an item, without links."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

Row = dict[str, Any]
Rows = dict[str, list[Row]]

COUNTRIES = (
    ("FR", "France"),
    ("DE", "Deutschland"),
    ("JP", "日本"),
    ("GR", "Ελλάδα"),
    ("IL", "ישראל"),
    ("IS", "Ísland"),
    ("XX", ""),
    ("ci", "Côte d'Ivoire"),
)
NAMES = (
    "Ann Lee", "ANN LEE", "ann lee", "Ann  Lee", " Ann Lee", "Zoë", "Zoe\u0308", "Åsa", "Asa", "O'Brien", 'Robert "Bob"', "李雷", "محمد", "Ivan\tIvanov",
    "Łukasz", "ßtein", "SSTEIN", "null", "NULL", "None", "", "-", "?", "100%", "a_b", "Jean-Luc\nPicard", "😀 Smith", "Nguyễn Văn A", "\u200bhidden",
    "Søren; DROP TABLE person", "\\", "{{name}}", "Ida", "Ida", "Ida",
)  # fmt: skip
TITLES = (
    "Untitled",
    "Untitled",
    "untitled",
    "Sans titre",
    "Ohne Titel (II)",
    "無題",
    "Composition VIII",
    "Étude n° 3",
    "Study, after ",
    "The 100% Portrait",
    "a",
    "",
)
TAGS = ("oil", "Oil", "öl", "on loan", "restored?", "", "A/B", "2D", "日本画", "do not touch")
WORDS = (
    "light",
    "shadow",
    "crowd",
    "queue",
    "ticket",
    "Überraschung",
    "très",
    "beau",
    "boring",
    "café",
    "CAFÉ",
    "cafe\u0301",
    "naïve",
    "日没",
    "❤",
    "50%",
    "don't",
)
ZONES = (UTC, timezone(timedelta(hours=9)), timezone(timedelta(hours=-5)), timezone(timedelta(hours=5, minutes=45)))
PRICES = (
    None,
    Decimal(0),
    Decimal("0.01"),
    Decimal("19.99"),
    Decimal(1250),
    Decimal("1250000.00"),
    Decimal("12345678901234567890.123456789"),
    Decimal(450300000),
    Decimal("1E-9"),
)
STATES = ("asked", "agreed", "there", "back", "lost")


class Life:
    """The rows of one seed, by the name of the item."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.rows: Rows = {}
        for name, count, make in TABLES:
            self.rows[name] = []
            for number in range(count):
                self.rows[name] += [one for one in [make(self, number)] if one is not None]

    def some(self, name: str, key: str) -> Any:
        """Return the key of a random row so far."""
        return self.random.choice(self.rows[name])[key]

    def maybe(self, chance: float, value: Callable[[], Any]) -> Any:
        """Return the value, or None with the chance that people leave it out."""
        return None if self.random.random() < chance else value()

    def day(self, first: int, last: int) -> date:
        return date(self.random.randint(first, last), self.random.randint(1, 12), self.random.randint(1, 28))

    def moment(self) -> datetime:
        start = datetime(2024, 1, 1, tzinfo=self.random.choice(ZONES))
        precise = self.random.choice((0, 0, 1, 999_999, self.random.randrange(1_000_000)))
        return start + timedelta(seconds=self.random.randrange(60_000_000), microseconds=precise)

    def text(self) -> str:
        size = self.random.choice((0, 1, 1, 3, 12, 40, 2_000))
        return self.random.choice((" ", "\n", ", ", "  ")).join(self.random.choices(WORDS, k=size))

    def uuid(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)


def _country(life: Life, number: int) -> Row:
    code, name = COUNTRIES[number]
    return {"code": code, "name": name}


def _city(life: Life, number: int) -> Row:
    return {
        "id": number + 1,
        "name": life.random.choice(
            ("Springfield", "Paris", "Reykjavík", "京都", "St. Ives", "st. ives", "Ålesund", "")
        ),
        "country_code": life.some("country", "code"),
        "population": life.maybe(0.3, lambda: life.random.choice((0, 1, 999, 40_000, 2_148_000, 37_400_068))),
        "latitude": life.maybe(0.3, lambda: round(life.random.uniform(-90, 90), life.random.choice((0, 2, 6)))),
    }


def _museum(life: Life, number: int) -> Row:
    return {
        "id": life.uuid(),
        "name": life.random.choice(
            ("Museum of Art", "museum of art", "Musée d'Orsay", "国立美術館", "MoMA", "Kunsthalle", "The ")
        ),
        "city_id": life.maybe(0.2, lambda: life.some("city", "id")),
        "parent_id": None if number < 8 else life.maybe(0.4, lambda: life.some("museum", "id")),
        "founded": life.maybe(
            0.3, lambda: life.random.choice((date(1, 1, 1), date(1793, 8, 10), life.day(1800, 2020)))
        ),
        "opening": life.random.choice(
            ({}, {"mon": None, "tue": ["10:00", "18:00"]}, {"always": True, "fee": 12.5, "notes": {"de": "Eintritt"}})
        ),
    }


def _person(life: Life, number: int) -> Row:
    museum = life.maybe(0.5, lambda: life.some("museum", "id"))
    return {
        "number": number * 7 + 1,
        "name": life.random.choice(NAMES),
        "email": life.maybe(0.4, lambda: f"{life.random.choice(('Ann', 'ann', 'zoë', 'info'))}+{number}@example.org"),
        "museum_id": museum,
        "boss_number": None
        if museum is None or number < 10
        else life.maybe(0.2, lambda: life.some("person", "number")),
        "joined": life.maybe(0.3, life.moment),
    }


def _artist(life: Life, number: int) -> Row:
    name = life.random.choice(NAMES)
    return {
        "slug": f"{name[:8].strip() or 'x'}.{number}",
        "name": name,
        "born": life.maybe(0.3, lambda: life.random.choice((-300, 0, 1452, 1881, 1881, 1990))),
        "biography": life.maybe(0.4, life.text),
    }


def _size(life: Life) -> dict[str, Any]:
    return life.random.choice(
        ({}, {"height": 10.0}, {"height": 77.0, "width": 53.0}, {"height": 30.3, "width": 20.9, "unit": "in"})
    )


def _artwork(life: Life, number: int) -> Row:
    return {
        "id": f"{life.random.choice('abAB')}{life.random.randrange(10**6):06}-{number}",
        "title": life.random.choice(TITLES) + life.random.choice(("", "", f" {number}")),
        "artist_slug": life.maybe(0.25, lambda: life.some("artist", "slug")),
        "museum_id": life.random.choice(life.rows["museum"][:22])["id"],
        "inventory": life.maybe(0.5, lambda: f"{life.random.choice(('INV', 'inv', 'Inv.'))} {number}"),
        "made": life.maybe(0.4, lambda: life.random.choice((date(1503, 1, 1), life.day(1600, 2024)))),
        "price": life.random.choice(PRICES),
        "size": life.maybe(0.4, lambda: _size(life)),
        "tags": life.random.choices(TAGS, k=life.random.choice((0, 0, 1, 2, 5))),
        "lendable": life.random.random() < 0.8,
    }


def _category(life: Life, number: int) -> Row:
    parent = None if number < 4 else life.some("category", "path")
    name = life.random.choice(("painting", "Malerei", "絵画", "print & paper", "4"))
    return {
        "path": f"{parent + '>' if parent else ''}{name} {number}",
        "label": life.maybe(0.3, name.title),
        "parent_path": parent,
    }


def _classification(life: Life, number: int) -> Row | None:
    row = {"artwork_id": life.some("artwork", "id"), "category_path": life.some("category", "path")}
    if any(
        one["artwork_id"] == row["artwork_id"] and one["category_path"] == row["category_path"]
        for one in life.rows["classification"]
    ):
        return None
    return {**row, "certain": life.random.choice((True, False, None))}


def _exhibition(life: Life, number: int) -> Row:
    opens = life.day(2019, 2026)
    return {
        "id": number - 5,
        "title": life.random.choice((*TITLES, "Summer", "summer", "été")),
        "museum_id": life.some("museum", "id"),
        "opens": opens,
        "closes": life.maybe(0.3, lambda: opens + timedelta(days=life.random.randrange(400))),
    }


def _loan(life: Life, number: int) -> Row | None:
    row = {"exhibition_id": life.some("exhibition", "id"), "artwork_id": life.some("artwork", "id")}
    if any(
        one["exhibition_id"] == row["exhibition_id"] and one["artwork_id"] == row["artwork_id"]
        for one in life.rows["loan"]
    ):
        return None
    state = life.random.choice(STATES)
    fee = life.random.choice([one for one in PRICES if one is not None])
    return {**row, "state": state, "fee": fee, "returned_at": life.moment() if state == "back" else None}


def _review(life: Life, number: int) -> Row:
    return {
        "id": f"r{number}",
        "exhibition_id": life.some("exhibition", "id"),
        "person_number": life.maybe(0.3, lambda: life.some("person", "number")),
        "stars": life.maybe(0.2, lambda: life.random.randint(0, 5)),
        "text": life.maybe(0.2, life.text),
        "written_at": life.moment(),
    }


TABLES: tuple[tuple[str, int, Callable[[Life, int], Row | None]], ...] = (
    ("country", len(COUNTRIES), _country),
    ("city", 30, _city),
    ("museum", 30, _museum),
    ("person", 80, _person),
    ("artist", 40, _artist),
    ("artwork", 130, _artwork),
    ("category", 25, _category),
    ("classification", 200, _classification),
    ("exhibition", 30, _exhibition),
    ("loan", 130, _loan),
    ("review", 150, _review),
)
"""Item, number of tries, and the function that makes a row, or None if the row already exists."""
PARENTS = {"museum": ("id", "parent_id"), "person": ("number", "boss_number"), "category": ("path", "parent_path")}
"""Item of a tree → its key, and the attribute that contains the key of its parent."""


def waves(name: str, rows: list[Row]) -> Iterator[list[Row]]:
    """Iterate over the rows of an item in parts, such that a row of a tree comes in a part after that of its parent."""
    if name not in PARENTS:
        yield rows
        return
    key, parent = PARENTS[name]
    left, stored = rows, {None}
    while left:
        ready = [row for row in left if row[parent] in stored]
        yield ready
        stored |= {row[key] for row in ready}
        left = [row for row in left if row[key] not in stored]
