"""Migrations of many rows, compared with the statement that an engineer writes by hand: 1,000,000 by `make migrations`, fewer by `make test`."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import pytest

from persisty import stored
from persisty.deploy.migration import Migration

from ..postgres import schema_in
from ..unit.deploy.conftest import Place

ROWS = int(os.environ.get("ROWS", "1000000" if "EVERY_STEP" in os.environ else "5000"))
MEASURED = "EVERY_STEP" in os.environ
ROUNDS = 5 if MEASURED else 1
MOST = 1.5
"""Times the duration of the statement by hand that a change of type may take."""
FILL = "INSERT INTO {} (id, price, note) SELECT {}, CAST(i * 7 AS TEXT), 'some note' FROM {}"


@stored(name="car")
class Car:
    id: str
    price: str
    note: str | None = None


@stored(name="car")
class Retyped:
    id: str
    price: int
    note: str | None = None


@stored(name="car")
class Added:
    id: str
    price: str
    note: str | None = None
    seats: int = 4


def file_of(path: Path) -> Place:
    """Return a new file with the rows."""
    place = Place(f"sqlite:///{path}")
    place.filled(Car)
    assert place.opened is not None
    place.opened.close()
    with sqlite3.connect(path) as file:
        numbers = f"(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) SELECT i FROM n)"
        file.execute(FILL.format("car", "printf('%08d', i)", numbers))
    file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file.close()
    return place


def schema_of(url: str) -> Place:
    """Return a new schema of PostgreSQL with the rows."""
    place = Place(schema_in(url))
    place.filled(Car)
    place.sql(FILL.format(place.table("car"), "lpad(i::text, 8, '0')", f"generate_series(1, {ROWS}) i"))
    place.sql(f"VACUUM ANALYZE {place.table('car')}")
    return place


def timed(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began


def told(what: str, ours: list[float], theirs: list[float]) -> None:
    """Print the ratio of the shortest times, and check it if they were long enough to measure."""
    ratio = min(ours) / min(theirs)
    print(f"\n{what}, {ROWS:,} rows: {min(ours):.2f} s, by hand {min(theirs):.2f} s, {ratio:.2f}")
    assert not MEASURED or ratio <= MOST


def by_hand(path: Path) -> None:
    file = sqlite3.connect(path, isolation_level=None)
    for statement in (
        "BEGIN IMMEDIATE",
        "CREATE TABLE other (id TEXT NOT NULL PRIMARY KEY, price INTEGER NOT NULL, note TEXT)",
        "INSERT INTO other SELECT id, CAST(price AS INTEGER), note FROM car",
        "DROP TABLE car",
        "ALTER TABLE other RENAME TO car",
        "COMMIT",
    ):
        file.execute(statement)
    file.close()


def test_a_change_of_type_takes_about_as_long_as_by_hand_on_sqlite(tmp_path: Path) -> None:
    ours, theirs = list[float](), list[float]()
    for number in range(ROUNDS):
        file_of(tmp_path / f"hand{number}.db")
        theirs.append(timed(lambda: by_hand(tmp_path / f"hand{number}.db")))  # noqa: B023
        place = file_of(tmp_path / f"ours{number}.db")
        app = place.app(Retyped)
        ours.append(timed(Migration(app).apply))
        assert place.sql("SELECT sum(price), count(*) FROM car") == [(7 * ROWS * (ROWS + 1) // 2, ROWS)]
        app.close()
        for file in tmp_path.glob("*.db"):
            file.unlink()
    told("SQLite: str to int", ours, theirs)


def test_a_change_of_type_takes_about_as_long_as_by_hand_on_postgresql(postgres_url: str) -> None:
    ours, theirs = list[float](), list[float]()
    for _ in range(ROUNDS):
        place = schema_of(postgres_url)
        statement = f"ALTER TABLE {place.table('car')} ALTER COLUMN price TYPE bigint USING price::bigint"
        theirs.append(timed(lambda: place.sql(statement)))  # noqa: B023
        place.sql(f"DROP TABLE {place.table('car')}")
        place = schema_of(postgres_url)
        app = place.app(Retyped)
        ours.append(timed(Migration(app).apply))
        [(total, count)] = place.sql(f"SELECT sum(price)::text, count(*) FROM {place.table('car')}")
        assert (int(total), int(count)) == (7 * ROWS * (ROWS + 1) // 2, ROWS)
        place.sql(f"DROP TABLE {place.table('car')}")
    told("PostgreSQL: str to int", ours, theirs)


def test_an_added_attribute_rewrites_no_row_on_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    place = file_of(path)
    before = path.read_bytes()
    app, _ = place.migrated(Added)
    assert app.store(Added).count(Added.seats == 4) == ROWS
    app.close()
    file = sqlite3.connect(path)
    file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    [(size,)] = file.execute("PRAGMA page_size")
    file.close()
    after = path.read_bytes()
    changed = sum(before[place : place + size] != after[place : place + size] for place in range(0, len(before), size))
    print(f"\nSQLite: added attribute, {ROWS:,} rows: {changed} of {len(before) // size:,} pages written")
    assert changed <= 12, "the schema and the records of the migration"


def test_an_added_attribute_rewrites_no_row_on_postgresql(postgres_url: str) -> None:
    place = schema_of(postgres_url)
    table = place.table("car")
    written = f"SELECT pg_relation_filenode('{table}')::text, max(xmin::text::bigint)::text FROM {table}"
    before = place.sql(written)
    app, _ = place.migrated(Added)
    assert app.store(Added).count(Added.seats == 4) == ROWS
    assert place.sql(written) == before
    print(f"\nPostgreSQL: added attribute, {ROWS:,} rows: 0 written")
    app.close()


@pytest.fixture(autouse=True)
def _imported() -> None:
    """Import Alembic, which is not measured: a process does that once."""
    __import__("alembic.operations")
