"""Revision files that two developers wrote at the same time, and one file that replaces many."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from persisty import App, Attr, Index, InvalidDeclaration, SchemaMismatch, stored
from persisty.deploy.evolution import evolutions_of
from persisty.deploy.revision_files import REPLACED, Revision, check_heads, heads, revisions_in
from persisty.deploy.revision_history import history
from persisty.deploy.revision_joining import write_merge, write_squash
from persisty.deploy.revision_plan import plan_of_files
from persisty.deploy.revision_writing import write_revision
from persisty.deploy.revisions import create_unnamed, downgrade, pending, upgrade

from .conftest import Place


def ignored(step: object, items: int) -> None: ...


@stored(name="car", indexes=[Index("odometer")])
class Car:
    id: str
    odometer: int
    price: str = "1"


@stored(name="car", indexes=[Index("mileage")])
class Renamed:
    id: str
    mileage: int = Attr(former_names="odometer")
    price: str = "1"


@stored(name="car", indexes=[Index("odometer"), Index("seats")])
class Seated:
    id: str
    odometer: int
    price: str = "1"
    seats: int = 4


@stored(name="car", indexes=[Index("mileage"), Index("seats")])
class Both:
    id: str
    mileage: int = Attr(former_names="odometer")
    price: str = "1"
    seats: int = 4


@stored(name="car", indexes=[Index("km")])
class OtherName:
    id: str
    km: int = Attr(former_names="odometer")
    price: str = "1"


@stored(name="owner")
class Owner:
    id: str


def write(folder: Path, before: type[Any], why: str, *items: type[Any]) -> None:
    """Write a file on a branch of its own, in a database that has run the others."""
    place = Place(f"sqlite:///{folder}/writer-{len(list(folder.glob('*.db')))}.db")
    place.filled(before)
    path = write_revision(place.app(*items), why, [], folder)
    assert path is not None
    assert place.opened is not None
    place.opened.close()


def branches(folder: Path, one: tuple[type[Any], ...], other: tuple[type[Any], ...]) -> list[Revision]:
    """Write a first file and two that follow it, on two branches, and return them."""
    here = folder / "here"
    there = folder / "there"
    for branch, items, why in ((here, one, "one"), (there, other, "other")):
        branch.mkdir()
        write(branch, Owner, "First", Car, Owner)
        write(branch, Car, why, *items)
    (there / "0002_other.py").rename(here / "0002_other.py")
    return revisions_in(here)


def filled(place: Place) -> None:
    """Store an item in a database that has run no file."""
    app = place.app(Car, Owner)
    app.prepare()
    app.store(Car).create({"id": "a", "odometer": 7})


def run(app: App, revisions: list[Revision]) -> None:
    create_unnamed(app, revisions)
    for one in pending(app, revisions):
        upgrade(app, one, ignored)


def test_two_heads_are_named_with_the_command_that_joins_them(tmp_path: Path) -> None:
    found = branches(tmp_path, (Renamed,), (Seated,))
    assert [one.name for one in heads(found)] == ["0002_one", "0002_other"]
    with pytest.raises(InvalidDeclaration, match=r"0002_one\.py and .*0002_other\.py .* persisty migrate --merge"):
        check_heads(found)
    check_heads(found[:2])


@pytest.mark.parametrize("first", ["one", "other"])
def test_a_database_of_either_branch_gets_the_changes_of_both(place: Place, tmp_path: Path, first: str) -> None:
    found = branches(tmp_path, (Renamed,), (Seated,))
    path = write_merge(found, tmp_path / "here")
    assert path is not None
    assert path.name == "0003_merge_one_and_other.py"
    assert write_merge(revisions_in(path.parent), path.parent) is None
    filled(place)
    for one in found:
        if one.name in ("0001_first", f"0002_{first}"):
            upgrade(place.app(Car, Owner), one, ignored)
    revisions = revisions_in(path.parent)
    app = place.app(Both, Owner)
    plans = plan_of_files(app, pending(app, revisions))
    for plan in plans:
        made = upgrade(app, plan.revision, ignored)
        steps = [step.statements for one in made for step in one.steps]
        assert steps == [step.statements for one in plan.planned or () for step in one.steps]
    assert pending(app, revisions) == []
    assert [change.message for one in evolutions_of(app) for change in one.changes if change.allow is None] == []
    app.prepare()
    assert [(one.mileage, one.seats) for one in app.store(Both).search_all()] == [(7, 4)]
    for one in reversed(revisions[1:]):
        downgrade(app, one, [], ignored)
    app = place.app(Car, Owner)
    assert [change.message for one in evolutions_of(app) for change in one.changes if change.allow is None] == []
    assert [one.odometer for one in app.store(Car).search_all()] == [7]


def test_an_empty_database_runs_both_branches(place: Place, tmp_path: Path) -> None:
    found = branches(tmp_path, (Renamed,), (Seated,))
    write_merge(found, tmp_path / "here")
    app = place.app(Both, Owner)
    run(app, revisions_in(tmp_path / "here"))
    assert [change.message for one in evolutions_of(app) for change in one.changes if change.allow is None] == []
    app.prepare()


def test_branches_that_change_the_same_attribute_are_not_joined(place: Place, tmp_path: Path) -> None:
    found = branches(tmp_path, (Renamed,), (OtherName,))
    with pytest.raises(InvalidDeclaration, match="change the same parts of an item") as caught:
        write_merge(found, tmp_path / "here")
    assert {fault.path for fault in caught.value.faults} >= {"/car/km"}
    app = place.filled(Car, {"id": "a", "odometer": 7})
    upgrade(app, found[0], ignored)
    upgrade(app, found[1], ignored)
    with pytest.raises(SchemaMismatch, match="changes what 0002_one has changed"):
        upgrade(app, found[2], ignored)


def test_branches_that_change_other_items_are_joined_without_schemas(tmp_path: Path) -> None:
    @stored(name="tag")
    class Tag:
        id: str

    found = branches(tmp_path, (Renamed,), (Car, Tag))
    path = write_merge(found, tmp_path / "here")
    assert path is not None
    assert '"schemas": []' in path.read_text()
    app = App("shop", items=[Renamed, Owner, Tag], url=f"sqlite:///{tmp_path}/shop.db")
    run(app, revisions_in(path.parent))
    assert evolutions_of(app) == []
    app.close()


def test_files_of_older_versions_follow_the_number_before_them(tmp_path: Path) -> None:
    found = branches(tmp_path, (Renamed,), (Seated,))
    for one in found:
        lines = one.path.read_text().splitlines(keepends=True)
        one.path.write_text("".join(line for line in lines if not line.startswith("FOLLOWS")))
    assert [one.name for one in heads(revisions_in(tmp_path / "here"))] == ["0002_one", "0002_other"]
    (tmp_path / "here" / "0003_last.py").write_text(found[1].path.read_text())
    check_heads(revisions_in(tmp_path / "here"))


def test_a_file_that_follows_a_missing_one_is_a_typed_error(tmp_path: Path) -> None:
    found = branches(tmp_path, (Renamed,), (Seated,))
    found[0].path.unlink()
    with pytest.raises(InvalidDeclaration, match="follows 0001_first, which is not a file before it"):
        revisions_in(tmp_path / "here")


def squashed(folder: Path) -> list[Revision]:
    """Return the file that replaces two files and a merge, and its folder."""
    found = branches(folder, (Renamed,), (Seated,))
    write_merge(found, folder / "here")
    path = write_squash(revisions_in(folder / "here"), folder / "here")
    assert path.name == "0004_squashed.py"
    assert min(one.name for one in (folder / "here" / REPLACED).glob("*.py")) == "0001_first.py"
    return revisions_in(folder / "here")


@pytest.mark.parametrize("ran", range(4))
def test_a_database_at_any_file_understands_the_file_that_replaces_them(place: Place, tmp_path: Path, ran: int) -> None:
    [squash] = squashed(tmp_path)
    old = revisions_in(tmp_path / "here" / REPLACED)
    filled(place)
    for one in old[:ran]:
        upgrade(place.app(Car, Owner), one, ignored)
    app = place.app(Both, Owner)
    assert [one.name for one in pending(app, [squash])] == [*(one.name for one in old[ran:]), squash.name]
    assert [one.is_replacement for one in plan_of_files(app, [*old[ran:], squash])][-1]
    run(app, [squash])
    assert pending(app, [squash]) == []
    assert [one.name for one in history(app, [squash])] == [squash.name]
    assert [change.message for one in evolutions_of(app) for change in one.changes if change.allow is None] == []
    app.prepare()
    assert [(one.mileage, one.seats) for one in app.store(Both).search_all()] == [(7, 4)]


def test_an_empty_database_runs_only_the_file_that_replaces_others(place: Place, tmp_path: Path) -> None:
    @stored(name="unnamed")
    class Unnamed:
        id: str

    [squash] = squashed(tmp_path)
    app = place.app(Both, Owner, Unnamed)
    create_unnamed(app, [squash])
    assert pending(app, [squash]) == [squash]
    upgrade(app, squash, ignored)
    assert evolutions_of(app) == []
    app.prepare()
    with pytest.raises(InvalidDeclaration, match="cannot be undone"):
        downgrade(app, squash, [], ignored)


@pytest.mark.parametrize("ran", range(1, 5))
def test_a_database_two_replacements_behind_runs_the_files_that_it_lacks(
    place: Place, tmp_path: Path, ran: int
) -> None:
    squashed(tmp_path)
    folder = tmp_path / "here"
    write_squash(revisions_in(folder), folder)
    old = revisions_in(folder / REPLACED)
    [squash] = revisions_in(folder)
    filled(place)
    for one in old[:ran]:
        upgrade(place.app(Car, Owner), one, ignored)
    app = place.app(Both, Owner)
    names = [one.name for one in (*old, squash)]
    assert [one.name for one in pending(app, [squash])] == names[ran:]
    assert [(one.name, one.is_missing, one.is_replaced) for one in history(app, [squash])] == [
        *((name, False, True) for name in names[:-1]),
        (squash.name, False, False),
    ]
    run(app, [squash])
    assert [one.name for one in history(app, [squash])] == [squash.name]
    for one in old:
        one.path.unlink()
    assert [(one.name, one.is_missing) for one in history(app, [squash])] == [(squash.name, False)]
    assert pending(app, [squash]) == []


def test_a_merge_of_files_with_long_names_has_a_name_of_one_word(tmp_path: Path) -> None:
    found = branches(tmp_path, (Renamed,), (Seated,))
    for one, name in zip(found[1:], ("rename_the_odometer", "seats_of_every_car"), strict=True):
        one.path.rename(one.path.with_name(f"0002_{name}.py"))
    path = write_merge(revisions_in(tmp_path / "here"), tmp_path / "here")
    assert path is not None
    assert path.name == "0003_merge.py"
    assert path.read_text().startswith('"""Merge 0002_rename_the_odometer and 0002_seats_of_every_car\n')


