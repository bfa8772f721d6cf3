"""Each kind of change with items stored: none is lost, and its values read right afterwards."""

from __future__ import annotations

import enum
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from persisty import App, Attr, Conflict, Index, SchemaMismatch, Unique, stored
from persisty.deploy.evolution import evolutions_of
from persisty.deploy.migration import Migration, lease_of

from .conftest import Place


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"


class Red(enum.Enum):
    RED = "red"


@stored(name="car", indexes=[Index("odometer")])
class Car:
    id: str
    odometer: int
    color: Color = Color.RED
    note: str | None = None
    price: str = "1"


ROWS = [
    {"id": "a", "odometer": 7, "note": "n", "price": "10"},
    {"id": "b", "odometer": 8, "color": "green", "price": "11"},
]


def kinds(app: App) -> set[str]:
    return {f"{change.kind} {change.name}".strip() for one in evolutions_of(app) for change in one.changes}


def faults(caught: pytest.ExceptionInfo[SchemaMismatch]) -> dict[str, str | None]:
    return {fault.path: fault.found for fault in caught.value.faults}


def test_an_equal_declaration_has_nothing_to_migrate(place: Place) -> None:
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


def test_an_added_attribute_reads_with_its_default_and_is_filtered_by_it(place: Place) -> None:
    @stored(name="car", indexes=[Index("odometer")])
    class More:
        id: str
        odometer: int
        color: Color = Color.RED
        note: str | None = None
        price: str = "1"
        rank: int = 3
        sold: bool = False
        weight: Decimal = Decimal("1.5")
        label: str | None = None
        tags: list[str] = Attr(factory=list)

    place.filled(Car, *ROWS)
    app, _ = place.migrated(More)
    store = app.store(More)
    assert [(one.rank, one.sold, one.weight, one.label, one.tags) for one in store.search_all()] == [
        (3, False, Decimal("1.5"), None, [])
    ] * 2
    assert store.count(More.rank == 3) == store.count(More.weight == Decimal("1.5")) == 2


@stored(name="car")
class Owned:
    id: str
    odometer: int
    color: Color = Color.RED
    note: str | None = None
    price: str = "1"
    owner: str


def test_an_added_attribute_without_a_value_is_refused_while_there_are_items(place: Place) -> None:
    place.filled(Car, *ROWS)
    with pytest.raises(SchemaMismatch, match="declare a default") as caught:
        place.migrated(Owned)
    assert faults(caught) == {"/car/owner": "a, b"}
    assert place.app(Car).store(Car).count() == 2
    assert place.opened is not None
    place.opened.store(Car).delete_all()
    app, _ = place.migrated(Owned)
    app.store(Owned).create({"id": "a", "odometer": 1, "owner": "o"})


@stored(name="car")
class Priced:
    id: str
    odometer: int
    color: Color = Color.RED
    price: str = "1"


def test_a_removed_attribute_stays_until_it_is_named_and_hinders_nothing(place: Place) -> None:
    @stored(name="car")
    class Less:
        id: str
        color: Color = Color.RED

    place.filled(Car, *ROWS)
    app, planned = place.migrated(Less)
    assert {change.allow for one in planned for change in one.left} == {
        "drop:car.odometer", "drop:car.note", "drop:car.price",
    }  # fmt: skip
    app.store(Less).create({"id": "c"})  # although odometer was required
    assert min(place.sql(f"SELECT id, odometer FROM {place.table('car')}")) == ("a", 7)
    app, planned = place.migrated(Less, allow=("drop:car.odometer", "drop:car.price", "drop:car.note"))
    assert [one.left for one in planned] == [()]
    assert kinds(app) == set()
    assert [one.id for one in app.store(Less).search_all()] == ["a", "b", "c"]
    stored_table = app.engine.table("car")
    assert stored_table is not None
    assert stored_table.columns == {"id", "color"}


def test_an_allowance_that_names_nothing_is_a_mistake(place: Place) -> None:
    place.filled(Car, *ROWS)
    with pytest.raises(Exception, match=r"one of drop:car\.note"):
        Migration(place.app(Priced), ["drop:car.nose"]).apply()
    assert place.opened is not None
    assert place.opened.store(Priced).count() == 2


