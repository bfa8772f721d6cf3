"""The SQLite engine: files, tables that exist already, and the typed errors of the driver's errors."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest

from persisty import VERSION, App, Attr, BackendUnavailable, Conflict, Create, Index, Unique, stored
from persisty.backends.sql import sqlite_connection


@stored(indexes=[Index("owner", "size")])
class Thing:
    id: UUID
    owner: str = ""
    size: int | None = None
    version: int = Attr(generator=VERSION)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "things.db"


@pytest.fixture
def app(path: Path) -> Iterator[App]:
    app = App("things", items=[Thing], url=f"sqlite:///{path}")
    yield app
    app.close()


def raw(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


class Shared:
    id: str
    team: str
    number: int


def test_urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "below").mkdir()
    for url, file in {
        "sqlite:///relative.db": tmp_path / "relative.db",
        "sqlite:///below/relative.db": tmp_path / "below/relative.db",
        f"sqlite:///{tmp_path}/absolute.db": tmp_path / "absolute.db",
        "sqlite:///with space%20.db": tmp_path / "with space .db",
    }.items():
        app = App("things", items=[Thing], url=url)
        app.store(Thing).create(Thing())
        app.close()
        assert file.exists()
    before = sorted(tmp_path.iterdir())
    for url in ("sqlite://", "sqlite:///:memory:", "sqlite:///"):
        app = App("things", items=[Thing], url=url)
        app.store(Thing).create(Thing())
        assert app.store(Thing).count() == 1
        app.close()
        assert app.store(Thing).count() == 0
        app.close()
    assert sorted(tmp_path.iterdir()) == before


def test_stored_items_outlive_the_engine(app: App) -> None:
    made = app.store(Thing).create(Thing(owner="me"))
    app.close()
    assert app.store(Thing).read(made.id) == made


def test_a_file_is_in_wal_mode_and_two_engines_share_it(app: App, path: Path) -> None:
    other = App("things", items=[Thing], url=app.url)
    made = app.store(Thing).create(Thing(owner="me"))
    assert other.store(Thing).read(made.id) == made
    other.store(Thing).update(made.id, {"size": 5})
    assert app.store(Thing).read(made.id).size == 5
    with raw(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other.close()


def test_two_engines_count_every_update_of_one_row(app: App) -> None:
    other = App("things", items=[Thing], url=app.url)
    made = app.store(Thing).create(Thing())
    gate = threading.Barrier(2)

    def work(one: App) -> None:
        gate.wait()
        for _ in range(50):
            one.store(Thing).update(made.id, {})
            one.store(Thing).edit_batch([Create(Thing(owner="x")), Create(Thing(owner="x"))], atomic=True)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, [app, other]))
    assert app.store(Thing).read(made.id).version == 101
    assert app.store(Thing).count(Thing.owner == "x") == 200
    other.close()


def test_prepare_creates_what_is_missing_and_may_be_repeated(app: App, path: Path) -> None:
    app.prepare()
    app.prepare()
    with raw(path) as connection:
        found = connection.execute(
            "SELECT type, name FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"
        ).fetchall()
        assert found == [("table", "persisty_schema"), ("table", "thing"), ("index", "thing-by-owner-size")]
        connection.execute('DROP INDEX "thing-by-owner-size"')
    app.close()
    app.prepare()
    with raw(path) as connection:
        assert connection.execute(
            "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        ).fetchone() == (1,)


def test_opening_a_store_prepares_its_table(app: App) -> None:
    assert app.store(Thing).count() == 0


def test_an_index_becomes_unique_only_where_no_items_share_a_value(tmp_path: Path, schema: str) -> None:
    @stored(name="member", indexes=[Unique("team", "number")])
    class Member(Shared):
        pass

    for url in (f"sqlite:///{tmp_path}/members.db", schema):
        before, after = (
            App("club", items=[stored(name="member")(Shared)], url=url),
            App("club", items=[Member], url=url),
        )
        before.prepare()
        before.store("member").edit_batch(Create({"id": key, "team": "a", "number": 1}) for key in "12")
        with pytest.raises(Conflict, match="member share values that have to be unique: team, number") as caught:
            after.prepare()
        assert caught.value.details["attributes"] == ["team", "number"]
        assert before.store("member").delete("2")
        after.prepare()
        assert after.store(Member).edit_batch([Create(Member(id="2", team="a", number=1))])[0].code == "conflict"
        before.close()
        after.close()


def test_a_table_with_more_columns_is_used_as_it_is(app: App, path: Path) -> None:
    app.prepare()
    with raw(path) as connection:
        connection.execute("ALTER TABLE thing ADD COLUMN colour TEXT DEFAULT 'red'")
    made = app.store(Thing).create(Thing(owner="me"))
    assert app.store(Thing).update(made.id, {"size": 2}).size == 2
    assert [one.size for one in app.store(Thing).search()] == [2]


def test_a_file_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database, but it is long enough to be looked at " * 20)
    for where in (tmp_path / "missing/things.db", tmp_path, tmp_path / "text.db"):
        with pytest.raises(BackendUnavailable, match="SQLite"):
            App("things", items=[Thing], url=f"sqlite:///{where}").store(Thing).count()


def test_a_lock_that_is_not_released_is_unavailable_and_leaves_no_transaction_open(
    app: App, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_connection, "MAX_WAIT", 0.02)
    store = app.store(Thing)
    made = store.create(Thing())
    holder = raw(path)
    holder.execute("BEGIN IMMEDIATE")
    for write in (
        lambda: store.create(Thing()),
        lambda: store.update(made.id, {"size": 1}),
        lambda: store.delete(made.id),
        lambda: store.edit_batch([Create(Thing()), Create(Thing())]),
        lambda: store.edit_batch([Create(Thing()), Create(Thing())], atomic=True),
    ):
        with pytest.raises(BackendUnavailable, match="locked"):
            write()
    assert store.read(made.id) == made
    holder.execute("ROLLBACK")
    holder.close()
    assert store.update(made.id, {"size": 1}).size == 1
    assert len(store.edit_batch([Create(Thing()), Create(Thing())], atomic=True)) == 2


def test_a_full_disk_is_unavailable_and_rolls_back_the_batch(app: App) -> None:
    store = app.store(Thing)
    made = store.create(Thing())
    app.engine._connection.rows("PRAGMA max_page_count = 8")
    big = [Create(Thing(owner="x" * 10_000)) for _ in range(20)]
    for atomic in (False, True):
        with pytest.raises(BackendUnavailable, match="full"):
            store.edit_batch(big, atomic=atomic)
    app.engine._connection.rows("PRAGMA max_page_count = 100000")
    assert list(store.search()) == [made]
    assert store.edit_batch(big, atomic=True)[0].code == "ok"
    assert store.count() == 21


def test_hostile_names_and_values_stay_data(app: App) -> None:
    @stored(name="select", key="order_by", indexes=[Index("group", "values")])
    class Select:
        order_by: str
        group: str | None = None
        values: int = 0
        table: str = '\'; DROP TABLE "select"; --'

    app = App("things", items=[Select], url="sqlite://")
    store = app.store(Select)
    store.create(Select(order_by='"; DROP TABLE "select"; --', group="where", values=3))
    found = store.search((Select.group == "where") & (Select.values > 1), order="-table").items
    assert [one.order_by for one in found] == ['"; DROP TABLE "select"; --']
    assert store.update('"; DROP TABLE "select"; --', {"table": ":p0 ? ?1 %s"}).table == ":p0 ? ?1 %s"
    assert store.count(Select.table == ":p0 ? ?1 %s") == 1
    app.close()


def test_a_new_file_is_its_owners_alone_and_an_existing_one_keeps_its_permissions(tmp_path: Path) -> None:
    fresh, shared = tmp_path / "fresh.db", tmp_path / "shared.db"
    shared.touch()
    shared.chmod(0o644)
    modes = {}
    for file in (fresh, shared):
        app = App("modes", items=[Thing], url=f"sqlite:///{file}")
        app.prepare()
        modes[file] = {one.stat().st_mode & 0o777 for one in tmp_path.glob(f"{file.name}*")}
        app.close()
    assert modes == {fresh: {0o600}, shared: {0o644}}
