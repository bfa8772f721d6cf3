"""A renamed attribute on DynamoDB: older and newer code read and write the same values side by side, before and after the migration."""

from __future__ import annotations

import random
from typing import Any

import pytest

from persisty import (
    SEQUENCE,
    App,
    Attr,
    Conflict,
    Create,
    Index,
    PreconditionFailed,
    SchemaMismatch,
    Unique,
    Update,
    add,
    append,
    stored,
)
from persisty.deploy.migration import Migration

from .conftest import Tables
from .test_dynamodb_migration import effects, tables

__all__ = ["tables"]


@stored(name="car", key=("maker", "id"), indexes=[Index("odometer", "plate"), Index("color"), Unique("plate")])
class Older:
    maker: str
    id: str
    odometer: int
    plate: str
    color: str | None = "red"
    tags: list[str] = Attr(factory=list)
    number: int = SEQUENCE


@stored(name="car", key=("brand", "id"), indexes=[Index("mileage", "sign"), Index("paint"), Unique("sign")])
class Newer:
    brand: str = Attr(former_names="maker")
    id: str
    mileage: int = Attr(former_names="odometer")
    sign: str = Attr(former_names=("plate",))
    paint: str | None = Attr(former_names="color", default="red")
    labels: list[str] = Attr(former_names="tags", factory=list)
    count: int = Attr(generator=SEQUENCE, former_names="number")


NAMES = {
    "maker": "brand",
    "id": "id",
    "odometer": "mileage",
    "plate": "sign",
    "color": "paint",
    "tags": "labels",
    "number": "count",
}


class Side:
    """One of two processes: its store, with attributes under the older names."""

    def __init__(self, app: App, item: type[Any]) -> None:
        self.store, self.item = app.store(item), item
        self.names = NAMES if item is Newer else dict(zip(NAMES, NAMES, strict=True))

    def given(self, values: dict[str, Any]) -> dict[str, Any]:
        return {self.names[name]: value for name, value in values.items()}

    def of(self, name: str) -> Any:
        return getattr(self.item, self.names[name])

    def row(self, item: Any) -> dict[str, Any]:
        return {old: getattr(item, name) for old, name in self.names.items()}


def sides(tables: Tables) -> tuple[Side, Side, list[App]]:
    apps = [App("shop", items=[item], url=tables.url, stage=tables.stage) for item in (Older, Newer)]
    return Side(apps[0], Older), Side(apps[1], Newer), apps


def test_older_and_newer_code_read_and_write_the_same_values_at_the_same_time(tables: Tables) -> None:
    tables.filled(Older)
    older, newer, apps = sides(tables)
    chance, model = random.Random(7), dict[tuple[str, str], dict[str, Any]]()
    steps = 60 if "partiql=0" in tables.url else 120
    for step in range(steps):
        if step == steps // 2:
            tables.migrated(Newer)
        side, other = chance.sample([older, newer], 2)
        _change(side, chance, model, step)
        for key, row in model.items() if step % 10 == 0 else ():
            found = other.store.read(key)
            assert found is not None
            assert other.row(found) == row
        _compare(other, chance, model)
    for app in apps:
        app.close()


