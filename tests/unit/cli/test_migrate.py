"""`persisty diff`, `persisty migrate`, and a start over items that were stored under an older declaration."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import pytest

from persisty import GENERATED, App, Attr, Conflict, SchemaMismatch, Unique, stored
from persisty.cli import server_process
from persisty.cli.server_process import Options
from persisty.deploy.migration import lease_of

from ...postgres import schema_in
from .conftest import Declare, Persisty


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


@stored(name="car")
class Counted:
    id: str
    odometer: int
    note: int | None = None


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
