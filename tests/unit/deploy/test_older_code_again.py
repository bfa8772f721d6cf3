"""Older code runs again after newer code has stored items, and then newer code: no value becomes another one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from persisty import Attr, Index, SchemaMismatch, stored

from .conftest import Place, Tables
from .test_absent_defaults import MISSING, NO, declared

OLDER = declared(MISSING, NO, False)
ROWS = [{"id": "null", "v": None}, {"id": "one", "v": 1}]

CASES: dict[str, tuple[tuple[Any, bool], tuple[Any, bool], dict[str, int | None]]] = {
    "the same": ((7, False), (7, False), {"old": 7, "null": None, "one": 1, "again": 7}),
    "a default is given": ((None, False), (7, False), {"old": None, "null": None, "one": 1, "again": None}),
    "another default": ((7, False), (8, False), {"old": 7, "null": None, "one": 1, "again": 7}),
    "a default is taken": ((7, False), (None, False), {"old": 7, "null": None, "one": 1, "again": 7}),
    "an index": ((7, False), (8, True), {"old": 7, "null": None, "one": 1, "again": 7}),
    "the same index": ((7, True), (7, True), {"old": 7, "null": None, "one": 1}),
    "an index with another default": ((7, True), (8, True), {"old": 7, "null": None, "one": 1}),
    "no index": ((7, True), (7, False), {"old": 7, "null": None, "one": 1}),
    "no index and another default": ((7, True), (8, False), {"old": 7, "null": None, "one": 1}),
}
"""The default and whether it is indexed, before and after older code runs → the values afterwards. With an index, an item that older code has created is None
on DynamoDB and 7 on SQL (see docs/stored-before.md)."""


def check(place: Place, case: str, migrations: str) -> None:
    (default, indexed), (later, still), expected = CASES[case]
    newer, newest = declared(int | None, default, indexed), declared(int | None, later, still)
    place.filled(OLDER, {"id": "old"})
    app, _ = place.migrated(newer)
    for row in ROWS:
        app.store(newer).create(row)
    if migrations == "started":
        app = place.app(OLDER)
        app.prepare()
    else:
        app, _ = place.migrated(OLDER)
    app.store(OLDER).create({"id": "again"})
    app, _ = place.migrated(newest)
    items = app.store(newest)
    found = {one.id: one.v for one in items.search_all()}
    assert {key: found[key] for key in expected} == expected
    for key, value in expected.items():
        assert key in {one.id for one in items.search(newest.v == value)}


@pytest.mark.parametrize("migrations", ["started", "migrated"])
@pytest.mark.parametrize("case", CASES)
def test_values_stay_when_older_code_runs_in_between(
    local_endpoint: str, tmp_path: Path, case: str, migrations: str
) -> None:
    for place in (Place(f"sqlite:///{tmp_path}/shop.db"), Tables(f"dynamodb://us-east-1?endpoint={local_endpoint}")):
        check(place, case, migrations)
        assert place.opened is not None
        place.opened.close()


@pytest.mark.parametrize("case", CASES)
def test_values_stay_on_postgresql_when_older_code_runs_in_between(on_postgresql: Place, case: str) -> None:
    check(on_postgresql, case, "migrated")


def test_values_of_another_type_that_were_left_are_converted_when_the_attribute_is_declared_again(
    moto_endpoint: str,
) -> None:
    tables = Tables(f"dynamodb://us-east-1?endpoint={moto_endpoint}&partiql=0")
    number, text = declared(int | None, None, False), declared(str | None, None, False)
    tables.filled(number, {"id": "1", "v": 5})
    tables.migrated(OLDER)
    app, planned = tables.migrated(text)
    assert [each.kind for one in planned for each in one.evolution.changes] == ["attribute_retyped"]
    assert app.store(text).read("1").v == "5"


def test_values_that_were_dropped_are_not_expected_again(moto_endpoint: str) -> None:
    tables = Tables(f"dynamodb://us-east-1?endpoint={moto_endpoint}&partiql=0")
    number, text = declared(int | None, None, False), declared(str | None, "new", False)
    tables.filled(number, {"id": "1", "v": 5})
    tables.migrated(OLDER)
    tables.migrated(OLDER, allow=("drop:post.v",))
    app, planned = tables.migrated(text)
    assert [each.kind for one in planned for each in one.evolution.changes] == ["attribute_added"]
    assert app.store(text).read("1").v == "new"


def test_an_index_that_a_rollback_has_left_is_not_given_a_null(local_endpoint: str) -> None:
    tables = Tables(f"dynamodb://us-east-1?endpoint={local_endpoint}")
    newer = stored(name="post", indexes=[Index("v"), Index("v", "id")])(
        type(
            "Post", (), {"__module__": __name__, "__annotations__": {"id": str, "v": int | None}, "v": Attr(default=7)}
        )
    )
    tables.filled(OLDER, {"id": "old"})
    app, _ = tables.migrated(newer)
    app.store(newer).create({"id": "null", "v": None})
    tables.app(OLDER).prepare()
    newest = declared(int | None, 8, True)
    app, _ = tables.migrated(newest)
    assert {one.id: one.v for one in app.store(newest).search_all()} == {"old": 7, "null": None}


def test_a_start_does_not_hide_that_an_attribute_is_required_now(
    moto_endpoint: str, caplog: pytest.LogCaptureFixture
) -> None:
    tables = Tables(f"dynamodb://us-east-1?endpoint={moto_endpoint}&partiql=0")
    tables.filled(declared(int | None, None, False), {"id": "1"})
    required = declared(int, NO, False)
    for _ in range(2):
        tables.app(required).prepare()
        assert "Stored items that have none cannot be read" in caplog.text
        with pytest.raises(SchemaMismatch, match="/post/v: These items have no v"):
            tables.migrated(required)


def test_code_from_before_a_rename_with_another_key_does_not_start(place: Place) -> None:
    body = {"__module__": __name__, "__annotations__": {"id": str, "a": int}}
    car = stored(name="car")(type("Car", (), dict(body)))
    vehicle = stored(name="vehicle", key=("a", "id"), former_names="car")(type("Vehicle", (), dict(body)))
    place.filled(car, {"id": "1", "a": 1})
    place.migrated(vehicle)
    with pytest.raises(SchemaMismatch, match="Newer code has renamed it to vehicle"):
        place.app(car).prepare()
    assert place.app(vehicle).store(vehicle).count() == 1
