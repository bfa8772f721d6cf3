"""Items that move to another table under the same name, on DynamoDB and SQL: the table is a part of the declaration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from persisty import SEQUENCE, App, Attr, Conflict, Index, InvalidDeclaration, SchemaMismatch, Unique, stored
from persisty.backends.dynamodb import copy_steps
from persisty.backends.dynamodb.table_copy import TableCopy
from persisty.deploy.evolution import check_places, evolutions_of
from persisty.deploy.migration import Migration
from persisty.deploy.revision_files import revisions_in
from persisty.deploy.revision_writing import write_revision
from persisty.deploy.revisions import downgrade, upgrade

from .conftest import Place, Tables
from .test_copies import ROWS, Car, _killed, cars, older
from .test_dynamodb_migration import effects, tables

__all__ = ["tables"]
SWITCH = "switch:car"


@stored(name="car", table="car_2", key=("country", "plate"), indexes=[Index("odometer"), Unique("plate")])
class ByPlate:
    plate: str
    country: str = "de"
    id: str = ""
    odometer: Attr[int] = Attr(default=0)
    weight: float = 1.5
    note: str | None = None


@stored(name="car", table="car_2", indexes=[Index("odometer"), Unique("plate")])
class Moved:
    id: str
    plate: str
    odometer: int
    weight: float = 1.5
    note: str | None = None


@stored(name="vehicle", former_names="car", table="car", indexes=[Index("odometer"), Unique("plate")])
class InItsTable:
    id: str
    plate: str
    odometer: int
    weight: float = 1.5
    note: str | None = None


def moved(app: App, item: type[Any] = ByPlate) -> dict[str, Any]:
    return {one.id: (one.plate, one.odometer, one.note) for one in app.store(item).search_all()}


def test_a_key_changes_under_the_same_name_in_another_table(tables: Tables) -> None:
    tables.filled(Car, *ROWS)
    app = tables.app(ByPlate)
    assert effects(app)["table_changed "] == "slow"
    planned = Migration(app).apply()
    assert [change.allow for one in planned for change in one.left] == [SWITCH]
    with pytest.raises(SchemaMismatch, match="not fit") as refused:
        app.prepare()
    assert [(fault.path, fault.expected, fault.found) for fault in refused.value.faults] == [("/car", "car_2", "car")]
    before = older(tables)  # goes on, and may start again
    before.prepare()
    before.store(Car).update("003", {"odometer": 33})
    before.store(Car).update("005", {"plate": "moved"})
    before.store(Car).create({"id": "new", "plate": "NEW", "odometer": 1})
    before.store(Car).delete("004")
    stored_last = cars(before)
    before.close()
    app, _ = tables.migrated(ByPlate, allow=(SWITCH,))
    assert moved(app) == stored_last
    found = app.store(ByPlate).read(("de", "P003"))
    assert found is not None
    assert found.odometer == 33
    assert [one.id for one in app.store(ByPlate).search(ByPlate.odometer == 33).items] == ["003"]
    with pytest.raises(Conflict):
        app.store(ByPlate).create({"id": "z", "plate": "P001", "country": "fr", "odometer": 1})
    assert app.store(ByPlate).create({"id": "z", "plate": "P004", "odometer": 1}), "its former holder is deleted"


def test_a_deployment_waits_for_the_switch(tables: Tables) -> None:
    check_places(tables.app(ByPlate))  # a first deployment
    tables.filled(Car, *ROWS[:2])
    for allowed in ((), (SWITCH,)):
        with pytest.raises(SchemaMismatch, match="Nothing is deployed") as refused:
            check_places(tables.app(ByPlate))
        assert [(fault.path, fault.found) for fault in refused.value.faults] == [("/car", "car")]
        Migration(tables.app(ByPlate), allowed).apply()
    check_places(tables.app(ByPlate))
    with pytest.raises(SchemaMismatch, match="Nothing is deployed"):
        check_places(tables.app(Car))


def test_older_code_does_not_start_over_the_former_table_after_the_switch(tables: Tables) -> None:
    tables.filled(Car, *ROWS[:2])
    app, _ = tables.migrated(ByPlate, allow=(SWITCH,))
    for key in (("de", "P000"), ("de", "P001")):
        app.store(ByPlate).delete(key)
    with pytest.raises(SchemaMismatch) as refused:  # also if the new table has no items any more
        tables.app(Car).prepare()
    assert "in the table car_2" in str(refused.value)


def test_the_former_table_stays_until_its_removal_is_allowed(tables: Tables) -> None:
    tables.filled(Car, *ROWS[:3])
    tables.migrated(ByPlate, allow=(SWITCH,))
    app, _ = tables.migrated(ByPlate)
    assert [(one.name, [change.allow for change in one.changes]) for one in evolutions_of(app)] == [
        ("table:car", ["drop:table:car"])
    ]
    assert not app.engine.is_empty("car")
    app, _ = tables.migrated(ByPlate, allow=("drop:table:car",))
    assert app.engine.is_empty("car")
    assert evolutions_of(app) == []
    with pytest.raises(Conflict):  # its rows of unique values stay
        app.store(ByPlate).create({"id": "z", "plate": "P001", "country": "fr", "odometer": 1})


def test_items_move_back_with_what_was_written_after_the_switch(tables: Tables) -> None:
    tables.filled(Car, *ROWS[:4])
    app, _ = tables.migrated(ByPlate, allow=(SWITCH,))
    app.store(ByPlate).update(("de", "P001"), {"odometer": 11})
    app.store(ByPlate).delete(("de", "P002"))
    app.store(ByPlate).create({"id": "new", "plate": "NEW", "odometer": 9})
    app, _ = tables.migrated(Car, allow=(SWITCH,))
    assert cars(app) == {
        "000": ("P000", 0, None),
        "001": ("P001", 11, None),
        "003": ("P003", 3, None),
        "new": ("NEW", 9, None),
    }
    assert [one.name for one in evolutions_of(app)] == ["table:car_2"], "the table in use cannot be dropped"
    with pytest.raises(InvalidDeclaration):
        Migration(app, ["drop:table:car"]).plan()
    with pytest.raises(SchemaMismatch):
        tables.app(ByPlate).prepare()


def test_a_move_that_is_killed_at_every_step_while_older_code_writes_loses_no_write(tables: Tables) -> None:
    tables.filled(Car, *ROWS)
    before, kills = older(tables), 0
    for number in range(1, 60, 4):
        before.store(Car).update(f"{number % 30:03}", {"odometer": 100 + number, "plate": f"Q{number}"})
        before.store(Car).create({"id": f"n{number}", "plate": f"N{number}", "odometer": number})
        if number % 3 == 0:
            before.store(Car).delete(f"n{number - 4}")
        if not _killed(tables.app(ByPlate), number):
            break
        kills += 1
    expected = cars(before)
    before.close()
    for number in range(1, 60, 4):
        if not _killed(tables.app(ByPlate), number, SWITCH):
            break
        kills += 1
    app, _ = tables.migrated(ByPlate, allow=(SWITCH,))
    assert moved(app) == expected
    assert kills > 10


def test_a_renamed_item_that_keeps_its_table_is_not_copied(tables: Tables) -> None:
    tables.filled(Car, *ROWS[:3])
    app = tables.app(InItsTable)
    assert effects(app) == {"item_renamed ": "safe"}
    with pytest.raises(SchemaMismatch, match="not fit"):
        app.prepare()
    app, planned = tables.migrated(InItsTable)
    assert [step for one in planned for step in one.steps] == []
    before = older(tables)
    before.prepare()  # older code goes on, over the same items
    before.store(Car).create({"id": "new", "plate": "NEW", "odometer": 1})
    assert sorted(moved(app, InItsTable)) == sorted(cars(before)) == ["000", "001", "002", "new"]
    with pytest.raises(Conflict):
        app.store(InItsTable).create({"id": "z", "plate": "NEW", "odometer": 1})
    before.close()
    app = tables.app(InItsTable)
    app.prepare()
    assert evolutions_of(app) == [], "its table cannot be dropped as that of the former name"


def test_a_table_with_the_items_of_another_store_is_not_taken(tables: Tables) -> None:
    @stored(name="bike")
    class Bike:
        id: str

    @stored(name="bike", table="bike_2")
    class Bike2:
        id: str

    app = tables.app(Car, Bike)
    app.prepare()
    app.store(Car).create(ROWS[0])
    app.store(Bike).create({"id": "b"})
    with pytest.raises(SchemaMismatch, match="Nothing is changed") as refused:
        Migration(tables.app(_car_in("bike"), Bike2), [SWITCH, "switch:bike"]).apply()
    assert any("has the items of bike" in fault.message for fault in refused.value.faults)
    tables.migrated(Car, Bike2, allow=("switch:bike",))
    with pytest.raises(SchemaMismatch) as refused:
        Migration(tables.app(_car_in("bike"), Bike2), [SWITCH]).apply()
    assert any("--allow drop:table:bike" in fault.message for fault in refused.value.faults)


def _car_in(table: str) -> type[Any]:
    @stored(name="car", table=table, indexes=[Index("odometer"), Unique("plate")])
    class InTable:
        id: str
        plate: str
        odometer: int
        weight: float = 1.5
        note: str | None = None

    return InTable


@pytest.mark.parametrize("deployed", [False, True])
def test_the_stream_of_a_copy_ends_with_the_switch_and_that_of_a_deployment_stays(
    local_endpoint: str, monkeypatch: pytest.MonkeyPatch, deployed: bool
) -> None:
    monkeypatch.setattr(copy_steps, "QUIET", 0.3)
    tables = Tables(f"dynamodb://us-east-1?endpoint={local_endpoint}&index_attributes=2")
    app = tables.filled(Car, *ROWS)
    if deployed:
        stream = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        app.engine.alter("car", {"StreamSpecification": stream})  # type: ignore[attr-defined]
    app = tables.app(ByPlate)
    Migration(app).apply()
    former = app.engine.described("car")  # type: ignore[attr-defined]
    assert former["StreamSpecification"]["StreamEnabled"], "changes are recorded until the switch"
    assert "StreamSpecification" not in app.engine.described("car_2"), "functions would get the copies as new items"  # type: ignore[attr-defined]
    before = older(tables)
    for number in range(0, 30, 3):
        before.store(Car).update(f"{number:03}", {"plate": f"X{number}"})
        before.store(Car).update(f"{number + 1:03}", {"plate": f"P{number:03}"})  # a key that another item had
    before.store(Car).delete("029")
    expected = cars(before)
    before.close()
    compared = []
    monkeypatch.setattr(
        TableCopy, "switch", lambda self, report, switch=TableCopy.switch: (compared.append(self), switch(self, report))
    )
    app, _ = tables.migrated(ByPlate, allow=(SWITCH,))
    assert moved(app) == expected
    assert bool(compared) == deployed, "an own stream has every change, so nothing is compared"
    engine: Any = app.engine
    assert engine.described("car").get("StreamSpecification", {}).get("StreamEnabled", False) == deployed
    assert engine.described("car_2").get("StreamSpecification", {}).get("StreamEnabled", False) == deployed
    rows = engine.send("Scan", {"TableName": engine.guard_table()})["Items"]
    assert [row for row in rows if row["id"]["S"].startswith("copy/")] == []


def test_the_new_table_has_the_settings_of_the_former_one(moto_endpoint: str) -> None:
    tables = Tables(f"dynamodb://us-east-1?endpoint={moto_endpoint}&partiql=0")
    app = tables.filled(Car, *ROWS[:2])
    call = app.engine.transport.call  # type: ignore[attr-defined]
    former, new = f"shop-{tables.stage}-car", f"shop-{tables.stage}-car-2"
    stream = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    call("UpdateTable", {"TableName": former, "StreamSpecification": stream, "DeletionProtectionEnabled": True})
    recovery = {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 7}
    call("UpdateContinuousBackups", {"TableName": former, "PointInTimeRecoverySpecification": recovery})
    app, _ = tables.migrated(ByPlate, allow=(SWITCH,))
    call = app.engine.transport.call  # type: ignore[attr-defined]
    found = call("DescribeTable", {"TableName": new})["Table"]
    assert (found["StreamSpecification"], found["DeletionProtectionEnabled"]) == (stream, True)
    backups = call("DescribeContinuousBackups", {"TableName": new})["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    with pytest.raises(Conflict, match="deletion protection") as refused:
        Migration(app, ["drop:table:car"]).apply()
    assert f"--table-name {former} --no-deletion-protection-enabled" in str(refused.value.faults[0].expected)
    call("UpdateTable", {"TableName": former, "DeletionProtectionEnabled": False})
    Migration(app, ["drop:table:car"]).apply()
    assert app.engine.is_empty("car")


@stored(name="ticket")
class Ticket:
    id: str
    number: int = SEQUENCE


@stored(name="ticket", table="ticket_2", key="number")
class Numbered:
    number: int = SEQUENCE
    id: str = ""


@stored(name="issue", former_names="ticket")
class Issue:
    id: str
    number: int = SEQUENCE


@stored(name="ticket")
class Renumbered:
    id: str
    serial: Attr[int] = Attr(default=SEQUENCE, former_names="number")


@pytest.mark.parametrize("item", [Numbered, Issue, Renumbered])
def test_on_sql_a_sequence_continues_in_another_table(place: Place, item: type[Any]) -> None:
    place.filled(Ticket, {"id": "a"}, {"id": "b"})
    app, _ = place.migrated(item)
    made = app.store(item).create({"id": "c"})
    assert (made.serial if item is Renumbered else made.number) == 3


@pytest.mark.parametrize("item", [Numbered, Issue])
def test_a_sequence_continues_in_another_table(tables: Tables, item: type[Any]) -> None:
    app = tables.filled(Ticket, {"id": "a"}, {"id": "b"})
    name = item.__persisty__.name
    app, _ = tables.migrated(item, allow=(f"switch:{name}",))
    assert app.store(item).create({"id": "c"}).number == 3


def test_a_downgrade_of_a_revision_moves_the_items_back(tables: Tables, tmp_path: Path) -> None:
    tables.filled(Car, *ROWS[:3])
    path = write_revision(tables.app(ByPlate), "Keys", (), tmp_path)
    assert path is not None
    path.write_text(path.read_text().replace("ALLOWED = []", f'ALLOWED = ["{SWITCH}"]'))
    [revision] = revisions_in(tmp_path)
    app = tables.app(ByPlate)
    upgrade(app, revision, lambda step, items: None)
    app.prepare()
    assert sorted(moved(app)) == ["000", "001", "002"]
    app.store(ByPlate).delete(("de", "P001"))
    downgrade(app, revision, [SWITCH], lambda step, items: None)
    app = tables.app(Car)
    app.prepare()
    assert sorted(cars(app)) == ["000", "002"]


@pytest.mark.parametrize("item", [ByPlate, Moved])
def test_on_sql_the_table_is_renamed(place: Place, item: type[Any]) -> None:
    place.filled(Car, *ROWS[:3])
    app = place.app(item)
    with pytest.raises(SchemaMismatch, match="not fit"):
        app.prepare()
    app, _ = place.migrated(item)
    assert app.engine.is_empty("car")
    assert sorted(moved(app, item)) == ["000", "001", "002"]
    with pytest.raises(Conflict):
        app.store(item).create({"id": "z", "plate": "P001", "odometer": 1})
    assert evolutions_of(app) == []
    with pytest.raises(SchemaMismatch, match="not fit"):
        place.app(Car).prepare()
    if item is Moved:
        app, _ = place.migrated(Car)
        assert sorted(cars(app)) == ["000", "001", "002"]


def test_on_sql_a_renamed_item_keeps_its_table(place: Place) -> None:
    place.filled(Car, *ROWS[:3])
    app, _ = place.migrated(InItsTable)
    assert sorted(moved(app, InItsTable)) == ["000", "001", "002"]
    assert not app.engine.is_empty("car")
    assert evolutions_of(app) == []


def test_a_table_is_dropped_with_the_item_that_has_it(place: Place) -> None:
    @stored(name="bike")
    class Bike:
        id: str

    place.filled(Moved, *ROWS[:2])
    app, _ = place.migrated(Bike, allow=("drop:car",))
    assert app.engine.is_empty("car_2")


def test_every_engine_accepts_a_declaration_with_a_table(place: Place) -> None:
    for url in ("memory://", place.url):
        app = App("shop", items=[ByPlate], url=url)
        app.prepare()
        app.store(ByPlate).create({"id": "a", "plate": "p"})
        assert sorted(moved(app)) == ["a"]
        app.close()


@pytest.mark.parametrize("table", ["Car", "car-2", "persisty_schema", "sqlite_car", ""])
def test_a_name_of_a_table_that_an_engine_refuses_is_a_mistake(table: str) -> None:
    with pytest.raises(InvalidDeclaration, match="table"):
        _car_in(table)


def test_two_items_do_not_share_a_table() -> None:
    with pytest.raises(InvalidDeclaration) as refused:
        App("shop", items=[_car_in("bike"), stored(name="bike")(type("Bike", (), {"__annotations__": {"id": str}}))])
    assert "is that of" in str(refused.value)
