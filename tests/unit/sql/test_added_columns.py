"""Attributes that are declared after items were stored: SQLite adds their columns if stored items have a value for them."""

from __future__ import annotations

import enum
import sqlite3
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from persisty import CREATED, VERSION, App, Attr, Index, SchemaMismatch, add, append, stored


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "things.db"


class Mood(enum.Enum):
    CALM = "calm"


@stored(name="thing")
class Older:
    id: UUID
    owner: str


@stored(name="thing", indexes=[Index("size"), Index("price")])
class Newer:
    id: UUID
    owner: str
    size: int = 3
    ratio: float = 0.5
    on: bool = True
    text: str = "it's"
    maybe: str | None = None
    often: str | None = "yes"
    price: Decimal = Decimal("1.50")
    day: date = date(2026, 1, 2)
    at: datetime = datetime(2026, 1, 2, tzinfo=UTC)
    mood: Mood = Mood.CALM
    raw: bytes = b"\0\xff"
    tags: list[str] = Attr(factory=list)
    place: dict[str, int] = Attr(factory=dict)
    version: int = Attr(generator=VERSION)


def test_attributes_that_are_added_read_with_their_default_at_once_in_filters_and_orders_too(path: Path) -> None:
    older = App("things", items=[Older], url=f"sqlite:///{path}")
    older.prepare()
    first = older.store(Older).create({"owner": "ann"})
    older.close()
    newer = App("things", items=[Newer], url=f"sqlite:///{path}")
    newer.prepare()
    things = newer.store(Newer)
    expected = Newer(id=first.id, owner="ann")
    expected.version = 1
    assert things.read(first.id) == expected
    assert (
        things.count((Newer.size == 3) & (Newer.often == "yes") & (Newer.mood == Mood.CALM) & Newer.on.oneof([True]))
        == 1
    )
    assert things.count(Newer.maybe.is_null() & (Newer.price == Decimal("1.5")) & (Newer.at < datetime.now(UTC))) == 1
    assert [one.size for one in things.search(order=["size", "-price"])] == [3]
    changed = things.update(first.id, {"size": add(1), "often": None}, when=Newer.version == 1)
    assert (changed.size, changed.often, changed.version) == (4, None, 2)
    second = things.create({"owner": "ben"})
    assert things.update(second.id, {"tags": append("x")}).tags == ["x"]
    newer.close()
    again = App("things", items=[Newer], url=f"sqlite:///{path}")
    assert again.store(Newer).count() == 2
    again.close()
    back = App("things", items=[Older], url=f"sqlite:///{path}")
    assert {one.owner for one in back.store(Older).search()} == {"ann", "ben"}
    back.close()


def test_an_attribute_without_a_value_for_stored_items_stops_the_start_by_name_and_adds_nothing(path: Path) -> None:
    @stored(name="thing")
    class Demanding:
        id: UUID
        owner: str
        size: int = 0
        code: str
        made_at: datetime = Attr(generator=CREATED)

    older = App("things", items=[Older], url=f"sqlite:///{path}")
    older.prepare()
    older.close()
    demanding = App("things", items=[Demanding], url=f"sqlite:///{path}")
    for call in (demanding.prepare, demanding.store(Demanding).count):
        with pytest.raises(SchemaMismatch, match="stored items have no value for it") as caught:
            call()
        assert [fault.path for fault in caught.value.faults] == ["/thing/code", "/thing/made_at"]
    demanding.close()
    with sqlite3.connect(path) as connection:
        assert [name for _, name, *_ in connection.execute("PRAGMA table_info(thing)")] == ["id", "owner"]
