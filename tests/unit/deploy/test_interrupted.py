"""Migrations that are killed, fail in the middle, or run at the same time as older and newer code: no item is lost, and the next command continues."""

from __future__ import annotations

import threading
from itertools import count
from pathlib import Path

import pytest

from persisty import App, Attr, Conflict, Index, PersistyError, SchemaMismatch, Unique, stored
from persisty.backends.sql.postgres import backfills, migrator
from persisty.deploy.migration import Migration, lease_of
from persisty.store import migration_lease
from persisty.store.migration import Step

from ...postgres import schema_in
from .conftest import Place


@stored(name="car", indexes=[Index("odometer")])
class Car:
    id: str
    odometer: int
    note: str | None = None
    price: str = "1"


@stored(name="car", key=("plate", "id"), indexes=[Index("mileage"), Unique("price")])
class Changed:
    id: str
    mileage: int = Attr(former_names="odometer")
    note: str = "none"
    price: int = 1
    plate: str = "x"


@stored(name="car", indexes=[Index("mileage")])
class Renamed:
    id: str
    mileage: int = Attr(former_names="odometer")
    note: str | None = None
    price: str = "1"


ROWS = [{"id": f"{n:03}", "odometer": n, "price": str(n)} for n in range(30)]


class Killed(Exception):
    """Ends a migration as a signal would."""


def killed_at(app: App, number: int) -> bool:
    """Migrate, and end before the step with this number. Return whether it was reached."""
    numbers = count()

    def progress(step: Step, items: int) -> None:
        if not items and next(numbers) == number:
            raise Killed

    try:
        Migration(app).apply(progress)
    except Killed:
        return True
    return False


def expire(place: Place) -> None:
    place.sql(f"UPDATE {place.table('persisty_migration')} SET until = '2020-01-01T00:00:00.000000Z'")


def test_a_migration_that_is_killed_before_any_step_is_continued(place: Place) -> None:
    place.filled(Car, *ROWS)
    killed = 0
    for number in range(1, 40):
        if not killed_at(place.app(Changed), number):
            break
        killed += 1
    else:
        raise AssertionError("it never ends")
    app, _ = place.migrated(Changed)
    items = list(app.store(Changed).search_all())
    assert [(one.id, one.mileage, one.note, one.price, one.plate) for one in items] == [
        (f"{n:03}", n, "none", n, "x") for n in range(30)
    ]
    assert killed > 5 or "sqlite" in place.url


def test_a_killed_migration_of_a_file_is_rolled_back(tmp_path: Path) -> None:
    place = Place(f"sqlite:///{tmp_path}/shop.db")
    place.filled(Car, *ROWS)

    @stored(name="car", indexes=[Index("mileage"), Index("note")])
    class Steps:
        id: str
        mileage: int = Attr(former_names="odometer")
        note: str | None = None
        price: str = "1"

    assert killed_at(place.app(Steps), 2)
    app = place.app(Car)
    app.prepare()
    assert app.store(Car).read("007").odometer == 7
    app.close()


@pytest.fixture
def server(postgres_url: str) -> Place:
    return Place(schema_in(postgres_url))


def test_old_and_new_code_read_and_write_a_renamed_attribute_side_by_side(server: Place) -> None:
    server.filled(Car, *ROWS)
    older = App("shop", items=[Car], url=server.url)
    before = older.store(Car)
    before.update("001", {"odometer": 100})
    newer, _ = server.migrated(Renamed)
    after = newer.store(Renamed)
    assert after.read("001").mileage == 100  # type: ignore[union-attr]
    after.update("001", {"mileage": 101})
    assert before.read("001").odometer == 101  # type: ignore[union-attr]
    before.update("001", {"odometer": 102})
    assert after.read("001").mileage == 102  # type: ignore[union-attr]
    before.create({"id": "old", "odometer": 7})
    after.create({"id": "new", "mileage": 8})
    after.update_all({"mileage": 9}, Renamed.id == "002")
    assert [after.read(one).mileage for one in ("old", "new", "002")] == [7, 8, 9]  # type: ignore[union-attr]
    assert [before.read(one).odometer for one in ("old", "new", "002")] == [7, 8, 9]  # type: ignore[union-attr]
    older.close()
    for _ in range(2):  # either may start again, in any order
        for item in (Car, Renamed):
            again = App("shop", items=[item], url=server.url)
            again.prepare()
            assert again.store(item).count() == 32
            again.close()
    app, planned = server.migrated(Renamed)
    assert [change.allow for one in planned for change in one.left] == ["drop:car.odometer"]
    app, _ = server.migrated(Renamed, allow=("drop:car.odometer",))
    table = app.engine.table("car")
    assert table is not None
    assert "odometer" not in table.columns
    assert server.sql(
        "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'persisty-rename-%' AND tgrelid = $1::regclass",
        server.table("car"),
    ) == [(0,)]
    assert app.store(Renamed).read("old").mileage == 7  # type: ignore[union-attr]
    app.store(Renamed).create({"id": "last", "mileage": 1})


