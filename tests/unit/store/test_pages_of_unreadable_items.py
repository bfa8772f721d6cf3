"""Pages of every order contain each readable item once and name each unreadable item, on every engine."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any, Literal

import pytest

from persisty import App, Create, Index, UnreadableItem, stored
from persisty.backends.dynamodb import local_order
from persisty.model.expressions import Aggregate, And
from persisty.model.unreadable_items import unreadable
from persisty.query.filter_algebra import combine
from persisty.store.backend import Query
from persisty.store.page_bytes import size_of_all
from persisty.store.store import context_of

STAGES = count()
INDEXES = [Index("shop_id", "day"), Index("shop_id", "color")]


@stored(name="gown", indexes=INDEXES)
class OldGown:
    id: int
    shop_id: str
    day: int
    color: Literal["amber", "green", "red"]
    text: str = ""


@stored(name="gown", indexes=INDEXES)
class Gown:
    id: int
    shop_id: str
    day: int
    color: Literal["amber", "red"]
    text: str = ""


@stored(name="plain_gown")
class OldPlainGown:
    id: int
    shop_id: str
    color: Literal["amber", "green", "red"]
    text: str = ""


@stored(name="plain_gown")
class PlainGown:
    id: int
    shop_id: str
    color: Literal["amber", "red"]
    text: str = ""


NUMBER = 24
BROKEN = {1, 7, 8, 9, 16, 23}
FINE = set(range(NUMBER)) - BROKEN
ORDERS: list[Any] = ["day", "-day", "color", "-color", ["day", "color"], ["-day", "color"], "id", None]


def color(number: int) -> Any:
    return "green" if number in BROKEN else "red" if number % 5 else "amber"


@pytest.fixture
def app(engine_url: str) -> Iterator[App]:
    """An app whose gowns occur in two shops and on six days, some with a color that is no longer declared."""
    app = App("gowns", items=[OldGown, OldPlainGown], url=engine_url, stage=f"g{next(STAGES)}")
    app.prepare()
    gowns = [OldGown(id=one, shop_id=f"s{one % 2}", day=one // 4, color=color(one)) for one in range(NUMBER)]
    app.store(OldGown).edit_batch([Create(one) for one in gowns])
    plain = [OldPlainGown(id=one.id, shop_id=one.shop_id, color=one.color) for one in gowns]
    app.store(OldPlainGown).edit_batch([Create(one) for one in plain])
    app.replace(Gown, PlainGown)
    app.prepare()
    yield app
    app.close()


def walk(store: Any, where: Any, order: Any, limit: int) -> tuple[list[int], list[int]]:
    """Return the readable items of all pages, and the unreadable ones that they name."""
    items, named, cursor = list[int](), list[int](), None
    for _ in range(NUMBER + 2):
        page = store.search(where, order=order, limit=limit, cursor=cursor)
        items += [one.id for one in page]
        named += [int(one.details["key"]) for one in page.errors]
        cursor = page.cursor
        if cursor is None:
            return items, named
    raise AssertionError("The pages do not end")


def test_each_readable_item_is_in_one_page_and_each_unreadable_one_is_named_once(app: App) -> None:
    gowns, plain = app.store(Gown), app.store(PlainGown)
    cases: list[tuple[Any, Any, set[int]]] = [
        (gowns, Gown.shop_id == "s1", {one for one in range(NUMBER) if one % 2}),
        (gowns, Gown.shop_id.oneof(["s0", "s1"]), set(range(NUMBER))),
        (gowns, None, set(range(NUMBER))),
        (plain, PlainGown.id.oneof(list(range(NUMBER))), set(range(NUMBER))),
    ]
    for order in ORDERS:
        for store, where, expected in cases:
            if store is plain and "day" in str(order):
                continue
            for limit in (1, 2, 3, 7):
                items, named = walk(store, where, order, limit)
                found, right = (sorted(items), sorted(named)), (sorted(expected & FINE), sorted(expected & BROKEN))
                assert found == right, f"{order} {where} {limit}"


def test_the_pages_of_several_values_lead_to_all_items_too(app: App) -> None:
    for item, order in ((Gown, "day"), (Gown, "color"), (PlainGown, "color"), (PlainGown, "-color")):
        store: Any = app.store(item)
        backend, total = context_of(store).backend, context_of(store).preparation.order(order)
        pages = backend.query_each("shop_id", ["s0", "s1"], Query(order=total, limit=3))
        for shop, page in enumerate(pages):
            found, where = list(page.items), item.shop_id == f"s{shop}"
            position = page.position
            while position is not None:
                following = backend.query(Query(where, total, position, 3))
                found, position = [*found, *following.items], following.position
            fine = [one.id for one in found if not unreadable(one)]
            expected = {one for one in range(NUMBER) if one % 2 == shop}
            assert sorted(fine) == sorted(expected & FINE)
            assert {one.id for one in found if unreadable(one)} == expected & BROKEN


LONG = 5_000


def test_a_page_of_unreadable_items_has_a_bound_in_bytes(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_order, "MAX_PAGE_BYTES", 20_000)
    app.replace(OldGown, OldPlainGown)
    app.prepare()
    colors = ["green"] * 30 + ["red"] * 5
    longs = [(100 + place, "long", color, "x" * LONG) for place, color in enumerate(colors)]
    for item, more in ((OldGown, {"day": 1}), (OldPlainGown, {})):
        keys = ("id", "shop_id", "color", "text")
        app.store(item).edit_batch([Create(item(**dict(zip(keys, one, strict=True)), **more)) for one in longs])
    app.replace(Gown, PlainGown)
    app.prepare()
    for item in (Gown, PlainGown):
        store: Any = app.store(item)
        context, where = context_of(store), item.shop_id == "long"
        total = context.preparation.order("color")
        page = context.backend.query(Query(where, total, None, 100, max_bytes=20_000))
        assert {one.id for one in page.items if unreadable(one)} == set(range(100, 130))
        assert size_of_all(context.meta, page.items) <= 35 * LONG / 2
        found = [one for one in page.items if not unreadable(one)]
        while page.position is not None:
            page = context.backend.query(Query(where, total, page.position, 100, max_bytes=20_000))
            found += page.items
        assert [(one.id, one.text) for one in found] == [(one, "x" * LONG) for one in range(130, 135)]


def test_an_extreme_that_cannot_be_read_is_an_error(app: App) -> None:
    backend = context_of(app.store(Gown)).backend
    green = Gown.id.oneof(list(BROKEN))
    for where in (green, combine(And, [green, Gown.shop_id == "s1"]), Gown.color == "green"):
        with pytest.raises(UnreadableItem, match="An item of gown cannot be read"):
            backend.aggregate((Aggregate("max", "color"),), (), where)
    with pytest.raises(UnreadableItem):
        backend.aggregate((Aggregate("min", "color"),), (), combine(And, [Gown.shop_id == "s1", Gown.color >= "b"]))
