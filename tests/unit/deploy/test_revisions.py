"""Revision files: written for one database, run in order in another, and undone."""

from __future__ import annotations

import enum
from datetime import time, timedelta
from pathlib import Path

import pytest
from msgspec import Struct, structs

from persisty import App, Attr, BelongsTo, Index, SchemaMismatch, custom, link, stored
from persisty.deploy.evolution import evolutions_of
from persisty.deploy.migration import Migration
from persisty.deploy.revision_files import Revision, revisions_in
from persisty.deploy.revision_writing import write_data_revision, write_revision
from persisty.deploy.revisions import Run, create_unnamed, downgrade, pending, upgrade
from persisty.model.schema_json import schema_from_json
from persisty.store.migration import Step

from .conftest import Place
from .test_interrupted import Killed


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


def to_make(app: App) -> list[str]:
    """Return the remaining changes without the destructive ones: PostgreSQL has both columns of a rename."""
    return [one.message for each in evolutions_of(app) for one in each.changes if one.allow is None]


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
    assert "/car/note: note is no longer declared: its values would be deleted (destructive)" in text
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


class Kind(enum.Enum):
    A = "a"
    B = "b"


class Wheel(Struct):
    size: int


@stored(key="name")
class Maker:
    name: Attr[str]


@stored(name="van", indexes=[Index("maker_name")])
class Van:
    id: Attr[str]
    odometer: Attr[int]
    kind: Attr[Kind] = Attr(default=Kind.A)
    tags: Attr[list[str]] = Attr(factory=list)
    wheels: Attr[list[Wheel]] = Attr(factory=list)
    maker_name: Attr[str]
    maker: BelongsTo[Maker] = link(by="maker_name")


@stored(name="van", indexes=[Index("maker_name")])
class RenamedVan:
    id: Attr[str]
    mileage: Attr[int] = Attr(former_names="odometer")
    kind: Attr[Kind] = Attr(default=Kind.A)
    tags: Attr[list[str]] = Attr(factory=list)
    wheels: Attr[list[Wheel]] = Attr(factory=list)
    maker_name: Attr[str]
    maker: BelongsTo[Maker] = link(by="maker_name")


def vans(place: Place, folder: Path) -> list[Revision]:
    """Return the revision of a renamed attribute, over a van and a maker that are stored."""
    app = place.app(Maker, Van)
    app.prepare()
    app.store(Maker).create({"name": "m"})
    app.store(Van).create({"id": "a", "odometer": 5, "tags": ["t"], "wheels": [{"size": 3}], "maker_name": "m"})
    assert write_revision(place.app(Maker, RenamedVan), "Rename", [], folder)
    return revisions_in(folder)


class Spot(Struct, frozen=True):
    x: int


@stored(name="shift")
class Shift:
    id: Attr[str]
    hours: Attr[int] = 1
    length: Attr[timedelta] = Attr(default=timedelta(hours=1))
    start: Attr[time] = Attr(default=time(9))
    pair: Attr[tuple[int, str]] = Attr(default=(1, "a"))
    either: Attr[int | list[str]] = Attr(default=3)
    tags: Attr[set[str]] = Attr(factory=set)
    fixed: Attr[frozenset[int]] = Attr(default=frozenset({2, 1}))
    kinds: Attr[frozenset[Kind]] = Attr(default=frozenset({Kind.B}))
    spots: Attr[set[Spot]] = Attr(factory=set)
    places: Attr[tuple[Spot, ...]] = Attr(default=(Spot(4),))
    spot: Attr[Spot | list[int]] = Attr(default=Spot(5))


@stored(name="shift")
class ChangedShift:
    id: Attr[str]
    count: Attr[int] = Attr(default=1, former_names="hours")
    length: Attr[timedelta] = Attr(default=timedelta(hours=1))
    start: Attr[time] = Attr(default=time(9))
    pair: Attr[tuple[int, str]] = Attr(default=(1, "a"))
    either: Attr[int | list[str]] = Attr(default=3)
    tags: Attr[set[str]] = Attr(factory=set)
    fixed: Attr[frozenset[int]] = Attr(default=frozenset({2, 1}))
    kinds: Attr[frozenset[Kind]] = Attr(default=frozenset({Kind.B}))
    spots: Attr[set[Spot]] = Attr(factory=set)
    places: Attr[tuple[Spot, ...]] = Attr(default=(Spot(4),))
    spot: Attr[Spot | list[int]] = Attr(default=Spot(5))
    breaks: Attr[tuple[timedelta, ...]] = Attr(default=(timedelta(minutes=5),))
    rest: Attr[frozenset[time]] = Attr(default=frozenset({time(12)}))


