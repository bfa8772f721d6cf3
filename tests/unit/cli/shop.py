"""An app for the command line to work on."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from persisty import App, stored


@stored
class Product:
    id: str
    price: Annotated[float, Meta(ge=0)]
    in_stock: bool = True
    note: str | None = None


@stored
class StockLevel:
    id: str


app = App("shop", items=[Product, StockLevel], url="memory://")
nothing = None
