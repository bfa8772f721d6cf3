"""Items that get another name, or another key, on DynamoDB: they are copied to a new table while older code writes, and no write is lost."""

from __future__ import annotations

import threading
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from persisty import App, Attr, Conflict, Index, SchemaMismatch, Unique, stored
from persisty.backends.dynamodb import shared_values, table_copy
from persisty.cli.migrate import command
from persisty.deploy.evolution import evolutions_of
from persisty.deploy.migration import Migration, refused_changes
from persisty.deploy.revision_files import revisions_in
from persisty.deploy.revision_writing import write_revision
from persisty.deploy.revisions import pending, upgrade
from persisty.store.migration import Step

from .conftest import Tables
from .test_dynamodb_migration import effects, tables
from .test_interrupted import Killed

__all__ = ["tables"]
SWITCH = "switch:vehicle"


@stored(name="car", indexes=[Index("odometer"), Unique("plate")])
class Car:
    id: str
    plate: str
    odometer: int
    weight: float = 1.5
    note: str | None = None


@stored(name="vehicle", former_names="car", indexes=[Index("odometer"), Unique("plate")])
class Vehicle:
    id: str
    plate: str
    odometer: int
    weight: float = 1.5
    note: str | None = None


@stored(name="vehicle", former_names="car", key=("country", "number"), indexes=[Index("mileage"), Unique("id")])
class Keyed:
    id: str
    number: str = Attr(former_names="plate")
    country: str = "de"
    mileage: int = Attr(former_names="odometer")
    weight: float = 1.5
    note: str = "none"


ROWS = [{"id": f"{n:03}", "plate": f"P{n:03}", "odometer": n} for n in range(30)]


def cars(app: App) -> dict[str, Any]:
    return {one.id: (one.plate, one.odometer, one.note) for one in app.store(Car).search_all()}


def vehicles(app: App) -> dict[str, Any]:
    return {one.id: (one.plate, one.odometer, one.note) for one in app.store(Vehicle).search_all()}


def older(tables: Tables) -> App:
    """Return another process with the older code."""
    return App("shop", items=[Car], url=tables.url, stage=tables.stage)


def test_an_item_with_a_new_name_is_copied_and_switched_to_when_that_is_allowed(tables: Tables) -> None:
    tables.filled(Car, *ROWS)
    app = tables.app(Vehicle)
    assert effects(app) == {"item_renamed ": "slow"}
    planned = Migration(app).apply()
    assert [change.allow for one in planned for change in one.left] == [SWITCH]
    with pytest.raises(SchemaMismatch, match="not copied to it yet"):
        app.prepare()
    before = older(tables)  # goes on
    before.store(Car).update("003", {"odometer": 33})
    before.store(Car).create({"id": "new", "plate": "NEW", "odometer": 1})
    before.store(Car).delete("004")
    stored_last = cars(before)
    before.close()
    app, _ = tables.migrated(Vehicle, allow=(SWITCH,))
    assert vehicles(app) == stored_last
    with pytest.raises(Conflict):
        app.store(Vehicle).create({"id": "z", "plate": "P001", "odometer": 1})
    assert [one.id for one in app.store(Vehicle).search(Vehicle.odometer == 33).items] == ["003"]


def test_older_code_does_not_start_over_the_former_table_after_the_switch(tables: Tables) -> None:
    tables.filled(Car, *ROWS[:2])
    tables.migrated(Vehicle, allow=(SWITCH,))
    with pytest.raises(SchemaMismatch, match="not fit"):
        tables.app(Car).prepare()


def test_the_former_table_stays_until_its_removal_is_allowed(tables: Tables) -> None:
    tables.filled(Car, *ROWS[:3])
    app, _ = tables.migrated(Vehicle, allow=(SWITCH,))
    app.store(Vehicle).delete("001")
    app, _ = tables.migrated(Vehicle)
    assert [*vehicles(app)] == ["000", "002"], "the former table's items do not come back"
    assert not app.engine.is_empty("car")
    app, _ = tables.migrated(Vehicle, allow=("drop:car",))
    assert app.engine.is_empty("car")
    assert effects(app) == {}
    app = tables.app(Vehicle, Car)
    app.prepare()
    app.store(Car).create(ROWS[0])