def test_a_file_runs_and_reads_items_whatever_the_types_of_their_attributes_and_defaults(
    place: Place, tmp_path: Path
) -> None:
    place.filled(Shift, {"id": "a", "tags": {"t", "b"}, "spots": {Spot(3)}})
    assert write_revision(place.app(ChangedShift), "Rename", [], tmp_path)
    [revision] = revisions_in(tmp_path)
    seen = []

    def code(run: Run) -> None:
        run.change()
        store = run.store("shift")
        for item in store.search_all():
            seen.append(item)
            store.update(item.id, {"tags": item.tags | {"new"}, "spots": item.spots, "kinds": item.kinds})
        store.create({"id": "b"})

    upgrade(place.app(ChangedShift), structs.replace(revision, members={**revision.members, "upgrade": code}), ignored)
    [item] = seen
    assert (item.tags, item.kinds, item.spots, item.spot) == ({"t", "b"}, {"b"}, [{"x": 3}], {"x": 5})
    assert (item.length, item.start, item.places) == (timedelta(hours=1), time(9), [{"x": 4}])
    app = place.app(ChangedShift)
    app.prepare()
    first, made = app.store(ChangedShift).search_all()
    assert (first.tags, first.spots, first.kinds) == ({"t", "b", "new"}, {Spot(3)}, {Kind.B})
    assert (made.fixed, made.kinds, made.places) == ({1, 2}, {Kind.B}, (Spot(4),))
    assert (made.breaks, first.breaks, first.rest) == (
        (timedelta(minutes=5),),
        (timedelta(minutes=5),),
        {time(12)},
    )
    downgrade(app, revision, [], ignored)


def test_what_is_applied_after_a_revision_is_the_exact_schema(place: Place, tmp_path: Path) -> None:
    [revision] = vans(place, tmp_path)
    app = place.app(Maker, RenamedVan)
    upgrade(app, revision, ignored)
    assert to_make(app) == []
    assert schema_from_json(app.applied.all()["van"].schema) == app.store(RenamedVan).meta.schema
    app.prepare()
    van = app.store(RenamedVan).read("a")
    assert van is not None
    assert (van.mileage, van.kind, van.tags, van.wheels) == (5, Kind.A, ["t"], [Wheel(3)])
    downgrade(app, revision, [], ignored)
    app = place.app(Maker, Van)
    assert to_make(app) == []
    app.prepare()


def test_a_revision_leaves_items_that_it_does_not_name(place: Place, tmp_path: Path) -> None:
    [revision] = vans(place, tmp_path)
    dropping = structs.replace(revision, members={**revision.members, "ALLOWED": ["drop:maker"]})
    app = place.app(Maker, RenamedVan)
    planned = upgrade(app, dropping, ignored)
    assert [one.evolution.name for one in planned] == ["van"]
    assert not any(one.left for one in planned)
    assert app.store(Maker).read("m") is not None


def test_a_revision_drops_the_item_that_it_removes_unless_the_app_declares_it(place: Place, tmp_path: Path) -> None:
    app = place.app(Maker, Car)
    app.prepare()
    app.store(Maker).create({"name": "m"})
    assert write_revision(place.app(Car), "Drop makers", ["drop:maker"], tmp_path)
    [revision] = revisions_in(tmp_path)
    app = place.app(Maker, Car)
    upgrade(app, revision, ignored)
    assert app.store(Maker).read("m") is not None
    downgrade(app, revision, [], ignored)
    app = place.app(Car)
    upgrade(app, revision, ignored)
    assert app.engine.table("maker") is None
    assert evolutions_of(app) == []


def test_an_item_that_a_revision_adds_is_created_and_dropped_by_name(place: Place, tmp_path: Path) -> None:
    app = place.app(Car)
    app.prepare()
    assert write_revision(place.app(Maker, Car), "Add makers", [], tmp_path)
    [revision] = revisions_in(tmp_path)
    app = place.app(Maker, Car)
    upgrade(app, revision, ignored)
    app.prepare()
    app.store(Maker).create({"name": "m"})
    assert [one.message for each in downgrade(app, revision, [], ignored) for one in each.left]
    upgrade(app, revision, ignored)
    assert app.store(Maker).read("m") is not None
    downgrade(app, revision, ["drop:maker"], ignored)
    assert app.engine.table("maker") is None


def test_an_empty_database_gets_the_items_that_no_revision_names(place: Place, tmp_path: Path) -> None:
    revisions = vans(place, tmp_path)
    empty = Place(place.url)
    for table in ("maker", "van", "persisty_schema"):
        place.sql(f"DROP TABLE {place.table(table)}")
    app = empty.app(Maker, RenamedVan)
    for _ in range(2):  # an interrupted run is continued
        create_unnamed(app, revisions)
    for one in pending(app, revisions):
        upgrade(app, one, ignored)
    assert pending(app, revisions) == []
    assert evolutions_of(app) == []
    app.prepare()
    app.close()


