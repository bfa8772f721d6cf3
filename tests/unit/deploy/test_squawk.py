"""Statements of PostgreSQL migrations, as they are sent, and squawk, which finds statements that lock out others or break a migration that is repeated."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from persisty import Attr, Index, Unique, stored
from persisty.backends.sql.postgres.connection import PostgresConnection
from persisty.backends.sql.postgres.migrator import PostgresMigrator

from ...postgres import schema_in
from .conftest import Place
from .test_interrupted import ROWS, Car, Renamed

SQUAWK = Path(sys.executable).with_name("squawk")
NOT_FOR_US = {
    "prefer-robust-stmts": "a migration is planned from what is stored, so what is done is not in the next plan",
    "require-statement-timeout": "building an index and validating a constraint always take long, and lock out no client",
}
"""Rule → why no statement of persisty's follows it."""
ALWAYS_NAMED = {
    "ban-drop-column": "`--allow` names it",
    "ban-drop-default": "of a column that is doubled by a trigger, which gives it values",
    "ban-drop-not-null": "of a column that is doubled, and of one that is declared optional: readers come with that declaration",
    "ban-drop-constraint": "the check that precedes NOT NULL, and the former key in the statement that adds the new one",
    "changing-column-type": "the declaration says so. The guide says that the table is locked while it is rewritten",
    "renaming-table": "the guide says that older code stops first",
    "renaming-object": "of an index, together with its table: no statement names an index",
}
"""Rule → why a kind of change has the statement all the same."""


@stored(name="car", indexes=[Index("mileage")])
class Required:
    id: str
    mileage: int = Attr(former_names="odometer")
    note: str = "none"
    price: str = "1"
    plate: str = "x"
    rank: int | None = None


@stored(name="car", key=("plate", "id"), indexes=[Index("odometer"), Unique("price", "id")])
class Keyed:
    id: str
    odometer: int
    note: str | None = None
    price: str = "1"
    plate: str = "x"


@stored(name="car", indexes=[Index("odometer")])
class Retyped:
    id: str
    odometer: int
    note: str | None = None
    price: int = 1


@stored(name="car")
class Fewer:
    id: str
    odometer: int | None = None


@stored(name="vehicle", former_names="car", indexes=[Index("odometer")])
class Vehicle:
    id: str
    odometer: int
    note: str | None = None
    price: str = "1"


@contextmanager
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Yield the statements that migrators send from now on, transactions included."""
    found: list[str] = []
    send, transaction = PostgresMigrator._send, PostgresConnection.transaction

    def recorded(self: PostgresMigrator, statement: str) -> None:
        found.append(statement)
        send(self, statement)

    @contextmanager
    def begun(self: Any) -> Iterator[Any]:
        found.append("BEGIN")
        with transaction(self) as within:
            yield within
        found.append("COMMIT")

    with monkeypatch.context() as patch:
        patch.setattr(PostgresMigrator, "_send", recorded)
        patch.setattr(PostgresConnection, "transaction", begun)
        yield found


def findings(statements: list[str], *excluded: str) -> list[str]:
    """Return the findings of squawk."""
    text = "".join(f"{one};\n" for one in statements)
    rules = ",".join([*NOT_FOR_US, *excluded])
    ended = subprocess.run(
        [SQUAWK, "--reporter", "gcc", "--pg-version", "13", "--exclude", rules],
        input=text, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode in (0, 1), ended.stderr
    return ended.stdout.splitlines()


@pytest.mark.parametrize(
    ("item", "allow", "excluded"),
    [
        (Renamed, (), {"ban-drop-default", "ban-drop-not-null"}),
        (Required, (), {"ban-drop-default", "ban-drop-not-null", "ban-drop-constraint"}),
        (Keyed, (), {"ban-drop-constraint"}),
        (Retyped, (), {"ban-drop-default", "changing-column-type"}),
        (Fewer, ("drop:car.note", "drop:car.price"), {"ban-drop-column", "ban-drop-not-null"}),
        (Vehicle, (), {"renaming-table", "renaming-object"}),
    ],
)
def test_squawk_reports_only_changes_of_the_declaration(
    item: type[Any], allow: tuple[str, ...], excluded: set[str], postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert excluded <= ALWAYS_NAMED.keys()
    place = Place(schema_in(postgres_url))
    place.filled(Car, *ROWS)
    with sent(monkeypatch) as statements:
        app, _ = place.migrated(item, allow=allow)
    app.close()
    assert findings(statements, *excluded) == []
    assert findings(["ALTER TABLE car ADD COLUMN x int NOT NULL"]), "squawk finds what is wrong"