def test_replaced_files_that_are_still_needed_are_named(place: Place, tmp_path: Path) -> None:
    [squash] = squashed(tmp_path)
    old = revisions_in(tmp_path / "here" / REPLACED)
    place.filled(Car)
    upgrade(place.app(Car, Owner), old[0], ignored)
    for one in old:
        one.path.unlink()
    app = place.app(Both, Owner)
    with pytest.raises(SchemaMismatch, match=r"has not run all files that .* replaces") as caught:
        pending(app, [squash])
    assert [fault.path for fault in caught.value.faults] == [f"/{one.name}" for one in old[1:]]


def test_a_file_written_on_a_branch_follows_the_file_that_has_replaced_its_parent(tmp_path: Path) -> None:
    [squash] = squashed(tmp_path)
    later = tmp_path / "here" / "0005_later.py"
    text = (tmp_path / "here" / REPLACED / "0002_one.py").read_text()
    later.write_text(text.replace('FOLLOWS = ["0001_first"]', 'FOLLOWS = ["0002_one"]'))
    found = revisions_in(tmp_path / "here")
    assert [one.name for one in heads(found)] == ["0005_later"]
    path = write_squash(found, tmp_path / "here")
    assert path.name == "0006_squashed.py"
    [again] = revisions_in(tmp_path / "here")
    assert again.replaces == (squash.name, "0005_later")