def test_code_that_fails_is_named_and_undone_where_the_engine_can(place: Place, tmp_path: Path) -> None:
    [revision] = write(place, tmp_path)
    code = 'run.change()\n    run.store("car").update_all({"size": "large"})\n    raise ValueError("no such size")\n'
    text = revision.path.read_text()
    revision.path.write_text(text.replace("run.change()\n", code, 1))
    [failing] = revisions_in(tmp_path)
    with pytest.raises(
        SchemaMismatch, match=r"0001_rename_the_odometer\.py, line \d+: ValueError: no such size"
    ) as error:
        upgrade(place.app(Changed), failing, ignored)
    app = place.app(Changed)
    assert pending(app, [failing]) == [failing]
    table = app.engine.table("car")
    assert table is not None
    undone = place.url.startswith("sqlite")
    assert "is undone" in str(error.value)
    assert ("mileage" in table.columns, "These steps stay" in str(error.value)) == (not undone, not undone)
    if not undone:
        assert [one.size for one in app.store(Changed).search_all()] == [None], "what its code wrote is undone"
    revision.path.write_text(text.replace("run.change()\n", code.rpartition("    raise")[0], 1))
    [mended] = revisions_in(tmp_path)
    upgrade(app, mended, ignored)
    app = place.app(Changed)
    app.prepare()
    assert [(one.size, one.mileage) for one in app.store(Changed).search_all()] == [("large", 7)]


def test_a_file_without_a_change_repairs_items_before_the_next_one(place: Place, tmp_path: Path) -> None:
    [revision] = write(place, tmp_path)

    def code(run: Run) -> None:
        run.change()
        run.store("car").update_all({"odometer": 9})

    before = {**revision.members, "AFTER": revision.members["BEFORE"], "ALLOWED": [], "upgrade": code}
    app = place.app(Changed)
    upgrade(app, structs.replace(revision, name="0000_repair", members=before), ignored)
    upgrade(app, revision, ignored)
    app = place.app(Changed)
    app.prepare()
    assert [one.mileage for one in app.store(Changed).search_all()] == [9]


def test_code_that_is_not_atomic_keeps_what_it_wrote(on_postgresql: Place, tmp_path: Path) -> None:
    [revision] = write(on_postgresql, tmp_path)

    def code(run: Run) -> None:
        run.change()
        run.store("car").update_all({"size": "large"})
        raise ValueError("no such size")

    failing = structs.replace(revision, members={**revision.members, "upgrade": code, "ATOMIC": False})
    with pytest.raises(SchemaMismatch, match="Items that its code wrote stay too"):
        upgrade(on_postgresql.app(Changed), failing, ignored)
    app = on_postgresql.app(Changed)
    assert pending(app, [failing]) == [failing]
    assert [one.size for one in app.store(Changed).search_all()] == ["large"]


def test_a_file_that_is_killed_at_any_step_is_continued(place: Place, tmp_path: Path) -> None:
    [revision] = write(place, tmp_path)
    reached: list[str] = []

    def code(run: Run) -> None:
        run.change()
        run.store("car").update_all({"size": "large"})

    def killed(step: Step, items: int) -> None:
        if step.title not in reached:
            reached.append(step.title)
            raise Killed

    changing = structs.replace(revision, members={**revision.members, "upgrade": code})
    for _ in range(20):
        try:
            upgrade(place.app(Changed), changing, killed)
        except (Killed, SchemaMismatch):
            assert pending(place.app(Changed), [changing]) == [changing]
        else:
            break
    app = place.app(Changed)
    app.prepare()
    assert pending(app, [changing]) == []
    assert [(one.mileage, one.size) for one in app.store(Changed).search_all()] == [(7, "large")]


@stored(name="car", indexes=[Index("odometer")])
class Counted:
    id: str
    odometer: int
    note: int | None = None


def test_values_that_do_not_convert_are_repaired_in_a_file_written_before_the_change(
    place: Place, tmp_path: Path
) -> None:
    place.filled(Car, {"id": "a", "odometer": 7, "note": "n"})
    with pytest.raises(SchemaMismatch, match=r"no file is written\. Repair the values first") as refused:
        write_revision(place.app(Counted), "Count", [], tmp_path)
    assert [one.path for one in refused.value.faults] == ["/car/note"]
    path = write_data_revision(place.app(Counted), "Repair notes", tmp_path)
    assert path is not None
    assert "No schema changes" in path.read_text()
    [revision] = revisions_in(tmp_path)

    def code(run: Run) -> None:
        run.change()
        run.store("car").update_all({"note": "12"})

    app = place.app(Counted)
    upgrade(app, structs.replace(revision, members={**revision.members, "upgrade": code}), ignored)
    path = write_revision(app, "Count", [], tmp_path)
    assert path is not None
    assert path.name == "0002_count.py"
    upgrade(app, revisions_in(tmp_path)[1], ignored)
    app = place.app(Counted)
    app.prepare()
    assert [one.note for one in app.store(Counted).search_all()] == [12]


def test_a_data_file_is_not_written_for_a_database_without_items(place: Place, tmp_path: Path) -> None:
    assert write_data_revision(place.app(Car), "Repair", tmp_path) is None
