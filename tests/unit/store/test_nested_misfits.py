"""A nested value of another type is null in filters on every engine, its neighbours count, and no item hides another."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from typing import Any, Literal
from uuid import UUID

import msgspec
import pytest
from msgspec import Struct

from persisty import App, Attr, Create, Unique, stored
from persisty.model.expressions import Compare

STAGES = count()
REF = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Inner(Struct):
    count: int | None = None
    seen: datetime | None = None


class Detail(Struct):
    text: str | None = None
    count: int | None = None
    ratio: float | None = None
    done: bool | None = None
    at: datetime | None = None
    day: date | None = None
    ref: UUID | None = None
    price: Decimal | None = None
    seal: bytes | None = None
    color: Color | None = None
    level: Level | None = None
    size: Literal["s", "m"] | None = None
    inner: Inner | None = None
    standard: int = 7
    fits: str = ""


@stored(name="sale")
class OldSale:
    id: Attr[str]
    detail: Attr[dict[str, Any]]


@stored(name="sale")
class Sale:
    id: Attr[str]
    detail: Attr[Detail]


TYPES: dict[str, Any] = {
    "text": str,
    "count": int,
    "ratio": float,
    "done": bool,
    "at": datetime,
    "day": date,
    "ref": UUID,
    "price": Decimal,
    "seal": bytes,
    "color": str,
    "level": int,
    "size": str,
}
GOOD: dict[str, Any] = {
    "text": "b",
    "count": 5,
    "ratio": 1.5,
    "done": True,
    "at": datetime(2026, 1, 1, tzinfo=UTC),
    "day": date(2026, 1, 1),
    "ref": REF,
    "price": Decimal("1.5"),
    "seal": b"ab",
    "color": Color.RED,
    "level": Level.LOW,
    "size": "s",
}
TEXTS = (
    "zz",
    "",
    "a",
    "NaN",
    "sNaN",
    "-Infinity",
    "1.5",
    "5",
    "true",
    "red",
    "purple",
    "s",
    "x",
    "YWI=",
    "YWI",
    "YQ==",
)
DAYS = ("2026-01-01", "2026-02-30", "2024-02-29", "2100-02-29", "2000-02-29", "0000-01-01", "2025-12-31", "2026-13-01",
        "2026-00-10", "2026-19-10", "2026-10-00", "2026-12-28", "2026-12-29", "2026-04-31", "0000-12-28", "9999-12-31")  # fmt: skip
TIMES = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00", "2026-01-01t00:00:00.5z", "2025-12-31 23:00:00-01:00",
         "2026-12-28T23:59:59Z", "2030-10-20T19:00:00Z", "2026-01-31T23:00:00Z", "2024-02-29T12:00:00Z")  # fmt: skip
ODD_TIMES = (
    "2026-01-01T00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-01-01T00:00:00+01",
    "20260101T000000Z",
    "2026-12-28T29:00:00Z",
    "2026-12-28T19:60:00Z",
    "2026-12-28T19:00:60Z",
    "2026-13-28T19:00:00Z",
    "2026-10-00T19:00:00Z",
    "2026-02-29T19:00:00Z",
    "0000-12-28T19:00:00Z",
)
IDS = (str(REF), str(REF).upper(), REF.hex, f"{{{REF}}}", str(REF)[:-1])
OTHERS = (5, 0, 1, -1, 5.0, 1.5, 1e300, 5e-324, True, False, [], ["5"], {}, {"text": "b"}, None)
VALUES: tuple[Any, ...] = (*TEXTS, *DAYS, *TIMES, *ODD_TIMES, *IDS, *OTHERS)


def _filled(value: Any) -> dict[str, Any]:
    return {**dict.fromkeys([*TYPES, "inner"], value), "fits": "yes"}


def _read(name: str, value: Any) -> Any:
    """Return a stored value as a filter sees it."""
    if value is None:
        return None
    try:
        found = msgspec.json.decode(msgspec.json.encode(value), type=TYPES[name])
    except msgspec.ValidationError:
        return None
    if isinstance(found, datetime):
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None if isinstance(found, Decimal) and not found.is_finite() else found


TESTS: dict[str, Any] = {
    "eq": lambda found, value: found is not None and found == value,
    "ne": lambda found, value: found != value,
    "lt": lambda found, value: found is not None and found < value,
    "ge": lambda found, value: found is not None and found >= value,
    "null": lambda found, value: found is None,
}


@pytest.fixture
def app(engine_url: str) -> Iterator[App]:
    stage = f"n{next(STAGES)}"
    before = App("sales", items=[OldSale], url=engine_url, stage=stage, idempotency=None)
    before.prepare()
    old = before.store(OldSale)
    for start in range(0, len(VALUES), 25):
        some = enumerate(VALUES[start : start + 25], start)
        old.edit_batch([Create(OldSale(id=f"v{number:02}", detail=_filled(value))) for number, value in some])
    if engine_url == "memory://":
        before.revise(replace=[Sale])
        before.prepare()
        yield before
        before.close()
        return
    before.close()
    after = App("sales", items=[Sale], url=engine_url, stage=stage, idempotency=None)
    after.prepare()
    yield after
    after.close()


def _found(app: App, where: Any) -> list[str]:
    """Return the keys of all matches: those of a page, and those that its errors name."""
    page = app.store(Sale).search(where, limit=200)
    assert page.cursor is None
    found = sorted([*(one.id for one in page), *(error.details["key"] for error in page.errors)])
    assert len(found) == app.store(Sale).count(where)
    return found


def test_a_nested_value_counts_if_it_has_the_declared_type_and_is_null_otherwise(app: App) -> None:
    wrong = []
    for name, value in GOOD.items():
        plain = value.value if isinstance(value, enum.Enum) else value
        for operator, matches in TESTS.items():
            if operator in ("lt", "ge") and (name == "done" or isinstance(value, enum.Enum)):
                continue
            found = _found(app, Compare(f"detail.{name}", operator, True if operator == "null" else value))
            expected = [f"v{at:02}" for at, one in enumerate(VALUES) if matches(_read(name, one), plain)]
            if found != expected:
                values = {key: VALUES[int(key[1:])] for key in set(found) ^ set(expected)}
                wrong.append((name, operator, values))
    assert wrong == []


def test_the_neighbours_of_a_value_that_does_not_fit_count_with_their_defaults(app: App) -> None:
    everything = [f"v{at:02}" for at in range(len(VALUES))]
    assert _found(app, Sale.detail.fits == "yes") == everything
    assert _found(app, Sale.detail.standard == 7) == everything
    assert _found(app, Sale.detail.is_null(False)) == everything
    objects = [f"v{at:02}" for at, one in enumerate(VALUES) if one is not None]
    assert _found(app, Sale.detail.inner.is_null(False)) == objects  # type: ignore[union-attr]
    assert _found(app, Sale.detail.inner.count.is_null()) == everything  # type: ignore[union-attr]


def test_an_item_with_such_a_value_is_updated_and_deleted_by_a_filter(app: App) -> None:
    sales = app.store(Sale)
    broken = f"v{VALUES.index('zz'):02}"
    assert sales.delete(broken, when=Sale.detail.text == "zz")
    assert sales.delete_all(Sale.detail.fits == "yes").changed == len(VALUES) - 1
    assert sales.count() == 0


@stored(name="note")
class OldNote:
    id: Attr[str]
    detail: Attr[dict[str, Any]]
    code: Attr[str]


class Shape(Struct):
    text: str = ""
    added: int = 3
    odd: str = "a\0b"


@stored(name="note")
class Note:
    id: Attr[str]
    detail: Attr[Shape]
    code: Attr[str]


@stored(name="note", indexes=[Unique("code")])
class UniqueNote:
    id: Attr[str]
    detail: Attr[Shape]
    code: Attr[str]


@pytest.mark.parametrize("item", [Note, UniqueNote], ids=["plain", "unique"])
def test_a_condition_on_a_nested_value_holds_although_its_json_lacks_a_default(engine_url: str, item: Any) -> None:
    stage = f"n{next(STAGES)}"
    before = App("notes", items=[OldNote], url=engine_url, stage=stage, idempotency=None)
    before.prepare()
    for key in ("a", "b", "c"):
        before.store(OldNote).create(OldNote(id=key, detail={"text": key}, code=key))
    if engine_url == "memory://":
        before.revise(replace=[item])
        after = before
    else:
        before.close()
        after = App("notes", items=[item], url=engine_url, stage=stage, idempotency=None)
    after.prepare()
    notes = after.store(item)
    assert notes.update("a", {"code": "x"}, when=item.detail.text == "a").code == "x"
    assert notes.count(item.detail.odd == "a\0b") == 3
    assert notes.update_all({"detail": Shape("y")}, item.detail.added == 3).changed == 3
    assert notes.count(item.detail.odd == "a\0b") == 3
    assert notes.delete("b", when=item.detail.text == "y")
    after.close()
