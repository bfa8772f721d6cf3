"""A member of an enum that a revision file removes, forwards or back: the items that have it are named, and nothing is changed, on every engine."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Any

import pytest

from persisty import App, Attr, SchemaMismatch, stored
from persisty.deploy.revision_files import Revision, revisions_in
from persisty.deploy.revision_writing import write_revision
from persisty.deploy.revisions import downgrade, pending, upgrade

from .conftest import Place


class Former(enum.Enum):
    CAT = "cat"
    DOG = "dog"


class Kind(enum.Enum):
    CAT = "cat"
    RABBIT = "rabbit"


class FormerNumber(enum.IntEnum):
    LOW = 1
    MIDDLE = 2


class Number(enum.IntEnum):
    LOW = 1
    HIGH = 3


@stored(name="pet")
class FormerPet:
    id: Attr[str]
    kind: Attr[Former]
    number: Attr[FormerNumber | None] = Attr(default=FormerNumber.LOW)


@stored(name="pet")
class Pet:
    id: Attr[str]
    kind: Attr[Kind]
    number: Attr[Number | None] = Attr(default=Number.LOW)


def ignored(step: object, items: int) -> None: ...


def opened(database: Place, item: type[Any]) -> App:
    app = database.app(item, idempotency=None)
    app.prepare()
    return app


def written(database: Place, folder: Path) -> Revision:
    """Return the file from the former enum to the present one, which this database has not run."""
    opened(database, FormerPet).store(FormerPet).create({"id": "1", "kind": "cat"})
    assert write_revision(database.app(Pet, idempotency=None), "kinds", [], folder)
    return revisions_in(folder)[0]


def test_a_file_is_not_undone_while_items_have_members_that_only_it_has(database: Place, tmp_path: Path) -> None:
    revision = written(database, tmp_path / "migrations")
    upgrade(database.app(Pet, idempotency=None), revision, ignored)
    app = opened(database, Pet)
    app.store(Pet).create({"id": "2", "kind": "rabbit", "number": 3})
    with pytest.raises(SchemaMismatch) as caught:
        downgrade(app, revision, [], ignored)
    assert {one.path: one.found for one in caught.value.faults} == {
        "/pet/kind": "2 ('rabbit')",
        "/pet/number": "2 (3)",
    }
    assert not pending(app, [revision])
    assert app.store(Pet).read("2").kind is Kind.RABBIT  # type: ignore[union-attr]
    app.store(Pet).update("2", {"kind": "cat", "number": None})
    downgrade(app, revision, [], ignored)
    assert [one.kind for one in opened(database, FormerPet).store(FormerPet).search_all()] == [Former.CAT] * 2


def test_a_file_is_not_run_while_items_have_members_that_it_removes(database: Place, tmp_path: Path) -> None:
    revision = written(database, tmp_path / "migrations")
    opened(database, FormerPet).store(FormerPet).create({"id": "2", "kind": "dog", "number": 2})
    with pytest.raises(SchemaMismatch) as caught:
        upgrade(database.app(Pet, idempotency=None), revision, ignored)
    assert {one.path: one.found for one in caught.value.faults} == {"/pet/kind": "2 ('dog')", "/pet/number": "2 (2)"}
