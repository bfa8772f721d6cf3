"""The items: museums that lend artworks to each other's exhibitions, and what visitors write about them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct

from persisty import (
    GENERATED,
    UUID4_TEXT,
    App,
    Attr,
    BelongsTo,
    HasCount,
    HasMany,
    HasOne,
    Index,
    Unique,
    link,
    public,
    stored,
)


class Size(Struct, omit_defaults=True):
    height: float | None = None
    width: float | None = None
    unit: Literal["cm", "in"] = "cm"


@stored(key="code", access=public)
class Country:
    code: Attr[Annotated[str, Meta(min_length=2, max_length=2)]]
    name: Attr[str]
    cities: HasMany[City] = link()
    city_count: HasCount[City] = link()


@stored(key="id", indexes=[Index("country_code", "population"), Index("name")], access=public)
class City:
    id: Attr[int]
    name: Attr[str]
    country_code: Attr[str]
    population: Attr[int | None] = None
    latitude: Attr[float | None] = None
    country: BelongsTo[Country] = link(by="country_code", on_delete="block")
    museums: HasMany[Museum] = link()


@stored(indexes=[Index("city_id", "founded"), Index("parent_id")], access=public)
class Museum:
    """A museum may be a branch of another."""

    id: Attr[UUID] = GENERATED
    name: Attr[str]
    city_id: Attr[int | None] = None
    parent_id: Attr[UUID | None] = None
    founded: Attr[date | None] = None
    opening: Attr[dict[str, Any]] = Attr(factory=dict)
    city: BelongsTo[City] = link(on_delete="nullify")
    parent: BelongsTo[Museum] = link(on_delete="nullify")
    branches: HasMany[Museum] = link()
    staff: HasMany[Person] = link()
    artworks: HasMany[Artwork] = link()
    artwork_count: HasCount[Artwork] = link()


@stored(key="number", indexes=[Index("museum_id", "joined"), Index("boss_number"), Unique("email")], access=public)
class Person:
    """Staff have a museum, and mostly a boss; visitors have neither."""

    number: Attr[int]
    name: Attr[str]
    email: Attr[str | None] = None
    museum_id: Attr[UUID | None] = None
    boss_number: Attr[int | None] = None
    joined: Attr[datetime | None] = None
    museum: BelongsTo[Museum] = link(on_delete="nullify")
    boss: BelongsTo[Person] = link(by="boss_number", on_delete="nullify")
    reports: HasMany[Person] = link()
    reviews: HasMany[Review] = link()


@stored(key="slug", indexes=[Index("born", "name")], access=public)
class Artist:
    slug: Attr[str]
    name: Attr[str]
    born: Attr[int | None] = None
    biography: Attr[str | None] = None
    artworks: HasMany[Artwork] = link()


@stored(
    indexes=[Index("artist_slug", "made"), Index("museum_id", "price"), Unique("museum_id", "inventory")],
    access=public,
)
class Artwork:
    id: Attr[str] = UUID4_TEXT
    title: Attr[str]
    artist_slug: Attr[str | None] = None
    museum_id: Attr[UUID]
    inventory: Attr[str | None] = None
    made: Attr[date | None] = None
    price: Attr[Decimal | None] = None
    size: Attr[Size | None] = None
    tags: Attr[list[str]] = Attr(factory=list)
    lendable: Attr[bool] = Attr(default=True)
    artist: BelongsTo[Artist] = link(by="artist_slug", on_delete="nullify")
    museum: BelongsTo[Museum] = link(on_delete="block")
    categories: HasMany[Category] = link(through="Classification")
    loans: HasMany[Loan] = link()
    loan_count: HasCount[Loan] = link()


@stored(key="path", indexes=[Index("parent_path")], access=public)
class Category:
    path: Attr[str]
    label: Attr[str | None] = None
    parent_path: Attr[str | None] = None
    parent: BelongsTo[Category] = link(by="parent_path", on_delete="cascade")
    children: HasMany[Category] = link(by="parent_path")
    artworks: HasMany[Artwork] = link(through="Classification")


@stored(key=("artwork_id", "category_path"), indexes=[Index("category_path")], access=public)
class Classification:
    artwork_id: Attr[str]
    category_path: Attr[str]
    certain: Attr[bool | None] = None
    artwork: BelongsTo[Artwork] = link(on_delete="cascade")
    category: BelongsTo[Category] = link(by="category_path", on_delete="cascade")


@stored(key="id", indexes=[Index("museum_id", "opens")], access=public)
class Exhibition:
    id: Attr[int]
    title: Attr[str]
    museum_id: Attr[UUID]
    opens: Attr[date]
    closes: Attr[date | None] = None
    museum: BelongsTo[Museum] = link(on_delete="cascade")
    loans: HasMany[Loan] = link()
    catalogue: HasOne[Review] = link()


@stored(
    key=("exhibition_id", "artwork_id"),
    indexes=[Index("artwork_id", "returned_at"), Index("state", "fee")],
    access=public,
)
class Loan:
    exhibition_id: Attr[int]
    artwork_id: Attr[str]
    state: Attr[Literal["asked", "agreed", "there", "back", "lost"]]
    fee: Attr[Decimal] = Decimal(0)
    returned_at: Attr[datetime | None] = None
    exhibition: BelongsTo[Exhibition] = link(on_delete="cascade")
    artwork: BelongsTo[Artwork] = link(on_delete="cascade")


@stored(indexes=[Index("exhibition_id", "stars"), Index("person_number", "written_at")], access=public)
class Review:
    id: Attr[str] = UUID4_TEXT
    exhibition_id: Attr[int]
    person_number: Attr[int | None] = None
    stars: Attr[Annotated[int, Meta(ge=0, le=5)] | None] = None
    text: Attr[str | None] = None
    written_at: Attr[datetime]
    exhibition: BelongsTo[Exhibition] = link(on_delete="cascade")
    person: BelongsTo[Person] = link(by="person_number", on_delete="nullify")


ITEMS: tuple[type[Any], ...] = (
    Country, City, Museum, Person, Artist, Artwork, Category, Classification, Exhibition, Loan, Review,
)  # fmt: skip
"""The items, each after those that it belongs to."""


def museums(url: str, stage: str = "dev") -> App:
    """Return an app of these items."""
    return App("museums", items=ITEMS, url=url, stage=stage)
