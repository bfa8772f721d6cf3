"""Every operator on nested values of every kind: the engine and the independent oracle agree."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random
from typing import Any, Literal
from uuid import UUID

import pytest
from msgspec import UNSET, Struct, UnsetType

from persisty import Attr, Caller, Create, Filter, PreconditionFailed, custom, meta_of, stored
from persisty.model.expressions import Compare
from persisty.model.types import OPERATORS

from .dirty import BLOBS, COUNTS, DAYS, MOMENTS, PRICES, RATIOS, REFS
from .fixtures import OpenStore
from .items import Color, Level
from .oracle import holds

TEXTS = (None, "", "a", "A", "ä", "\0", "a\0b", "\\u0000 \"'", "10", "9", "\uffff", "😀")
NAIVE = datetime(2026, 1, 1, 0, 0, 0, 1)
"""A moment without a zone, which a nested field may leave open: it is UTC."""
FIELDS: dict[str, tuple[Any, ...]] = {
    "text": TEXTS,
    "count": COUNTS,
    "ratio": (*RATIOS, -0.0),
    "done": (None, True, False),
    "at": (*MOMENTS, NAIVE),
    "day": DAYS,
    "ref": REFS,
    "price": (*PRICES, Decimal("1.10"), Decimal("-0")),
    "color": (None, *Color),
    "level": (None, *Level),
    "blob": (*BLOBS, b"", b"b", b"secret", b"\xfb\xff\xbf"),
    "size": (None, "s", "m", "l"),
    "grade": (None, -1, 1, 2),
}
"""Field → its values."""


class Inner(Struct):
    text: str | None = None
    count: int | None = None
    ratio: float | None = None
    done: bool | None = None
    at: datetime | None = None
    day: date | None = None
    ref: UUID | None = None
    price: Decimal | None = None
    color: Color | None = None
    level: Level | None = None
    blob: bytes | None = None
    size: Literal["s", "m", "l"] | None = None
    grade: Literal[-1, 1, 2] | None = None


class Outer(Struct):
    inner: Inner | None = None


@stored
class Box:
    """An item with a value of every kind in an object within an object."""

    id: Attr[str]
    outer: Attr[Outer | None] = Attr(default=None)


class Slip(Struct):
    weight: int | UnsetType = UNSET
    note: str | UnsetType | None = UNSET


@stored
class Parcel:
    """An item with fields that may be unset."""

    id: Attr[str]
    slip: Attr[Slip]


class Sealed(Struct):
    code: bytes


def _unless_secret(caller: Caller) -> Filter:
    return Letter.sealed.code != b"secret"


@stored(access=custom(_unless_secret))
class Letter:
    """An item that its rule hides by a nested value."""

    id: Attr[str]
    sealed: Attr[Sealed]


def _boxes() -> dict[str, Outer | None]:
    """Return id → object: each value of each field occurs, and one box lacks the inner object, one both."""
    random, count = Random(2026), max(map(len, FIELDS.values()))
    columns = {name: [values[at % len(values)] for at in range(count)] for name, values in FIELDS.items()}
    for column in columns.values():
        random.shuffle(column)
    inners = [Inner(**dict(zip(columns, values, strict=True))) for values in zip(*columns.values(), strict=True)]
    outers = [*(Outer(inner) for inner in inners), Outer(Inner()), Outer(), None]
    return {f"{number:02}": outer for number, outer in enumerate(outers)}


def _in_utc(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def _operands(name: str, operator: str, random: Random) -> list[Any]:
    """Return values of a field to compare with: a few of those that occur."""
    values = [_in_utc(value) for value in FIELDS[name] if value is not None]
    match operator:
        case "null":
            return [True, False]
        case "oneof":
            return [[], [None, values[0]], random.sample(values, 2)]
    return random.sample(values, min(3, len(values)))


def test_every_operator_on_every_kind_of_nested_value_agrees_with_the_oracle(open_store: OpenStore) -> None:
    store, boxes, random, wrong = open_store(Box), _boxes(), Random(2027), []
    store.edit_batch([Create(Box(id=key, outer=outer)) for key, outer in boxes.items()], atomic=True)
    for name in FIELDS:
        kind = meta_of(Box).attribute(f"outer.inner.{name}").kind
        rows = {key: {"it": _in_utc(getattr(outer and outer.inner, name, None))} for key, outer in boxes.items()}
        for operator in (one for one, kinds in OPERATORS.items() if kind in kinds):
            for operand in _operands(name, operator, random):
                where = Compare(f"outer.inner.{name}", operator, operand)
                expected = [key for key, row in rows.items() if holds(Compare("it", operator, operand), row)]
                found = sorted(one.id for one in store.search(where, limit=100))
                if found != expected:
                    wrong.append((where, found, expected))
    assert wrong == []


def test_an_unset_field_is_null(open_store: OpenStore) -> None:
    store = open_store(Parcel)
    store.create(Parcel(id="unset", slip=Slip()))
    store.create(Parcel(id="set", slip=Slip(weight=1, note="a")))
    store.create(Parcel(id="null", slip=Slip(weight=2, note=None)))
    weight, note = Parcel.slip.weight, Parcel.slip.note
    expected = {
        weight == 1: ["set"],
        weight != 1: ["null", "unset"],
        weight > 0: ["null", "set"],
        weight <= 1: ["set"],
        weight.is_null(): ["unset"],
        weight.oneof([None, 2]): ["null", "unset"],
        note.is_null(): ["null", "unset"],
        note.is_null(False): ["set"],
        note.startswith("a"): ["set"],
    }
    assert {where: sorted(one.id for one in store.search(where)) for where in expected} == expected


def test_conditions_and_rules_compare_nested_bytes(open_store: OpenStore) -> None:
    store = open_store(Letter)
    store.create(Letter(id="hidden", sealed=Sealed(b"secret")))
    store.create(Letter(id="open", sealed=Sealed(b"o")))
    assert [one.id for one in store.on_behalf_of(Caller("x")).search()] == ["open"]
    with pytest.raises(PreconditionFailed):
        store.delete("hidden", when=Letter.sealed.code != b"secret")
    assert store.count() == 2
    assert store.update("hidden", {"sealed": Sealed(b"ab")}, when=Letter.sealed.code == b"secret") is not None
    assert store.delete_all(Letter.sealed.code >= b"b").changed == 1
    assert [one.id for one in store.search()] == ["hidden"]
