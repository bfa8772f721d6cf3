"""A disk of PostgreSQL that is full during a migration: the step is undone, no item is lost, and the next migration continues."""

from __future__ import annotations

import pytest

from persisty import BackendUnavailable
from persisty.deploy.migration import Migration

from .conftest import Place
from .test_interrupted import ROWS, Car, Changed

RAISE = "RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'"


def fill_disk(place: Place, statement: str) -> str:
    """Let the server refuse statements of a kind for the tables of this place. Return the statement that ends it."""
    schema = place.table("car").partition(".")[0]
    name = f"{schema}.full_disk"
    if statement == "UPDATE":
        place.sql(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN {RAISE}; END $f$")
        table = place.table("car")
        place.sql(f"CREATE TRIGGER a_full_disk BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()")
        return f"DROP TRIGGER a_full_disk ON {table}"
    body = f"BEGIN IF position('{schema}' IN current_query()) > 0 THEN {RAISE}; END IF; END"
    trigger = f'"full_disk-{schema.strip(chr(34))}"'
    place.sql(f"CREATE FUNCTION {name}() RETURNS event_trigger LANGUAGE plpgsql AS $f$ {body} $f$")
    place.sql(
        f"CREATE EVENT TRIGGER {trigger} ON ddl_command_end WHEN TAG IN ('{statement}') EXECUTE FUNCTION {name}()"
    )
    return f"DROP EVENT TRIGGER {trigger}"


@pytest.mark.parametrize("statement", ["ALTER TABLE", "CREATE TRIGGER", "CREATE INDEX", "DROP INDEX", "UPDATE"])
def test_a_full_disk_undoes_a_step_and_the_next_migration_continues(on_postgresql: Place, statement: str) -> None:
    on_postgresql.filled(Car, *ROWS)
    app = on_postgresql.app(Changed)
    free = fill_disk(on_postgresql, statement)
    try:
        with pytest.raises(BackendUnavailable, match=r"could not extend file, at: |the disk of the server is full"):
            Migration(app).apply()
        assert on_postgresql.sql(f"SELECT count(*) FROM {on_postgresql.table('car')}") == [(30,)]
    finally:
        on_postgresql.sql(free)
    app, _ = on_postgresql.migrated(Changed)
    assert [(one.id, one.mileage, one.note, one.price) for one in app.store(Changed).search_all()] == [
        (row["id"], row["odometer"], "none", int(row["price"])) for row in ROWS
    ]