def test_a_key_changes_by_the_copy_to_another_name(tables: Tables) -> None:
    tables.filled(Car, *ROWS)
    app, _ = tables.migrated(Keyed, allow=(SWITCH,))
    found = {(one.country, one.number): (one.id, one.mileage, one.note) for one in app.store(Keyed).search_all()}
    assert found == {("de", f"P{n:03}"): (f"{n:03}", n, "none") for n in range(30)}
    assert app.store(Keyed).read(("de", "P007")).mileage == 7  # type: ignore[union-attr]
    assert app.store(Keyed).explain(Keyed.mileage == 7).access == "index"


def test_copies_have_the_defaults_that_their_new_indexes_need(tables: Tables) -> None:
    @stored(name="vehicle", former_names="car", indexes=[Index("color"), Index("note"), Index("rank")])
    class Indexed:
        id: str
        plate: str
        odometer: int
        weight: float = 1.5
        note: str | None = None
        color: str | None = "red"
        rank: int = 3

    tables.filled(Car, *ROWS[:2], {"id": "noted", "plate": "x", "odometer": 1, "note": "n"})
    app, _ = tables.migrated(Indexed, allow=(SWITCH,))
    items = app.store(Indexed)
    assert items.explain(Indexed.color == "red").access == "index"
    assert len(items.search(Indexed.color == "red").items) == 3
    assert len(items.search(Indexed.rank == 3).items) == 3
    assert [one.id for one in items.search(Indexed.note == "n").items] == ["noted"]


def test_a_key_that_changes_in_the_same_table_is_refused_with_what_to_declare(tables: Tables) -> None:
    @stored(name="car", key="plate")
    class ByPlate:
        plate: str
        id: str = ""
        odometer: int = 0
        weight: float = 1.5
        note: str | None = None

    tables.filled(Car, *ROWS[:2])
    with pytest.raises(SchemaMismatch) as caught:
        Migration(tables.app(ByPlate)).apply()
    assert any('@stored(table="car_2")' in fault.message for fault in caught.value.faults)


