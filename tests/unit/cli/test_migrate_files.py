"""`persisty migrate` with revision files: written, reviewed, run, undone, and joined."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from persisty import SchemaMismatch, stored

from .conftest import Declare, Persisty
from .test_migrate import Car, Counted, More, Owner, Ranked, Renamed, Retyped, fill, start


def test_revision_files_are_written_run_once_and_undone(
    persisty: Persisty, declare: Declare, url: str, tmp_path: Path
) -> None:
    fill(url)
    folder = str(tmp_path / "migrations")
    spec = declare(Renamed)
    done = persisty("migrate", spec, "--url", url, "--revision", "Rename the odometer", "--folder", folder)
    assert "0001_rename_the_odometer.py" in done.out, done.err
    assert persisty("migrate", spec, "--url", url, "--plan", "--folder", folder).out.startswith("Revision to run")
    for _ in range(2):
        done = persisty("migrate", spec, "--url", url, "--folder", folder)
        assert done.code == 0, done.err
    done = persisty("migrate", declare(More), "--url", url, "--folder", folder)
    assert done.code == 1
    assert "in no revision file" in done.err
    done = persisty("migrate", declare(Car), "--url", url, "--back-to", "0", "--folder", folder)
    assert "Undone" in done.out, done.err
    assert start(declare(Car), url).store(Car).read("a").odometer == 7  # type: ignore[union-attr]


def test_values_that_a_change_refuses_are_repaired_in_a_data_file(
    persisty: Persisty, declare: Declare, url: str, tmp_path: Path
) -> None:
    fill(url)
    folder = tmp_path / "migrations"
    options = ("--url", url, "--folder", str(folder))
    done = persisty("migrate", declare(Car), *options, "--revision", "Repair")
    assert (done.code, folder.exists()) == (0, False)
    assert "add --data" in done.out
    spec = declare(Counted)
    done = persisty("migrate", spec, *options, "--revision", "Count")
    assert (done.code, folder.exists()) == (1, False)
    assert "--data" in done.err
    done = persisty("migrate", spec, *options, "--revision", "Repair", "--data")
    assert "0001_repair.py" in done.out, done.err
    done = persisty("migrate", spec, *options)
    assert done.code == 1
    assert "in no revision file. Repair the values first" in done.err
    assert "a ('n')" in done.err
    (folder / "0001_repair.py").unlink()
    persisty("migrate", spec, *options, "--revision", "Repair", "--data")
    file = folder / "0001_repair.py"
    file.write_text(
        file.read_text().replace("    # Code", "    run.store('car').update_all({'note': '12'})\n    # Code", 1)
    )
    other = url.replace("shop.db", "other.db")
    fill(other)
    options = ("--url", other, "--folder", str(folder))
    assert "in no revision file. Write one" in persisty("migrate", spec, *options).err
    assert "0002_count.py" in persisty("migrate", spec, *options, "--revision", "Count").out
    assert persisty("migrate", spec, *options).code == 0
    assert persisty("migrate", spec, *options, "--data").code == 2


def test_a_destructive_change_is_written_to_a_file_where_files_make_the_changes(
    persisty: Persisty, declare: Declare, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(url)
    monkeypatch.chdir(tmp_path)
    options = ("--url", url)
    persisty("migrate", declare(More), *options, "--revision", "Rank")
    hint = 'persisty migrate --revision "why" --allow drop:car.note'
    spec = declare(WithoutNote)
    done = persisty("migrate", spec, *options)
    assert done.code == 0, done.err
    assert '(--revision "why" --allow drop:car.note)' in persisty("diff", spec, *options).out
    assert hint in persisty("migrate", spec, *options, "--plan").out
    done = persisty("migrate", spec, *options, "--allow", "drop:car.note")
    assert done.code != 0
    assert hint in done.err
    done = persisty("migrate", spec, *options, "--revision", "Without the note", "--allow", "drop:car.note")
    assert "0002_without_the_note.py" in done.out, done.err
    assert persisty("migrate", spec, *options).code == 0
    assert "Nothing to change" in persisty("diff", spec, *options).out


@stored(name="car")
class WithoutNote:
    id: str
    odometer: int
    rank: int = 3


def test_a_plan_of_several_files_has_the_changes_of_each_and_those_in_no_file(
    persisty: Persisty, declare: Declare, tmp_path: Path
) -> None:
    first, second = (f"sqlite:///{tmp_path}/{name}.db" for name in ("first", "second"))
    fill(first)
    fill(second)
    folder = str(tmp_path / "migrations")
    for item, why, allow in ((Retyped, "Text", ()), (Ranked, "Rank", ("--allow", "drop:car.note"))):
        spec = declare(item)
        done = persisty("migrate", spec, "--url", first, "--revision", why, "--folder", folder, *allow)
        assert done.code == 0, done.err
        assert persisty("migrate", spec, "--url", first, "--folder", folder).code == 0
    spec = declare(Ranked, Owner)
    done = persisty("migrate", spec, "--url", second, "--plan", "--folder", folder)
    assert done.code == 0, done.err
    text, rank, missing = done.out.partition("Revision to run")[2].replace("\n", " ").split("evision ", 2)
    assert "0001_text.py" in text
    assert "0002_rank.py" in rank
    assert 'CAST("odometer" AS TEXT)' in text
    assert "(1 item)" in text
    assert "/car/rank" in rank
    assert "note is no longer declared" in rank
    assert ("/car/odometer" in rank, "--allow" in rank) == (False, False)
    assert "ALTER TABLE car ADD COLUMN rank BIGINT DEFAULT 3 NOT NULL" in rank
    assert "-- note is no longer declared: its values would be deleted ALTER TABLE car DROP COLUMN note;" in rank
    assert "/owner" in missing
    assert json.loads(persisty("diff", spec, "--url", second, "--json").out), "nothing is changed"


def test_revision_files_create_the_tables_of_an_empty_database(
    persisty: Persisty, declare: Declare, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/used.db"
    fill(url)
    folder = str(tmp_path / "migrations")
    persisty("migrate", declare(Renamed), "--url", url, "--revision", "Rename", "--folder", folder)
    spec = declare(Renamed, Owner)
    done = persisty("migrate", spec, "--url", url, "--folder", folder)
    assert done.code == 1
    assert "/owner: owner is new" in done.err
    empty = f"sqlite:///{tmp_path}/empty.db"
    done = persisty("migrate", spec, "--url", empty, "--plan", "--folder", folder)
    assert "no file names them: owner" in done.out
    assert "In no revision file" not in done.out
    for _ in range(2):
        done = persisty("migrate", spec, "--url", empty, "--folder", folder)
        assert done.code == 0, done.err
    assert "Nothing to change" in persisty("diff", spec, "--url", empty).out


def test_a_server_leaves_the_database_to_revision_files(
    persisty: Persisty, declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/used.db"
    monkeypatch.chdir(tmp_path)
    fill(url)
    assert persisty("migrate", declare(Renamed), "--url", url, "--revision", "Rename").code == 0
    with pytest.raises(SchemaMismatch, match="run `persisty migrate`"):
        start(declare(Renamed), url)
    assert persisty("migrate", declare(Renamed), "--url", url).code == 0
    start(declare(Renamed), url).close()
    spec = declare(Renamed, Owner)
    with pytest.raises(SchemaMismatch, match="--revision"):
        start(spec, url)
    assert "Wrote" in persisty("migrate", spec, "--url", url, "--revision", "Owners").out
    assert persisty("migrate", spec, "--url", url).code == 0
    start(spec, url).close()


@pytest.mark.parametrize("engine", ["sqlite", "dynamodb"])
def test_diff_names_the_revision_files_that_were_not_run(
    engine: str,
    persisty: Persisty,
    declare: Declare,
    moto_endpoint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path}/used.db"
    if engine == "dynamodb":
        url = f"dynamodb://us-east-1?endpoint={moto_endpoint}&partiql=0"
        monkeypatch.setenv("PERSISTY_STAGE", "revisions")
    spec = declare(Renamed)
    fill(url)
    done = persisty("migrate", spec, "--url", url, "--revision", "Rename")
    assert done.code == 0, done.err
    line = "Revision files that were not run: 0001_rename. `persisty migrate` runs them"
    assert line in persisty("diff", spec, "--url", url).out
    assert json.loads(persisty("diff", spec, "--url", url, "--json").out) is not None
    done = persisty("migrate", spec, "--url", url)
    assert done.code == 0, done.err
    assert "Revision files" not in persisty("diff", spec, "--url", url).out


def test_two_developers_write_files_and_one_command_joins_them(
    persisty: Persisty, declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path}/used.db"
    fill(url)
    first, second = tmp_path / "migrations", tmp_path / "other"
    persisty("migrate", declare(Renamed), "--url", url, "--revision", "Rename", "--allow", "drop:car.note")
    persisty("migrate", declare(Car, Owner), "--url", url, "--revision", "Owners", "--folder", str(second))
    (second / "0001_owners.py").rename(first / "0001_owners.py")
    spec = declare(Renamed, Owner)
    for command in (("migrate",), ("migrate", "--plan"), ("migrate", "--revision", "more"), ("migrate", "--squash")):
        done = persisty(command[0], spec, *command[1:], "--url", url)
        assert done.code == 2
        assert "migrations/0001_owners.py and migrations/0001_rename.py were written on different branches" in done.err
        assert "Join them: persisty migrate --merge" in done.err
    done = persisty("check", spec)
    assert (done.code, "persisty migrate --merge" in done.out) == (2, True)
    done = persisty("migrate", spec, "--merge", "--url", url)
    assert "Wrote migrations/0002_merge_owners_and_rename.py" in done.out, done.err
    assert persisty("check", spec).code == 0
    done = persisty("migrate", spec, "--url", url)
    assert done.code == 0, done.err
    assert "Nothing to join" in persisty("migrate", spec, "--merge", "--url", url).out
    start(spec, url).close()
    file = first / "0001_owners.py"
    file.write_text(file.read_text().replace("run.change()", "run.change()\n    run.store('owner').delete_all()", 1))
    done = persisty("migrate", spec, "--squash", "--url", url)
    assert "Wrote migrations/0003_squashed.py. It replaces 3 files" in done.out, done.err
    assert "These files have code" in done.out
    assert "0001_owners" in done.out.rpartition("copy it")[2]
    assert "Only recorded" in persisty("migrate", spec, "--plan", "--url", url).out
    for one in (url, f"sqlite:///{tmp_path}/empty.db"):
        done = persisty("migrate", spec, "--url", one)
        assert done.code == 0, done.err
        assert "Nothing to change" in persisty("migrate", spec, "--plan", "--url", one).out
    assert "Nothing to squash" in persisty("migrate", spec, "--squash", "--url", url).out
    done = persisty("migrate", spec, "--back-to", "0", "--url", url)
    assert "cannot be undone" in done.err