def test_a_former_name_becomes_an_attribute_of_its_own_only_after_its_column_is_dropped(server: Place) -> None:
    @stored(name="car", indexes=[Index("mileage")])
    class Both:
        id: str
        mileage: int = Attr(former_names="odometer")
        odometer: int = 5
        note: str | None = None
        price: str = "1"

    server.filled(Car, *ROWS[:2])
    server.migrated(Renamed)
    with pytest.raises(SchemaMismatch, match=r"--allow drop:car\.odometer"):
        server.migrated(Both)
    app, _ = server.migrated(Both, allow=("drop:car.odometer",))
    app.store(Both).update("001", {"odometer": 6})
    assert [(one.mileage, one.odometer) for one in app.store(Both).search_all()] == [(0, 5), (1, 6)]


def test_newer_code_does_not_start_before_the_values_are_copied(server: Place) -> None:
    server.filled(Car, *ROWS)
    assert killed_at(server.app(Renamed), 1)
    with pytest.raises(SchemaMismatch):
        server.app(Renamed).prepare()
    app, _ = server.migrated(Renamed)
    assert app.store(Renamed).count(Renamed.mileage >= 0) == 30


def test_no_write_is_lost_or_refused_while_a_table_is_migrated(server: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfills, "BATCH", 5)
    server.filled(Car, *ROWS)
    older = App("shop", items=[Car], url=server.url)
    stop, written, failed = threading.Event(), dict[str, int](), list[BaseException]()

    def write() -> None:
        cars = older.store(Car)
        for number in count():
            if stop.is_set():
                return
            key = f"{number % 30:03}"
            try:
                cars.update(key, {"odometer": number})
                written[key] = number
                cars.create({"id": f"w{number}", "odometer": number})
                written[f"w{number}"] = number
            except BaseException as error:
                failed.append(error)
                return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        app, _ = server.migrated(Renamed)
    finally:
        stop.set()
        writer.join()
    assert failed == []
    assert {one.id: one.mileage for one in app.store(Renamed).search_all() if one.id in written} == written
    older.close()


def test_a_step_waits_for_its_lock_only_briefly_and_tries_again(server: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrator, "LOCK_TIMEOUT", "50ms")
    server.filled(Car, *ROWS)
    other = App("shop", items=[Car], url=server.url)
    locked, free = threading.Event(), threading.Event()

    def hold() -> None:
        with other.transaction():
            other.store(Car).update("001", {"odometer": 5})
            locked.set()
            free.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    locked.wait(10)
    threading.Timer(0.4, free.set).start()
    app, _ = server.migrated(Renamed)
    holder.join()
    assert app.store(Renamed).read("001").mileage == 5  # type: ignore[union-attr]
    other.close()


def test_an_expired_lease_is_taken_over_and_its_first_holder_stops(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migration_lease, "RENEWAL", 0.05)
    place.filled(Car, *ROWS)
    app = place.app(Renamed)
    first, second = lease_of(app), lease_of(app)
    with first.acquired(renewed=True):
        place.sql(f"UPDATE {place.table('persisty_migration')} SET holder = 'another'")
        assert first.lost.wait(5)
        with pytest.raises(Conflict, match="is running"):
            second._take()
        expire(place)
        assert second._take() is None


def test_the_next_migration_reads_the_error_of_an_interrupted_one(place: Place) -> None:
    place.filled(Car, *ROWS)
    app = place.app(Renamed)
    with pytest.raises(Killed), lease_of(app).acquired(renewed=False):
        raise Killed("the disk is full")
    with lease_of(app).acquired(renewed=False) as unfinished:
        assert unfinished == "the disk is full"


def test_a_downgrade_after_new_data_preserves_attributes_that_the_older_declaration_lacks(place: Place) -> None:
    @stored(name="car", indexes=[Index("odometer")])
    class More:
        id: str
        odometer: int
        note: str | None = None
        price: str = "1"
        rank: int = 3

    place.filled(Car, *ROWS)
    app, _ = place.migrated(More)
    app.store(More).create({"id": "new", "odometer": 1, "rank": 9})
    app, planned = place.migrated(Car)
    assert [change.allow for one in planned for change in one.left] == ["drop:car.rank"]
    app.store(Car).create({"id": "newer", "odometer": 2})
    app, _ = place.migrated(More)
    assert {one.id: one.rank for one in app.store(More).search_all() if one.id > "n"} == {"new": 9, "newer": 3}


def test_a_full_disk_undoes_a_migration_of_a_file_and_the_next_one_succeeds(tmp_path: Path) -> None:
    place = Place(f"sqlite:///{tmp_path}/shop.db")
    app = place.filled(
        Car, *ROWS, *({"id": f"x{n}", "odometer": 1, "note": "n" * 4000, "price": str(n + 100)} for n in range(100))
    )
    app.close()
    app = place.app(Changed)
    assert Migration(app).plan()
    [[pages]] = place.sql("PRAGMA page_count")
    place.sql(f"PRAGMA max_page_count = {pages + 3}")
    with pytest.raises(PersistyError):
        Migration(app).apply()
    before = place.app(Car)
    before.prepare()
    assert before.store(Car).read("007").odometer == 7  # type: ignore[union-attr]
    app, _ = place.migrated(Changed)
    assert app.store(Changed).count() == len(ROWS) + 100
    app.close()
