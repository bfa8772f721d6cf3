"""Declarations of the tests: an item without indexes, as older code has it, and with five."""

from __future__ import annotations

from persisty import App, Index, stored

ATTRIBUTES = ("color", "maker", "place", "plate", "year")


@stored(name="car")
class Older:
    id: str
    color: str = "red"
    maker: str = "volvo"
    place: str = "berlin"
    plate: str = "none"
    year: int = 1999


@stored(name="car", indexes=[Index(one) for one in ATTRIBUTES])
class Newer:
    id: str
    color: str = "red"
    maker: str = "volvo"
    place: str = "berlin"
    plate: str = "none"
    year: int = 1999


@stored(name="car", table="car_2", key=("place", "id"))
class Moved:
    id: str
    place: str = "berlin"
    color: str = "red"
    maker: str = "volvo"
    plate: str = "none"
    year: int = 1999


def app(item: type, url: str, stage: str) -> App:
    """Return the app of one of the declarations."""
    return App("shop", items=[item], url=url, stage=stage)
