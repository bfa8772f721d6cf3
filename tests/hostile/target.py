"""The app that hostile requests are sent to: an attribute of every kind, links, rules, composite keys, actions."""

from __future__ import annotations

import enum
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct
from servey.action.action import action
from servey.trigger.web_trigger import WEB_GET, WEB_POST

from persisty import (
    GENERATED,
    VERSION,
    Access,
    App,
    Attr,
    BelongsTo,
    Create,
    HasMany,
    Index,
    Unique,
    authenticated,
    everyone,
    link,
    member,
    owned,
    public,
    stored,
)


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Place(Struct):
    city: str
    height: Decimal | None = None
    seen: datetime | None = None


@stored(indexes=[Unique("code"), Index("shop_id", "stock")], access=public)
class Product:
    id: Attr[str]
    code: Attr[str | None] = Attr(default=None)
    name: Attr[str] = Attr(default="")
    note: Attr[str | None] = Attr(default=None)
    price: Attr[Decimal | None] = Attr(default=None)
    stock: Attr[Annotated[int, Meta(ge=0)]] = Attr(default=0)
    big: Attr[int | None] = Attr(default=None)
    ratio: Attr[float | None] = Attr(default=None)
    made: Attr[datetime | None] = Attr(default=None)
    day: Attr[date | None] = Attr(default=None)
    ref: Attr[UUID | None] = Attr(default=None)
    blob: Attr[bytes | None] = Attr(default=None)
    size: Attr[Size] = Attr(default=Size.SMALL)
    tags: Attr[list[str]] = Attr(factory=list)
    sizes: Attr[set[Size]] = Attr(factory=set)
    mixed: Attr[set[int | str | None]] = Attr(factory=set)
    extra: Attr[dict[str, Any]] = Attr(factory=dict)
    place: Attr[Place | None] = Attr(default=None)
    shop_id: Attr[str | None] = Attr(default=None)
    shop: BelongsTo[Shop] = link(on_delete="nullify")


@stored(access=public)
class Shop:
    id: Attr[str]
    title: Attr[str] = Attr(default="")
    products: HasMany[Product] = link()


@stored(key=("shelf", "place"), access=public)
class Slot:
    shelf: Attr[str]
    place: Attr[int]
    version: Attr[int] = VERSION


@stored(access=Access(read=authenticated, create=owned("owner"), update=owned("owner"), delete=owned("owner")))
class Diary:
    id: Attr[UUID] = GENERATED
    owner: Attr[str] = GENERATED
    text: Attr[str] = Attr(default="")


@stored(access=Access(read=member("tenant", "tenant"), create=member("tenant", "tenant")))
class Ledger:
    id: Attr[str]
    tenant: Attr[str]
    sum: Attr[Decimal] = Attr(default=Decimal(0))


@action(triggers=WEB_GET, access_control=everyone)
def total(at_least: Annotated[int, Meta(ge=0)] = 0, names: list[str] | None = None) -> int:
    return at_least + len(names or ())


@action(triggers=WEB_POST, access_control=everyone)
def greet(name: str, extra: dict[str, Any] | None = None) -> str:
    return f"Hello {name}"


app = App("hostile", items=[Product, Shop, Slot, Diary, Ledger], actions=[total, greet])


def seed(app: App) -> int:
    """Store the items that the requests name."""
    shops = app.store(Shop)
    for number in range(20):
        shops.create({"id": f"s{number}", "title": f"Shop {number}"})
    products = app.store(Product)
    for start in range(0, 1000, 100):
        products.edit_batch(
            [
                Create(
                    {
                        "id": f"p{number}",
                        "code": f"c{number}",
                        "name": f"Product {number}",
                        "shop_id": f"s{number % 20}",
                    }
                )
                for number in range(start, start + 100)
            ]
        )
    return 1020
