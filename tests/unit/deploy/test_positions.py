"""Positions of backfills: a killed step continues from its position, and a rate limits it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import pytest

from persisty import App, Conflict, Index, Unique, stored
from persisty.backends.dynamodb import resumable_scans, shared_values
from persisty.backends.sql.postgres import backfills
from persisty.deploy.migration import Migration
from persisty.store import migration_lease
from persisty.store.migration import Step
from persisty.store.migration_lease import LEASES

from ...postgres import schema_in
from .conftest import Place, Tables
from .test_interrupted import Killed


@stored(name="car", indexes=[Index("plate")])
class Car:
    id: str
    plate: str
    note: str | None = None


@stored(name="car", indexes=[Index("plate")])
class Noted:
    id: str
    plate: str
    note: str = "none"


@stored(name="car", indexes=[Index("plate"), Unique("plate")])
class Unlike:
    id: str
    plate: str
    note: str | None = None


ROWS = [{"id": f"{n:03}", "plate": f"P{n:03}", "note": None} for n in range(20)]


@pytest.fixture(params=["postgresql", "dynamodb-local", "dynamodb-moto"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr(migration_lease, "RECORDED", 0.0)
    monkeypatch.setattr(backfills, "BATCH", 5)
    monkeypatch.setattr(resumable_scans, "MOST", 5)
    if request.param == "postgresql":
        found = Place(schema_in(request.getfixturevalue("postgres_url")))
    elif request.param == "dynamodb-local":
        found = Tables(f"dynamodb://us-east-1?endpoint={request.getfixturevalue('local_endpoint')}&index_attributes=2")
    else:
        found = Tables(f"dynamodb://us-east-1?endpoint={request.getfixturevalue('moto_endpoint')}&partiql=0")
    yield found
    if found.opened is not None:
        found.opened.close()


def lease(app: App) -> Any:
    return app.system_store(LEASES).read(app.name)


def end_lease(app: App, **changes: Any) -> None:
    app.system_store(LEASES).update(app.name, {"until": datetime(2020, 1, 1, tzinfo=UTC), **changes})


def killed_after(app: App, items: int) -> list[int]:
    """Migrate, and end as soon as a step has processed so many items. Return the numbers that were reported."""
    seen: list[int] = []

    def progress(step: Step, done: int) -> None:
        if done:
            seen.append(done)
        if done >= items and len(seen) > 1:
            raise Killed

    with pytest.raises(Killed):
        Migration(app, rate=100_000).apply(progress)
    return seen


def finished(app: App, steps: str) -> list[int]:
    """Migrate, and return the numbers that the steps with this in their titles reported."""
    seen: list[int] = []

    def progress(step: Step, done: int) -> None:
        if steps in step.title and done:
            seen.append(done)

    Migration(app, rate=100_000).apply(progress)
    return seen


def test_a_killed_backfill_continues_from_its_position(place: Place) -> None:
    place.filled(Car, *ROWS)
    app = place.app(Noted)
    killed_after(app, 10)
    left = lease(app)
    [reached] = json.loads(left.positions)["steps"].values()
    assert reached["items"] in (5, 10)
    seen = finished(app, "note is required")
    assert seen[0] > reached["items"]
    assert [one.note for one in app.store(Noted).search_all()] == ["none"] * 20
    assert lease(app).positions is None


def test_a_position_that_is_a_day_old_is_not_used(place: Place) -> None:
    place.filled(Car, *ROWS)
    app = place.app(Noted)
    killed_after(app, 10)
    positions = json.loads(lease(app).positions)
    positions["at"] = (datetime.now(UTC) - timedelta(days=2)).isoformat()
    end_lease(app, positions=json.dumps(positions))
    assert finished(app, "note is required")[0] <= 5
    assert [one.note for one in app.store(Noted).search_all()] == ["none"] * 20


def test_a_rate_limits_a_backfill(place: Place) -> None:
    place.filled(Car, *ROWS)
    app = place.app(Noted)
    began = monotonic()
    Migration(app, rate=40).apply()
    assert monotonic() - began > 0.4
    assert [one.note for one in app.store(Noted).search_all()] == ["none"] * 20


def test_duplicates_found_before_a_kill_are_reported_after_it(
    moto_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twins that older code has written after the check."""
    monkeypatch.setattr(resumable_scans, "MOST", 5)
    monkeypatch.setattr(shared_values.SharedValues, "repeated", lambda values, pages: frozenset())
    tables = Tables(f"dynamodb://us-east-1?endpoint={moto_endpoint}&partiql=0")
    twins = [{"id": one, "plate": "twin"} for one in ("first", "second")]
    tables.filled(Car, *ROWS, *twins)
    app = tables.app(Unlike)
    killed_after(app, 20)
    with pytest.raises(Conflict, match="share values") as caught:
        Migration(app, rate=100_000).apply()
    assert caught.value.details["keys"] == ["first", "second"]
    app.close()
