"""Items with many equal values, in DynamoDB behind a transport that records requests, and in memory."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from persisty import Index, StoreMeta, meta_of, stored
from persisty.backends.dynamodb.backend import DynamoDbBackend
from persisty.backends.dynamodb.engine import DynamoDbEngine, connect
from persisty.backends.dynamodb.transport import JSON, Transport
from persisty.backends.memory import MemoryEngine
from persisty.model.expressions import Filter
from persisty.store.backend import Backend, Put, Query

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"
    NONE = ""


@dataclass
class Place:
    city: str
    floor: int | None = None


@stored(
    indexes=[
        Index("owner", "at"),
        Index("owner", "color", "count"),
        Index("text", "price"),
        Index("level"),
    ]
)
class Parcel:
    id: str
    owner: str
    at: datetime
    count: int = 0
    color: Color = Color.RED
    text: str | None = None
    price: Decimal | None = None
    level: int | None = None
    place: Place | None = None


@stored(key=("device", "at"), indexes=[Index("kind", "value")])
class Sample:
    device: str
    at: datetime
    kind: str = "a"
    value: int = 0


@stored(key=("sheet", "row", "column"), indexes=[Index("text")])
class Cell:
    sheet: str
    row: int
    column: str
    text: str | None = None


P: Any = Parcel
S: Any = Sample
C: Any = Cell
CITY = Parcel.place.city  # type: ignore[union-attr]
PARCEL, SAMPLE, CELL = meta_of(Parcel), meta_of(Sample), meta_of(Cell)


def parcels() -> list[Parcel]:
    """Return items with few distinct values, in an order of no attribute."""
    return [
        Parcel(
            id=f"{number * 37 % 101:03}",
            owner="abc"[number % 3],
            at=NEW_YEAR + timedelta(days=number * 7 % 5),
            count=number * 5 % 4,
            color=list(Color)[number * 11 % 3],
            text=[None, "a", "ab", "b"][number * 3 % 4],
            price=[None, Decimal(1), Decimal("2.5")][number // 4 % 3],
            level=[None, 1, 2, 3][number // 2 % 4],
            place=[None, Place("Rome"), Place("Oslo", 3), Place("Rome", 1)][number // 3 % 4],
        )
        for number in range(60)
    ]


def samples() -> list[Sample]:
    return [
        Sample(device="xyz"[n % 3], at=NEW_YEAR + timedelta(days=n * 7 % 20), kind="ab"[n % 2], value=n % 4)
        for n in range(20)
    ]


def cells() -> list[Cell]:
    return [
        Cell(sheet=s, row=r, column=c, text=[None, "a", "b"][(r + ord(c)) % 3])
        for s in "st"
        for r in (-1, 2, 10)
        for c in "ab"
    ]


class Recorder:
    """A transport that records requests."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def call(self, operation: str, payload: dict[str, Any], shape: Any = JSON, **how: Any) -> Any:
        self.calls.append((operation, payload))
        return self._inner.call(operation, payload, shape, **how)

    def close(self) -> None:
        self._inner.close()

    @property
    def operations(self) -> list[str]:
        return [operation for operation, _ in self.calls]


class Pair:
    """The same items in DynamoDB and in memory."""

    def __init__(self, url: str, meta: StoreMeta[Any], items: list[Any], stage: str = "test") -> None:
        self.meta = meta
        self.engine: DynamoDbEngine = connect(url, app="reads", stage=stage)
        self.recorder = Recorder(self.engine.transport)
        self.engine.prepare([meta])
        self.engine.transport = self.recorder
        self.dynamodb: DynamoDbBackend[Any] = self.engine.open(meta)
        self.memory: Backend[Any] = MemoryEngine().open(meta)
        for backend in (self.dynamodb, self.memory):
            for item in items:
                backend.write([Put(item)], atomic=False)
        self.fresh()

    def fresh(self) -> Recorder:
        """Clear the recorded requests."""
        self.recorder.calls.clear()
        return self.recorder


def url_of(endpoint: str) -> str:
    return f"dynamodb://us-east-1?endpoint={endpoint}&partiql=0"


def pairs_at(endpoint: str) -> dict[str, Pair]:
    """Item → its pair."""
    url = url_of(endpoint)
    rows: dict[StoreMeta[Any], list[Any]] = {PARCEL: parcels(), SAMPLE: samples(), CELL: cells()}
    return {meta.name: Pair(url, meta, items) for meta, items in rows.items()}


def walk(backend: Backend[Any], where: Filter, order: Any, limit: int, **more: Any) -> list[Any]:
    """Return every item, page by page. Only the last page is short."""
    found: list[Any] = []
    after = None
    while True:
        page = backend.query(Query(where, order, after, limit, **more))
        found += page.items
        if page.position is None:
            return found
        assert len(page.items) == limit
        after = page.position
