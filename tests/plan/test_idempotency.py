"""Idempotency in a deployment: a table whose items expire, and the function's permissions."""

from __future__ import annotations

from typing import Any

import pytest

from persisty import App, Caller, public, read_only, stored
from persisty.api.http.messages import Request, Response
from persisty.api.idempotency import LEASE, Idempotency
from persisty.api.store_operations import store_operations
from persisty.backends.dynamodb.engine import DynamoDbEngine
from persisty.deploy.grants import REQUEST_ACTIONS
from persisty.deploy.plan import plan_of
from persisty.deploy.resources import KeyAttribute
from persisty.store.idempotency_records import REQUESTS
from persisty.store.store import context_of
from persisty.testing import app_fixture

from .test_plan import Recorder


@stored(access=public)
class Parcel:
    id: str


@stored(access=read_only)
class Notice:
    id: str


APP = App("post", items=[Parcel], url="memory://", stage="test")
SPEC = "post:app"
post = app_fixture(APP)


def test_there_is_a_table_whose_items_expire_and_the_functions_behind_http_use_it() -> None:
    plan = plan_of(APP, SPEC)
    [table] = [one for one in plan.tables if one.store == REQUESTS.name]
    assert (table.name, table.partition, table.sort) == ("post-test-persisty-request", KeyAttribute("id", "S"), None)
    assert (table.indexes, table.stream, table.ttl) == ((), False, "expires")
    assert [one.ttl for one in plan.tables if one is not table] == [None]
    grants = {one.name: [grant for grant in one.grants if grant.store == table.store] for one in plan.functions}
    assert {name for name, found in grants.items() if found} == {"rest", "graphql_http"}
    for name in ("rest", "graphql_http"):
        assert [grant.actions for grant in grants[name]] == [REQUEST_ACTIONS]


@pytest.mark.parametrize(
    "app",
    [
        App("post", items=[Parcel], url="memory://", idempotency=None),
        App("post", items=[Notice], url="memory://"),
    ],
    ids=["off", "nothing to write"],
)
def test_an_app_without_idempotency_has_no_table_of_records(app: App) -> None:
    plan = plan_of(app, SPEC)
    assert [one.store for one in plan.tables] == [*app.metas]
    assert {grant.store for one in plan.functions for grant in one.grants} == {*app.metas}


def test_the_engine_makes_the_same_table() -> None:
    recorder = Recorder()
    recorder_call = recorder.call

    def call(operation: str, payload: dict[str, Any], *shape: Any, **options: Any) -> Any:
        found = recorder_call(operation, payload, *shape, **options)
        return {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}} if "TimeToLive" in operation else found

    recorder.call = call  # type: ignore[method-assign]
    DynamoDbEngine(recorder, "post", "test").prepare((REQUESTS,))
    made = dict(recorder.calls)
    assert made["CreateTable"]["TableName"] == made["UpdateTimeToLive"]["TableName"] == "post-test-persisty-request"
    assert made["CreateTable"]["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert made["UpdateTimeToLive"]["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}


def test_it_takes_exactly_what_is_granted(post: App) -> None:
    recorder = Recorder(post.engine.transport)  # type: ignore[attr-defined]
    post.engine.transport = recorder  # type: ignore[attr-defined]
    post._engines.connections[None]._paths.clear()  # backends are opened anew, over the recorder
    context_of(post.requests).disconnect()
    at = [1_800_000_000.0]
    idempotency = Idempotency(post, lambda: at[0])

    def ask(key: str, status: int) -> int:
        request = Request("POST", "/", headers={"idempotency-key": key}, caller=Caller("ann"))
        return idempotency.answer(request, lambda: Response(status, {}, b"x")).status

    def die() -> Response:
        raise KeyboardInterrupt

    assert [ask("done", 200), ask("done", 500), ask("failed", 503), ask("failed", 200)] == [200, 200, 503, 200]
    with pytest.raises(KeyboardInterrupt):
        idempotency.answer(Request("POST", "/", headers={"idempotency-key": "died"}, caller=Caller("ann")), die)
    at[0] += LEASE
    assert ask("died", 200) == 200
    assert idempotency.purge() == 0
    assert {f"dynamodb:{operation}" for operation, _ in recorder.calls} == {*REQUEST_ACTIONS}
    assert {payload["TableName"] for _, payload in recorder.calls} == {"post-test-persisty-request"}
    assert not [name for name in store_operations(post) if name.startswith(REQUESTS.name)]
