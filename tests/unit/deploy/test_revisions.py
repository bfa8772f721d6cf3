"""Revision files: written for one database, run in order in another, and undone."""

from __future__ import annotations

from pathlib import Path

from persisty import Attr, Index, custom, stored
from persisty.deploy.migration import Migration
from persisty.deploy.revisions import Revision, downgrade, pending, revisions_in, upgrade, write_revision

from .conftest import Place


def size_of() -> str:
    return "small"


def nobody_yet(caller: object, item: object) -> bool:
    return False


@stored(name="car", indexes=[Index("odometer")])
class Car:
    id: str
    odometer: int
    note: str | None = None


@stored(name="car", indexes=[Index("mileage")], access=custom(nobody_yet))
class Changed:
    id: str
    mileage: int = Attr(former_names="odometer")
    rank: str = '"""'
    size: str | None = Attr(factory=size_of)
    places: list[dict[str, int]] = Attr(factory=list)


def ignored(step: object, items: int) -> None: ...


def write(place: Place, folder: Path) -> list[Revision]:
    place.filled(Car, {"id": "a", "odometer": 7, "note": "n"})
    path = write_revision(place.app(Changed), 'Rename the "odometer"', ["drop:car.note"], folder)
    assert path is not None
    assert path.name == "0001_rename_the_odometer.py"
    return revisions_in(folder)


def test_a_file_says_what_it_changes_and_changes_nothing_when_it_is_written(place: Place, tmp_path: Path) -> None:
    [revision] = write(place, tmp_path)
    text = revision.path.read_text()
    assert "/car/mileage: odometer is now mileage" in text
    assert "/car/note: note is no longer declared: its values are deleted (destructive)" in text
    assert revision.members["ALLOWED"] == ["drop:car.note"]
    assert Migration(place.app(Changed)).plan()
    assert write_revision(place.app(Car), "nothing", [], tmp_path) is None


def test_a_file_is_run_once_in_each_database_and_undone(place: Place, tmp_path: Path) -> None:
    revisions = write(place, tmp_path)
    app = place.app(Changed)
    assert pending(app, revisions) == revisions
    upgrade(app, revisions[0], ignored)
    assert pending(app, revisions) == []
    app = place.app(Changed)
    app.prepare()
    [item] = app.store(Changed).search_all()
    assert (item.mileage, item.rank, item.size, item.places) == (7, '"""', None, [])
    table = app.engine.table("car")
    assert table is not None
    assert "note" not in table.columns
    app.store(Changed).update("a", {"mileage": 8})
    downgrade(app, revisions[0], [], ignored)
    assert pending(app, revisions) == revisions
    app = place.app(Car)
    app.prepare()
    assert [(one.odometer, one.note) for one in app.store(Car).search_all()] == [(8, None)]
    app.store(Car).create({"id": "b", "odometer": 1})


def test_code_of_a_file_runs_with_its_own_stores(place: Place, tmp_path: Path) -> None:
    [revision] = write(place, tmp_path)
    code = 'run.change()\n    run.store("car").update_all({"size": "large"})\n'
    revision.path.write_text(revision.path.read_text().replace("run.change()\n", code, 1))
    [revision] = revisions_in(tmp_path)
    upgrade(place.app(Changed), revision, ignored)
    app = place.app(Changed)
    assert [one.size for one in app.store(Changed).search_all()] == ["large"]
