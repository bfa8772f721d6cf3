"""Integers inside lists, sets, dicts and objects have 64 bits, like attributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from msgspec import Meta, Struct, field

from persisty import Attr, InvalidInput, meta_of, stored
from persisty.model.generators import Append
from persisty.model.validation import changes_of, new_item

MOST = 2**63 - 1


class Point(Struct):
    x: int
    rest: Any = None
    long_name: list[int] = field(name="longName", default_factory=list)


@dataclass
class Box:
    corner: Point
    sizes: tuple[int, ...] = ()


@stored
class Shape:
    id: str
    numbers: list[int] = Attr(factory=list)
    unique: set[int] | None = None
    counts: dict[str, int] = Attr(factory=dict)
    by_number: dict[int, str] = Attr(factory=dict)
    point: Point | None = None
    boxes: list[Box] = Attr(factory=list)
    pair: tuple[str, int] | None = None
    either: list[int | str] = Attr(factory=list)
    small: list[Annotated[int, Meta(ge=0)]] = Attr(factory=list)
    free: dict[str, Any] = Attr(factory=dict)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"numbers": [1, 2**63]}, "/numbers/1"),
        ({"numbers": [-(2**63) - 1]}, "/numbers/0"),
        ({"unique": [10**30]}, "/unique/*"),
        ({"counts": {"a": 2**63}}, "/counts/a"),
        ({"by_number": {str(2**63): "a"}}, f"/by_number/{2**63}"),
        ({"point": {"x": 2**64}}, "/point/x"),
        ({"point": {"x": 1, "longName": [2**64]}}, "/point/longName/0"),
        ({"boxes": [{"corner": {"x": 2**63}}]}, "/boxes/0/corner/x"),
        ({"boxes": [{"corner": {"x": 1}, "sizes": [1, 2**63]}]}, "/boxes/0/sizes/1"),
        ({"pair": ["a", 2**63]}, "/pair/1"),
        ({"either": ["a", 2**63]}, "/either/1"),
        ({"small": [2**63]}, "/small/0"),
    ],
    ids=str,
)
def test_an_integer_inside_a_value_has_64_bits(value: dict[str, Any], path: str) -> None:
    for check in (lambda: new_item(meta_of(Shape), {"id": "1", **value}), lambda: changes_of(meta_of(Shape), value)):
        with pytest.raises(InvalidInput) as refused:
            check()
        (fault,) = refused.value.faults
        assert fault.path == path
        assert fault.message.startswith("Expected int ")


def test_appended_integers_have_64_bits() -> None:
    with pytest.raises(InvalidInput):
        changes_of(meta_of(Shape), {"numbers": Append((2**63,))})


def test_integers_of_64_bits_and_those_without_a_declared_type_are_accepted() -> None:
    value = {
        "numbers": [MOST, -MOST - 1],
        "by_number": {MOST: "a"},
        "point": {"x": MOST, "rest": 2**70},
        "either": ["9" * 30, MOST],
        "free": {"n": 2**70},
    }
    found = new_item(meta_of(Shape), {"id": "1", **value})
    assert (found.numbers, found.by_number, found.either) == (value["numbers"], value["by_number"], value["either"])
    assert (found.point, found.free) == (Point(MOST, 2**70), {"n": 2**70})
