"""The first products. A second run adds nothing: the keys are fixed, and a create never overwrites."""

from __future__ import annotations

from decimal import Decimal
from uuid import NAMESPACE_URL, UUID, uuid5

from persisty import App, Create

from .app import Product

PRODUCTS = (("TEA-1", "Green tea", "4.50"), ("TEA-2", "Black tea", "3.90"), ("CUP-1", "A cup", "12.00"))


def key_of(code: str) -> UUID:
    """Return the key of a seeded product."""
    return uuid5(NAMESPACE_URL, f"app-name/{code}")


def seed(app: App) -> int:
    """Store the missing products. Return their number."""
    products = [Product(id=key_of(code), code=code, name=name, price=Decimal(price)) for code, name, price in PRODUCTS]
    results = app.store(Product).edit_batch([Create(product) for product in products])
    return sum(result.code == "ok" for result in results)