def test_an_attribute_becomes_optional_and_required_again(place: Place) -> None:
    @stored(name="car", indexes=[Index("odometer")])
    class Loose:
        id: str
        odometer: int | None
        color: Color = Color.RED
        note: str | None = None
        price: str = "1"

    place.filled(Car, *ROWS)
    app, _ = place.migrated(Loose)
    app.store(Loose).create({"id": "c", "odometer": None})
    with pytest.raises(SchemaMismatch, match="Give them one first") as caught:
        place.migrated(Car)
    assert faults(caught) == {"/car/odometer": "c"}
    place.app(Loose).store(Loose).update("c", {"odometer": 9})
    app, _ = place.migrated(Car)
    assert [one.odometer for one in app.store(Car).search_all()] == [7, 8, 9]


def test_a_required_attribute_with_a_default_fills_the_items_without_a_value(place: Place) -> None:
    @stored(name="car", indexes=[Index("odometer")])
    class Noted:
        id: str
        odometer: int
        color: Color = Color.RED
        note: str = "none"
        price: str = "1"

    place.filled(Car, *ROWS)
    app, _ = place.migrated(Noted)
    assert [one.note for one in app.store(Noted).search_all()] == ["n", "none"]
    assert app.store(Noted).count(Noted.note == "none") == 1


def retyped(before: Any, after: Any) -> tuple[type[Any], type[Any]]:
    def of(type_: Any) -> type[Any]:
        return stored(name="thing", indexes=[Index("value")])(
            type("Thing", (), {"__annotations__": {"id": str, "value": type_}, "__module__": __name__})
        )

    return of(before), of(after)


MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678900, UTC)
U = UUID("12345678-1234-5678-1234-567812345678")
CONVERTED: list[tuple[Any, Any, list[tuple[Any, Any]], list[Any]]] = [
    (str, int, [("5", 5), ("-7", -7), (str(2**62), 2**62)], ["", "x", "1.5", " 5", "05", str(2**63)]),
    (str, float, [("5", 5.0), ("1.5", 1.5), ("-1e3", -1000.0)], ["", "x", "nan", "1e200"]),
    (str, Decimal, [("5", Decimal(5)), ("1.50", Decimal("1.5"))], ["", "x", "NaN", "1" * 39]),
    (str, bool, [("true", True), ("False", False), ("1", True)], ["", "yes", "2"]),
    (
        str,
        datetime,
        [("2026-01-02T03:04:05.6789Z", MOMENT)],
        ["", "now", "2026-01-02", "2026-01-02T03:04:05", "infinity"],
    ),
    (str, date, [("2026-01-02", date(2026, 1, 2))], ["", "today", "2026-02-31"]),
    (str, UUID, [(str(U), U)], ["", "x"]),
    (int, str, [(5, "5"), (-7, "-7")], []),
    (int, float, [(5, 5.0)], [2**60 + 1]),
    (int, Decimal, [(5, Decimal(5)), (2**62, Decimal(2**62))], []),
    (int, bool, [(0, False), (1, True)], [2]),
    (float, str, [(1.0, "1"), (1.5, "1.5")], []),
    (float, int, [(1.0, 1)], [1.5, 1e30]),
    (float, Decimal, [(0.1, Decimal("0.1"))], []),
    (Decimal, str, [(Decimal("1.50"), "1.5")], []),
    (Decimal, int, [(Decimal(2), 2)], [Decimal("2.5"), Decimal(10) ** 30]),
    (Decimal, float, [(Decimal("0.1"), 0.1)], [Decimal("0.1234567890123456789012345678")]),
    (bool, str, [(True, "true")], []),
    (bool, int, [(True, 1), (False, 0)], []),
    (datetime, str, [(MOMENT, "2026-01-02T03:04:05.678900Z")], []),
    (datetime, date, [(datetime(2026, 1, 2, tzinfo=UTC), date(2026, 1, 2))], [MOMENT]),
    (date, str, [(date(2026, 1, 2), "2026-01-02")], []),
    (date, datetime, [(date(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC))], []),
    (UUID, str, [(U, str(U))], []),
]


