"""Random sequences of migrations over renamed attributes, forwards and back, while every version of the code that may run creates, updates and reads items:
each version finds each value that another one has written, on PostgreSQL, SQLite and DynamoDB."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from persisty import App, Attr, Conflict, Index, Unique, stored
from persisty.deploy.migration import Migration
from persisty.deploy.revision_files import revisions_in
from persisty.deploy.revision_writing import write_revision
from persisty.deploy.revisions import downgrade, pending, upgrade

from .conftest import Place, Tables

NAMES = ("notes", "text", "body")
"""The names of the attribute in the versions of the code."""
UNSET: Any = object()
KINDS: dict[str, tuple[Any, Any, bool, bool]] = {
    "default": (str, "", False, False),
    "indexed_default": (str, "none", True, False),
    "required": (str, UNSET, False, False),
    "optional": (str | None, None, True, False),
    "optional_with_default": (str | None, "none", False, False),
    "unique": (str, UNSET, False, True),
    "unique_optional": (str | None, None, False, True),
    "number": (int, 3, True, False),
}
"""Kind → the type, the default, whether it has an index and whether it is unique."""


class Version:
    """One version of the code, with an app of its own. `number`: the position of the attribute's name in `NAMES`, None for code that is older than the attribute."""

    def __init__(self, place: Place, kind: str, number: int | None, former: tuple[str, ...]) -> None:
        self.number, self.kind = number, kind
        type_, default, indexed, unique = KINDS[kind]
        body: dict[str, Any] = {"__module__": __name__, "__annotations__": {"id": str}}
        indexes: list[Any] = []
        self.name = None if number is None else NAMES[number]
        if self.name is not None:
            given = {} if default is UNSET else {"default": default}
            body["__annotations__"][self.name] = type_
            if given or former:
                body[self.name] = Attr(**given, former_names=former)
            indexes = [Index(self.name)] * indexed + [Unique(self.name)] * unique
        self.item: Any = stored(name="visit", indexes=indexes)(type("Visit", (), body))
        self.app = App(
            "clinic", items=[self.item], url=place.url, stage=getattr(place, "stage", None), idempotency=None
        )
        self.store = self.app.store(self.item)

    def row(self, value: Any) -> dict[str, Any]:
        return {} if self.name is None or value is UNSET else {self.name: value}

    def check(self, model: dict[str, Any]) -> None:
        """Compare the stored items with the model: all of them, and those that filters find."""
        found = {one.id: one for one in self.store.search_all()}
        assert found.keys() == model.keys()
        if self.name is None:
            return
        assert {key: getattr(one, self.name) for key, one in found.items()} == model
        for value in {*model.values()}:
            attribute = getattr(self.item, self.name)
            where = attribute.is_null() if value is None else attribute == value
            assert {one.id for one in self.store.search_all(where)} == {
                key for key, one in model.items() if one == value
            }


