"""Declarations that are edited again after a migration was killed: the next migration starts from what is stored, and loses no value."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest

from persisty import App, Attr, Conflict, Index, SchemaMismatch, stored
from persisty.deploy.evolution import unfinished_of
from persisty.deploy.migration import Migration

from .conftest import Place, Tables
from .test_interrupted import killed_at
from .test_random_changes import NAMES, VALUES, Declared, attribute, changed, expected

Row = dict[str, Any]
REFUSALS = ("share", "is new, and", "has both columns")
"""Parts of errors about declarations that are ambiguous over the steps that were made."""


def after_each(rows: list[Row], *path: Declared) -> list[Row] | None:
    """Return the items after these declarations, one after the other. None if they do not survive one."""
    try:
        for before, after in pairwise(path):
            rows = [expected(before, after, row) for row in rows]
    except LookupError:
        return None
    return rows


def interrupted(place: Place, rand: random.Random, first: Declared, rows: list[Row], *, keys: bool) -> Declared:
    """Kill the migration to a random declaration between two steps, and return the declaration."""
    while True:
        edited = changed(rand, first, keys=keys)
        if after_each(rows, first, edited) is None:
            continue
        try:
            steps = sum(len(one.steps) for one in Migration(place.app(edited.item())).plan())
        except SchemaMismatch:
            continue
        if steps > 1 and killed_at(place.app(edited.item()), rand.randrange(1, steps)):
            return edited


def play(place: Place, seed: int, *, keys: bool) -> None:
    """Interrupt a migration, and migrate to the first declaration again (odd seeds) or to another one."""
    rand = random.Random(seed)
    first = Declared({name: attribute(rand) for name in rand.sample(NAMES, 4)}, {}, {})
    item = first.item()
    app = place.filled(item)
    rows = [
        {"id": str(number)}
        | {
            name: None if optional and rand.random() < 0.3 else rand.choice(VALUES[type_])
            for name, (type_, optional, _) in first.attributes.items()
        }
        for number in range(4)
    ]
    for row in rows:
        app.store(item).create(row)
    edited = interrupted(place, rand, first, rows, keys=keys)
    last = first if seed % 2 else changed(rand, first, keys=keys)
    item = last.item()
    allowed = [one for one in (after_each(rows, first, last), after_each(rows, first, edited, last)) if one]
    try:
        place.migrated(item)
        left = tuple(str(change.allow) for one in Migration(place.app(item)).plan() for change in one.left)
        place.migrated(item, allow=left)
    except SchemaMismatch as error:
        if len(allowed) == 2 and not any(one in str(error) for one in REFUSALS):
            raise
        item, allowed = edited.item(), [after_each(rows, first, edited) or []]
        place.migrated(item)
    app = place.app(item)
    app.prepare()
    found = {one.id: one for one in app.store(item).search_all()}
    for number, row in enumerate(rows):
        for name, value in allowed[0][number].items():
            values = [one[number][name] for one in allowed]
            if value is None and name in edited.attributes:
                values.append(edited.attributes[name][2])  # it was required for a time
            assert getattr(found[row["id"]], name) in values, (seed, name, value, allowed)


@pytest.mark.parametrize("seed", [22, 24, 26, 28, 51, 53])
def test_a_random_declaration_after_an_interrupted_migration_finds_every_value(place: Place, seed: int) -> None:
    play(place, seed, keys=True)


@pytest.mark.parametrize("seed", [2, 23, 31, 41, 71, 81, 91, 101])
def test_a_random_declaration_after_an_interrupted_migration_finds_every_value_on_dynamodb(
    moto_endpoint: str, seed: int
) -> None:
    tables = Tables(f"dynamodb://us-east-1?endpoint={moto_endpoint}&partiql=0")
    play(tables, seed, keys=False)
    assert tables.opened is not None
    tables.opened.close()


@stored(name="car", indexes=[Index("price"), Index("note")])
class Texts:
    id: str
    price: str
    note: str | None = "0"


@stored(name="car", indexes=[Index("price"), Index("note")])
class Numbers:
    id: str
    price: int
    note: int | None = 5


@stored(name="car")
class Flags:
    id: str
    price: bool
    note: int | None = 5


ROWS: list[Row] = [{"id": f"{n}", "price": str(n % 2), "note": None if n % 3 else str(n)} for n in range(8)]


def values(app: App, item: type[Any]) -> dict[str, tuple[Any, Any]]:
    return {one.id: (one.price, one.note) for one in app.store(item).search_all()}


def half_converted(tables: Tables, monkeypatch: pytest.MonkeyPatch, writes: int) -> bool:
    """Migrate from texts to numbers, and end after some writes. Return whether so many were made."""
    app, left = tables.app(Numbers), [writes]
    call = app.engine.transport.call  # type: ignore[attr-defined]

    def ending(operation: str, payload: dict[str, Any], *shape: Any, **options: Any) -> Any:
        if operation in ("UpdateItem", "UpdateTable") and "car" in payload["TableName"]:
            left[0] -= 1
            if left[0] < 0:
                raise Conflict("killed")
        return call(operation, payload, *shape, **options)

    monkeypatch.setattr(app.engine.transport, "call", ending)  # type: ignore[attr-defined]
    try:
        Migration(app).apply()
    except Conflict:
        return True
    return False


TEXTS = {row["id"]: (row["price"], row["note"]) for row in ROWS}
CONVERTED = {key: (int(price), None if note is None else int(note)) for key, (price, note) in TEXTS.items()}


@pytest.mark.parametrize("writes", [1, 2, 5, 9, 12, 15, 19])
@pytest.mark.parametrize(("item", "expected"), [(Texts, TEXTS), (Numbers, CONVERTED)], ids=["taken back", "continued"])
def test_a_conversion_that_was_killed_is_taken_back_or_continued(
    moto_endpoint: str, monkeypatch: pytest.MonkeyPatch, writes: int, item: type[Any], expected: dict[str, Any]
) -> None:
    tables = Tables(f"dynamodb://us-east-1?endpoint={moto_endpoint}&partiql=0")
    tables.filled(Texts, *ROWS)
    assert half_converted(tables, monkeypatch, writes)
    app, _ = tables.migrated(item)
    assert values(app, item) == expected
    assert app.store(item).explain(item.price == expected["1"][0]).access == "index"
    assert {one.id for one in app.store(item).search_all(item.note == expected["3"][1])} == {"3"}
    assert unfinished_of(app) == {}
    app.close()


def test_another_type_is_refused_until_an_interrupted_conversion_has_ended(
    moto_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = Tables(f"dynamodb://us-east-1?endpoint={moto_endpoint}&partiql=0")
    tables.filled(Texts, *ROWS)
    assert half_converted(tables, monkeypatch, 5)
    with pytest.raises(SchemaMismatch, match="from string to integer was interrupted") as caught:
        tables.migrated(Flags)
    assert "/car/price" in {one.path for one in caught.value.faults}
    tables.migrated(Numbers)
    app, _ = tables.migrated(Flags)
    assert values(app, Flags) == {key: (bool(price), note) for key, (price, note) in CONVERTED.items()}
    app.close()


def test_a_declaration_that_is_edited_between_the_plan_and_the_migration_is_the_one_that_is_applied(
    place: Place,
) -> None:
    place.filled(Texts, *ROWS)
    assert any(one.steps for one in Migration(place.app(Numbers)).plan())
    assert not any(one.steps for one in Migration(place.app(Texts)).plan())
    app, _ = place.migrated(Texts)
    assert values(app, Texts) == TEXTS


def test_a_rename_that_was_killed_leaves_its_new_name_free(on_postgresql: Place) -> None:
    @stored(name="car")
    class Renamed:
        id: str
        cost: str = Attr(former_names="price")
        note: str | None = "0"

    @stored(name="car")
    class Both:
        id: str
        price: str
        cost: str = "free"
        note: str | None = "0"

    on_postgresql.filled(Texts, *ROWS)
    assert killed_at(on_postgresql.app(Renamed), 1)
    app, planned = on_postgresql.migrated(Both)
    assert "was interrupted" in planned[0].steps[0].title
    app.store(Both).update("1", {"price": "9"})
    assert {one.id: (one.price, one.cost) for one in app.store(Both).search_all()} == {
        key: ("9" if key == "1" else price, "free") for key, (price, _) in TEXTS.items()
    }
