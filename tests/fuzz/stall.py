"""The app that the fuzzer reads: one of each thing that a route may have. A fuzzer tries every parameter of every route, so there are few."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct
from servey.action.action import action
from servey.trigger.web_trigger import WEB_GET, WEB_POST

from persisty import (
    VERSION,
    Access,
    App,
    Attr,
    BelongsTo,
    HasMany,
    Unique,
    authenticated,
    everyone,
    link,
    scope,
    stored,
)


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Origin(Struct):
    country: Annotated[str, Meta(min_length=2, max_length=2)]
    altitude: int | None = None


@stored(indexes=[Unique("code")], access=authenticated)
class Article:
    """Something to buy."""

    id: UUID
    code: Annotated[str, Meta(min_length=1, max_length=12)]
    price: Decimal | None = None
    stock: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    size: Size = Size.SMALL
    tags: list[str] = Attr(factory=list)
    origin: Origin | None = None
    cost: int | None = Attr(default=None, readable=scope("staff"), updatable=scope("staff"))
    maker_id: UUID | None = None
    maker: BelongsTo[Maker]
    version: int = Attr(generator=VERSION)
    updated_at: datetime


@stored(access=Access(read=authenticated, create=authenticated, search=authenticated))
class Maker:
    id: UUID
    name: Annotated[str, Meta(min_length=1, max_length=40)]
    articles: HasMany[Article] = link()


@stored(key=("shelf", "place"), access=Access(read=authenticated, create=authenticated, delete=authenticated))
class Slot:
    """A key of two parts."""

    shelf: Annotated[str, Meta(min_length=1)]
    place: int


@dataclass
class Total:
    articles: int
    value: Decimal


LARGE = Decimal("1E100")
"""Prices from here on are left out of the total: the sum of two could be more than a decimal may be."""


@action(access_control=everyone, triggers=WEB_GET)
def total(at_least: Annotated[int, Meta(ge=0, le=1_000)] = 0) -> Total:
    """What is in stock."""
    found = [one for one in app.store(Article).search_all() if one.stock >= at_least]
    return Total(len(found), sum((one.price for one in found if one.price and abs(one.price) < LARGE), Decimal(0)))


@action(access_control=everyone, triggers=WEB_POST)
def greet(name: Annotated[str, Meta(min_length=1, max_length=20)], times: Annotated[int, Meta(ge=1, le=3)] = 1) -> str:
    """A greeting."""
    return ", ".join(["Hello", *[name] * times])


app = App("stall", items=[Article, Maker, Slot], actions=[total, greet])