class Sequence:
    """A database, the revision files, and the versions of the code that may run. `side_by_side`: older code finds a renamed attribute."""

    def __init__(self, place: Place, folder: Path, kind: str, seed: int) -> None:
        self.place, self.folder, self.kind = place, folder, kind
        self.rand, self.side_by_side = random.Random(seed), not place.url.startswith("sqlite")
        self.model: dict[str, Any] = {}
        self.at, self.dropped = 0, False
        self.steps: list[str] = []
        self.versions: list[Version] = []
        _, default, *_ = KINDS[kind]
        if default is not UNSET and kind != "optional_with_default":  # code that is older than the attribute
            self.start(None).app.prepare()
            self.write()
        first = self.start(0)
        Migration(first.app).apply()
        self.use(first)
        if KINDS[kind][2] and isinstance(
            place, Tables
        ):  # its items are in no index of an attribute that it does not write
            self.versions.pop(0).app.close()

    def start(self, number: int | None, former: tuple[str, ...] | None = None) -> Version:
        found = Version(self.place, self.kind, number, NAMES[: number or 0] if former is None else former)
        self.versions.append(found)
        return found

    def use(self, version: Version) -> None:
        """Start the code of a version after a migration. In a SQLite file, it is then the only one."""
        version.app.prepare()
        for one in [*self.versions] if not self.side_by_side else ():
            if one is not version:
                one.app.close()
                self.versions.remove(one)

    def write(self) -> None:
        """Create an item with each version, update an item of another version, and compare what all versions find."""
        for version in self.versions:
            key, value = f"{len(self.model):03}", self.value()
            default = KINDS[self.kind][1]
            if version.name is None or (default is not UNSET and self.rand.random() < 0.3):
                value = UNSET
            written = default if value is UNSET else value
            if self._taken(written):
                with pytest.raises(Conflict):
                    version.store.create({"id": key, **version.row(value)})
            else:
                version.store.create({"id": key, **version.row(value)})
                self.model[key] = written
            changed, value = self.rand.choice([*self.model]), self.value()
            if version.name is not None and not self._taken(value):
                version.store.update(changed, version.row(value))
                self.model[changed] = value
        for version in self.versions:
            version.check(self.model)

    def value(self) -> Any:
        type_, *_ = KINDS[self.kind]
        values = [0, 3, 7] if type_ is int else ["", "none", "ünï", "it's", *map(str, range(6))]
        return self.rand.choice([*values, None] if type_ == str | None else values)

    def _taken(self, value: Any) -> bool:
        return KINDS[self.kind][3] and value is not None and value in self.model.values()

    def with_files(self) -> None:
        """Migrate to another version by revision files, forwards or back."""
        files = revisions_in(self.folder)
        number = self.rand.choice([one for one in range(len(NAMES)) if one != self.at])
        self.steps.append(f"files {self.at} to {number}")
        while self.at < number:
            app = self.start(self.at + 1).app
            if self.at == len(files):
                assert write_revision(app, "rename", [], self.folder)
                files = revisions_in(self.folder)
            upgrade(app, files[self.at], lambda step, items: None)
            self.at += 1
            self.use(self.versions[-1])
        while self.at > number:
            downgrade(self.versions[-1].app, files[self.at - 1], [], lambda step, items: None)
            self.at -= 1
            self.use(self.start(self.at))
        assert len(pending(self.versions[-1].app, files)) == len(files) - number

    def without_files(self) -> None:
        """Migrate to another declaration. In a SQLite file, code that goes back declares the newer name as a former one."""
        number = self.rand.choice([one for one in range(len(NAMES)) if one != self.at])
        self.steps.append(f"declarations {self.at} to {number}")
        back = number < self.at and (self.dropped or not self.side_by_side)
        version = self.start(number, (NAMES[self.at],) if back else None)
        Migration(version.app).apply()
        self.at = number
        self.use(version)

    def again(self) -> None:
        """Migrate with declarations that fit: nothing is to be done."""
        last = self.versions[-1]
        self.steps.append("again")
        assert [step.title for one in Migration(last.app).apply() for step in one.steps] == []
        last.app.prepare()

    def drop(self) -> None:
        """Stop the other versions, and drop their columns."""
        last = self.versions.pop()
        for one in self.versions:
            one.app.close()
        self.versions = [last]
        self.steps.append("drop")
        self.dropped = True
        left = [change.allow for one in Migration(last.app).plan() for change in one.left if change.allow]
        Migration(last.app, left).apply()
        last.app.prepare()

    def play(self, rounds: int, *, files: bool) -> None:
        try:
            self.write()
            for _ in range(rounds):
                (self.with_files if files else self.without_files)()
                self.write()
                if self.rand.random() < 0.3:
                    self.again()
                    self.write()
                if self.rand.random() < 0.15 and not files and not isinstance(self.place, Tables):
                    self.drop()
                    self.write()
        except BaseException as error:
            error.add_note(f"{self.kind}: {', '.join(self.steps)}")
            raise
        finally:
            for one in self.versions:
                one.app.close()


