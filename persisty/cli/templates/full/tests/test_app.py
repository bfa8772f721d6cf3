"""Purchases and their rules, tested on the engine that a deployment uses."""

from __future__ import annotations

from uuid import uuid4

import pytest
from persisty import App, Caller, Conflict, Forbidden, InvalidInput

from appname.actions import Wanted, buy
from appname.app import Line, Product, Purchase, Status
from appname.seeds import PRODUCTS, key_of, seed

ANN, BEN, STAFF = Caller("ann"), Caller("ben"), Caller("eve", frozenset({"staff"}))


def test_a_purchase_is_placed_with_its_lines(app: App) -> None:
    seed(app)
    key = buy([Wanted(key_of("TEA-1"), 2), Wanted(key_of("CUP-1"))], ANN, note="Please ring")
    purchase = app.store(Purchase).on_behalf_of(ANN).read(key)
    assert purchase is not None
    assert (purchase.status, purchase.note) == (Status.OPEN, "Please ring")
    assert app.store(Line).on_behalf_of(ANN).count(Line.purchase_id == key) == 2
    assert app.store(Line).on_behalf_of(BEN).count() == 0


def test_a_purchase_of_a_missing_product_stores_nothing(app: App) -> None:
    seed(app)
    with pytest.raises(InvalidInput) as refused:
        buy([Wanted(key_of("TEA-1")), Wanted(uuid4())], ANN)
    assert [fault.path for fault in refused.value.faults] == ["/lines/1/product_id"]
    assert app.store(Purchase).count() == 0


def test_only_the_staff_changes_the_status(app: App) -> None:
    seed(app)
    key = buy([Wanted(key_of("TEA-1"))], ANN)
    with pytest.raises(Forbidden):
        app.store(Purchase).on_behalf_of(ANN).update(key, {"status": Status.PAID})
    changed = app.store(Purchase).on_behalf_of(STAFF).update(key, {"status": Status.PAID})
    assert changed is not None
    assert changed.status is Status.PAID


def test_a_product_in_a_purchase_cannot_be_deleted(app: App) -> None:
    seed(app)
    buy([Wanted(key_of("TEA-1"))], ANN)
    products = app.store(Product).on_behalf_of(STAFF)
    with pytest.raises(Conflict):
        products.delete(key_of("TEA-1"))
    assert products.delete(key_of("TEA-2"))


def test_seeds_are_stored_once(app: App) -> None:
    assert (seed(app), seed(app)) == (len(PRODUCTS), 0)