@pytest.mark.parametrize(
    ("before", "after", "good", "bad"), CONVERTED, ids=[f"{a.__name__}-{b.__name__}" for a, b, *_ in CONVERTED]
)
def test_values_are_converted_exactly_or_listed_and_then_nothing_is_changed(
    place: Place, before: Any, after: Any, good: list[tuple[Any, Any]], bad: list[Any]
) -> None:
    old, new = retyped(before, after)
    place.filled(old, *({"id": f"g{n}", "value": value} for n, (value, _) in enumerate(good)))
    assert place.opened is not None
    for n, value in enumerate(bad):
        place.opened.store(old).create({"id": f"b{n}", "value": value})
    if bad:
        with pytest.raises(SchemaMismatch) as caught:
            place.migrated(new)
        [fault] = caught.value.faults
        assert fault.path == "/thing/value"
        assert [one.split()[0] for one in str(fault.found).split("), ")] == [f"b{n}" for n in range(len(bad))]
        app = place.app(old)
        app.prepare()
        assert app.store(old).read("b0").value == bad[0]
        app.store(old).delete_all(old.id.startswith("b"))
    app, _ = place.migrated(new)
    assert [app.store(new).read(f"g{n}").value for n in range(len(good))] == [value for _, value in good]
    assert app.store(new).count(new.value == good[0][1]) >= 1


def test_a_type_that_cannot_be_converted_is_refused_and_names_the_items(place: Place) -> None:
    @stored(name="car")
    class Listed:
        id: str
        price: list[str]

    @stored(name="car")
    class Numbered:
        id: str
        price: int

    place.filled(Listed, {"id": "a", "price": []})
    with pytest.raises(SchemaMismatch, match="list cannot be converted to integer") as caught:
        place.migrated(Numbered)
    assert faults(caught) == {"/car/price": "a"}


def test_a_removed_member_of_an_enum_is_refused_while_items_have_it(place: Place) -> None:
    @stored(name="car", indexes=[Index("odometer")])
    class AllRed:
        id: str
        odometer: int
        color: Red = Red.RED
        note: str | None = None
        price: str = "1"

    place.filled(Car, *ROWS)
    with pytest.raises(SchemaMismatch, match="no longer declared") as caught:
        place.migrated(AllRed)
    assert faults(caught) == {"/car/color": "b ('green')"}
    place.app(Car).store(Car).update("b", {"color": "red"})
    app, _ = place.migrated(AllRed)
    assert [one.color for one in app.store(AllRed).search_all()] == [Red.RED, Red.RED]


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


@stored(name="car", indexes=[Index("mileage")])
class Renamed:
    id: str
    mileage: int = Attr(former_names="odometer")
    color: Color = Color.RED
    note: str | None = None
    price: str = "1"


def test_a_renamed_attribute_keeps_its_values(place: Place) -> None:
    place.filled(Car, *ROWS)
    app, _ = place.migrated(Renamed)
    assert [one.mileage for one in app.store(Renamed).search_all()] == [7, 8]
    app.store(Renamed).create({"id": "c", "mileage": 9})
    assert app.store(Renamed).count(Renamed.mileage > 7) == 2


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


def test_a_removed_item_is_dropped_only_by_its_name(place: Place) -> None:
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


def test_a_unique_over_duplicates_names_them_and_changes_nothing(place: Place) -> None:
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


def test_a_database_without_records_is_compared_by_its_table(place: Place) -> None:
    place.filled(Car, *ROWS)
    place.sql(f"DELETE FROM {place.table('persisty_schema')}")
    app = place.app(Renamed)
    assert "attribute_renamed mileage" in kinds(app)
    app, _ = place.migrated(Renamed)
    assert [one.mileage for one in app.store(Renamed).search_all()] == [7, 8]


def test_two_migrations_at_once_are_decided_by_a_lease(place: Place) -> None:
    place.filled(Car, *ROWS)
    app = place.app(Renamed)
    with lease_of(app).acquired(renewed=False), pytest.raises(Conflict, match="is running"):
        Migration(app).apply()
    Migration(app).apply()
    assert app.store(Renamed).count() == 2