def _change(side: Side, chance: random.Random, model: dict[tuple[str, str], dict[str, Any]], step: int) -> None:
    """Make a change with one side, and in the model."""
    choice = chance.randrange(8)
    if choice < 2 or len(model) < 4:
        keys = [(f"m{step % 3}", f"i{step}-{number}") for number in range(chance.choice([1, 1, 3]))]
        rows = [
            {
                "maker": maker,
                "id": id_,
                "odometer": chance.randrange(5),
                "plate": f"P{maker}{id_}",
                "color": chance.choice(["red", "green", None]),
            }
            for maker, id_ in keys
        ]
        results = side.store.edit_batch([Create(side.given(row)) for row in rows], atomic=chance.random() < 0.5)
        made = [one.item for one in results]
        model |= {key: side.row(item) for key, item in zip(keys, made, strict=True)}
        assert all(model[key].items() >= row.items() for key, row in zip(keys, rows, strict=True))
        return
    key = chance.choice([*model])
    row = model[key]
    if choice == 2:
        changes: dict[str, Any] = {"odometer": chance.randrange(5), "color": chance.choice(["red", "green", None])}
        side.store.update(key, side.given(changes))
        row |= changes
    elif choice == 3:
        side.store.update(key, side.given({"odometer": add(1), "tags": append(f"t{step}")}))
        row |= {"odometer": row["odometer"] + 1, "tags": [*row["tags"], f"t{step}"]}
    elif choice == 4:
        seen = chance.randrange(5)
        if seen == row["odometer"]:
            side.store.update(key, side.given({"plate": f"X{step}"}), when=side.of("odometer") == seen)
            row["plate"] = f"X{step}"
        else:
            with pytest.raises(PreconditionFailed):
                side.store.update(key, side.given({"plate": f"X{step}"}), when=side.of("odometer") == seen)
    elif choice == 5:
        twin = {"maker": "twin", "id": str(step), "odometer": 1, "plate": row["plate"]}
        with pytest.raises(Conflict):
            side.store.create(side.given(twin))
    elif choice == 6:
        batch = [Update(one, side.given({"odometer": 4}), when=side.of("odometer") != 4) for one in [*model][:3]]
        results = side.store.edit_batch(batch)
        for one, result in zip([*model][:3], results, strict=True):
            assert (result.error is None) == (model[one]["odometer"] != 4)
            model[one]["odometer"] = 4
        row = model[key]
        side.store.update_all(side.given({"color": "blue"}), side.of("odometer") == row["odometer"])
        for one in model.values():
            if one["odometer"] == row["odometer"]:
                one["color"] = "blue"
    else:
        assert side.store.delete(key)
        del model[key]


def _compare(side: Side, chance: random.Random, model: dict[tuple[str, str], dict[str, Any]]) -> None:
    """Compare the results of one side with the model: by indexes, by filters of a scan, in an order, in pages."""
    number = chance.randrange(6)
    for where, holds in chance.sample(
        [
            (side.of("odometer") == number, lambda row: row["odometer"] == number),
            (side.of("color") == "red", lambda row: row["color"] == "red"),
            (
                (side.of("odometer") == number) & (side.of("color") != "red"),
                lambda row: row["odometer"] == number and row["color"] != "red",
            ),
            (side.of("odometer") > number, lambda row: row["odometer"] > number),
            (side.of("tags").is_null(), lambda row: False),
            (side.of("maker") == "m1", lambda row: row["maker"] == "m1"),
        ],
        3,
    ):
        expected = {key for key, row in model.items() if holds(row)}
        assert {(one["maker"], one["id"]) for one in map(side.row, side.store.search_all(where))} == expected
        assert side.store.count(where) == len(expected)
    pages, cursor = list[Any](), None
    while True:
        page = side.store.search(side.of("maker") == "m2", order=[side.of("id").desc()], limit=2, cursor=cursor)
        pages += page.items
        cursor = page.cursor
        if cursor is None:
            break
    assert [side.row(one)["id"] for one in pages] == sorted(
        (id_ for maker, id_ in model if maker == "m2"), reverse=True
    )


def test_a_rename_touches_no_item_and_no_index(tables: Tables) -> None:
    tables.filled(Older, {"maker": "m", "id": "1", "odometer": 7, "plate": "p"})
    app = tables.app(Newer)
    assert {*effects(app).values()} == {"safe"}
    assert [step for one in Migration(app).plan() for step in one.steps] == []
    app.prepare()  # with or without a migration
    assert app.store(Newer).explain(Newer.mileage == 7).access == "index"
    assert app.store(Newer).read(("m", "1")).mileage == 7  # type: ignore[union-attr]
    app = tables.app(Older)
    app.prepare()
    assert app.store(Older).read(("m", "1")).odometer == 7  # type: ignore[union-attr]


