"""Refused changes: every engine names the same items with the same values, and changes nothing."""

from __future__ import annotations

import enum
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from persisty import Attr, SchemaMismatch, Unique, stored
from persisty.deploy.evolution import evolutions_of
from persisty.deploy.migration import Migration, refused_changes

from .conftest import Place


class Number(enum.IntEnum):
    ONE = 1
    TWO = 2


class Word(enum.Enum):
    ONE = "one"
    TWO = "two"


@stored(name="pet")
class Former:
    id: Attr[str]
    kind: Attr[Number] = Attr(default=Number.ONE)
    alt: Attr[int | None] = Attr(default=None)
    born: Attr[datetime | None] = Attr(default=None)
    weight: Attr[Decimal | None] = Attr(default=None)
    tags: Attr[list[str]] = Attr(factory=list)


ROWS = [
    {"id": "1", "alt": 1, "born": datetime(2026, 1, 2, 3, tzinfo=UTC), "weight": Decimal("1.5"), "tags": ["1", "x"]},
    {"id": "2", "kind": 2, "born": datetime(2026, 1, 2, tzinfo=UTC), "weight": Decimal(2)},
    {"id": "3", "alt": 2},
]


def refusals(database: Place, item: type[Any]) -> dict[str, str]:
    """Return the faults of a migration, which changes nothing."""
    app = database.app(item, idempotency=None)
    with pytest.raises(SchemaMismatch, match="Nothing is changed") as caught:
        Migration(app).apply()
    refused = {change.path for one in evolutions_of(app) for change in refused_changes(app, one)}
    assert refused == {one.path for one in caught.value.faults}, "a diff refuses the same changes"
    app = database.app(Former, idempotency=None)
    found = {one.id: (one.kind, one.alt, one.weight, one.tags) for one in app.store(Former).search_all()}
    assert found == {
        "1": (1, 1, Decimal("1.5"), ["1", "x"]),
        "2": (2, None, Decimal(2), []),
        "3": (1, 2, None, []),
    }
    return {one.path: f"{one.message}: {one.found}" for one in caught.value.faults}


def filled(database: Place) -> None:
    app = database.app(Former, idempotency=None)
    app.prepare()
    for row in ROWS:
        app.store(Former).create(row)


def test_a_default_that_two_items_would_share_is_found_before_anything_is_changed(database: Place) -> None:
    @stored(name="pet", indexes=[Unique("alt")])
    class Pet:
        id: Attr[str]
        kind: Attr[Number] = Attr(default=Number.ONE)
        alt: Attr[int] = Attr(default=2)
        born: Attr[datetime | None] = Attr(default=None)
        weight: Attr[str | None] = Attr(default=None)
        tags: Attr[list[str]] = Attr(factory=list)

    filled(database)
    [(path, text)] = refusals(database, Pet).items()
    assert path == "/pet/unique-alt"
    assert text.startswith("These items share values that have to be unique: ")
    assert text.count("2 (") == text.count("3 (2)") == 1


def test_the_values_of_two_attributes_and_converted_ones_are_compared(database: Place) -> None:
    @stored(name="pet", indexes=[Unique("kind", "weight")])
    class Pet:
        id: Attr[str]
        kind: Attr[Number] = Attr(default=Number.ONE)
        alt: Attr[int | None] = Attr(default=None)
        born: Attr[datetime | None] = Attr(default=None)
        weight: Attr[str] = Attr(default="1.5")
        tags: Attr[list[str]] = Attr(factory=list)

    filled(database)
    assert [*refusals(database, Pet)] == ["/pet/unique-kind-weight"]


def test_values_are_shown_as_they_are_stored(database: Place) -> None:
    @stored(name="pet")
    class Pet:
        id: Attr[str]
        kind: Attr[Word] = Attr(default=Word.ONE)
        alt: Attr[int | None] = Attr(default=None)
        born: Attr[date | None] = Attr(default=None)
        weight: Attr[int | None] = Attr(default=None)
        tags: Attr[list[int]] = Attr(factory=list)

    filled(database)
    found = refusals(database, Pet)
    assert found.pop("/pet/born").startswith(
        "These values cannot be converted to date: repair them first: 1 ('2026-01-02"
    )
    weight = found.pop("/pet/weight")  # a decimal is stored as a text on SQL
    assert weight.replace("'", "") == "These values cannot be converted to integer: repair them first: 1 (1.5)"
    assert found == {
        "/pet/kind": "These items have a value that is no longer declared. Give them another one first: 1 (1), 2 (2), 3 (1)",
        "/pet/tags": found["/pet/tags"],
    }
    assert found["/pet/tags"].startswith("These items have a value that is not of the declared type")
    assert found["/pet/tags"].endswith("""1 ('["1","x"]')""")
