"""Defaults given to, taken from and changed on attributes that some items lack: every item keeps its value, and queries find it by that value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from persisty import Attr, Index, SchemaMismatch, stored
from persisty.deploy.evolution import evolutions_of
from persisty.deploy.index_completion import doubt_indexes
from persisty.deploy.migration import Migration

from .conftest import Place, Tables
from .test_interrupted import Killed

NO = object()
"""No default."""
MISSING = object()
"""The attribute is not declared."""

Declared = tuple[Any, Any]
"""The type of `v`, and its default."""

CASES: dict[str, tuple[list[Declared], dict[str, Any], list[str]]] = {
    "a default is given": ([(int | None, None), (int | None, 7)], {"older": None, "null": None, "b": None, "three": 3}, ["default_changed"]),
    "a default is given to an attribute without one": ([(int | None, NO), (int | None, 7)], {"older": None, "null": None, "b": None, "three": 3}, ["default_changed"]),
    "a default is taken": ([(int | None, 7), (int | None, None)], {"older": 7, "null": None, "b": 7, "three": 3}, ["default_changed"]),
    "a default is taken from a required attribute": ([(int, 7), (int, NO)], {"older": 7, "b": 7, "three": 3}, ["default_changed"]),
    "a default is changed": ([(int | None, 7), (int | None, 8)], {"older": 7, "null": None, "b": 7, "three": 3}, ["default_changed"]),
    "a default is taken, and None is allowed": ([(int, 7), (int | None, None)], {"older": 7, "b": 7, "three": 3}, ["attribute_optional", "default_changed"]),
    "an attribute is required": ([(int | None, None), (int, 0)], {"older": 0, "null": 0, "b": 0, "three": 3}, ["attribute_required"]),
    "a required attribute has another default": ([(int | None, 1), (int, 2)], {"older": 1, "null": 2, "b": 1, "three": 3}, ["attribute_required", "default_changed"]),
    "a default is taken, and the type changes": ([(str | None, "1"), (int | None, None)], {"older": 1, "null": None, "b": 1}, ["attribute_retyped", "default_changed"]),
}  # fmt: skip


def declared(type_: Any, default: Any, indexed: bool) -> type[Any]:
    given = {} if default is NO else {"default": default}
    body = {"__module__": __name__, "__annotations__": {"id": str, "v": type_}, "v": Attr(**given)}
    if type_ is MISSING:
        body = {"__module__": __name__, "__annotations__": {"id": str}}
    item: type[Any] = stored(name="post", indexes=[Index("v")] if indexed else [])(type("Post", (), body))
    return item


def check(
    place: Place, before: Declared, after: Declared, expected: dict[str, Any], kinds: list[str], indexed: str
) -> None:
    first = declared(*before, indexed[0] == "i")
    app = place.filled(declared(MISSING, NO, False), {"id": "older"})
    rows = {key: value for key, value in expected.items() if key != "older"}
    app, _ = place.migrated(first)
    for key in rows:
        given = {} if key == "b" else {"v": None} if key == "null" else {"v": before[0](3) if before[0] is str else 3}
        app.store(first).create({"id": key, **given})
    item = declared(*after, indexed[1] == "i")
    app, planned = place.migrated(item)
    found = [change.kind for one in planned for change in one.evolution.changes if not change.kind.startswith("index")]
    assert found == kinds
    assert evolutions_of(place.app(item)) == []
    posts = app.store(item)
    assert {one.id: one.v for one in posts.search_all()} == expected
    for value in {None, *expected.values()}:
        same = sorted(key for key, each in expected.items() if each == value)
        assert sorted(one.id for one in posts.search(item.v == value)) == same
        assert sorted(one.id for one in posts.search(item.v != value)) == sorted(expected.keys() - {*same})
    nulls = [key for key, each in expected.items() if each is None]
    assert posts.count(item.v.is_null()) == len(nulls)
    for key in nulls:
        assert posts.update(key, {"v": 9}, when=item.v.is_null()).v == 9
    assert posts.count(item.v == 9) == len(nulls)


@pytest.mark.parametrize("indexed", ["--", "ii", "-i", "i-"])
@pytest.mark.parametrize("case", CASES)
def test_items_keep_the_values_of_attributes_that_they_lack(moto_endpoint: str, case: str, indexed: str) -> None:
    (before, after), expected, kinds = CASES[case]
    tables = Tables(f"dynamodb://us-east-1?endpoint={moto_endpoint}&partiql=0")
    check(tables, before, after, expected, kinds, indexed)
    assert tables.opened is not None
    tables.opened.close()


@pytest.mark.parametrize("case", CASES)
def test_items_keep_the_values_on_every_engine(local_endpoint: str, tmp_path: Path, case: str) -> None:
    (before, after), expected, kinds = CASES[case]
    for place in (Place(f"sqlite:///{tmp_path}/shop.db"), Tables(f"dynamodb://us-east-1?endpoint={local_endpoint}")):
        check(place, before, after, expected, kinds, "--")
        assert place.opened is not None
        place.opened.close()


@pytest.mark.parametrize("steps", range(3))
def test_an_attribute_that_is_required_now_completes_its_index(moto_endpoint: str, steps: int) -> None:
    optional, required = declared(int | None, None, True), declared(int, 0, True)
    tables = Tables(f"dynamodb://us-east-1?endpoint={moto_endpoint}&partiql=0")
    tables.filled(optional, {"id": "lacks"}, {"id": "zero", "v": 0})
    if steps:  # `App.prepare` without a migration, or after one
        tables.migrated(required)
    app = tables.app(required)
    if steps < 2:
        app.prepare()
    posts = app.store(required)
    assert sorted(one.id for one in posts.search(required.v == 0)) == ["lacks", "zero"]
    assert posts.explain(required.v == 0).access == "index"
    app.close()


READ_ANEW: list[tuple[Declared, Declared, str]] = [
    ((int | None, 7), (int | None, 8), "--"),
    ((int | None, 7), (int | None, None), "--"),
    ((int | None, 7), (int | None, NO), "-i"),
    ((int, 7), (int, 8), "ii"),
    ((int, 7), (int, NO), "--"),
    ((int, 0), (int | None, None), "ii"),
]


@pytest.mark.parametrize(("before", "after", "indexed"), READ_ANEW)
def test_a_start_refuses_a_default_with_which_items_would_read_anew(
    moto_endpoint: str, before: Declared, after: Declared, indexed: str
) -> None:
    tables = Tables(f"dynamodb://us-east-1?endpoint={moto_endpoint}&partiql=0")
    tables.filled(declared(MISSING, NO, False), {"id": "older"})
    tables.migrated(declared(*before, indexed[0] == "i"))
    item = declared(*after, indexed[1] == "i")
    with pytest.raises(SchemaMismatch, match="`persisty migrate`") as caught:
        tables.app(item).prepare()
    assert [fault.path for fault in caught.value.faults] == ["/post/v"]
    if indexed != "-i":  # the table lacks the index
        with pytest.raises(SchemaMismatch, match="`persisty migrate`"):
            tables.app(item).verify()
    app, _ = tables.migrated(item)
    app.verify()
    assert [one.v for one in app.store(item).search_all()] == [before[1]]
    app.close()


def test_a_start_accepts_another_default_where_nothing_is_stored_and_on_engines_with_columns(
    moto_endpoint: str, tmp_path: Path
) -> None:
    first, second = declared(int, 7, False), declared(int, 8, False)
    empty = Tables(f"dynamodb://us-east-1?endpoint={moto_endpoint}&partiql=0")
    empty.filled(first)
    empty.app(second).prepare()
    file = Place(f"sqlite:///{tmp_path}/shop.db")
    file.filled(declared(MISSING, NO, False), {"id": "older"})
    file.migrated(first)
    app = file.app(second)
    app.prepare()
    assert [one.v for one in app.store(second).search_all()] == [7]
    for place in (empty, file):
        assert place.opened is not None
        place.opened.close()


def test_older_code_to_which_an_indexed_attribute_may_be_none_leaves_the_index_incomplete(moto_endpoint: str) -> None:
    """A rollback of deployed functions, which compare no schemas: their items lack the attribute, so the index misses them."""
    older, newer = declared(int | None, None, True), declared(int, 0, True)
    tables = Tables(f"dynamodb://us-east-1?endpoint={moto_endpoint}&partiql=0")
    tables.filled(newer, {"id": "a"})
    app = tables.app(older)
    doubt_indexes(app)
    app.store(older).create({"id": "b"})
    app = tables.app(newer)
    app.prepare()
    posts = app.store(newer)
    assert posts.explain(newer.v == 0).access == "index"
    assert sorted(one.id for one in posts.search(newer.v == 0)) == ["a", "b"]
    app.close()


@pytest.mark.parametrize("taken_back", [False, True])
def test_a_migration_that_is_killed_before_it_creates_an_index_keeps_none(
    moto_endpoint: str, monkeypatch: pytest.MonkeyPatch, taken_back: bool
) -> None:
    """An index takes no NULL, so a None is absent when the index is created."""
    plain, indexed = declared(int | None, 7, False), declared(int | None, 7, True)
    tables = Tables(f"dynamodb://us-east-1?endpoint={moto_endpoint}&partiql=0")
    tables.filled(plain, {"id": "none", "v": None}, {"id": "three", "v": 3})
    app = tables.app(indexed)
    send = app.engine.send  # type: ignore[attr-defined]

    def killed(operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        if operation == "UpdateTable":
            raise Killed
        answer: dict[str, Any] = send(operation, payload)
        return answer

    monkeypatch.setattr(app.engine, "_call", killed)
    with pytest.raises(Killed):
        Migration(app).apply()
    item = plain if taken_back else indexed
    app, _ = tables.migrated(item)
    assert {one.id: one.v for one in app.store(item).search_all()} == {"none": None, "three": 3}
    app.close()
