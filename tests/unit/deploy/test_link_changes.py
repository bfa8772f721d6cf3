"""Links that are added, changed and removed over stored items, on every engine: no item is written, and an item with a missing target stays usable and can be found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from persisty import App, Attr, BelongsTo, Conflict, HasMany, Index, InvalidInput, link, stored
from persisty.deploy.migration import Migration

from ...postgres import schema_in
from .cars import kinds
from .conftest import Place, Tables


def linked(on_delete: Any) -> tuple[type[Any], type[Any]]:
    """Return items with a link to the maker, which this happens to if the maker is deleted."""

    @stored(name="maker", key="name")
    class Maker:
        name: Attr[str]
        cars: HasMany[Car] = link()

    @stored(name="car", indexes=[Index("maker_name")])
    class Car:
        id: Attr[str]
        maker_name: Attr[str | None] = Attr(default=None)
        note: Attr[str] = Attr(default="")
        maker: BelongsTo[Maker] = link(by="maker_name", on_delete=on_delete)

    return Maker, Car


@stored(name="maker", key="name")
class PlainMaker:
    name: Attr[str]


@stored(name="car", indexes=[Index("maker_name")])
class PlainCar:
    id: Attr[str]
    maker_name: Attr[str | None] = Attr(default=None)
    note: Attr[str] = Attr(default="")


MAKERS = {"a": "vw", "b": "gone", "c": None, "d": "gone"}
"""Key of a car → its maker. The maker `gone` does not exist."""


@pytest.fixture(params=["sqlite", "postgresql", "dynamodb"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    match request.param:
        case "sqlite":
            found = Place(f"sqlite:///{tmp_path}/shop.db")
        case "postgresql":
            found = Place(schema_in(request.getfixturevalue("postgres_url")))
        case _:
            found = Tables(f"dynamodb://us-east-1?endpoint={request.getfixturevalue('moto_endpoint')}&partiql=0")
    app = found.app(PlainMaker, PlainCar)
    app.prepare()
    app.store(PlainMaker).create({"name": "vw"})
    for key, maker in MAKERS.items():
        app.store(PlainCar).create({"id": key, "maker_name": maker})
    yield found
    if found.opened is not None:
        found.opened.close()


def makers(app: App) -> dict[str, str | None]:
    return {one.id: one.maker_name for one in app.store("car").search_all()}


def test_a_link_is_added_without_a_step_and_orphans_are_found_and_repaired(place: Place) -> None:
    maker, car = linked("cascade")
    assert kinds(place.app(maker, car)) == {"link_added maker", "link_added cars"}
    app, planned = place.migrated(maker, car)
    assert [step.title for one in planned for step in one.steps] == []
    cars = app.store(car)
    loaded = {one.id: one.maker for one in cars.links(cars.search(order="id"), "maker")}
    assert {key: getattr(found, "name", None) for key, found in loaded.items()} == {
        "a": "vw",
        "b": None,
        "c": None,
        "d": None,
    }
    assert [one.id for one in cars.search(car.maker.name == "vw").items] == ["a"]
    orphans = [one.id for one in cars.search_all(car.maker_name.is_null(False) & ~(car.maker.name != ""))]
    assert sorted(orphans) == ["b", "d"]
    assert cars.update("b", {"note": "still writable"}) is not None
    with pytest.raises(InvalidInput):
        cars.create({"id": "e", "maker_name": "missing"})
    app.store(maker).create({"name": "gone"})
    assert {one.id for one in cars.search_all(car.maker.name == "gone")} == {"b", "d"}
    assert app.store(maker).delete("gone")
    assert makers(app) == {"a": "vw", "c": None}


def test_a_changed_referential_action_applies_to_stored_items(place: Place) -> None:
    place.migrated(*linked("cascade"))
    maker, car = linked("block")
    assert kinds(place.app(maker, car)) == {"link_changed maker"}
    app, planned = place.migrated(maker, car)
    assert [one.steps for one in planned] == [()]
    with pytest.raises(Conflict):
        app.store(maker).delete("vw")


def test_a_removed_link_leaves_its_foreign_keys_and_checks_them_no_longer(place: Place) -> None:
    place.migrated(*linked("block"))
    assert kinds(place.app(PlainMaker, PlainCar)) == {"link_removed maker", "link_removed cars"}
    app, planned = place.migrated(PlainMaker, PlainCar)
    assert [step.title for one in planned for step in one.steps] == []
    assert makers(app) == MAKERS
    app.store(PlainCar).create({"id": "e", "maker_name": "missing"})
    assert app.store(PlainMaker).delete("vw")
    assert makers(app) == MAKERS | {"e": "missing"}


def test_an_item_that_a_link_leads_to_is_renamed_with_its_link(place: Place) -> None:
    @stored(name="maker", key="name")
    class Maker:
        name: Attr[str]

    @stored(name="car", indexes=[Index("brand_name")])
    class Car:
        id: Attr[str]
        brand_name: Attr[str | None] = Attr(default=None, former_names="maker_name")
        note: Attr[str] = Attr(default="")
        brand: BelongsTo[Maker] = link(by="brand_name", on_delete="nullify")

    place.migrated(*linked("block"))
    app, _ = place.migrated(Maker, Car)
    assert {one.id: one.brand_name for one in app.store(Car).search_all()} == MAKERS
    assert app.store(Maker).delete("vw")
    assert app.store(Car).read("a").brand_name is None
    assert [one.steps for one in Migration(app).plan() if one.steps] == []
