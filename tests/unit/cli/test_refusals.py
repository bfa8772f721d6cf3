"""`persisty diff` and `persisty migrate` explain refused changes alike on every engine: they print a hint once, and name `--data` only where it helps."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from persisty import App, Attr, Index, Unique, stored

from ...postgres import schema_in
from .conftest import Persisty

STAGES = count()
DATA = "--data"


class Garage:
    """A database, and the app of a module whose items change."""

    def __init__(self, url: str, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.url, self._stage, self._monkeypatch = url, stage, monkeypatch

    def app(self, *items: type[Any]) -> App:
        app = App("garage", items=items, url=self.url, stage=self._stage, idempotency=None)
        module = ModuleType("garage")
        module.app = app  # type: ignore[attr-defined]
        self._monkeypatch.setitem(sys.modules, "garage", module)
        return app

    def filled(self, *rows: dict[str, Any]) -> None:
        app = self.app(Car)
        app.prepare()
        for row in rows:
            app.store(Car).create(row)
        app.close()


@pytest.fixture(params=["sqlite", "postgresql", "dynamodb-moto"])
def garage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Garage]:
    match request.param:
        case "sqlite":
            url = f"sqlite:///{tmp_path}/garage.db"
        case "postgresql":
            url = schema_in(request.getfixturevalue("postgres_url"))
        case _:
            url = f"dynamodb://us-east-1?endpoint={request.getfixturevalue('moto_endpoint')}&partiql=0"
    found = Garage(url, f"r{next(STAGES)}", monkeypatch)
    yield found
    sys.modules["garage"].app.close()


@stored(name="car")
class Car:
    id: Attr[str]
    plate: Attr[str]
    note: Attr[str | None] = Attr(default=None)


@stored(name="car")
class Required:
    id: Attr[str]
    plate: Attr[str]
    seats: Attr[int]
    note: Attr[str | None] = Attr(default=None)


@stored(name="car")
class Listed:
    id: Attr[str]
    plate: Attr[str]
    note: Attr[list[str]] = Attr(factory=list)


@stored(name="car")
class Noted:
    id: Attr[str]
    plate: Attr[str]
    note: Attr[str]


@stored(name="car")
class Counted:
    id: Attr[str]
    plate: Attr[int]
    note: Attr[str | None] = Attr(default=None)


@stored(name="car", indexes=[Unique("plate")])
class Distinct:
    id: Attr[str]
    plate: Attr[str]
    note: Attr[str | None] = Attr(default=None)


@stored(name="car", indexes=[Unique("seats")])
class Shared:
    id: Attr[str]
    plate: Attr[str]
    seats: Attr[int] = Attr(default=4)
    note: Attr[str | None] = Attr(default=None)


@stored(name="car", key="plate")
class Keyed:
    id: Attr[str]
    plate: Attr[str]
    note: Attr[str | None] = Attr(default=None)


@pytest.mark.parametrize(
    ("item", "helps"),
    [
        (Required, False),
        (Listed, False),
        (Noted, True),
        (Counted, True),
        (Distinct, True),
        (Shared, False),
        (Keyed, True),
    ],
)
def test_a_data_file_is_named_only_where_it_helps(
    persisty: Persisty, garage: Garage, tmp_path: Path, item: type[Any], helps: bool
) -> None:
    garage.filled({"id": "a", "plate": "x"}, {"id": "b", "plate": "x", "note": "n"})
    garage.app(item)
    helps = helps and not (item is Keyed and garage.url.startswith("dynamodb"))  # it needs another table
    options = ("garage:app", "--folder", str(tmp_path / "migrations"))
    for more in ((), ("--plan",), ("--revision", "Why")):
        done = persisty("migrate", *options, *more)
        assert done.code == 1
        assert "Stored items do not survive the changes. Nothing is changed" in done.err
        assert (DATA in done.err) is helps, done.err
    garage.app(Car)
    assert persisty("migrate", *options, "--revision", "Repair", "--data").code == 0
    garage.app(item)
    done = persisty("migrate", *options)
    assert "in no revision file" in done.err
    assert (DATA in done.err) is helps, done.err
    assert ("no file can be written yet" in done.err) is not helps


@pytest.mark.parametrize("garage", ["sqlite", "postgresql"], indirect=True)
def test_duplicates_of_a_new_key_are_repaired_in_a_data_file(
    persisty: Persisty, garage: Garage, tmp_path: Path
) -> None:
    garage.filled({"id": "a", "plate": "x"}, {"id": "b", "plate": "x"})
    garage.app(Keyed)
    options = ("garage:app", "--folder", str(tmp_path))
    assert persisty("migrate", *options, "--revision", "Repair", "--data").code == 0
    [file] = tmp_path.glob("0001*.py")
    file.write_text(
        file.read_text().replace("    # Code", "    run.store('car').update('b', {'plate': 'y'})\n    # Code")
    )
    assert "in no revision file. Write one" in persisty("migrate", *options).err
    assert persisty("migrate", *options, "--revision", "Key").code == 0
    assert persisty("migrate", *options).code == 0


def test_a_diff_names_the_option_of_a_refused_change_once(persisty: Persisty, garage: Garage, tmp_path: Path) -> None:
    garage.filled({"id": "a", "plate": "x", "note": "n"})
    garage.app(Listed)
    done = persisty("diff", "garage:app", "--folder", str(tmp_path))
    assert done.code == 1
    assert done.out.count("--allow drop:car.note") == 1
    assert "To delete them: --allow drop:car.note" in done.out
    garage.app(Car)
    assert persisty("migrate", "garage:app", "--folder", str(tmp_path), "--revision", "Repair", "--data").code == 0
    garage.app(Listed)
    done = persisty("diff", "garage:app", "--folder", str(tmp_path))
    assert done.out.count("drop:car.note") == 1
    assert 'To delete them: --revision "why" --allow drop:car.note' in done.out


@stored(name="car", indexes=[Index("shelf")])
class Shelved:
    id: Attr[str]
    plate: Attr[str]
    shelf: Attr[str] = Attr(default="A1")
    note: Attr[str | None] = Attr(default=None)


def test_a_diff_lists_a_new_attribute_or_says_that_it_cannot(persisty: Persisty, garage: Garage) -> None:
    garage.filled({"id": "a", "plate": "x"})
    garage.app(Shelved)
    done = persisty("diff", "garage:app")
    assert [line.split()[0] for line in done.out.splitlines()[1:]] == ["/car/shelf", "/car/by-shelf"]
    app = garage.app(Shelved)
    app.applied.remove("car")  # as in a database whose tables a deployment has created
    done = persisty("diff", "garage:app")
    assert "/car/by-shelf" in done.out
    is_told = "Only indexes are compared, because no declaration is recorded yet: car" in done.out
    assert is_told is not ("/car/shelf" in done.out)
