"""Stored JSON without a member whose default is a function: one rule in reads and filters, on every engine."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec import Struct, field

from persisty import App, Attr, UnreadableItem, stored

STAGES = count()


class Wheel(Struct):
    size: int
    mark: UUID | None = field(default_factory=uuid4)
    tags: list[str] = field(default_factory=list)
    unit: str = field(default_factory=lambda: "mm")


class Numbered(Struct):
    size: int
    number: UUID = field(default_factory=uuid4)


@stored(name="cart")
class OldCart:
    id: Attr[str]
    wheel: Attr[dict[str, Any]]
    numbered: Attr[dict[str, Any] | None] = Attr(default=None)
    spare: Attr[list[dict[str, Any]]] = Attr(factory=list)


@stored(name="cart")
class Cart:
    id: Attr[str]
    wheel: Attr[Wheel]
    numbered: Attr[Numbered | None] = Attr(default=None)
    spare: Attr[list[Wheel]] = Attr(factory=list)


@pytest.fixture
def app(engine_url: str) -> Iterator[App]:
    stage = f"m{next(STAGES)}"
    before = App("carts", items=[OldCart], url=engine_url, stage=stage, idempotency=None)
    before.prepare()
    carts = before.store(OldCart)
    carts.create(OldCart(id="old", wheel={"size": 1}, spare=[{"size": 2}]))
    carts.create(OldCart(id="odd", wheel={"size": 1}, numbered={"size": 3}))
    if engine_url == "memory://":
        before.revise(replace=[Cart])
        after = before
    else:
        before.close()
        after = App("carts", items=[Cart], url=engine_url, stage=stage, idempotency=None)
    after.prepare()
    after.store(Cart).create(Cart(id="new", wheel=Wheel(1), numbered=Numbered(3)))
    yield after
    after.close()


def _ids(app: App, where: Any) -> set[str]:
    page = app.store(Cart).search(where)
    return {*(one.id for one in page), *(error.details["key"] for error in page.errors)}


def test_a_member_that_a_function_makes_anew_is_null_in_reads_and_filters(app: App) -> None:
    carts = app.store(Cart)
    first, second = carts.read("old"), carts.read("old")
    assert first == second == Cart(id="old", wheel=Wheel(1, None), spare=[Wheel(2, None)])
    assert _ids(app, Cart.wheel.mark.is_null()) == {"old", "odd"}
    assert _ids(app, Cart.wheel.mark.is_null(False)) == {"new"}
    assert carts.update("old", {"spare": []}, when=Cart.wheel.mark.is_null()) is not None


def test_a_constant_that_a_function_makes_is_the_default(app: App) -> None:
    assert app.store(Cart).read("old").wheel.unit == "mm"  # type: ignore[union-attr]
    assert _ids(app, Cart.wheel.unit == "mm") == _ids(app, Cart.wheel.tags.is_null(False)) == {"old", "odd", "new"}


def test_an_object_whose_member_cannot_be_null_is_unreadable(app: App) -> None:
    carts = app.store(Cart)
    page = carts.search(order="id")
    assert ([one.id for one in page], [one.details["key"] for one in page.errors]) == (["new", "old"], ["odd"])
    with pytest.raises(UnreadableItem, match="cart odd cannot be read: /numbered/number has a value"):
        carts.read("odd")
    assert _ids(app, Cart.numbered.number.is_null()) == {"old", "odd"}  # type: ignore[union-attr]
    assert _ids(app, Cart.numbered.size == 3) == {"odd", "new"}  # type: ignore[union-attr]
    assert carts.update("odd", {"numbered": Numbered(4)}) is not None
