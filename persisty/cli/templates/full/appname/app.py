"""The items of the app, their links, and who may do what with them."""

from __future__ import annotations

import enum
from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from msgspec import Meta
from persisty import (
    GENERATED,
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
    linked,
    owned,
    scope,
    stored,
)

staff = scope("staff")


class Status(enum.Enum):
    """The progress of a purchase."""

    OPEN = "open"
    PAID = "paid"
    SENT = "sent"


@stored(indexes=[Unique("code")], access=Access(read=everyone, create=staff, update=staff, delete=staff))
class Product:
    """A product. Everyone sees it; the staff changes it."""

    id: Attr[UUID] = GENERATED
    code: Attr[Annotated[str, Meta(pattern="^[A-Z0-9-]{1,20}$")]]
    name: Attr[Annotated[str, Meta(min_length=1, max_length=200)]]
    price: Attr[Annotated[Decimal, Meta(ge=0)]]
    tags: Attr[list[str]] = Attr(factory=list)
    version: Attr[int] = VERSION


@stored(
    indexes=[Index("customer_id", "created_at")],
    access=Access(read=owned("customer_id") | staff, create=authenticated, update=staff, delete=staff),
)
class Purchase:
    """A purchase of a customer. The server sets the customer; the staff changes the status."""

    id: Attr[UUID] = GENERATED
    customer_id: Attr[str] = GENERATED
    status: Attr[Status] = Attr(default=Status.OPEN, creatable=staff)
    note: Attr[str | None] = Attr(default=None)
    version: Attr[int] = VERSION
    created_at: Attr[datetime] = GENERATED
    lines: HasMany[Line] = link()
    line_count: HasCount[Line] = link()


own_purchase = linked("purchase", owned("customer_id"))


@stored(
    indexes=[Index("purchase_id"), Index("product_id")],
    access=Access(read=own_purchase | staff, create=own_purchase, update=staff, delete=staff),
)
class Line:
    """A number of one product in a purchase. It is deleted with the purchase; a product in a purchase stays."""

    id: Attr[UUID] = GENERATED
    purchase_id: Attr[UUID]
    product_id: Attr[UUID]
    quantity: Attr[Annotated[int, Meta(ge=1, le=1000)]]
    purchase: BelongsTo[Purchase] = link(on_delete="cascade")
    product: BelongsTo[Product] = link(on_delete="block")


app = App("app-name", items=[Product, Purchase, Line], actions=["appname.actions"])
