"""A server verifies the tables of DynamoDB, and creates them only with `create_tables`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from persisty import App, Delete, Index, SchemaMismatch, Unique, public, stored
from persisty.backends.dynamodb.transport import AwsError
from persisty.hosting.server import Server
from persisty.query.resolution import resolve_filter
from persisty.store.backend import Query


@stored(access=public, indexes=[Index("kind", "size"), Unique("name")])
class Crate:
    id: str
    kind: str
    name: str
    size: int = 0


@stored(access=public, name="crate", key=("kind", "id"), indexes=[Index("size")])
class Moved:
    id: str
    kind: str
    size: str


@stored(access=public)
class Box:
    id: str
    kind: str
    name: str
    size: int = 0


@stored(access=public, name="crate")
class Resized:
    id: str
    kind: str
    name: str
    size: str = ""


@stored(access=public, name="crate", indexes=[Index("kind", "size"), Index("color", "name"), Unique("name")])
class Colored:
    id: str
    kind: str
    name: str
    size: int = 0
    color: str = "brown"


NUMBERS = count()


@pytest.fixture
def url(moto_endpoint: str) -> str:
    return f"dynamodb://eu-west-1?endpoint={moto_endpoint}&partiql=0"


@pytest.fixture
def calls(url: str) -> Iterator[tuple[App, list[str]]]:
    """Return an app with its own stage, and the operations that it calls."""
    app, made = App("dock", items=[Crate], url=url, stage=f"verify{next(NUMBERS)}"), list[str]()
    transport: Any = app.engine.transport  # type: ignore[attr-defined]
    before = transport.call
    transport.call = lambda operation, *given, **named: made.append(operation) or before(operation, *given, **named)
    yield app, made
    app.close()


def ready(server: Server) -> str | None:
    """Start the server, stop it, and return why it was not ready in between."""

    async def run() -> str | None:
        async with server.lifespan():
            return await server.readiness.missing()

    return asyncio.run(run())


def faults(app: App) -> list[str]:
    with pytest.raises(SchemaMismatch) as refused:
        app.verify()
    return [f"{fault.path}: {fault.message}" for fault in refused.value.faults]


def test_missing_tables_are_named_and_not_created(calls: tuple[App, list[str]]) -> None:
    app, made = calls
    found = faults(app)
    assert [one.partition(":")[0] for one in found] == ["/crate", "/persisty_request", "/system"]
    assert f"The table dock-{app.stage}-crate does not exist. Deploy the app, or create tables" in found[0]
    with pytest.raises(SchemaMismatch):
        ready(Server(app))
    assert set(made) == {"DescribeTable"}


def test_a_server_whose_tables_exist_describes_them_and_starts(calls: tuple[App, list[str]]) -> None:
    app, made = calls
    app.prepare()
    made.clear()
    assert ready(Server(app)) is None
    assert sorted(set(made)) == ["DescribeTable", "Query", "Scan"]  # the last is of /ready
    assert made.count("Query") == 1, "all applied schemas"


def test_a_renamed_class_and_a_type_that_changed_are_noticed_and_nothing_is_written(
    calls: tuple[App, list[str]], url: str
) -> None:
    app, made = calls
    app.prepare()
    app.store(Crate).create(Crate(id="1", kind="a", name="b"))
    for item, path, message in ((Box, "/box", "items of crate"), (Resized, "/crate/size", "another type")):
        new = App("dock", items=[item], url=url, stage=app.stage)
        new.engine.prepare(list(new.metas.values()))
        (found,) = faults(new)
        assert found.startswith(path)
        assert message in found
        new.close()
    made.clear()
    App("dock", items=[Box], url=url, stage=app.stage, abandoned=["crate"]).verify()
    app.verify()
    assert set(made) == {"DescribeTable", "Query"}


@pytest.mark.parametrize("recorded", [True, False])
def test_an_index_that_a_deployment_added_is_completed_by_prepare_and_until_then_stops_a_server(
    calls: tuple[App, list[str]], url: str, recorded: bool
) -> None:
    app, _ = calls
    app.prepare()
    app.store(Crate).create(Crate(id="1", kind="a", name="b"))
    if not recorded:
        app.engine.transport.call("DeleteTable", {"TableName": f"dock-{app.stage}-persisty-schema"})  # type: ignore[attr-defined]
    new = App("dock", items=[Colored], url=url, stage=app.stage)
    deploy(new)
    brown = Query(resolve_filter(new.metas["crate"], Colored.color == "brown"), (), None, 5)
    assert [one.id for one in new.engine.open(new.metas["crate"]).query(brown).items] == ["1"], "it is not in the index"
    if recorded:
        (found,) = faults(new)
        assert found.startswith("/crate/by-color-name: Stored items lack an attribute of the index")
    new.prepare()
    new.verify()
    assert [one.id for one in new.store(Colored).search(Colored.color == "brown")] == ["1"]
    new.close()


def deploy(app: App) -> None:
    """Add the second index of Colored as CloudFormation does: without completing the items."""
    transport: Any = app.engine.transport  # type: ignore[attr-defined]
    keys = [{"AttributeName": "color", "KeyType": "HASH"}, {"AttributeName": "name", "KeyType": "RANGE"}]
    transport.call(
        "UpdateTable",
        {
            "TableName": f"dock-{app.stage}-crate",
            "AttributeDefinitions": [
                {"AttributeName": name, "AttributeType": "N" if name == "size" else "S"}
                for name in ("id", "kind", "size", "color", "name")
            ],
            "GlobalSecondaryIndexUpdates": [
                {
                    "Create": {
                        "IndexName": "by-color-name",
                        "KeySchema": keys,
                        "Projection": {"ProjectionType": "ALL"},
                    }
                }
            ],
        },
    )


def test_a_deployment_without_records_of_schemas_starts(url: str) -> None:
    app = App("dock", items=[Crate], url=url, stage=f"verify{next(NUMBERS)}", idempotency=None)
    app.engine.prepare(list(app.metas.values()))
    app.verify()
    app.close()


def test_a_server_configured_to_create_tables_creates_them(
    calls: tuple[App, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    app, made = calls
    assert ready(Server(app, create_tables=True)) is None
    assert "CreateTable" in made
    monkeypatch.setenv("PERSISTY_CREATE_TABLES", "on")
    assert Server(app)._creates
    assert not Server(app, create_tables=False)._creates


def test_another_key_and_a_missing_index_are_named(calls: tuple[App, list[str]], url: str) -> None:
    app, _ = calls
    app.prepare()
    found = faults(App("dock", items=[Moved], url=url, stage=app.stage, idempotency=None))
    assert [one.partition(":")[0] for one in found] == ["/crate", "/crate/by-size"]
    assert "another key" in found[0]
    assert "lacks the index" in found[1]


def test_a_role_that_may_not_describe_tables_starts_with_a_warning(
    calls: tuple[App, list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    app, _ = calls

    def denied(operation: str, payload: Any, shape: Any = None) -> Any:
        raise AwsError("AccessDeniedException", "no", {})

    app.engine.transport.call = denied  # type: ignore[attr-defined]
    with caplog.at_level(logging.WARNING, "persisty"):
        app.verify()
    assert "not verified" in caplog.text


def test_embedded_engines_keep_creating(tmp_path: Any) -> None:
    for place in ("memory://", f"sqlite:///{tmp_path}/dock.db"):
        assert ready(Server(App("dock", items=[Crate], url=place))) is None


@stored(access=public, name="box", key="name")
class Rekeyed:
    id: str
    name: str
    kind: str = "a"


def test_a_table_with_another_key_is_named_by_calls_of_code_that_has_not_been_verified(local_endpoint: str) -> None:
    stage = f"key{next(NUMBERS)}"
    url = f"dynamodb://us-east-1?endpoint={local_endpoint}&index_attributes=2"
    app = App("dock", items=[Box], url=url, stage=stage)
    app.prepare()
    app.store(Box).create(Box(id="1", kind="a", name="b"))
    new = App("dock", items=[Rekeyed], url=url, stage=stage)
    boxes = new.store(Rekeyed)
    calls: tuple[Callable[[], object], ...] = (
        lambda: boxes.read("b"),
        lambda: boxes.read_batch(["b", "c"]),
        lambda: boxes.update("b", {"kind": "c"}),
        lambda: boxes.delete("b"),
        lambda: boxes.edit_batch([Delete("b"), Delete("c")]),
        lambda: boxes.edit_batch([Delete("b"), Delete("c")], atomic=True),
    )
    for call in calls:
        with pytest.raises(SchemaMismatch, match="another key") as caught:
            call()
        assert [one.path for one in caught.value.faults] == ["/box"]
    app.close()
    new.close()
