"""Changes of items, keys and unique indexes with items stored, and the lease of a migration."""

from __future__ import annotations

import pytest

from persisty import Attr, Conflict, Index, SchemaMismatch, Unique, stored
from persisty.deploy.migration import Migration, lease_of

from .cars import ROWS, Car, Color, Renamed, faults, kinds
from .conftest import Place


def test_an_unchanged_declaration_has_nothing_to_migrate(place: Place) -> None:
    place.filled(Car, *ROWS)
    app, planned = place.migrated(Car)
    assert planned == []
    assert app.store(Car).count() == 2


def test_a_new_item_gets_its_table(place: Place) -> None:
    @stored(name="shop", indexes=[Unique("name")])
    class Shop:
        id: str
        name: str

    place.filled(Car, *ROWS)
    app = place.app(Car, Shop)
    assert kinds(app) == {"item_added"}
    app, _ = place.migrated(Car, Shop)
    app.store(Shop).create({"id": "a", "name": "n"})


@stored(name="car", key=("price", "id"), indexes=[Index("odometer")])
class ByPrice:
    id: str
    odometer: int
    color: Color = Color.RED
    note: str | None = None
    price: str = "1"


def test_a_changed_key_keeps_every_item(place: Place) -> None:
    place.filled(Car, *ROWS)
    app, _ = place.migrated(ByPrice)
    store = app.store(ByPrice)
    assert store.read(("10", "a")).odometer == 7
    store.create({"id": "a", "odometer": 1, "price": "12"})
    with pytest.raises(Conflict):
        store.create({"id": "a", "odometer": 1, "price": "10"})
    with pytest.raises(SchemaMismatch, match="same key") as caught:
        place.migrated(Car)
    assert "10~a" in str(faults(caught)["/car"])
    place.app(ByPrice).store(ByPrice).delete(("12", "a"))
    app, _ = place.migrated(Car)
    assert [one.id for one in app.store(Car).search_all()] == ["a", "b"]


@stored(name="vehicle", former_names="car", indexes=[Index("odometer"), Unique("price")])
class Vehicle:
    id: str
    odometer: int
    color: Color = Color.RED
    note: str | None = None
    price: str = "1"


def test_a_renamed_item_keeps_its_items(place: Place) -> None:
    place.filled(Car, *ROWS)
    app = place.app(Vehicle)
    assert kinds(app) == {"item_renamed", "unique_added unique-price"}
    app, _ = place.migrated(Vehicle)
    assert [one.odometer for one in app.store(Vehicle).search_all()] == [7, 8]
    assert app.engine.table("car") is None
    assert {*app.applied.all()} == {"vehicle"}
    with pytest.raises(Conflict):
        app.store(Vehicle).create({"id": "c", "odometer": 1, "price": "10"})


def test_a_removed_item_is_dropped_only_when_its_drop_is_allowed(place: Place) -> None:
    @stored(name="shop")
    class Shop:
        id: str

    place.filled(Car, *ROWS)
    app, planned = place.migrated(Shop)
    assert [change.allow for one in planned for change in one.left] == ["drop:car"]
    assert app.engine.table("car") is not None
    app, _ = place.migrated(Shop, allow=("drop:car",))
    assert app.engine.table("car") is None
    assert kinds(app) == set()


def test_a_unique_index_over_duplicates_lists_them_and_changes_nothing(place: Place) -> None:
    @stored(name="car", indexes=[Unique("odometer")])
    class Single:
        id: str
        odometer: int
        color: Color = Color.RED
        note: str | None = None
        price: str = "1"

    place.filled(Car, *ROWS, {"id": "c", "odometer": 7})
    with pytest.raises(SchemaMismatch, match="have to be unique") as caught:
        place.migrated(Single)
    assert faults(caught) == {"/car/unique-odometer": "a (7), c (7)"}
    place.app(Car).store(Car).update("c", {"odometer": 9})
    app, _ = place.migrated(Single)
    with pytest.raises(Conflict):
        app.store(Single).create({"id": "d", "odometer": 9})
    app, _ = place.migrated(Car)
    app.store(Car).create({"id": "d", "odometer": 9})


def test_several_changes_at_once(place: Place) -> None:
    @stored(
        name="vehicle", former_names="car", key=("price", "id"), indexes=[Index("mileage"), Index("color", "price")]
    )
    class All:
        id: str
        mileage: float = Attr(former_names="odometer")
        color: Color | None = None
        note: str = "none"
        price: int = 1
        rank: int = 2

    place.filled(Car, *ROWS)
    app, _ = place.migrated(All)
    assert [(one.id, one.mileage, one.color, one.note, one.price, one.rank) for one in app.store(All).search_all()] == [
        ("a", 7.0, Color.RED, "n", 10, 2),
        ("b", 8.0, Color.GREEN, "none", 11, 2),
    ]


def test_a_database_without_applied_schemas_is_compared_by_its_table(place: Place) -> None:
    place.filled(Car, *ROWS)
    place.sql(f"DELETE FROM {place.table('persisty_schema')}")
    app = place.app(Renamed)
    assert "attribute_renamed mileage" in kinds(app)
    app, _ = place.migrated(Renamed)
    assert [one.mileage for one in app.store(Renamed).search_all()] == [7, 8]


def test_a_migration_is_refused_while_another_has_the_lease(place: Place) -> None:
    place.filled(Car, *ROWS)
    app = place.app(Renamed)
    with lease_of(app).acquired(renewed=False), pytest.raises(Conflict, match="is running"):
        Migration(app).apply()
    Migration(app).apply()
    assert app.store(Renamed).count() == 2


def test_the_lease_of_a_killed_migration_expires_and_the_next_migration_continues(place: Place) -> None:
    place.filled(Car, *ROWS)
    app = place.app(Renamed)
    lease_of(app)._take()
    place.sql(f"UPDATE {place.table('persisty_migration')} SET until = '2020-01-01T00:00:00.000000Z'")
    Migration(app).apply()
    assert [one.mileage for one in app.store(Renamed).search_all()] == [7, 8]


def test_tables_of_the_search_path_are_migrated(postgres_url: str) -> None:
    @stored(name="own_car", indexes=[Index("odometer")])
    class Before:
        id: str
        odometer: int
        price: str = "1"

    @stored(name="own_car", key=("price", "id"), indexes=[Index("mileage")])
    class After:
        id: str
        mileage: int = Attr(former_names="odometer")
        price: int = 1
        note: str = "n"

    own = Place(postgres_url)
    own.filled(Before, {"id": "a", "odometer": 7, "price": "10"})
    own.migrated(After)
    app, _ = own.migrated(After, allow=("drop:own_car.odometer",))
    assert [(one.mileage, one.price, one.note) for one in app.store(After).search_all()] == [(7, 10, "n")]
    for table in ("own_car", "persisty_schema", "persisty_migration"):
        own.sql(f"DROP TABLE {table}")
    app.close()
