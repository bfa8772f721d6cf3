"""`persisty diff`, `persisty migrate`, and a start over items that were stored under an older declaration."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pytest

from persisty import GENERATED, App, Attr, Conflict, SchemaMismatch, Unique, stored
from persisty.cli import server_process
from persisty.cli.server_process import Options
from persisty.deploy.migration import lease_of

from ...postgres import schema_in
from .conftest import Persisty

Declare = Callable[..., str]


@stored(name="car")
class Car:
    id: str
    odometer: int
    note: str | None = None


@stored(name="car")
class Renamed:
    id: str
    mileage: int = Attr(former_names="odometer")
    rank: int = 3


@stored(name="car")
class Retyped:
    id: str
    odometer: str
    note: str | None = None


@stored(name="car")
class More:
    id: str
    odometer: int
    note: str | None = None
    rank: int = 3


@stored(name="owner")
class Owner:
    id: str


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch) -> Declare:
    """Return a function that makes an app of items and returns its name as `module:attribute`."""

    def make(*items: type[Any]) -> str:
        module = ModuleType("garage")
        module.app = App("garage", items=items)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "garage", module)
        return "garage:app"

    return make


def fill(url: str) -> None:
    app = App("garage", items=[Car], url=url)
    app.prepare()
    app.store(Car).create({"id": "a", "odometer": 7, "note": "n"})
    app.close()


def start(spec: str, url: str) -> App:
    """Prepare a server up to its tables."""
    options = Options(spec, url, None, "localhost:0", False, False, False, False)
    app = server_process.loaded(options)
    try:
        server_process.tables(app, options)
    except SchemaMismatch:
        app.close()
        raise
    return app


def test_diff_prints_each_change_with_its_effect(persisty: Persisty, declare: Declare, url: str) -> None:
    fill(url)
    done = persisty("diff", declare(Renamed), "--url", url)
    assert done.code == 0
    lines = [line.split()[:2] for line in done.out.splitlines() if line.startswith("/")]
    assert lines == [["/car/mileage", "safe"], ["/car/rank", "safe"], ["/car/note", "destructive"]]
    found = json.loads(persisty("diff", declare(Renamed), "--url", url, "--json").out)
    assert [(one["path"], one["kind"], one["effect"], one["allow"]) for one in found] == [
        ("/car/mileage", "attribute_renamed", "safe", None),
        ("/car/rank", "attribute_added", "safe", None),
        ("/car/note", "attribute_removed", "destructive", "drop:car.note"),
    ]
    assert "Nothing to change" in persisty("diff", declare(Car), "--url", url).out


@stored(name="car")
class Owned:
    id: str
    odometer: int
    note: str | None = None
    owner: str


def test_diff_marks_refused_changes_and_says_what_to_declare(persisty: Persisty, declare: Declare, url: str) -> None:
    fill(url)
    done = persisty("diff", declare(Owned), "--url", url)
    assert done.code == 1
    out = " ".join(done.out.split())
    assert "/car/owner refused owner is new. Stored items have no value for owner: declare a default" in out
    assert out.count("no value for owner") == 1


@stored(name="car")
class Dated:
    id: str
    odometer: int
    note: str | None = None
    created_at: datetime = GENERATED


@stored(name="car", indexes=[Unique("odometer")])
class Single:
    id: str
    odometer: int
    note: Literal["x"] | None = None


@pytest.mark.parametrize(
    ("item", "path", "why"),
    [
        (Dated, "/car/created_at", "Let it be None, as in `created_at: Attr[datetime | None] = CREATED`"),
        (Single, "/car/note", "These items have a value that is no longer declared"),
        (Single, "/car/unique-odometer", "These items share values that have to be unique (found a (7), b (7))"),
    ],
)
def test_diff_refuses_the_same_changes_as_migrate(
    item: type[Any], path: str, why: str, persisty: Persisty, declare: Declare, url: str
) -> None:
    fill(url)
    if path.endswith("odometer"):
        app = App("garage", items=[Car], url=url)
        app.store(Car).update("a", {"note": "x"})
        app.store(Car).create({"id": "b", "odometer": 7, "note": "x"})
        app.close()
    done = persisty("diff", declare(item), "--url", url, "--json")
    assert done.code == 1
    found = {one["path"]: one for one in json.loads(done.out) if one["refused"] is not None}
    assert found.keys() == {path}
    assert found[path]["effect"] == "refused"
    assert why in found[path]["refused"]
    assert persisty("migrate", declare(item), "--url", url).code == 1


def test_a_change_that_fits_all_stored_items_is_not_refused(persisty: Persisty, declare: Declare, url: str) -> None:
    app = App("garage", items=[Car], url=url)
    app.prepare()
    app.close()
    done = persisty("diff", declare(Owned), "--url", url)
    assert (done.code, "refused" in done.out) == (0, False)


def test_a_step_is_shown_once(persisty: Persisty, declare: Declare, url: str) -> None:
    fill(url)
    done = persisty("migrate", declare(Renamed), "--url", url)
    lines = [line for line in done.err.splitlines() if line]
    assert lines
    assert len(lines) == len({*lines})


def test_a_plan_prints_statements_and_changes_nothing(persisty: Persisty, declare: Declare, url: str) -> None:
    fill(url)
    done = persisty("migrate", declare(Retyped), "--plan", "--url", url)
    assert "(1 item)" in done.out
    assert 'CAST("odometer" AS TEXT)' in done.out
    assert json.loads(persisty("diff", declare(Retyped), "--url", url, "--json").out)


@pytest.mark.parametrize("command", [("diff",), ("migrate", "--plan"), ("migrate", "--revision", "first")])
def test_a_command_that_changes_nothing_creates_no_file(
    command: tuple[str, ...], persisty: Persisty, declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    missing = tmp_path / "no%20such.db"
    name, *options = command
    done = persisty(name, declare(Car), *options, "--url", f"sqlite:///{missing}")
    assert (done.code, done.err) == (0, "")
    assert "car" in done.out or "Wrote" in done.out
    assert [one.name for one in tmp_path.iterdir() if ".db" in one.name] == []


def test_migrate_makes_the_changes_and_lists_the_remaining_ones(persisty: Persisty, declare: Declare, url: str) -> None:
    fill(url)
    done = persisty("migrate", declare(Renamed), "--url", url)
    assert done.code == 0, done.err
    assert "--allow drop:car.note" in done.out
    done = persisty("migrate", declare(Renamed), "--url", url, "--allow", "drop:car.note")
    assert done.code == 0, done.err
    assert "Nothing to change" in persisty("diff", declare(Renamed), "--url", url).out
    assert persisty("migrate", declare(Renamed), "--url", url, "--allow", "drop:car.note").code == 2
    app = App("garage", items=[Renamed], url=url)
    assert app.store(Renamed).read("a").mileage == 7  # type: ignore[union-attr]
    app.close()


def test_a_server_makes_safe_changes_of_a_local_file_and_loses_nothing(declare: Declare, url: str) -> None:
    fill(url)
    app = start(declare(Renamed), url)
    assert [(one.mileage, one.rank) for one in app.store(Renamed).search_all()] == [(7, 3)]
    app.close()
    columns = App("garage", items=[Renamed], url=url).engine.table("car")
    assert columns is not None
    assert "note" in columns.columns


def test_a_server_makes_no_slow_change_and_names_the_command(declare: Declare, url: str) -> None:
    fill(url)
    with pytest.raises(SchemaMismatch, match="persisty migrate"):
        start(declare(Retyped), url)
    app = start(declare(Car), url)
    assert app.store(Car).read("a").odometer == 7  # type: ignore[union-attr]
    app.close()


@stored(name="car", indexes=[Unique("odometer")])
class Indexed:
    id: str
    odometer: int
    note: str | None = None


def test_a_server_builds_a_unique_index_of_a_local_file_unless_items_share_its_values(
    declare: Declare, url: str
) -> None:
    fill(url)
    start(declare(Indexed), url).close()
    app = App("garage", items=[Indexed], url=url)
    with pytest.raises(Conflict):
        app.store(Indexed).create({"id": "b", "odometer": 7})
    app.close()
    url = url.replace(".db", "2.db")
    fill(url)
    app = App("garage", items=[Car], url=url)
    app.store(Car).create({"id": "b", "odometer": 7})
    app.close()
    with pytest.raises(SchemaMismatch) as caught:
        start(declare(Indexed), url)
    assert [(one.path, one.found) for one in caught.value.faults] == [("/car/unique-odometer", "a (7), b (7)")]


def test_a_server_changes_nothing_in_a_shared_database_and_names_the_command(
    declare: Declare, postgres_url: str
) -> None:
    url = schema_in(postgres_url)
    fill(url)
    with pytest.raises(SchemaMismatch, match="persisty migrate"):
        start(declare(More), url)


def test_migrate_reports_the_migration_that_it_continues(persisty: Persisty, declare: Declare, url: str) -> None:
    fill(url)
    app = App("garage", items=[Renamed], url=url)
    with pytest.raises(OSError), lease_of(app).acquired(renewed=False):
        raise OSError("the disk is full")
    app.close()
    done = persisty("migrate", declare(Renamed), "--url", url)
    assert "Continued a migration that had failed: the disk is full" in done.out, done.err


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


@stored(name="car")
class Counted:
    id: str
    odometer: int
    note: int | None = None


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


def test_a_refused_migration_names_the_data_file(persisty: Persisty, declare: Declare, url: str) -> None:
    fill(url)
    for options in ((), ("--plan",)):
        done = persisty("migrate", declare(Counted), "--url", url, *options)
        assert done.code == 1
        assert "--data" in done.err


def test_a_migration_of_an_empty_dynamodb_names_the_tables_that_it_creates(
    persisty: Persisty, declare: Declare, moto_endpoint: str
) -> None:
    url = f"dynamodb://us-east-1?endpoint={moto_endpoint}&partiql=0"
    done = persisty("migrate", declare(Car, Owner), "--url", url)
    assert done.out.splitlines() == ["Created: car, owner", "garage fits its declarations"], done.err
    assert persisty("migrate", declare(Car, Owner), "--url", url).out.strip() == "Nothing to do"


@stored(name="car")
class WithoutNote:
    id: str
    odometer: int
    rank: int = 3


@stored(name="car")
class Misnamed:
    id: str
    odometer: int
    remark: str | None = Attr(default=None, former_names="nothe")


def test_diff_says_once_which_former_name_was_never_stored_and_wraps_no_line(
    persisty: Persisty, declare: Declare, url: str
) -> None:
    fill(url)
    done = persisty("diff", declare(Misnamed), "--url", url)
    [line] = [one for one in done.out.splitlines() if one.startswith("/car/remark")]
    assert line.split(maxsplit=2)[2].startswith("remark is new. note, of the same type, is no longer declared")
    assert "no attribute nothe, its former name, is stored" in line
    assert "stored items read with None" not in line
    assert [one for one in done.out.splitlines() if one != one.rstrip()] == []


@stored(name="car")
class Ranked:
    id: str
    odometer: str
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


@stored(name="car")
class Reworded:
    id: str
    odometer: int
    remark: str | None = None
    label: str = "x"


@stored(name="wagon", former_names="car")
class Wagon:
    id: str
    odometer: int
    note: str | None = None


def test_messages_name_the_former_name_to_declare_and_the_command(
    persisty: Persisty, declare: Declare, url: str
) -> None:
    fill(url)
    found = json.loads(persisty("diff", declare(Reworded), "--url", url, "--json").out)
    said = {one["path"]: f"{one['message']}. {one['refused']}" for one in found}
    assert said["/car/remark"].count('former_names="note"') == 1
    assert 'If it was renamed, declare Attr(former_names="note")' in said["/car/label"]
    assert "its values would be deleted" in said["/car/note"]
    for item in (Wagon, Renamed):
        app = App("garage", items=[item], url=url)
        with pytest.raises(SchemaMismatch, match="`persisty migrate`"):
            app.prepare()
        app.close()


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