def test_items_that_would_have_the_same_key_are_named_and_none_is_lost(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    @stored(name="vehicle", former_names="car", key="odometer")
    class ByOdometer:
        odometer: int
        id: str
        plate: str = ""
        weight: float = 1.5
        note: str | None = None

    tables.filled(Car, *ROWS[:3], {"id": "twin", "plate": "T", "odometer": 1})
    app = tables.app(ByOdometer)
    [evolution] = evolutions_of(app)
    refused = {change.kind: why for change, why in refused_changes(app, evolution).items()}
    assert refused == {"key_changed": "These items would have the same key (found 001 (1), twin (1))"}
    for migrate in (Migration(app, [SWITCH]).plan, Migration(app, [SWITCH]).apply):
        with pytest.raises(SchemaMismatch, match="/vehicle: These items would have the same key"):
            migrate()
    # an item that older code creates during the copy
    with monkeypatch.context() as unnoticed:
        unnoticed.setattr(shared_values.SharedValues, "repeated", lambda values, pages: frozenset())
        with pytest.raises(Conflict, match="same key") as caught:
            Migration(tables.app(ByOdometer), [SWITCH]).apply()
    assert sorted(caught.value.details["keys"]) == ["001", "twin"]
    before = older(tables)
    assert len(cars(before)) == 4
    before.store(Car).update("twin", {"odometer": 77})
    before.close()
    app, _ = tables.migrated(ByOdometer, allow=(SWITCH,))
    assert {one.odometer: one.id for one in app.store(ByOdometer).search_all()} == {
        0: "000",
        1: "001",
        2: "002",
        77: "twin",
    }


def test_a_key_that_older_code_changes_during_the_copy_leaves_one_item(tables: Tables) -> None:
    tables.filled(Car, *ROWS[:4])
    Migration(tables.app(Keyed)).apply()
    before = older(tables)
    before.store(Car).update("001", {"plate": "swap"})
    before.store(Car).update("002", {"plate": "P001"})
    before.store(Car).update("001", {"plate": "P002"})
    before.close()
    app, _ = tables.migrated(Keyed, allow=(SWITCH,))
    assert {one.number: one.id for one in app.store(Keyed).search_all()} == {
        "P000": "000",
        "P001": "002",
        "P002": "001",
        "P003": "003",
    }


def test_a_switch_is_refused_while_older_code_writes(moto_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = Tables(f"dynamodb://us-east-1?endpoint={moto_endpoint}&partiql=0")
    tables.filled(Car, *ROWS)
    monkeypatch.setattr(table_copy, "PASSES", 2)
    before, stopped = older(tables), threading.Event()

    def write() -> None:
        for number in count():
            if stopped.is_set():
                return
            before.store(Car).update(f"{number % 30:03}", {"odometer": 1000 + number})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with pytest.raises(Conflict, match="still writes"):
            Migration(tables.app(Vehicle), [SWITCH]).apply()
    finally:
        stopped.set()
        writer.join()
    expected = cars(before)
    before.close()
    app, _ = tables.migrated(Vehicle, allow=(SWITCH,))
    assert vehicles(app) == expected
    app.close()


def test_a_copy_that_is_killed_at_every_step_while_older_code_writes_loses_no_write(tables: Tables) -> None:
    tables.filled(Car, *ROWS)
    before, kills = older(tables), 0
    for number in range(1, 60, 4):
        before.store(Car).update(f"{number % 30:03}", {"odometer": 100 + number})
        before.store(Car).create({"id": f"n{number}", "plate": f"N{number}", "odometer": number})
        if number % 3 == 0:
            before.store(Car).delete(f"n{number - 4}")
        if not _killed(tables.app(Vehicle), number):
            break
        kills += 1
    expected = cars(before)
    before.close()
    for number in range(1, 60, 4):
        if not _killed(tables.app(Vehicle), number, SWITCH):
            break
        kills += 1
    app, _ = tables.migrated(Vehicle, allow=(SWITCH,))
    assert vehicles(app) == expected
    assert kills > 10


def test_a_downgrade_copies_back_what_was_written_after_the_switch(tables: Tables) -> None:
    @stored(name="car", former_names="vehicle", indexes=[Index("odometer"), Unique("plate")])
    class CarAgain:
        id: str
        plate: str
        odometer: int
        weight: float = 1.5
        note: str | None = None

    tables.filled(Car, *ROWS[:3])
    app, _ = tables.migrated(Vehicle, allow=(SWITCH,))
    app.store(Vehicle).update("001", {"odometer": 11})
    app.store(Vehicle).delete("002")
    app, _ = tables.migrated(CarAgain, allow=("switch:car",))
    assert {one.id: one.odometer for one in app.store(CarAgain).search_all()} == {"000": 0, "001": 11}


def test_a_revision_is_finished_when_its_switch_is_allowed(tables: Tables, tmp_path: Path) -> None:
    tables.filled(Car, *ROWS[:3])
    path = write_revision(tables.app(Vehicle), "Vehicles", (), tmp_path)
    assert path is not None
    [revision] = revisions_in(tmp_path)
    with pytest.raises(SchemaMismatch, match="not finished") as caught:
        upgrade(tables.app(Vehicle), revision, lambda step, items: None)
    assert [fault.expected for fault in caught.value.faults] == [SWITCH]
    path.write_text(path.read_text().replace("ALLOWED = []", f'ALLOWED = ["{SWITCH}"]'))
    [revision] = revisions_in(tmp_path)
    app = tables.app(Vehicle)
    assert [one.name for one in pending(app, [revision])] == [revision.name]
    upgrade(app, revision, lambda step, items: None)
    app.prepare()
    assert sorted(vehicles(app)) == ["000", "001", "002"]


def test_the_command_says_that_a_copy_waits_for_its_switch(
    moto_endpoint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tables = Tables(f"dynamodb://us-east-1?endpoint={moto_endpoint}&partiql=0")
    tables.filled(Car, *ROWS[:3])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("persisty.cli.migrate.load", lambda app, url, stage, reading: (tables.app(Vehicle), "shop:app"))
    command()
    out = capsys.readouterr().out
    assert "--allow switch:vehicle" in out
    assert "Copied, and not in use before the switch: vehicle" in out
    command(allow=[SWITCH])
    assert "fits its declarations" in capsys.readouterr().out


def _killed(app: App, number: int, *allowed: str) -> bool:
    """Migrate, and end at the report with this number. Return whether it was reached."""
    numbers = count()

    def progress(step: Step, items: int) -> None:
        if next(numbers) == number:
            raise Killed

    try:
        Migration(app, allowed).apply(progress)
    except Killed:
        return True
    return False
