"""A stored item that does not fit its declaration is reported, does not hide others, and can be repaired and deleted, on every engine."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from itertools import count, islice
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import UNSET, Meta, Struct

from persisty import App, Attr, BelongsTo, Caller, HasMany, UnreadableItem, Update, link, public, stored, where
from persisty.model.unreadable_items import partly_readable, unreadable_error

STAGES = count()


class Before(enum.Enum):
    RED = "red"
    BLUE = "blue"
    PURPLE = "purple"


class After(enum.Enum):
    RED = "red"
    BLUE = "blue"


@stored(name="shop")
class OldShop:
    id: str
    color: Before = Before.RED


@stored(name="dress")
class OldDress:
    id: str
    color: Before
    shop_id: str
    size: int = 1
    owner_id: str | None = None


@stored(access=public)
class Shop:
    id: Attr[str]
    color: Attr[After] = Attr(default=After.RED)
    dresses: HasMany[Dress]


@stored(access=public)
class Dress:
    id: Attr[str]
    color: Attr[After]
    shop_id: Attr[str]
    size: Attr[int] = Attr(default=1)
    owner_id: Attr[str | None] = Attr(default=None)
    shop: BelongsTo[Shop] = link()


@pytest.fixture
def app(engine_url: str) -> Iterator[App]:
    url, stage = engine_url, f"u{next(STAGES)}"
    before = App("dresses", items=[OldShop, OldDress], url=url, stage=stage, idempotency=None)
    before.prepare()
    before.store(OldShop).edit_batch([])
    for number, color in enumerate([Before.RED, Before.PURPLE, Before.BLUE, Before.PURPLE, Before.RED]):
        before.store(OldShop).create({"id": f"s{number}", "color": color})
        before.store(OldDress).create(
            {"id": f"d{number}", "color": color, "shop_id": f"s{number // 3}", "owner_id": "ann"}
        )
    if url == "memory://":
        before.revise(replace=[Shop, Dress])
        before.prepare()
        yield before
        before.close()
        return
    before.close()
    after = App("dresses", items=[Shop, Dress], url=url, stage=stage, idempotency=None)
    after.prepare()
    yield after
    after.close()


def named(errors: Any) -> list[tuple[str, str, list[str]]]:
    return [(one.details["store"], one.details["key"], one.details["attributes"]) for one in errors]


BROKEN = [("dress", "d1", ["color"]), ("dress", "d3", ["color"])]


def test_a_page_contains_the_other_items_and_reports_the_unreadable_ones(app: App) -> None:
    dresses = app.store(Dress)
    page = dresses.search(order="id")
    assert [one.id for one in page] == ["d0", "d2", "d4"]
    assert named(page.errors) == BROKEN
    first = dresses.search(order="id", limit=2)
    assert ([one.id for one in first], named(first.errors)) == (["d0"], BROKEN[:1])
    second = dresses.search(order="id", limit=2, cursor=first.cursor)
    assert ([one.id for one in second], named(second.errors)) == (["d2"], BROKEN[1:])
    assert [one["id"] for one in dresses.select(["id"], order="id")] == ["d0", "d1", "d2", "d3", "d4"]
    assert dresses.count() == 5


def test_every_page_ends_even_in_the_order_of_the_broken_attribute(app: App) -> None:
    dresses = app.store(Dress)
    seen, broken, cursor = [], [], None
    for _ in range(9):
        page = dresses.search(order="color", limit=3, cursor=cursor)
        seen += [one.id for one in page]
        broken += named(page.errors)
        cursor = page.cursor
        if cursor is None:
            break
    assert (sorted(seen), sorted(set(map(str, broken)))) == (["d0", "d2", "d4"], sorted(map(str, BROKEN)))


def test_search_all_yields_the_other_items_and_then_reports_the_unreadable_ones(app: App) -> None:
    every = app.store(Dress).search_all(order="id")
    assert [one.id for one in islice(every, 3)] == ["d0", "d2", "d4"]
    with pytest.raises(UnreadableItem, match="2 items cannot be read") as caught:
        next(every)
    assert [one["key"] for one in caught.value.details["items"]] == ["d1", "d3"]


def test_reads_report_the_item(app: App) -> None:
    dresses = app.store(Dress)
    with pytest.raises(UnreadableItem, match="dress d1 cannot be read: color has a value") as caught:
        dresses.read("d1")
    assert named([caught.value]) == BROKEN[:1]
    with pytest.raises(UnreadableItem) as caught:
        dresses.read_batch(["d0", "d1", "missing"])
    assert [one and one.id for one in caught.value.others] == ["d0", None, None]
    assert dresses.read("d0").color is After.RED


def test_an_update_of_another_attribute_reports_that_it_was_written(app: App) -> None:
    dresses = app.store(Dress)
    with pytest.raises(UnreadableItem, match="The change was written") as caught:
        dresses.update("d1", {"size": 7})
    assert caught.value.details["written"] is True
    results = dresses.edit_batch([Update("d0", {"size": 8}), Update("d3", {"size": 8})])
    assert [one.code for one in results] == ["ok", "unreadable_item"]
    assert results[1].error.details["written"] is True
    assert dresses.count(Dress.size == 8) == 2
    assert dresses.update("d1", {"color": After.BLUE}).size == 7


def test_it_can_be_repaired_and_deleted(app: App) -> None:
    dresses = app.store(Dress)
    assert dresses.update("d1", {"color": After.RED}).color is After.RED
    assert dresses.read("d1").color is After.RED
    assert dresses.delete("d3")
    page = dresses.search()
    assert (len(page), page.errors) == (4, ())


def test_all_unreadable_items_can_be_repaired_and_deleted_at_once(app: App) -> None:
    dresses, shops = app.store(Dress), app.store(Shop)
    assert dresses.update_all({"color": After.RED}).changed == 5
    assert {one.color for one in dresses.search()} == {After.RED}
    assert shops.delete_all().changed == 5


def test_links_to_an_unreadable_item_are_left_out_and_pages_of_links_report_it(app: App) -> None:
    dresses, shops = app.store(Dress), app.store(Shop)
    page = dresses.links(dresses.search(order="id"), "shop")
    assert page.items[0].shop.id == "s0"
    with pytest.raises(AttributeError):
        _ = page.items[2].shop  # of s1
    [shop] = shops.links([shops.read("s0")], "dresses")
    assert ([one.id for one in shop.dresses], named(shop.dresses.errors)) == (["d0", "d2"], BROKEN[:1])


def test_an_aggregate_by_the_unreadable_attribute_reports_it(app: App) -> None:
    assert app.store(Dress).count_by(Dress.size) == {1: 5}
    with pytest.raises(UnreadableItem, match="An item of dress cannot be read"):
        app.store(Dress).count_by(Dress.color)


class OldPosition(Struct):
    lat: float
    alt: str = "high"
    marks: list[str] = []


class Mark(enum.Enum):
    START = "start"
    STOP = "stop"


class Position(Struct):
    lat: float
    alt: int
    marks: list[Mark] = []


@stored(name="drone")
class OldDrone:
    id: str
    position: OldPosition


@stored(name="drone")
class Drone:
    id: str
    position: Position


def test_the_error_names_the_path_of_a_nested_value_and_the_allowed_values(app: App) -> None:
    app.add(OldDrone)
    app.prepare()
    old, odd = app.store(OldDrone), OldPosition(lat=1.0, alt="x")
    fine = {"lat": 1.0, "alt": 1}
    old.create({"id": "a", "position": odd})
    app.replace(Drone)
    app.prepare()
    drones = app.store(Drone)
    with pytest.raises(UnreadableItem, match="drone a cannot be read: /position/alt has a value") as caught:
        drones.read("a")
    assert caught.value.details["attributes"] == ["position"]
    drones.update("a", {"position": fine})
    assert drones.read("a").position.alt == 1


@stored(name="mug")
class OldMug:
    id: str
    glaze: str
    size: int
    year: int = 2000
    marks: list[str]


@stored(name="mug")
class Mug:
    id: str
    glaze: Literal["red", "blue"]
    size: Literal[1, 2]
    year: Annotated[int, Meta(ge=1900)] = 2000
    marks: list[Literal["a", "b"]]


def test_an_unknown_value_of_a_literal_is_unreadable_like_that_of_an_enum(app: App) -> None:
    app.add(OldMug)
    app.prepare()
    for key, glaze, size, year, marks in (
        ("a", "red", 1, 2000, ["a"]),
        ("b", "green", 2, 1800, ["b"]),
        ("c", "blue", 3, 1800, ["b"]),
        ("d", "blue", 2, 1800, ["b"]),
        ("e", "blue", 2, 1800, ["b", "x"]),
    ):
        app.store(OldMug).create({"id": key, "glaze": glaze, "size": size, "year": year, "marks": marks})
    app.replace(Mug)
    app.prepare()
    mugs = app.store(Mug)
    page = mugs.search(order="id")
    assert [(one.id, one.year) for one in page] == [("a", 2000), ("d", 1800)], "bounds hold for new values only"
    assert named(page.errors) == [("mug", "b", ["glaze"]), ("mug", "c", ["size"]), ("mug", "e", ["marks"])]
    assert [one["id"] for one in mugs.select(["id"], where=Mug.glaze == "green")] == ["b"], "filters see stored values"
    with pytest.raises(UnreadableItem, match=r"glaze has a value .*Allowed for glaze: blue, red"):
        mugs.read("b")
    with pytest.raises(UnreadableItem, match="Allowed for size: 1, 2"):
        mugs.read_batch(["a", "c"])
    with pytest.raises(UnreadableItem, match="An item of mug cannot be read"):
        mugs.count_by(Mug.glaze)
    assert mugs.update("b", {"glaze": "red"}).glaze == "red"
    assert mugs.update("e", {"marks": []}).marks == []
    assert mugs.delete("c")
    assert (len(mugs.search()), mugs.search().errors) == (4, ())


def test_the_error_lists_the_values_that_an_enum_allows(app: App) -> None:
    with pytest.raises(UnreadableItem, match=r"color has a value .*Allowed for color: red, blue"):
        app.store(Dress).read("d1")


def test_an_enum_within_a_nested_list_has_its_path_and_its_allowed_values() -> None:
    meta = Drone.__persisty__  # type: ignore[attr-defined]
    stored_ = {"id": "a", "position": '{"lat":1,"alt":2,"marks":["start","turn"]}'}

    def decode(name: str, value: Any) -> Any:
        return value if name == "id" else msgspec.json.decode(value, type=meta.attributes[name].type)

    error = unreadable_error(meta, partly_readable(meta, stored_, decode, ("id", "position"), lambda _, value: value))
    assert "/position/marks/1 has a value" in error.message
    assert error.message.endswith("Allowed for /position/marks/1: start, stop")
    lacking = {"id": "a", "position": '{"lat":1}'}
    error = unreadable_error(meta, partly_readable(meta, lacking, decode, ("id", "position"), lambda _, value: value))
    assert "cannot be read: /position/alt has a value" in error.message


def test_all_unreadable_items_can_be_found_and_repaired(app: App) -> None:
    dresses = app.store(Dress)
    for _ in range(9):
        try:
            for _item in dresses.search_all():
                pass
            break
        except UnreadableItem as error:
            for broken in error.details.get("items", [error.details]):
                dresses.update(broken["key"], {"color": After.BLUE})
    assert [one.color for one in dresses.search_all(order="id")].count(After.BLUE) == 3


@stored(name="dress", access=where(color=After.RED))
class RedDress:
    id: str
    color: After
    shop_id: str
    size: int = 1
    owner_id: str | None = None


@stored(name="dress", access=public)
class HiddenColor:
    id: Attr[str]
    color: Attr[After] = Attr(readable=False)
    shop_id: Attr[str]
    size: Attr[int] = Attr(default=1)
    owner_id: Attr[str | None] = Attr(default=None)


def test_rules_decide_how_a_caller_sees_an_unreadable_item(app: App) -> None:
    ann = Caller(subject="ann")
    mine = app.store(Dress).on_behalf_of(ann)
    assert named(mine.search(order="id").errors) == BROKEN
    with pytest.raises(UnreadableItem):
        mine.read("d1")
    app.replace(RedDress)
    red = app.store(RedDress).on_behalf_of(ann)  # it cannot be decided whether d1 may be read
    page = red.search(order="id")
    assert ([one.id for one in page], page.errors) == (["d0", "d4"], ())
    assert (red.read("d1"), red.read_batch(["d1", "d0"])[0]) == (None, None)
    app.replace(HiddenColor)
    blind = app.store(HiddenColor).on_behalf_of(ann)
    assert [one.id for one in blind.search(order="id")] == ["d0", "d1", "d2", "d3", "d4"]
    assert (blind.read("d1").size, blind.read("d1").color) == (1, UNSET)
