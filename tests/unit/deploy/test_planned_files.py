"""The plan of several revision files has the statements that each of them runs."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from persisty import App, Attr, Index, SchemaMismatch, Unique, stored
from persisty.deploy.evolution import evolutions_of
from persisty.deploy.migration import Planned
from persisty.deploy.revision_files import Revision, revisions_in
from persisty.deploy.revision_plan import FilePlan, plan_of_files
from persisty.deploy.revision_writing import write_revision
from persisty.deploy.revisions import create_unnamed, upgrade

from .conftest import Place
from .test_random_changes import NAMES, VALUES, Declared, attribute, changed


def ignored(step: object, items: int) -> None: ...


@stored(name="car", indexes=[Index("odometer"), Unique("plate")])
class Car:
    id: str
    odometer: int
    plate: str
    note: str | None = None
    price: str = "1"


@stored(name="car", indexes=[Index("mileage"), Unique("plate")])
class Renamed:
    id: str
    mileage: int = Attr(former_names="odometer")
    plate: str
    price: str = "1"
    rank: int = 3


@stored(name="car", indexes=[Index("mileage", "rank")])
class Ranked:
    id: str
    mileage: int = Attr(former_names="odometer")
    plate: str | None
    price: int
    rank: int = 3


@stored(name="vehicle", former_names="car", key=("plate", "id"), indexes=[Index("mileage")])
class Vehicle:
    id: str
    mileage: int = Attr(former_names="odometer")
    plate: str = "none"
    cost: int = Attr(former_names="price")


@stored(name="owner", indexes=[Index("name")])
class Owner:
    id: str
    name: str


@stored(name="owner")
class NamedOwner:
    id: str
    full_name: str = Attr(former_names="name")


LIFE: list[tuple[tuple[type[Any], ...], list[str]]] = [
    ((Renamed,), []),
    ((Ranked, Owner), ["drop:car.note"]),
    ((Ranked, NamedOwner), ["drop:car.odometer"]),
    ((Vehicle, NamedOwner), []),
    ((NamedOwner,), ["drop:vehicle"]),
]


def files(place: Place, folder: Path, first: type[Any], life: list[tuple[tuple[type[Any], ...], list[str]]]) -> None:
    """Write a file for each declaration of a life, over an empty database of its own."""
    place.app(first).prepare()
    for items, drops in life:
        app = place.app(*items)
        existing = {change.allow for one in evolutions_of(app, drops) for change in one.changes}
        allowed = [one for one in drops if one in existing]
        if write_revision(place.app(*items), "change", allowed, folder) is not None:
            upgrade(place.app(*items), revisions_in(folder)[-1], ignored)


def statements(planned: list[Planned] | tuple[Planned, ...] | None) -> list[tuple[str, tuple[str, ...], int | None]]:
    return [(step.title, step.statements, step.items) for one in planned or () for step in one.steps]


def compare(app: App, revisions: list[Revision], plans: list[FilePlan]) -> None:
    for revision, plan in zip(revisions, plans, strict=True):
        assert statements(upgrade(app, revision, ignored)) == statements(plan.planned), revision.name


@pytest.fixture
def writer(tmp_path: Path) -> Place:
    """Return the database in which the files are written."""
    return Place(f"sqlite:///{tmp_path}/writer.db")


@pytest.mark.parametrize("is_filled", [True, False])
def test_each_file_runs_the_statements_that_were_planned_before_the_first(
    place: Place, writer: Place, tmp_path: Path, is_filled: bool
) -> None:
    files(writer, tmp_path, Car, LIFE)
    revisions = revisions_in(tmp_path)
    assert len(revisions) == len(LIFE)
    rows = [{"id": "a", "odometer": 7, "plate": "p", "note": "n"}, {"id": "b", "odometer": 8, "plate": "q"}]
    place.filled(Car, *(rows if is_filled else ()))
    app = place.app(*LIFE[-1][0])
    plans = plan_of_files(app, revisions)
    assert [bool(statements(one.planned)) for one in plans] == [True] * len(LIFE)
    assert [one.message for one in plans[0].left] == ["note is no longer declared: its values would be deleted"]
    compare(app, revisions, plans)


def test_an_empty_database_runs_the_statements_that_were_planned(place: Place, writer: Place, tmp_path: Path) -> None:
    files(writer, tmp_path, Car, LIFE)
    revisions = revisions_in(tmp_path)
    app = place.app(*LIFE[-1][0])
    plans = plan_of_files(app, revisions)
    create_unnamed(app, revisions)
    compare(app, revisions, plans)


@stored(name="car")
class Plain:
    id: str
    odometer: int


@stored(name="car")
class Text:
    id: str
    odometer: str


def test_the_indexes_and_triggers_of_a_sqlite_file_are_created_again_by_each_file(
    writer: Place, tmp_path: Path
) -> None:
    place = Place(f"sqlite:///{tmp_path}/shop.db")
    files(writer, tmp_path, Plain, [((Text,), []), ((Plain,), [])])
    place.filled(Plain, {"id": "a", "odometer": 7})
    place.sql("CREATE TABLE log (id TEXT)")
    place.sql('CREATE TRIGGER mine AFTER DELETE ON "car" BEGIN INSERT INTO log VALUES (old.id); END')
    place.sql('CREATE INDEX own ON "car" (odometer)')
    app = place.app(Plain)
    plans = plan_of_files(app, revisions_in(tmp_path))
    assert all("CREATE TRIGGER mine" in str(statements(one.planned)) for one in plans)
    compare(app, revisions_in(tmp_path), plans)
    app.close()


def test_a_file_names_the_files_whose_code_may_change_the_numbers_of_items(
    place: Place, writer: Place, tmp_path: Path
) -> None:
    files(writer, tmp_path, Plain, [((Text,), []), ((Plain,), [])])
    place.filled(Plain, {"id": "a", "odometer": 7})
    app = place.app(Plain)
    assert [one.after for one in plan_of_files(app, revisions_in(tmp_path))] == [(), ()]
    first = revisions_in(tmp_path)[0].path
    first.write_text(first.read_text().replace("run.change()", "run.change()\n    run.store('car').delete_all()", 1))
    plans = plan_of_files(app, revisions_in(tmp_path))
    assert [[one.name for one in plan.after] for plan in plans] == [[], ["0001_change"]]


@pytest.mark.parametrize("seed", [0, 1, 11, 59, 96])
def test_random_files_run_the_statements_that_were_planned(
    place: Place, writer: Place, tmp_path: Path, seed: int
) -> None:
    rand = random.Random(seed)
    first = declared = Declared({name: attribute(rand) for name in rand.sample(NAMES, 4)}, {}, {})
    life: list[tuple[tuple[type[Any], ...], list[str]]] = []
    for _ in range(5):
        declared = changed(rand, declared, keys=True)
        drops = [f"drop:order.{name}" for name in NAMES if rand.random() < 0.5 or name in declared.attributes]
        life.append(((declared.item(),), drops))
    files(writer, tmp_path, first.item(), life)
    place.app(first.item()).prepare()
    if rand.random() < 0.6:
        row = {name: rand.choice(VALUES[type_]) for name, (type_, *_) in first.attributes.items()}
        place.app(first.item()).store("order").create({"id": "a", **row})
    revisions = revisions_in(tmp_path)
    app = place.app(declared.item())
    try:
        plans = plan_of_files(app, revisions)
    except SchemaMismatch:
        return
    for revision, plan in zip(revisions, plans, strict=True):
        try:
            made = upgrade(app, revision, ignored)
        except SchemaMismatch:  # values do not convert
            return
        assert statements(made) == statements(plan.planned), revision.name
