"""Values as the first commits of persisty stored them, written below the API: today's code reads them, finds them by filters, and has nothing to migrate."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import pytest
from msgspec import Struct

from persisty import App, Conflict, Index, Unique, stored
from persisty.deploy.evolution import evolutions_of

from .conftest import Place, Tables


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Point(Struct):
    x: float
    at: datetime
    cost: Decimal


@dataclass
class Part:
    name: str
    size: int = 1


@stored(name="thing", key=("region", "number"), indexes=[Index("level", "at"), Unique("code")])
class Thing:
    region: str
    number: int
    code: str
    level: Level
    at: datetime
    day: date
    token: UUID
    price: Decimal
    weight: float
    color: Color
    is_open: bool
    blob: bytes
    tags: list[str]
    counts: dict[str, int]
    point: Point
    parts: list[Part]
    sizes: set[str]
    lasts: timedelta
    opens: time
    grade: Literal["a", "b"]
    costs: list[Decimal]
    times: list[datetime]
    blobs: list[bytes]
    anything: Any
    note: str | None = None


EXPECTED: dict[str, Any] = {
    "region": "de/é~%",
    "number": -5,
    "code": "c1",
    "level": Level.HIGH,
    "at": datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
    "day": date(2026, 2, 28),
    "token": UUID(int=7),
    "price": Decimal("12.5"),
    "weight": -1e-7,
    "color": Color.GREEN,
    "is_open": True,
    "blob": b"\x00\xff",
    "tags": ["a", "é"],
    "counts": {"a": 1},
    "point": Point(1.5, datetime(2026, 1, 2, 3, 4, 5, 678900, UTC), Decimal("1.50")),
    "parts": [Part("p", 2)],
    "sizes": {"s", "t"},
    "lasts": timedelta(days=1, seconds=2, microseconds=3),
    "opens": time(9, 30),
    "grade": "a",
    "costs": [Decimal("0.10")],
    "times": [datetime(2026, 1, 1, tzinfo=UTC)],
    "blobs": [b"x"],
    "anything": {"k": [1, None, "t"]},
    "note": None,
}
JSON = {
    "counts": '{"a":1}',
    "point": '{"x":1.5,"at":"2026-01-02T03:04:05.678900Z","cost":"1.50"}',
    "sizes": '["t","s"]',
    "lasts": '"P1DT2.000003S"',
    "opens": '"09:30:00"',
    "anything": '{"k":[1,null,"t"]}',
}
LISTS = {
    "tags": ['"a"', '"é"'],
    "parts": ['{"name":"p","size":2}'],
    "costs": ['"0.10"'],
    "times": ['"2026-01-01T00:00:00Z"'],
    "blobs": ['"eA=="'],
}
TEXTS = {
    "region": "de/é~%",
    "code": "c1",
    "at": "2026-01-02T03:04:05.000006Z",
    "day": "2026-02-28",
    "token": "00000000-0000-0000-0000-000000000007",
    "color": "green",
    "grade": "a",
}
ROW = {
    **TEXTS,
    **JSON,
    **{name: f"[{','.join(members)}]" for name, members in LISTS.items()},
    "number": -5,
    "level": 2,
    "price": "12.5",
    "weight": -1e-7,
    "is_open": 1,
    "blob": b"\x00\xff",
    "note": None,
}
"""A row of SQLite."""
WIRE = {
    **{name: {"S": text} for name, text in (TEXTS | JSON).items()},
    **{name: {"L": [{"S": one} for one in members]} for name, members in LISTS.items()},
    "number": {"N": "-5"},
    "level": {"N": "2"},
    "price": {"N": "12.5"},
    "weight": {"N": "-1e-07"},
    "is_open": {"N": "1"},
    "blob": {"B": "AAD/"},
}
"""An item of DynamoDB, on which a None is the absence of the attribute. A `bytes` has a leading zero byte there, so that it may be empty."""


def check(app: App) -> None:
    assert evolutions_of(app) == []
    app.prepare()
    things = app.store(Thing)
    [found] = things.search_all()
    assert {name: getattr(found, name) for name in EXPECTED} == EXPECTED
    assert things.read(("de/é~%", -5)) == found
    scalar = {*TEXTS, "number", "level", "price", "weight", "is_open", "blob"}
    assert [name for name in sorted(scalar) if things.count(getattr(Thing, name) == EXPECTED[name]) != 1] == []
    with pytest.raises(Conflict):
        things.create(EXPECTED)
    changed = things.update(("de/é~%", -5), {"note": "n"})
    assert changed is not None
    assert {name: getattr(changed, name) for name in EXPECTED} == EXPECTED | {"note": "n"}


def test_a_row_of_sqlite_is_read(tmp_path: Path) -> None:
    place = Place(f"sqlite:///{tmp_path}/shop.db")
    app = place.app(Thing)
    app.prepare()
    names, places = ", ".join(f'"{name}"' for name in ROW), ", ".join("?" for _ in ROW)
    place.sql(f"INSERT INTO thing ({names}) VALUES ({places})", *ROW.values())
    app = place.app(Thing)
    check(app)
    app.close()


def test_an_item_of_dynamodb_is_read(moto_endpoint: str) -> None:
    tables = Tables(f"dynamodb://us-east-1?endpoint={moto_endpoint}&partiql=0")
    app = tables.filled(Thing, EXPECTED | {"weight": 1.0})
    table = app.engine.described("thing")["TableName"]  # type: ignore[attr-defined]
    app.engine.send("PutItem", {"TableName": table, "Item": WIRE})  # type: ignore[attr-defined]
    app = tables.app(Thing)
    check(app)
    app.close()
