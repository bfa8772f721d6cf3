"""The completion of an index is killed while it removes nulls: no null becomes the default, whether the index is taken back or the completion continues."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from persisty import App, SchemaMismatch
from persisty.deploy.evolution import evolutions_of
from persisty.deploy.migration import Migration
from persisty.store import migration_lease

from .conftest import Tables
from .test_absent_defaults import MISSING, NO, declared
from .test_interrupted import Killed

OLDER, PLAIN, INDEXED = declared(MISSING, NO, False), declared(int | None, 7, False), declared(int | None, 7, True)
VALUES = {"absent": 7, "null1": None, "null2": None, "one": 1}


@pytest.fixture(params=["dynamodb-local", "dynamodb-moto"])
def tables(request: pytest.FixtureRequest) -> Tables:
    if request.param == "dynamodb-local":
        return Tables(f"dynamodb://us-east-1?endpoint={request.getfixturevalue('local_endpoint')}")
    return Tables(f"dynamodb://us-east-1?endpoint={request.getfixturevalue('moto_endpoint')}&partiql=0")


def migrate(app: App) -> None:
    Migration(app).apply()


def prepare(app: App) -> None:
    app.prepare()


@pytest.fixture
def killed(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> Tables:
    """Tables in which one of two nulls was removed for an index."""
    tables.filled(OLDER, {"id": "absent"})
    app, _ = tables.migrated(PLAIN)
    for key in ("null1", "null2", "one"):
        app.store(PLAIN).create({"id": key, "v": VALUES[key]})
    app = tables.app(INDEXED)
    engine: Any = app.engine
    send, removed = engine.send, []

    def killing(operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        if payload.get("UpdateExpression") == "REMOVE #0":
            removed.append(payload["Key"])
            if len(removed) > 1:
                raise Killed
        found: dict[str, Any] = send(operation, payload)
        return found

    monkeypatch.setattr(engine, "send", killing)
    with pytest.raises(Killed):
        migrate(app)
    monkeypatch.undo()
    assert len(removed) == 2
    return tables


def values(app: App, item: type[Any]) -> dict[str, int | None]:
    return {one.id: one.v for one in app.store(item).search_all()}


def test_a_declaration_that_takes_the_index_back_is_refused_until_a_migration_stores_the_nulls(killed: Tables) -> None:
    with pytest.raises(SchemaMismatch, match="/post/v: Where stored items have None, the attribute is absent"):
        killed.app(PLAIN).prepare()
    assert evolutions_of(killed.app(PLAIN)) != []
    app, _ = killed.migrated(PLAIN)
    assert values(app, PLAIN) == VALUES
    assert evolutions_of(killed.app(PLAIN)) == []


@pytest.mark.parametrize("again", [migrate, prepare])
@pytest.mark.parametrize("trusted", [timedelta(days=1), timedelta(0)])
def test_the_next_completion_continues(
    again: Any, trusted: timedelta, killed: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migration_lease, "TRUSTED", trusted)
    again(killed.app(INDEXED))
    app = killed.app(INDEXED)
    app.prepare()
    posts: Any = INDEXED
    assert values(app, INDEXED) == VALUES
    assert app.store(INDEXED).explain(posts.v == 7).access == "index"
    assert [one.id for one in app.store(INDEXED).search(posts.v == 7)] == ["absent"]
    assert evolutions_of(killed.app(INDEXED)) == []
    app, _ = killed.migrated(PLAIN)
    assert values(app, PLAIN) == VALUES


@pytest.mark.parametrize("start", [migrate, prepare])
def test_an_index_and_a_default_together_leave_the_items_that_lack_the_attribute_at_none(
    start: Any, tables: Tables
) -> None:
    tables.filled(OLDER, {"id": "absent"})
    without = declared(int | None, None, False)
    app, _ = tables.migrated(without)
    app.store(without).create({"id": "null", "v": None})
    start(tables.app(INDEXED))
    app = tables.app(INDEXED)
    app.prepare()
    assert values(app, INDEXED) == {"absent": None, "null": None}
    app, _ = tables.migrated(PLAIN)
    assert values(app, PLAIN) == {"absent": None, "null": None}
