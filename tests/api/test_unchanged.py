"""An unchanged item matches the condition of its own state, on every engine, until an attribute changes."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import pytest

from persisty import App, Attr, PreconditionFailed, Store, stored
from persisty.api.rest.conditional_writes import unchanged


class Shade(enum.Enum):
    DARK = "dark-red"
    LIGHT = "light"


@dataclass
class Geo:
    lat: float


@dataclass
class Spot:
    town: str
    geo: Geo | None = None
    seen: datetime | None = None


@stored
class Everything:
    id: str
    text: str | None = None
    count: int | None = None
    ratio: float | None = None
    price: Decimal | None = None
    done: bool | None = None
    at: datetime | None = None
    day: date | None = None
    other: UUID | None = None
    raw: bytes | None = None
    shade: Shade | None = None
    size: Literal["s", "m"] | None = None
    tags: list[str] = Attr(factory=list)
    spot: Spot | None = None
    extra: dict[str, Any] | None = None


MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
ITEMS: list[dict[str, Any]] = [
    {},
    {"text": "", "count": 0, "ratio": 0.0, "price": Decimal(0), "done": False, "raw": b""},
    {
        "text": "\x00",
        "count": -(2**63),
        "ratio": -1e-130,
        "price": Decimal("1.5e-100"),
        "done": True,
        "raw": b"\x00\xff",
    },
    {"text": "é\U0001f600" * 500, "count": 2**63 - 1, "ratio": 0.1 + 0.2, "price": Decimal("9" * 38)},
    {"ratio": 1 / 3, "at": MOMENT, "day": date(1, 1, 1), "other": UUID(int=7), "shade": Shade.DARK, "size": "m"},
    {"tags": ["a"], "spot": {"town": "Rome"}, "extra": {}},
    {"spot": {"town": "", "geo": {"lat": 41.9}, "seen": MOMENT}, "extra": {"town": None}},
]
CHANGES: dict[str, Any] = {
    "text": "new", "count": 5, "ratio": 0.25, "price": Decimal("0.5"), "at": datetime(2027, 1, 1, tzinfo=UTC), "day": date(2027, 1, 1),
    "other": UUID(int=8), "raw": b"new", "shade": Shade.LIGHT, "size": "s", "spot": Spot("new", Geo(1.0), MOMENT),
}  # fmt: skip
PLACES = {
    "memory": "memory://",
    "sqlite": "sqlite:///{tmp_path}/everything.db",
    "postgresql": "{postgres_url}",
    "dynamodb": "dynamodb://us-east-1?endpoint={local_endpoint}&index_attributes=2",
}


@pytest.fixture(scope="module", params=PLACES)
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store[Everything]]:
    url = PLACES[request.param]
    known = {"tmp_path": tmp_path_factory.mktemp("unchanged")}
    names = ("postgres_url", "local_endpoint")
    app = App(
        "unchanged",
        items=[Everything],
        url=url.format(**known, **{name: request.getfixturevalue(name) for name in names if f"{{{name}}}" in url}),
    )
    app.prepare()
    yield app.store(Everything)
    app.close()


@pytest.mark.parametrize("number", range(len(ITEMS)))
def test_the_condition_matches_only_the_item_that_was_read(store: Store[Everything], number: int) -> None:
    key = f"item {number}"
    store.delete(key)
    store.create({"id": key, **ITEMS[number]})
    item = store.read(key)
    condition = unchanged(store.meta, item)
    assert store.update(key, {"tags": ["changed"]}, when=condition) is not None
    for name, value in CHANGES.items():
        store.update(key, {name: value})
        with pytest.raises(PreconditionFailed):
            store.delete(key, when=condition)
        store.update(key, {name: getattr(item, name)})
    assert store.delete(key, when=condition)
