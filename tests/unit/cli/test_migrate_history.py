"""`persisty migrate --history`: the revision files that a database has run, and those that it has not."""

from __future__ import annotations

from pathlib import Path

from persisty import App
from persisty.deploy.migration import lease_of

from .conftest import Declare, Persisty
from .test_migrate import Car, Owner, Renamed, fill


def test_history_prints_what_was_run_and_changes_nothing(
    persisty: Persisty, declare: Declare, url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "migrations"
    options = ("--url", url, "--folder", str(folder))
    fill(url)
    assert persisty("migrate", declare(Car), *options, "--history").out == "No revision files\n"
    spec = declare(Renamed)
    persisty("migrate", spec, *options, "--revision", "Rename the odometer")
    done = persisty("migrate", spec, *options, "--history")
    assert (done.code, done.out) == (0, "0001_rename_the_odometer  not run\n")
    assert persisty("migrate", spec, *options).code == 0
    (folder / "0002_price.py").write_text((folder / "0001_rename_the_odometer.py").read_text())
    first, second = persisty("migrate", spec, *options, "--history").out.splitlines()
    assert first.startswith("0001_rename_the_odometer  run 20")
    assert second == "0002_price                not run"
    for file in folder.glob("*.py"):
        file.unlink()
    assert persisty("migrate", spec, *options, "--history").out.endswith(" UTC, and its file is missing\n")


def test_history_names_a_migration_that_has_not_finished(persisty: Persisty, declare: Declare, url: str) -> None:
    app = App("garage", items=[Car], url=url)
    try:
        with lease_of(app).acquired(renewed=False):
            raise OSError("the disk is full")
    except OSError:
        app.close()
    out = persisty("migrate", declare(Car), "--url", url, "--history").out
    assert "The last migration stopped: the disk is full. Run `persisty migrate` to continue" in out


def test_history_creates_no_file(persisty: Persisty, declare: Declare, tmp_path: Path) -> None:
    file = tmp_path / "new.db"
    assert persisty("migrate", declare(Car), "--url", f"sqlite:///{file}", "--history").out == "No revision files\n"
    assert not file.exists()


def test_history_says_where_the_files_are_that_another_one_replaces(
    persisty: Persisty, declare: Declare, url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "migrations"
    options = ("--url", url, "--folder", str(folder))
    fill(url)
    for item, why in ((Renamed, "Rename"), (Owner, "Owners")):
        spec = declare(*{Renamed, item})
        persisty("migrate", spec, *options, "--revision", why)
        if item is Renamed:
            assert persisty("migrate", spec, *options).code == 0
    assert "It replaces 2 files" in persisty("migrate", spec, *options, "--squash").out
    first, second, squash = persisty("migrate", spec, *options, "--history").out.splitlines()
    where = f"and its file is in {folder / 'replaced'}"
    assert first.startswith("0001_rename    run 20")
    assert first.endswith(f" UTC, {where}")
    assert second == f"0002_owners    not run, {where}"
    assert squash == "0003_squashed  not run"
    assert persisty("migrate", spec, *options).code == 0
    [line] = persisty("migrate", spec, *options, "--history").out.splitlines()
    assert line.startswith("0003_squashed  run 20")
