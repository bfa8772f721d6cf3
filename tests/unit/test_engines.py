"""An app over several engines: each item is in the engine that it names, and links, rules and deletes work across engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from persisty import (
    App,
    Attr,
    BelongsTo,
    Caller,
    Change,
    Conflict,
    Create,
    HasCount,
    HasMany,
    InvalidDeclaration,
    InvalidInput,
    Unsupported,
    link,
    linked,
    owned,
    stored,
)

from ..postgres import schema_in


@stored(key="name", access=owned("owner"))
class Shop:
    name: Attr[str]
    owner: Attr[str]
    carts: HasMany[Cart] = link()
    cart_count: HasCount[Cart] = link()


@stored(key="number", engine="fast", access=linked("shop", owned("owner")))
class Cart:
    number: Attr[int]
    total: Attr[int] = Attr(default=0)
    shop_name: Attr[str]
    shop: BelongsTo[Shop] = link(by="shop_name", on_delete="cascade")


@stored(key="id")
class Note:
    id: Attr[str]
    cart_number: Attr[int | None] = Attr(default=None)
    cart: BelongsTo[Cart] = link(by="cart_number", on_delete="nullify")


PAIRS = ["sqlite+memory", "memory+sqlite", "sqlite+sqlite", "postgresql+sqlite", "dynamodb+sqlite", "sqlite+dynamodb"]


@pytest.fixture(params=PAIRS)
def app(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")

    def url(kind: str, place: str) -> str:
        if kind == "postgresql":
            return schema_in(request.getfixturevalue("postgres_url"))
        urls = {
            "memory": "memory://",
            "sqlite": f"sqlite:///{tmp_path}/{place}.db",
            "dynamodb": "dynamodb://eu-west-1?transport=boto3",
        }
        return urls[kind]

    own, fast = request.param.split("+")
    with mock_aws():
        made = App("market", items=[Shop, Cart, Note], url=url(own, "own"), engines={"fast": url(fast, "fast")})
        made.prepare()
        made.edit_batch([Create(Shop(name="a", owner="ann")), Create(Shop(name="b", owner="ben"))])
        for number in range(6):
            made.store(Cart).create(Cart(number=number, total=number * 10, shop_name="ab"[number % 2]))
        yield made
        made.close()


def test_each_item_is_in_its_engine(app: App) -> None:
    assert app.engine_of(app.store(Cart).meta) is not app.engine
    assert app.engine_of(app.store(Shop).meta) is app.engine
    assert (app.store(Shop).count(), app.store(Cart).count()) == (2, 6)


def test_links_lead_from_one_engine_to_the_other(app: App) -> None:
    shop = app.store(Shop).links(app.store(Shop).read("a"), "carts", "cart_count")
    assert sorted(one.number for one in shop.carts) == [0, 2, 4]
    assert shop.cart_count == 3
    cart = app.store(Cart).links(app.store(Cart).read("1"), "shop")
    assert cart.shop.owner == "ben"


def test_filters_follow_links_into_the_other_engine_and_back(app: App) -> None:
    assert [one.name for one in app.store(Shop).search(Shop.carts.any(Cart.total == 50))] == ["b"]
    assert sorted(one.number for one in app.store(Cart).search(Cart.shop.owner == "ann")) == [0, 2, 4]
    app.store(Note).create(Note(id="x", cart_number=3))
    assert [one.id for one in app.store(Note).search(Note.cart.shop.owner == "ben")] == ["x"]


def test_rules_follow_links_into_the_other_engine(app: App) -> None:
    carts = app.store(Cart).on_behalf_of(Caller("ann"))
    assert sorted(one.number for one in carts.search()) == [0, 2, 4]
    assert carts.read("1") is None
    assert carts.update("1", {"total": 1}) is None
    changed = carts.update("2", {"total": 1})
    assert changed is not None
    assert changed.total == 1


def test_a_target_in_the_other_engine_must_exist(app: App) -> None:
    with pytest.raises(InvalidInput) as caught:
        app.store(Cart).create(Cart(number=9, shop_name="nowhere"))
    assert [fault.path for fault in caught.value.faults] == ["/shop_name"]
    with pytest.raises(InvalidInput) as caught:
        app.store(Cart).edit_batch(
            [Create(Cart(number=9, shop_name="a")), Create(Cart(number=10, shop_name="nowhere"))]
        )
    assert [fault.path for fault in caught.value.faults] == ["/edits/1/item/shop_name"]
    assert app.store(Cart).count() == 6


def test_a_delete_reaches_its_dependents_in_the_other_engine_and_beyond(app: App) -> None:
    app.store(Note).create(Note(id="x", cart_number=2))
    heard: list[Change] = []
    app.listen([Shop, Cart, Note], heard.append)
    assert app.store(Shop).delete("a")
    assert sorted(one.number for one in app.store(Cart).search()) == [1, 3, 5]
    note = app.store(Note).read("x")
    assert note is not None
    assert note.cart_number is None
    assert sorted((one.store, one.kind) for one in heard) == [("cart", "deleted")] * 3 + [
        ("note", "updated"),
        ("shop", "deleted"),
    ]


def test_an_atomic_batch_over_two_engines_is_rejected(app: App) -> None:
    batch = [Create(Shop(name="c", owner="eve")), Create(Cart(number=9, shop_name="a"))]
    with pytest.raises(Unsupported):
        app.edit_batch(batch, atomic=True)
    assert app.store(Shop).read("c") is None
    assert [one.code for one in app.edit_batch(batch)] == ["ok", "ok"]
    assert app.edit_batch(batch)[0].code == Conflict.code


def test_an_unknown_engine_stops_the_start() -> None:
    with pytest.raises(InvalidDeclaration) as caught:
        App("market", items=[Shop, Cart, Note], url="memory://", engines={"slow": "memory://"})
    assert [(fault.path, fault.expected, fault.found) for fault in caught.value.faults] == [
        ("/items/cart", "one of slow", "fast")
    ]


def test_an_app_that_stores_all_in_one_engine_still_knows_the_names_of_its_engines() -> None:
    @stored(key="name", engine="fast")
    class Ping:
        name: Attr[str]

    app = App("net", items=[Ping], url="memory://", engines={"fast": "memory://"})
    app.use("sqlite://")
    app.remove(Ping)
    app.add(Ping)
    with app.transaction("fast"):
        app.store(Ping).create(Ping(name="a"))
    assert app.store(Ping).count() == 1
    with pytest.raises(InvalidDeclaration, match="slow is not an engine of net"):
        app.transaction("slow")
