"""A table, a column or an index that goes while an app serves it: `schema_mismatch` on every verb, which names the store. No retry would help."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count as numbers
from pathlib import Path
from typing import Any

import pytest

from persisty import App, Attr, Create, Delete, Index, SchemaMismatch, Store, Update, add, stored
from persisty.api.http.messages import Request
from persisty.api.rest.endpoint import Rest
from tests.postgres import schema_in

STAGES = numbers()


@stored(indexes=[Index("owner")])
class Thing:
    id: str
    owner: str
    likes: int = 0
    code: str = Attr(default="x")


T: Any = Thing
CALLS: dict[str, Callable[[Store[Thing]], Any]] = {
    "read": lambda things: things.read("a"),
    "read_batch": lambda things: things.read_batch(["a", "b"]),
    "search": lambda things: things.search(T.likes == 0, order=T.likes),
    "count": lambda things: things.count(T.likes == 0),
    "aggregate": lambda things: things.aggregate(T.likes.sum()),
    "create": lambda things: things.create({"id": "n", "owner": "o"}),
    "update": lambda things: things.update("a", {"likes": add(1)}),
    "conditional update": lambda things: things.update("a", {"owner": "z"}, when=T.likes == 0),
    "conditional delete": lambda things: things.delete("a", when=T.likes == 0),
    "batch": lambda things: things.edit_batch([Create({"id": "m", "owner": "o"}), Update("a", {"likes": 2})]),
    "atomic batch": lambda things: things.edit_batch(
        [Create({"id": "m", "owner": "o"}), Update("a", {"likes": 2})], atomic=True
    ),
    "update_all": lambda things: things.update_all({"likes": add(1)}, T.likes == 0),
    "delete_all": lambda things: things.delete_all(T.likes == 0),
}
WITHOUT_COLUMNS: dict[str, Callable[[Store[Thing]], Any]] = {
    "delete": lambda things: things.delete("a"),
    "batch of deletes": lambda things: things.edit_batch([Delete("a"), Delete("b")]),
}


def paths(call: Callable[[], Any]) -> set[str]:
    """Return the paths of the faults of a call that the table does not fit."""
    with pytest.raises(SchemaMismatch, match="persisty migrate") as caught:
        call()
    return {fault.path for fault in caught.value.faults}


@pytest.fixture(params=["sqlite", "postgresql"])
def sql(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[App]:
    url = (
        f"sqlite:///{tmp_path}/things.db"
        if request.param == "sqlite"
        else schema_in(request.getfixturevalue("postgres_url"))
    )
    app = App("things", items=[Thing], url=url)
    app.prepare()
    app.store(Thing).create({"id": "a", "owner": "o"})
    yield app
    app.close()


@pytest.fixture(params=["local", "moto"])
def dynamodb(request: pytest.FixtureRequest) -> Iterator[App]:
    endpoint = request.getfixturevalue(f"{request.param}_endpoint")
    more = "partiql=0" if request.param == "moto" else "index_attributes=2"
    app = App(
        "things",
        items=[Thing],
        url=f"dynamodb://us-east-1?endpoint={endpoint}&{more}",
        stage=f"t{next(STAGES)}",
    )
    app.prepare()
    app.store(Thing).create({"id": "a", "owner": "o"})
    yield app
    app.close()


def test_a_column_that_is_dropped_is_named_on_every_verb(sql: App) -> None:
    sql.engine._connection.rows(f"ALTER TABLE {sql.engine.table('thing').place} DROP COLUMN likes")  # type: ignore[attr-defined]
    for name, call in CALLS.items():
        assert paths(lambda: call(sql.store(Thing))) <= {"/thing/likes", "/likes"}, name  # noqa: B023


def test_a_table_that_is_dropped_is_named_on_every_verb(sql: App) -> None:
    sql.engine._connection.rows(f"DROP TABLE {sql.engine.table('thing').place}")  # type: ignore[attr-defined]
    for name, call in {**CALLS, **WITHOUT_COLUMNS}.items():
        assert paths(lambda: call(sql.store(Thing))) == {"/thing"}, name  # noqa: B023


def test_a_column_of_another_type_is_no_reason_to_retry(postgres_url: str) -> None:
    app = App("things", items=[Thing], url=schema_in(postgres_url))
    app.prepare()
    app.engine._connection.rows(f"ALTER TABLE {app.engine.table('thing').place} ALTER COLUMN likes TYPE TEXT")  # type: ignore[attr-defined]
    for name in ("aggregate", "update", "update_all"):
        paths(lambda: CALLS[name](app.store(Thing)))  # noqa: B023
    app.close()


def test_a_table_of_dynamodb_that_is_deleted_is_named_on_every_verb(dynamodb: App) -> None:
    dynamodb.engine.transport.call("DeleteTable", {"TableName": f"things-{dynamodb.stage}-thing"})  # type: ignore[attr-defined]
    for name, call in {**CALLS, **WITHOUT_COLUMNS}.items():
        assert paths(lambda: call(dynamodb.store(Thing))) == {"/thing"}, name  # noqa: B023


def test_an_index_of_dynamodb_that_is_deleted_is_named(dynamodb: App) -> None:
    dynamodb.engine.remove_index("thing", "by-owner")  # type: ignore[attr-defined]
    for call in (
        lambda: dynamodb.store(Thing).search(T.owner == "o"),
        lambda: dynamodb.store(Thing).count(T.owner == "o"),
        lambda: dynamodb.store(Thing).update_all({"likes": 1}, T.owner == "o"),
    ):
        assert paths(call) == {"/thing"}
    assert dynamodb.store(Thing).read("a") is not None


def test_the_response_of_rest_is_no_503(tmp_path: Path) -> None:
    from persisty import public

    @stored(access=public)
    class Open:
        id: str
        likes: int = 0

    app = App("open", items=[Open], url=f"sqlite:///{tmp_path}/open.db")
    rest = Rest(app)
    app.prepare()
    app.engine._connection.rows("ALTER TABLE open DROP COLUMN likes")  # type: ignore[attr-defined]
    response = rest.handle(Request("GET", "/api/open", {}, {}, b""))
    assert (response.status, b"schema_mismatch" in response.body) == (500, True)
    assert "retry-after" not in response.headers
    app.close()
