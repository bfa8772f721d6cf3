"""Changes of declarations over DynamoDB tables with items, on DynamoDB Local and moto."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from persisty import CREATED, App, Attr, Conflict, Index, InvalidDeclaration, SchemaMismatch, Unique, stored
from persisty.backends.dynamodb import copy_steps
from persisty.deploy.evolution import evolutions_of
from persisty.deploy.migration import Migration

from .cars import Color, Red
from .conftest import Tables
from .test_interrupted import killed_at


@stored(name="car", indexes=[Index("odometer"), Index("price")])
class Car:
    id: str
    odometer: int
    color: Color = Color.RED
    note: str | None = "n"
    price: str = "1"


ROWS = [
    {"id": "a", "odometer": 7, "price": "10"},
    {"id": "b", "odometer": 8, "price": "11", "color": "green", "note": None},
]


@pytest.fixture(params=["dynamodb-local", "dynamodb-moto"])
def tables(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tables]:
    monkeypatch.setattr(copy_steps, "QUIET", 0.3)
    if request.param == "dynamodb-local":
        url = f"dynamodb://us-east-1?endpoint={request.getfixturevalue('local_endpoint')}&index_attributes=2"
    else:
        url = f"dynamodb://us-east-1?endpoint={request.getfixturevalue('moto_endpoint')}&partiql=0"
    found = Tables(url)
    yield found
    if found.opened is not None:
        found.opened.close()


def effects(app: App) -> dict[str, str]:
    return {f"{one.kind} {one.name}": one.effect.value for each in evolutions_of(app) for one in each.changes}


@stored(name="car", indexes=[Index("mileage"), Index("note"), Unique("price")])
class Changed:
    id: str
    mileage: int = Attr(former_names="odometer")
    color: Color = Color.RED
    note: str = "none"
    price: str = "1"
    rank: int = 3


def test_a_diff_reads_the_record_and_the_tables_and_changes_nothing(tables: Tables) -> None:
    tables.filled(Car, *ROWS)
    app = tables.app(Changed)
    assert effects(app) == {
        "attribute_renamed mileage": "safe",
        "attribute_required note": "slow",
        "default_changed note": "safe",
        "attribute_added rank": "safe",
        "index_removed by-price": "waves",
        "index_added by-note": "waves",
        "unique_added unique-price": "slow",
    }
    assert evolutions_of(tables.app(Car)) == []


def test_a_migration_loses_no_item_and_queries_its_new_indexes(tables: Tables) -> None:
    tables.filled(Car, *ROWS)
    app, _ = tables.migrated(Changed)
    cars = app.store(Changed)
    assert sorted((one.id, one.mileage, one.note, one.rank) for one in cars.search_all()) == [
        ("a", 7, "n", 3),
        ("b", 8, "none", 3),
    ]
    assert [one.id for one in cars.search(Changed.mileage == 7).items] == ["a"]
    assert cars.explain(Changed.mileage == 7).access == "index"
    assert [one.id for one in cars.search(Changed.note == "none").items] == ["b"]
    with pytest.raises(Conflict):
        cars.create({"id": "c", "mileage": 1, "price": "10"})
    assert effects(app) == {}


def test_a_migration_that_is_killed_before_any_step_is_continued(moto_endpoint: str) -> None:
    tables = Tables(f"dynamodb://us-east-1?endpoint={moto_endpoint}&partiql=0")
    tables.filled(Car, *ROWS)
    for number in range(1, 20):
        if not killed_at(tables.app(Changed), number):
            break
    else:
        raise AssertionError("it never ends")
    app, _ = tables.migrated(Changed)
    assert sorted((one.id, one.mileage, one.note) for one in app.store(Changed).search_all()) == [
        ("a", 7, "n"),
        ("b", 8, "none"),
    ]
    app.close()


def test_values_that_a_unique_index_does_not_allow_are_named(tables: Tables) -> None:
    @stored(name="car", indexes=[Index("odometer"), Index("price"), Unique("note")])
    class Noted:
        id: str
        odometer: int
        color: Color = Color.RED
        note: str | None = "n"
        price: str = "1"

    tables.filled(Car, *ROWS, {"id": "c", "odometer": 1})
    with pytest.raises(SchemaMismatch, match="Nothing is changed") as caught:
        tables.migrated(Noted)
    assert [(one.path, one.found) for one in caught.value.faults] == [("/car/unique-note", "a ('n'), c ('n')")]
    tables.app(Car).store(Car).update("c", {"note": "m"})
    app, _ = tables.migrated(Noted)
    assert app.store(Noted).count() == 3


def test_a_removed_attribute_is_deleted_only_if_allowed(tables: Tables) -> None:
    @stored(name="car", indexes=[Index("odometer"), Index("price")])
    class Less:
        id: str
        odometer: int
        color: Color = Color.RED
        price: str = "1"

    tables.filled(Car, *ROWS)
    _, planned = tables.migrated(Less)
    assert [change.allow for one in planned for change in one.left] == ["drop:car.note"]
    assert tables.app(Car).store(Car).read("b").note is None  # type: ignore[union-attr]
    with pytest.raises(InvalidDeclaration):
        tables.migrated(Less, allow=("drop:car.mote",))
    tables.migrated(Less, allow=("drop:car.note",))  # a later run knows the values that the first one has left
    with pytest.raises(InvalidDeclaration):
        tables.migrated(Less, allow=("drop:car.note",))
    app = tables.app(Car)
    assert {one.note for one in app.store(Car).search_all()} <= {"n"}
    assert app.store(Car).count() == 2


def test_a_change_that_stored_items_do_not_fit_is_rejected(tables: Tables) -> None:
    @stored(name="car", indexes=[Index("odometer")])
    class AllRed:
        id: str
        odometer: int
        color: Red = Red.RED
        note: str | None = "n"
        price: list[str] = Attr(factory=list)

    tables.filled(Car, *ROWS)
    with pytest.raises(SchemaMismatch, match="string cannot be converted to list") as caught:
        Migration(tables.app(AllRed)).apply()
    assert {fault.path: fault.found for fault in caught.value.faults} == {
        "/car/color": "b ('green')",
        "/car/price": "a, b",
    }
    assert tables.app(Car).store(Car).count() == 2


@stored(name="car")
class Dated:
    id: str
    created_at: datetime = CREATED


@stored(name="car")
class Undated:
    id: str


def test_an_attribute_declared_again_has_the_values_that_its_removal_left(tables: Tables) -> None:
    made = tables.filled(Dated, {"id": "a"}).store(Dated).read("a")
    tables.migrated(Undated)
    app, _ = tables.migrated(Dated)
    assert app.store(Dated).read("a") == made
    app, _ = tables.migrated(Undated)
    app.store(Undated).create({"id": "b"})
    with pytest.raises(SchemaMismatch) as caught:
        tables.migrated(Dated)
    assert [(fault.path, fault.found) for fault in caught.value.faults] == [("/car/created_at", "b")]


def test_an_index_without_a_status_counts_as_active(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    app = tables.filled(Car, ROWS[0])
    call = app.engine.transport.call  # type: ignore[attr-defined]

    def stand_in(operation: str, payload: dict[str, Any], *shape: Any) -> Any:
        answer = call(operation, payload, *shape)
        for one in answer.get("Table", {}).get("GlobalSecondaryIndexes", ()) if operation == "DescribeTable" else ():
            one.pop("IndexStatus", None)
        return answer

    monkeypatch.setattr(app.engine.transport, "call", stand_in)  # type: ignore[attr-defined]
    assert evolutions_of(app) == []
    app.prepare()


@stored(name="note", indexes=[Index("text"), Index("rank")])
class Indexed:
    id: str
    text: str | None = "n"
    rank: int | None = 1
    size: int | None = None
    color: str = "red"


@stored(name="note")
class Plain:
    id: str
    text: str | None = "n"
    rank: int | None = None
    size: int | None = 5
    color: str = "blue"


def test_absent_attributes_keep_their_values_when_an_index_is_removed_or_a_default_changes(tables: Tables) -> None:
    app = tables.filled(Indexed, {"id": "none", "text": None, "rank": None}, {"id": "some"})
    table = app.engine.described("note")["TableName"]  # type: ignore[attr-defined]
    app.engine.send(
        "PutItem", {"TableName": table, "Item": {"id": {"S": "older"}, "text": {"S": "x"}, "rank": {"N": "2"}}}
    )  # type: ignore[attr-defined]
    before = {one.id: (one.text, one.rank, one.size, one.color) for one in app.store(Indexed).search_all()}
    assert before["none"] == (None, None, None, "red")
    with pytest.raises(SchemaMismatch, match="would read with its default") as caught:
        tables.app(Plain).prepare()
    assert {one.path for one in caught.value.faults} == {"/note/text", "/note/size", "/note/color"}
    for number in range(20):
        if not killed_at(tables.app(Plain), number):
            break
    app, _ = tables.migrated(Plain)
    notes = app.store(Plain)
    assert {one.id: (one.text, one.rank, one.size, one.color) for one in notes.search_all()} == before
    assert [one.id for one in notes.search(Plain.text.is_null()).items] == ["none"]
    assert (notes.create({"id": "new"}).text, notes.create({"id": "b"}).color) == ("n", "blue")
