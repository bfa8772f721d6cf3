"""Attributes whose type changes on DynamoDB: values are converted where they are, while older code goes on writing, and no value is lost."""

from __future__ import annotations

import enum
from typing import Any

import pytest

from persisty import App, Attr, Conflict, Index, SchemaMismatch, Unique, stored
from persisty.deploy.migration import Migration

from .conftest import Tables
from .test_copies import SWITCH
from .test_dynamodb_migration import tables
from .test_interrupted import killed_at
from .test_type_changes import CONVERTED

__all__ = ["tables"]


def thing(types: dict[str, Any], **options: Any) -> type[Any]:
    return stored(name="thing", **options)(
        type("Thing", (), {"__annotations__": {"id": str, **types}, "__module__": __name__})
    )


BEFORE = {f"v{number}": before | None for number, (before, *_) in enumerate(CONVERTED)}
AFTER = {f"v{number}": after | None for number, (_, after, *_) in enumerate(CONVERTED)}


@stored(name="car", indexes=[Index("price"), Index("year"), Unique("plate")])
class Car:
    id: str
    price: str
    plate: int
    year: int = 2000


@stored(name="car", indexes=[Index("price"), Index("year"), Unique("plate")])
class Priced:
    id: str
    price: int
    plate: str
    year: int = 2000


ROWS = [{"id": f"{n:02}", "price": str(n), "plate": 100 + n} for n in range(12)]


def priced(app: App) -> dict[str, tuple[int, str]]:
    return {one.id: (one.price, one.plate) for one in app.store(Priced).search_all()}


def test_the_values_of_every_conversion_are_converted_exactly(tables: Tables) -> None:
    old, new = thing(BEFORE), thing(AFTER)
    longest = max(len(good) for _, _, good, _ in CONVERTED)
    rows: list[dict[str, Any]] = [{"id": str(n)} for n in range(longest)]
    expected: list[dict[str, Any]] = [{"id": str(n)} for n in range(longest)]
    for number, (_, _, good, _) in enumerate(CONVERTED):
        for n, (given, after) in enumerate(good):
            rows[n][f"v{number}"], expected[n][f"v{number}"] = given, after
    tables.filled(old, *rows)
    with pytest.raises(SchemaMismatch, match="persisty migrate"):
        tables.app(new).prepare()
    app, _ = tables.migrated(new)
    for want in expected:
        found = app.store(new).read(want["id"])
        assert {name: getattr(found, name) for name in AFTER} == {name: want.get(name) for name in AFTER}
        assert app.store(new).count(new.v0 == want.get("v0")) >= ("v0" in want)


def test_values_without_a_counterpart_are_named_and_nothing_is_changed(tables: Tables) -> None:
    old, new = thing(BEFORE), thing(AFTER)
    app = tables.filled(old, {"id": "good", "v0": "5"})
    bad = {f"v{number}": values for number, (_, _, _, values) in enumerate(CONVERTED) if values}
    for name, values in bad.items():
        for n, value in enumerate(values):
            app.store(old).create({"id": f"{name}-{n}", name: value})
    before = {one.id: one for one in app.store(old).search_all()}
    with pytest.raises(SchemaMismatch) as caught:
        tables.migrated(new)
    found = {fault.path: str(fault.found) for fault in caught.value.faults}
    assert found.keys() == {f"/thing/{name}" for name in bad}
    for name, values in bad.items():
        assert [one.split()[0] for one in found[f"/thing/{name}"].split("), ")] == [
            f"{name}-{n}" for n in range(len(values))
        ]
    assert "v0-1 ('x')" in found["/thing/v0"]
    app = tables.app(old)
    app.prepare()
    assert {one.id: one for one in app.store(old).search_all()} == before


def test_indexes_and_unique_values_follow_a_converted_attribute(tables: Tables) -> None:
    tables.filled(Car, *ROWS)
    app, _ = tables.migrated(Priced)
    cars = app.store(Priced)
    assert cars.explain(Priced.price == 7).access == "index"
    assert [one.id for one in cars.search(Priced.price == 7).items] == ["07"]
    assert {one.id for one in cars.search((Priced.price >= 9) & (Priced.price <= 10)).items} == {"09", "10"}
    with pytest.raises(Conflict):
        cars.create({"id": "x", "price": 1, "plate": "103"})
    cars.update("03", {"plate": "999"})
    cars.create({"id": "x", "price": 1, "plate": "103"})
    app, _ = tables.migrated(Car)  # and back: the rows of the former type do not block their values
    assert app.store(Car).read("x").plate == 103  # type: ignore[union-attr]


def test_a_conversion_that_is_killed_before_any_step_is_continued(moto_endpoint: str) -> None:
    tables = Tables(f"dynamodb://us-east-1?endpoint={moto_endpoint}&partiql=0")
    tables.filled(Car, *ROWS)
    for number in range(1, 30):
        if not killed_at(tables.app(Priced), number):
            break
    else:
        raise AssertionError("it never ends")
    app, _ = tables.migrated(Priced)
    assert priced(app) == {f"{n:02}": (n, str(100 + n)) for n in range(12)}
    assert [one.id for one in app.store(Priced).search(Priced.price == 7).items] == ["07"]
    app.close()


