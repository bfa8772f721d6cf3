"""A former name that is declared again, on every engine: refused with the rename, made in the migration after it."""

from __future__ import annotations

from typing import Any

import pytest

from persisty import Attr, SchemaMismatch, stored
from persisty.deploy.evolution import evolutions_of
from persisty.deploy.migration import Migration, refused_changes

from .conftest import Place


@stored(name="pet")
class Former:
    id: Attr[str]
    a: Attr[str]
    b: Attr[str] = Attr(default="")


@stored(name="pet")
class Swapped:
    id: Attr[str]
    a: Attr[str] = Attr(former_names="b")
    b: Attr[str] = Attr(default="", former_names="a")


@stored(name="pet")
class Defaulted:
    id: Attr[str]
    a: Attr[str]
    b: Attr[str] = Attr(default="")
    c: Attr[str] = Attr(default="?", former_names="a")


@stored(name="pet")
class Required:
    id: Attr[str]
    c: Attr[str] = Attr(former_names="a")
    a: Attr[str] = Attr(default="new")
    b: Attr[str] = Attr(default="")


@stored(name="pet")
class Renamed:
    id: Attr[str]
    c: Attr[str] = Attr(former_names="a")
    b: Attr[str] = Attr(default="")


@stored(name="pet")
class RenamedTwice:
    id: Attr[str]
    d: Attr[str] = Attr(former_names=("a", "c"))
    a: Attr[str] = Attr(default="new")
    b: Attr[str] = Attr(default="")


@pytest.mark.parametrize(
    ("item", "paths"), [(Swapped, ["/pet/a", "/pet/b"]), (Defaulted, ["/pet/c"]), (Required, ["/pet/c"])]
)
def test_a_former_name_that_is_still_an_attribute_is_refused(database: Place, item: Any, paths: list[str]) -> None:
    app = database.app(Former, idempotency=None)
    app.prepare()
    app.store(Former).create({"id": "1", "a": "x", "b": "y"})
    app = database.app(item, idempotency=None)
    with pytest.raises(SchemaMismatch, match="Nothing is changed") as caught:
        Migration(app).apply()
    with pytest.raises(SchemaMismatch) as stopped:
        app.prepare()
    refused = {change.path: why for one in evolutions_of(app) for change, why in refused_changes(app, one).items()}
    for faults in (caught.value.faults, stopped.value.faults):
        assert [one.path for one in faults] == paths
        assert all("is a former name of" in one.message and "in the next migration" in one.message for one in faults)
    assert [*refused] == paths
    app = database.app(Former, idempotency=None)
    assert [(one.a, one.b) for one in app.store(Former).search_all()] == [("x", "y")]


def test_a_former_name_is_declared_anew_after_its_rename(database: Place) -> None:
    app = database.app(Former, idempotency=None)
    app.prepare()
    app.store(Former).create({"id": "1", "a": "x", "b": "y"})
    allow = {"drop:pet.a"}
    for item in (Renamed, Required, RenamedTwice):
        app = database.app(item, idempotency=None)
        Migration(app, allow, unknown_allowed=True).apply()
    assert [(one.d, one.a, one.b) for one in app.store(RenamedTwice).search_all()] == [("x", "new", "y")]


@stored(name="pet")
class HalfSwapped:
    id: Attr[str]
    c: Attr[str]
    a: Attr[str] = Attr(default="", former_names="b")


@stored(name="pet")
class SwappedAtLast:
    id: Attr[str]
    a: Attr[str] = Attr(default="")
    b: Attr[str] = Attr(former_names="c")


def test_two_attributes_swap_their_names_in_three_migrations(database: Place) -> None:
    app = database.app(Former, idempotency=None)
    app.prepare()
    app.store(Former).create({"id": "1", "a": "x", "b": "y"})
    for item in (Renamed, HalfSwapped, SwappedAtLast):
        Migration(database.app(item, idempotency=None)).apply()
        allow = {"drop:pet.a", "drop:pet.b"} - {f"drop:pet.{name}" for name in item.__annotations__}
        app = database.app(item, idempotency=None)
        Migration(app, allow, unknown_allowed=True).apply()
    assert [(one.a, one.b) for one in app.store(SwappedAtLast).search_all()] == [("y", "x")]


def test_an_empty_table_takes_any_names(database: Place) -> None:
    database.app(Former, idempotency=None).prepare()
    for item in (Swapped, Required):
        app = database.app(item, idempotency=None)
        Migration(app).apply()
        assert not [one for one in Migration(app).plan() if one.steps]