@stored(name="car", key=("brand", "id"), indexes=[Index("mileage", "sign"), Index("paint"), Unique("sign")])
class Bare:
    brand: str = Attr(former_names="maker")
    id: str
    mileage: int
    sign: str = Attr(former_names=("plate",))
    paint: str | None = Attr(former_names="color", default="red")
    labels: list[str] = Attr(former_names="tags", factory=list)
    count: int = Attr(generator=SEQUENCE, former_names="number")


def test_values_are_moved_when_the_former_name_is_no_longer_declared(tables: Tables) -> None:
    tables.filled(Older, {"maker": "m", "id": "1", "odometer": 7, "plate": "p"})
    tables.migrated(Newer)
    app = tables.app(Bare)
    with pytest.raises(SchemaMismatch):
        app.prepare()
    app, _ = tables.migrated(Bare)
    assert [one.mileage for one in app.store(Bare).search(Bare.mileage == 7).items] == [7]
    assert app.store(Bare).explain(Bare.mileage == 7).access == "index"
    found = app.engine.described("car")  # type: ignore[attr-defined]
    assert {one["IndexName"] for one in found["GlobalSecondaryIndexes"]} == {
        "by-mileage-plate",
        "by-color",
        "unique-plate",
    }


@stored(name="note")
class Note:
    id: str
    size: int


@stored(name="note", indexes=[Index("length")])
class Sized:
    id: str
    length: int = Attr(former_names="size")


@stored(name="note", indexes=[Index("length")])
class Both:
    id: str
    length: int = Attr(former_names="size")
    size: int = 5


@stored(name="note")
class Copied:
    id: str
    size: int = 0
    length: int = 0


def test_an_attribute_takes_the_former_name_of_another_after_its_values_are_moved(tables: Tables) -> None:
    tables.filled(Note, {"id": "a", "size": 7})
    with pytest.raises(SchemaMismatch):
        tables.migrated(Both)
    tables.migrated(Sized)
    with pytest.raises(SchemaMismatch):
        tables.app(Both).prepare()
    app, _ = tables.migrated(Both)
    app.store(Both).create({"id": "b", "length": 8, "size": 9})
    assert sorted((one.length, one.size) for one in app.store(Both).search_all()) == [(7, 5), (8, 9)]
    assert [one.id for one in app.store(Both).search(Both.length == 7).items] == ["a"]


def test_values_that_code_has_copied_to_a_new_attribute_are_not_replaced_by_those_of_its_former_name(
    tables: Tables,
) -> None:
    tables.filled(Note, {"id": "a", "size": 7})
    app, _ = tables.migrated(Copied)
    app.store(Copied).update("a", {"length": 8})
    app = tables.app(Sized)
    with pytest.raises(SchemaMismatch, match="not fit"):
        app.prepare()
    with pytest.raises(SchemaMismatch) as caught:
        tables.migrated(Sized)
    assert "remove the former name of length" in str(caught.value)


@stored(name="note", indexes=[Index("length")])
class Plain:
    id: str
    length: int


def test_a_start_finds_values_that_code_has_moved_to_the_new_name_itself(tables: Tables) -> None:
    app = tables.filled(Sized, {"id": "a", "length": 7}, {"id": "b", "length": 1})
    app.verify()
    moved = {"id": {"S": "a"}, "length": {"N": "8"}}
    table = app.engine.described("note")["TableName"]  # type: ignore[attr-defined]
    app.engine.send("PutItem", {"TableName": table, "Item": moved})  # type: ignore[attr-defined]
    for start in (app.prepare, app.verify, Migration(app).apply):
        with pytest.raises(SchemaMismatch) as caught:
            start()
        [fault] = caught.value.faults
        assert (fault.path, "remove the former name" in fault.message) == ("/note/length", True)
    app = tables.app(Sized, abandoned={"note.length"})
    app.prepare()
    app.verify()
    app, _ = tables.migrated(Plain)
    assert {one.id: one.length for one in app.store(Plain).search_all()} == {"a": 8, "b": 1}