def beside(app: App, older: Tables, changes: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let older code make these changes of items while values are converted, one before each write."""
    code, call = App("shop", items=[Car], url=older.url, stage=older.stage), app.engine.transport.call  # type: ignore[attr-defined]

    def written(operation: str, payload: dict[str, Any], *shape: Any, **options: Any) -> Any:
        if payload.get("UpdateExpression") == "SET #0 = :1" and changes:
            key, price = changes.pop()
            code.store(Car).update(key, {"price": price})
        return call(operation, payload, *shape, **options)

    monkeypatch.setattr(app.engine.transport, "call", written)  # type: ignore[attr-defined]


def test_no_write_of_older_code_during_a_conversion_is_lost(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    tables.filled(Car, *ROWS)
    app = tables.app(Priced)
    beside(app, tables, [(f"{n:02}", str(n + 50)) for n in range(12)], monkeypatch)
    Migration(app).apply()
    assert {key: price for key, (price, _) in priced(app).items()} == {f"{n:02}": n + 50 for n in range(12)}


def test_a_value_that_older_code_writes_during_a_conversion_is_named_and_the_next_migration_continues(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables.filled(Car, *ROWS)
    app = tables.app(Priced)
    beside(app, tables, [("05", "cheap")], monkeypatch)
    with pytest.raises(SchemaMismatch, match="not converted") as caught:
        Migration(app).apply()
    assert [(one.path, one.found) for one in caught.value.faults] == [("/car/price", "05 ('cheap')")]
    with pytest.raises(SchemaMismatch):
        app.prepare()
    older = tables.app(Car)
    older.store(Car).update("05", {"price": "55"})
    app, _ = tables.migrated(Priced)
    assert priced(app) == {f"{n:02}": (55 if n == 5 else n, str(100 + n)) for n in range(12)}


def test_values_that_are_no_member_of_the_new_enum_are_named(tables: Tables) -> None:
    class Grade(enum.IntEnum):
        LOW = 1
        HIGH = 2

    old, new = thing({"grade": str}), thing({"grade": Grade})
    app = tables.filled(old, {"id": "a", "grade": "1"}, {"id": "b", "grade": "3"})
    with pytest.raises(SchemaMismatch) as caught:
        tables.migrated(new)
    assert [(one.path, one.found) for one in caught.value.faults] == [("/thing/grade", "b ('3')")]
    app = tables.app(old)
    app.store(old).update("b", {"grade": "2"})
    app, _ = tables.migrated(new)
    assert {one.id: one.grade for one in app.store(new).search_all()} == {"a": Grade.LOW, "b": Grade.HIGH}


def test_an_attribute_is_renamed_required_and_converted_at_once(tables: Tables) -> None:
    old, new = thing({"size": str | None}), thing({"length": int}, indexes=[Index("length")])
    new = stored(name="thing", indexes=[Index("length")])(
        type(
            "Thing",
            (),
            {
                "__annotations__": {"id": str, "length": int},
                "__module__": __name__,
                "length": Attr(default=3, former_names="size"),
            },
        )
    )
    tables.filled(old, {"id": "a", "size": "7"}, {"id": "b"})
    app, _ = tables.migrated(new)
    assert {one.id: one.length for one in app.store(new).search_all()} == {"a": 7, "b": 3}
    assert app.store(new).count(new.length == 3) == 1


def test_the_type_of_a_key_is_refused_with_what_to_declare(tables: Tables) -> None:
    @stored(name="car", key="plate")
    class Numbered:
        plate: int

    @stored(name="car", key="plate")
    class Named:
        plate: str

    tables.filled(Numbered, {"plate": 1})
    with pytest.raises(SchemaMismatch) as caught:
        tables.migrated(Named)
    assert ["Declare a new attribute" in one.message for one in caught.value.faults] == [True]


def test_a_copy_to_another_name_converts_its_values(tables: Tables) -> None:
    @stored(name="vehicle", former_names="car", key="price", indexes=[Index("plate")])
    class Vehicle:
        price: int
        id: str
        plate: str
        year: int = 2000

    tables.filled(Car, *ROWS, {"id": "bad", "price": "cheap", "plate": 1})
    with pytest.raises(SchemaMismatch) as caught:
        Migration(tables.app(Vehicle), [SWITCH]).apply()
    assert {fault.path: fault.found for fault in caught.value.faults} == {"/vehicle/price": "bad ('cheap')"}
    older = tables.app(Car)
    older.store(Car).update("bad", {"price": "77"})
    app, _ = tables.migrated(Vehicle, allow=(SWITCH,))
    found = {one.price: (one.id, one.plate) for one in app.store(Vehicle).search_all()}
    assert found == {n: (f"{n:02}", str(100 + n)) for n in range(12)} | {77: ("bad", "1")}
