"""The app that the table of requests asks: a little of everything that REST and GraphQL have to say."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
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
    HasCount,
    HasMany,
    Index,
    Unique,
    authenticated,
    everyone,
    link,
    owned,
    public,
    scope,
    stored,
    where,
)

SECRET = "a digest that no caller may read"


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Origin(Struct):
    country: Annotated[str, Meta(min_length=2, max_length=2)]
    altitude: int | None = None


@stored(
    indexes=[Unique("code"), Index("maker_id", "price")],
    access=Access(
        read=where(hidden=False) | scope("staff"), create=authenticated, update=authenticated, delete=scope("staff")
    ),
)
class Article:
    """Something to buy."""

    id: UUID
    code: Annotated[str, Meta(min_length=1, max_length=12)]
    price: Decimal
    stock: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    weight: float | None = None
    size: Size = Size.SMALL
    tags: list[str] = Attr(factory=list)
    origin: Origin | None = None
    since: date | None = None
    picture: bytes | None = None
    hidden: bool = Attr(default=False, creatable=False, updatable=scope("staff"))
    cost: int | None = Attr(default=None, readable=scope("staff"), updatable=scope("staff"))
    maker_id: UUID | None = None
    version: int = Attr(generator=VERSION)
    created_at: datetime
    updated_at: datetime
    maker: BelongsTo[Maker]


@stored(access=Access(read=everyone, create=scope("staff"), update=scope("staff"), delete=scope("staff")))
class Maker:
    id: UUID
    name: Annotated[str, Meta(min_length=1, max_length=40)]
    digest: str = Attr(default=SECRET, readable=False, creatable=False, updatable=False)
    articles: HasMany[Article] = link()
    article_count: HasCount[Article] = link()


@stored(key=("shelf", "place"), access=authenticated)
class Slot:
    """A key of two parts, and nobody else's slots to be seen."""

    shelf: str
    place: int
    article_id: UUID | None = None


@stored(access=owned("owner"), conditional_writes=True)
class Note:
    id: UUID
    text: str
    owner: str


@dataclass
class Total:
    articles: int
    value: Decimal


@action(access_control=everyone, triggers=WEB_GET)
def total(at_least: Annotated[int, Meta(ge=0, le=1_000)] = 0) -> Total:
    """What is in stock."""
    found = [one for one in app.store(Article).search_all() if one.stock >= at_least]
    return Total(len(found), sum((one.price for one in found), Decimal(0)))


@action(access_control=everyone, triggers=WEB_POST)
def greet(name: Annotated[str, Meta(min_length=1, max_length=20)], times: Annotated[int, Meta(ge=1, le=3)] = 1) -> str:
    """A greeting."""
    return ", ".join(["Hello", *[name] * times])


class Offer(Struct):
    maker: Maker
    articles: list[Article]


@action(access_control=everyone, triggers=WEB_GET)
def offers() -> list[Offer]:
    """The makers with their articles: items within the result."""
    makers = app.store(Maker).links(app.store(Maker).search(order="name").items, "articles")
    return [Offer(one, sorted(one.articles.items, key=lambda article: article.code)) for one in makers]


@action(access_control=everyone, triggers=WEB_GET)
def catalogue() -> dict[str, Any]:
    """Items within any JSON."""
    return {one.name: {"maker": one} for one in app.store(Maker).search(order="name")}


@action(access_control=everyone, triggers=WEB_POST)
def restock(code: str) -> Article:
    """Fails with the item in its error."""
    [found] = app.store(Article).search(Article.code == code)
    changed = app.store(Article).update(found.id, {"stock": 1}, when=Article.stock == 999_999)
    assert changed is not None
    return changed


@stored(access=public)
class Shelf:
    """A key of any text."""

    id: str


app = App("shop", items=[Article, Maker, Slot, Note, Shelf], actions=[total, greet, offers, catalogue, restock])
