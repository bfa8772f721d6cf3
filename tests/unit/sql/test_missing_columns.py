"""The fault of a column that is missing while the app serves names the store and the attribute, not a name of the statement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from persisty import App, Attr, BelongsTo, HasMany, SchemaMismatch, Update, link, public, stored
from persisty.api.http.messages import Request
from persisty.api.rest.endpoint import Rest
from persisty.backends.sql.missing_columns import does_not_exist

from .papers import raw


@stored(name="old_car", access=public)
class Car:
    id: Attr[str]
    text: Attr[str] = Attr(default="")
    owner_id: Attr[str | None] = Attr(default=None)
    owner: BelongsTo[Owner] = link(by="owner_id", on_delete="cascade")


@stored(name="owner", access=public)
class Owner:
    id: Attr[str]
    cars: HasMany[Car] = link()


DROP = "ALTER TABLE old_car DROP COLUMN text"
VERBS: dict[str, Callable[[App], Any]] = {
    "read": lambda app: app.store(Car).read("1"),
    "read batch": lambda app: app.store(Car).read_batch(["1", "2"]),
    "search": lambda app: app.store(Car).search(),
    "update": lambda app: app.store(Car).update("1", {"text": "a"}),
    "create": lambda app: app.store(Car).create(Car(id="3")),
    "update all": lambda app: app.store(Car).update_all({"text": "a"}),
    "batch": lambda app: app.store(Car).edit_batch([Update("1", {"text": "a"}), Update("2", {"text": "b"})]),
    "atomic batch": lambda app: app.store(Car).edit_batch([Update(key, {"text": "a"}) for key in "12"], atomic=True),
    "linked": lambda app: app.store(Owner).search(Owner.cars.text == "a"),
}


@pytest.fixture(params=["sqlite", "postgresql"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[App]:
    """An app whose table lost a column."""
    url = f"sqlite:///{tmp_path}/cars.db" if request.param == "sqlite" else request.getfixturevalue("schema")
    with closing(App("cars", items=[Car, Owner], url=url)) as app:
        app.prepare()
        app.store(Owner).create(Owner(id="a"))
        for key in ("1", "2"):
            app.store(Car).create(Car(id=key, owner_id="a"))
        if request.param == "sqlite":
            app.engine._connection.rows(DROP)  # type: ignore[attr-defined]
        else:
            with raw(app) as connection:
                connection.execute(DROP)
        yield app


@pytest.mark.parametrize("verb", VERBS)
def test_the_fault_names_the_store_and_the_attribute(app: App, verb: str) -> None:
    with pytest.raises(SchemaMismatch) as caught:
        VERBS[verb](app)
    assert [fault.path for fault in caught.value.faults] == ["/old_car/text"]


def test_the_fault_of_an_included_link_names_the_store(app: App) -> None:
    answer = Rest(app).handle(Request("GET", "/api/owner", "include=cars", {}, b""))
    assert b"/old_car/text" in answer.body
    assert b"_found" not in answer.body


TEXTS = [
    ("no such column: text", 'UPDATE "old-car" SET text=?', "/old-car/text"),
    ("no such column: _found.l", "SELECT _found.l FROM v JOIN car AS _found ON 1", "/car/l"),
    ("no such column: _linked_1.l", 'SELECT EXISTS (SELECT 1 FROM "a b" AS _linked_1, "c" AS _linked_11)', "/a b/l"),
    ("column _linked_1.l does not exist", "", "/l"),
    ("no such column: _found.l", "SELECT 1", "/l"),
    ('relation "s.car" does not exist', "", "/car"),
]


@pytest.mark.parametrize(("text", "statement", "path"), TEXTS)
def test_an_alias_is_replaced_by_its_table(text: str, statement: str, path: str) -> None:
    error = does_not_exist(text, statement)
    assert error is not None
    assert [fault.path for fault in error.faults] == [path]
