"""The options of `persisty migrate` that ask for another operation: what they refuse, and that a refused call changes nothing."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from ...postgres import schema_in
from .conftest import Declare, Persisty
from .test_migrate import More, Owner, Ranked, Renamed, fill

OPERATIONS = (
    ("--plan",),
    ("--revision", "why"),
    ("--history",),
    ("--merge",),
    ("--squash",),
    ("--back-to", "0"),
)


@pytest.fixture
def options(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Return the options of a database with one item. Files are in the folder `migrations` of the working directory."""
    monkeypatch.chdir(tmp_path)
    fill(url)
    return ("--url", url)


def names() -> list[str]:
    return sorted(path.name for path in Path("migrations").rglob("*.py"))


@pytest.mark.parametrize(("one", "other"), [*combinations(OPERATIONS, 2)])
def test_two_operations_at_once_are_refused(
    one: tuple[str, ...], other: tuple[str, ...], persisty: Persisty, declare: Declare, options: tuple[str, ...]
) -> None:
    spec = declare(Renamed)
    persisty("migrate", spec, *options, "--revision", "Rename")
    assert persisty("migrate", spec, *options).code == 0
    done = persisty("migrate", declare(Renamed, Owner), *options, *one, *other)
    assert (done.code, done.out) == (2, "")
    assert f"Give only one of {one[0]} and {other[0]}" in done.err
    assert names() == ["0001_rename.py"]
    assert "0001_rename  run" in persisty("migrate", spec, *options, "--history").out


def test_the_plan_of_a_data_file_is_refused(persisty: Persisty, declare: Declare, options: tuple[str, ...]) -> None:
    done = persisty("migrate", declare(Renamed), *options, "--revision", "Repair", "--data", "--plan")
    assert (done.code, names()) == (2, [])


@pytest.mark.parametrize("engine", ["sqlite", "postgresql", "dynamodb"])
@pytest.mark.parametrize("more", [(), ("--data",)])
def test_no_file_is_written_while_another_was_not_run(
    engine: str,
    more: tuple[str, ...],
    persisty: Persisty,
    declare: Declare,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path}/shop.db"
    if engine == "postgresql":
        url = schema_in(request.getfixturevalue("postgres_url"))
    elif engine == "dynamodb":
        url = f"dynamodb://us-east-1?endpoint={request.getfixturevalue('moto_endpoint')}&partiql=0"
        monkeypatch.setenv("PERSISTY_STAGE", f"options{len(more)}")
    fill(url)
    options = ("--url", url)
    spec = declare(Renamed, Owner)
    assert "Wrote" in persisty("migrate", spec, *options, "--revision", "Rename").out
    done = persisty("migrate", spec, *options, "--revision", "Again", *more)
    assert (done.code, done.out) == (1, "")
    assert "0001_rename was not run in this database. Run `persisty migrate` first" in done.err
    assert names() == ["0001_rename.py"]
    assert persisty("migrate", spec, *options).code == 0
    done = persisty("migrate", spec, *options, "--revision", "Again")
    assert (done.code, names()) == (0, ["0001_rename.py"])
    assert "Nothing to change" in done.out
    assert "Wrote" in persisty("migrate", spec, *options, "--revision", "Repair", "--data").out


def test_a_new_database_runs_the_files_before_one_is_written(
    persisty: Persisty, declare: Declare, options: tuple[str, ...], tmp_path: Path
) -> None:
    persisty("migrate", declare(More, Owner), *options, "--revision", "Rank")
    new = ("--url", f"sqlite:///{tmp_path}/new.db")
    spec = declare(Ranked, Owner)
    done = persisty("migrate", spec, *new, "--revision", "Text")
    assert (done.code, names()) == (1, ["0001_rank.py"])
    assert not (tmp_path / "new.db").exists()
    done = persisty("migrate", spec, *new, "--plan")
    assert "In no revision file. Run `persisty migrate` for the files above. Write one" in done.out
    assert persisty("migrate", spec, *new).code == 1
    assert "Wrote migrations/0002_text.py" in persisty("migrate", spec, *new, "--revision", "Text").out
    assert persisty("migrate", spec, *new).code == 0


def test_memory_has_nothing_to_write(persisty: Persisty, declare: Declare, options: tuple[str, ...]) -> None:
    spec = declare(Renamed)
    persisty("migrate", spec, *options, "--revision", "Rename")
    done = persisty("migrate", spec, "--url", "memory://", "--revision", "Again")
    assert (done.code, names()) == (0, ["0001_rename.py"])
    assert "Nothing to change" in done.out


@pytest.mark.parametrize("number", ["7", "0007", "rename", "", "0001_rename"])
def test_files_are_not_undone_back_to_a_number_without_a_file(
    number: str, persisty: Persisty, declare: Declare, options: tuple[str, ...]
) -> None:
    spec = declare(Renamed)
    persisty("migrate", spec, *options, "--revision", "Rename")
    assert persisty("migrate", spec, *options).code == 0
    done = persisty("migrate", spec, *options, "--back-to", number)
    assert (done.code, done.out) == (2, "")
    found = f", found {number}" if number else ""
    assert f"No revision file has this number (expected 0, or that of 0001_rename{found})" in done.err
    assert "Nothing is undone" in done.err
    done = persisty("migrate", spec, *options, "--back-to", "1")
    assert (done.code, done.out) == (0, "Nothing to undo\n")
    assert "Undone" in persisty("migrate", spec, *options, "--back-to", "0000").out


def test_without_files_only_the_beginning_is_a_number(
    persisty: Persisty, declare: Declare, options: tuple[str, ...]
) -> None:
    assert persisty("migrate", declare(Renamed), *options, "--back-to", "0").out == "Nothing to undo\n"
    done = persisty("migrate", declare(Renamed), *options, "--back-to", "1")
    assert done.code == 2
    assert "No revision file has this number (expected 0, found 1)" in done.err


def test_a_file_for_what_only_postgresql_has_is_written_there(
    persisty: Persisty, declare: Declare, options: tuple[str, ...], postgres_url: str
) -> None:
    there = ("--url", schema_in(postgres_url))
    fill(there[1])
    spec = declare(Renamed)
    for one in (options, there):
        assert persisty("migrate", spec, *one, "--allow", "drop:car.note").code == 0
    drop = ("--revision", "Drop the odometer", "--allow", "drop:car.odometer")
    done = persisty("migrate", spec, *options, *drop)
    assert (done.code, names()) == (2, [])
    assert "This database needs no destructive change (found drop:car.odometer)" in done.err
    assert "If another database needs the change, write the file for that database: add its --url" in done.err
    done = persisty("migrate", spec, *there, *drop)
    assert "Wrote migrations/0001_drop_the_odometer.py" in done.out, done.err
    for one in (there, options):
        done = persisty("migrate", spec, *one)
        assert done.code == 0, done.err
        assert "Nothing to change" in persisty("migrate", spec, *one, "--plan").out


def test_a_misspelled_destructive_change_lists_those_that_the_database_needs(
    persisty: Persisty, declare: Declare, options: tuple[str, ...]
) -> None:
    for operation in ((), ("--plan",), ("--revision", "Drop")):
        done = persisty("migrate", declare(More, Owner), *options, *operation, "--allow", "drop:car.nte")
        assert done.code == 2
        assert "This database needs no destructive change (found drop:car.nte)" in done.err
        done = persisty("migrate", declare(Renamed), *options, *operation, "--allow", "drop:car.nte")
        assert done.code == 2
        assert "no destructive change of this name (expected one of drop:car.note, found drop:car.nte)" in done.err