@pytest.mark.parametrize("files", [True, False], ids=["files", "declarations"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_version_finds_what_the_others_write_through_renames_forwards_and_back(
    place: Place, tmp_path: Path, kind: str, files: bool
) -> None:
    Sequence(place, tmp_path / "migrations", kind, seed=7).play(5, files=files)


@pytest.mark.parametrize("files", [True, False], ids=["files", "declarations"])
@pytest.mark.parametrize("kind", ["default", "unique_optional"])
def test_every_version_finds_what_the_others_write_through_renames_on_dynamodb(
    moto_endpoint: str, tmp_path: Path, kind: str, files: bool
) -> None:
    tables = Tables(f"dynamodb://us-east-1?endpoint={moto_endpoint}&partiql=0")
    Sequence(tables, tmp_path / "migrations", kind, seed=7).play(4, files=files)


def test_defaults_of_both_columns_that_a_former_migration_has_set_are_dropped(
    on_postgresql: Place, tmp_path: Path
) -> None:
    """A database in which older code lost values: the default of the newer column replaced them."""
    sequence = Sequence(on_postgresql, tmp_path / "migrations", "default", seed=7)
    first, second = sequence.versions[-1], sequence.start(1)
    Migration(second.app).apply()
    on_postgresql.opened = second.app
    for name in ("notes", "text"):
        on_postgresql.sql(f"ALTER TABLE {on_postgresql.table('visit')} ALTER COLUMN {name} SET DEFAULT ''")
    first.store.create({"id": "lost", "notes": "lost"})
    [planned] = Migration(second.app).apply()
    assert [one.title for one in planned.steps] == ["The values of older code count, not the defaults of notes, text"]
    first.store.create({"id": "found", "notes": "found"})
    found = {one.id: one.text for one in second.store.search_all()}
    assert (found["lost"], found["found"]) == ("", "found")
    assert [one.steps for one in Migration(second.app).plan()] == [()]
    for one in sequence.versions:
        one.app.close()


def test_a_file_does_not_declare_a_column_that_an_earlier_rename_has_left(on_postgresql: Place, tmp_path: Path) -> None:
    sequence = Sequence(on_postgresql, tmp_path / "migrations", "indexed_default", seed=7)
    for number in (1, 2):
        assert write_revision(sequence.start(number).app, "rename", [], sequence.folder)
        upgrade(sequence.versions[-1].app, revisions_in(sequence.folder)[-1], lambda step, items: None)
    before = revisions_in(sequence.folder)[-1].schemas("BEFORE")
    assert [[one.name for one in schema.attributes] for schema in before] == [["id", "text"]]
    assert [[one.attributes for one in schema.indexes] for schema in before] == [[("text",)]]
    for one in sequence.versions:
        one.app.close()


def test_a_mirrored_column_gets_another_type_with_the_other_one(on_postgresql: Place, tmp_path: Path) -> None:
    """So the files can be undone, and no value is converted twice."""

    @stored(name="visit")
    class Typed:
        id: Attr[str]
        text: Attr[int] = Attr(former_names="notes")

    sequence = Sequence(on_postgresql, tmp_path / "migrations", "required", seed=7)
    sequence.versions[-1].store.create({"id": "007", "notes": "12"})
    folder = sequence.folder
    for item in (sequence.start(1).item, Typed):
        app = on_postgresql.app(item)
        assert write_revision(app, "change", [], folder)
        upgrade(app, revisions_in(folder)[-1], lambda step, items: None)
    app.store(Typed).update("007", {"text": 13})
    for number, revision in enumerate(reversed(revisions_in(folder))):
        app = on_postgresql.app(Typed if number == 0 else sequence.versions[-1].item)
        downgrade(app, revision, [], lambda step, items: None)
    first = sequence.start(0)
    first.app.prepare()
    assert [one.notes for one in first.store.search_all()] == ["13"]
    for one in sequence.versions:
        one.app.close()