def test_the_lease_of_a_killed_migration_ends_and_the_next_continues(place: Place) -> None:
    place.filled(Car, *ROWS)
    app = place.app(Renamed)
    lease_of(app)._take()
    place.sql(f"UPDATE {place.table('persisty_migration')} SET until = '2020-01-01T00:00:00.000000Z'")
    Migration(app).apply()
    assert [one.mileage for one in app.store(Renamed).search_all()] == [7, 8]


def test_an_empty_table_is_renamed_without_traces(place: Place) -> None:
    place.filled(Car)
    app, _ = place.migrated(Renamed)
    table = app.engine.table("car")
    assert table is not None
    assert "odometer" not in table.columns
    assert [one.name for one in app.engine.migrator().indexes("car")] == ["car-by-mileage"]  # type: ignore[attr-defined]


def test_an_attribute_that_may_be_renamed_is_asked_about(place: Place) -> None:
    @stored(name="car", indexes=[Index("odometer")])
    class Guess:
        id: str
        odometer: int
        color: Color = Color.RED
        remark: str | None = None
        price: str = "1"

    place.filled(Car, *ROWS)
    with pytest.raises(SchemaMismatch, match='declare former_names="note"'):
        place.migrated(Guess)
    app, _ = place.migrated(Guess, allow=("drop:car.note",))
    assert [one.remark for one in app.store(Guess).search_all()] == [None, None]


def test_a_former_attribute_that_was_stored_beside_its_heir_goes_only_by_name(
    place: Place,
) -> None:
    @stored(name="car", indexes=[Index("odometer")])
    class Both:
        id: str
        odometer: int
        mileage: int = 0
        color: Color = Color.RED
        note: str | None = None
        price: str = "1"

    place.filled(Car, *ROWS)
    place.migrated(Both)
    _, planned = place.migrated(Renamed)
    assert [change.allow for one in planned for change in one.left] == ["drop:car.odometer"]


def test_a_column_of_the_new_name_to_which_nothing_was_copied_is_not_taken_for_the_values(place: Place) -> None:
    place.filled(Car, *ROWS)
    place.sql(f"ALTER TABLE {place.table('car')} ADD COLUMN mileage BIGINT NOT NULL DEFAULT 0")
    with pytest.raises(SchemaMismatch, match="nothing has copied odometer to mileage"):
        place.migrated(Renamed)
    assert place.app(Car).store(Car).read("a").odometer == 7


@stored(name="car", indexes=[Index("odometer"), Index("price")])
class Tagged:
    id: str
    odometer: int
    color: Color = Color.RED
    note: list[str] = Attr(factory=list)
    price: str = "1"


def test_values_without_a_conversion_are_deleted_only_by_name(place: Place) -> None:
    place.filled(Car, *ROWS)
    with pytest.raises(SchemaMismatch, match=r"To delete them: --allow drop:car\.note"):
        place.migrated(Tagged)
    app, _ = place.migrated(Tagged, allow=("drop:car.note",))
    assert [(one.note, one.price) for one in app.store(Tagged).search_all()] == [([], "10"), ([], "11")]
    assert kinds(app) == set()


def test_values_that_a_former_declaration_left_are_not_taken_for_those_of_a_new_attribute(place: Place) -> None:
    @stored(name="car", indexes=[Index("odometer")])
    class Numbered:
        id: str
        odometer: int
        color: Color = Color.RED
        note: str | None = None
        price: int = 3

    @stored(name="car", indexes=[Index("odometer")])
    class Unpriced:
        id: str
        odometer: int
        color: Color = Color.RED
        note: str | None = None

    place.filled(Car, *ROWS)
    place.migrated(Unpriced)
    with pytest.raises(SchemaMismatch, match="has left values of string under the name price"):
        place.migrated(Numbered)
    app, _ = place.migrated(Numbered, allow=("drop:car.price",))
    assert [one.price for one in app.store(Numbered).search_all()] == [3, 3]


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
