"""An item with several kinds of attributes, its rows, and readings of the changes between two declarations."""

from __future__ import annotations

import enum

import pytest

from persisty import App, Attr, Index, SchemaMismatch, stored
from persisty.deploy.evolution import evolutions_of


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"


class Red(enum.Enum):
    RED = "red"


@stored(name="car", indexes=[Index("odometer")])
class Car:
    id: str
    odometer: int
    color: Color = Color.RED
    note: str | None = None
    price: str = "1"


ROWS = [
    {"id": "a", "odometer": 7, "note": "n", "price": "10"},
    {"id": "b", "odometer": 8, "color": "green", "price": "11"},
]


@stored(name="car", indexes=[Index("mileage")])
class Renamed:
    id: str
    mileage: int = Attr(former_names="odometer")
    color: Color = Color.RED
    note: str | None = None
    price: str = "1"


def kinds(app: App) -> set[str]:
    return {f"{change.kind} {change.name}".strip() for one in evolutions_of(app) for change in one.changes}


def faults(caught: pytest.ExceptionInfo[SchemaMismatch]) -> dict[str, str | None]:
    return {fault.path: fault.found for fault in caught.value.faults}
