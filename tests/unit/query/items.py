"""An item with an attribute of every kind, for the tests of queries."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from persisty import Index, meta_of, stored


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Geo:
    lat: float
    lon: float | None = None


class Place(Struct, rename="camel"):
    """A place whose JSON names differ from Python's, with a field that has the name of an operator."""

    city: str
    post_code: str | None = None
    at: datetime | None = None
    geo: Geo | None = None
    eq: int = 0


@stored(key=("shelf", "id"), indexes=[Index("color", "count")])
class Thing:
    shelf: str
    id: UUID
    text: Annotated[str, Meta(max_length=5)] | None = None
    count: Annotated[int, Meta(ge=0)] = 0
    size: int | None = None
    ratio: float | None = None
    done: bool = False
    at: datetime | None = None
    day: date | None = None
    price: Decimal | None = None
    color: Color = Color.RED
    blob: bytes | None = None
    extra: dict[str, Any] | None = None
    place: Place | None = None
    home: Geo | None = None


META = meta_of(Thing)
