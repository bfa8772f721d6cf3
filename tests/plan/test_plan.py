"""The plan of an app compared with its requests: keys, grants, routes and fields."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from graphql import GraphQLInputObjectType, GraphQLObjectType, build_schema

from persisty import (
    SEQUENCE,
    Access,
    App,
    Attr,
    Index,
    PreconditionFailed,
    Unique,
    everyone,
    nobody,
    private,
    public,
    read_only,
    stored,
)
from persisty.api.actions import operations
from persisty.api.graphql.subscriptions import subscriptions
from persisty.backends.dynamodb.backend import Options
from persisty.backends.dynamodb.engine import DynamoDbEngine
from persisty.backends.dynamodb.wire_answers import Executed, ExecutedBatch, Refused
from persisty.deploy.grants import SYSTEM
from persisty.deploy.plan import plan_of
from persisty.deploy.resources import Function, Plan
from persisty.local.graphql_fields import DECLARED
from persisty.model.verbs import VERBS
from persisty.naming import RESERVED, system_table_name
from persisty.store.schema_records import APPLIED
from persisty.store.store import context_of
from persisty.testing import app_fixture
from tests.appsync_schema import links_in
from tests.graphql.gallery import app as gallery
from tests.graphql.town import app as town


@stored(access=public, indexes=[Index("kind", "at", "size"), Index("parent")])
class Thing:
    id: UUID
    kind: str
    size: int
    at: datetime
    done: bool = False
    parent: bytes | None = None


@stored(key=("shelf", "row"), access=read_only)
class Slot:
    shelf: str
    row: int


def _only(*verbs: str) -> Access:
    """Return the access to these verbs only."""
    return Access(**{verb: everyone if verb in verbs else nobody for verb in VERBS})


@stored(key=("a", "b", "c"), access=_only("create"))
class Triple:
    a: str
    b: int
    c: str


@stored(access=private)
class Hidden:
    id: UUID


SHOP = App("shop", items=[Thing, Slot, Triple, Hidden], url="memory://", stage="test", idempotency=None)
SPEC = "shop:app"


class Recorder:
    """A transport that records its calls, and passes them on if it has a target."""

    def __init__(self, transport: Any = None) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._transport = transport

    def call(self, operation: str, payload: dict[str, Any], *shape: Any, **options: Any) -> Any:
        self.calls.append((operation, payload))
        if self._transport is None:
            name = payload["TableName"]
            [made, *_] = [one for called, one in self.calls if called == "CreateTable" and one["TableName"] == name]
            table = {member: made[member] for member in ("TableName", "KeySchema", "AttributeDefinitions")}
            return {"Table": {"TableStatus": "ACTIVE", **table}}
        if operation == "BatchExecuteStatement":  # moto does not support it; rejected edits are written singly
            return ExecutedBatch([Executed(Error=Refused("ValidationError")) for _ in payload["Statements"]])
        return self._transport.call(operation, payload, *shape, **options)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def _plan(app: App = SHOP) -> Plan:
    return plan_of(app, SPEC)


def _answering(plan: Plan) -> list[Function]:
    """Return the functions that answer requests and need the grants of the plan."""
    return [one for one in plan.functions if one.name != "authorizer"]


def test_tables_are_those_that_the_engine_creates_for_itself() -> None:
    recorder = Recorder()
    DynamoDbEngine(recorder, "shop", "test").prepare(tuple(SHOP.metas.values()))
    created = {payload["TableName"]: payload for operation, payload in recorder.calls if operation == "CreateTable"}
    tables = {table.name: table for table in _plan().tables}
    assert (
        created.keys() == tables.keys() == {"shop-test-thing", "shop-test-slot", "shop-test-triple", "shop-test-hidden"}
    )
    for name, payload in created.items():
        table = tables[name]
        types = {one["AttributeName"]: one["AttributeType"] for one in payload["AttributeDefinitions"]}
        sort = [] if table.sort is None else [table.sort]
        assert payload["KeySchema"] == _schema(table.partition, *sort)
        assert payload.get("GlobalSecondaryIndexes", []) == [
            {
                "IndexName": index.name,
                "KeySchema": _schema(index.partition, *index.sorts),
                "Projection": {"ProjectionType": "ALL"},
            }
            for index in table.indexes
        ]
        planned = [table.partition, *sort, *(key for index in table.indexes for key in (index.partition, *index.sorts))]
        assert types == {key.name: key.type for key in planned}


def _schema(partition: Any, *sorts: Any) -> list[dict[str, str]]:
    return [
        {"AttributeName": partition.name, "KeyType": "HASH"},
        *({"AttributeName": sort.name, "KeyType": "RANGE"} for sort in sorts),
    ]


def test_a_key_of_three_parts_is_planned_as_partition_and_joined_sort_key() -> None:
    [triple] = [table for table in _plan().tables if table.store == "triple"]
    assert (triple.partition.name, triple.partition.type) == ("a", "S")
    assert triple.sort is not None
    assert triple.sort.type == "S"


VERB_CALLS: dict[str, list[dict[str, Any]]] = {
    "create": [{"item": {"kind": "a", "size": 1, "at": "2026-01-01T00:00:00Z"}}],
    "read": [{"key": "{key}"}],
    "update": [
        {"key": "{key}", "changes": {"size": 2}},
        {"key": "{key}", "changes": {"size": 2}, "when": {"size": {"ge": 0}}},
        {"key": "{key}", "changes": {"size": 2}, "when": {"kind": {"icontains": "A"}}},
    ],
    "delete": [{"key": "{key}", "when": {"kind": {"endswith": "x"}}}, {"key": "{key}"}],
    "search": [
        {},
        {"where": {"kind": {"eq": "a"}}, "order": ["at"]},
        {"where": {"size": {"gt": 0}}, "order": ["size"]},
        {"where": {"id": {"eq": "{key}"}}},
        {"where": {"id": {"oneof": ["{key}", "{other}"]}}},
    ],
    "count": [
        {},
        {"where": {"kind": {"eq": "a"}}},
        {"where": {"kind": {"icontains": "A"}}},
        {"where": {"id": {"eq": "{key}"}}},
        {"where": {"id": {"oneof": ["{key}", "{other}"]}}},
    ],
    "read_batch": [{"keys": ["{key}"]}, {"keys": ["{key}", "{other}"]}],
    "edit_batch": [
        {"edits": [{"create": {"kind": "b", "size": 1, "at": "2026-01-01T00:00:00Z"}}] * 2},
        {
            "edits": [
                {"update": {"key": "{key}", "changes": {"size": 3}}},
                {"update": {"key": "{other}", "changes": {"size": 3}}},
                {"create": {"kind": "b", "size": 1, "at": "2026-01-01T00:00:00Z"}},
            ],
            "atomic": True,
        },
        {
            "edits": [
                {"update": {"key": "{key}", "changes": {"size": 3}, "when": {"kind": {"icontains": "A"}}}},
                {"delete": {"key": "{other}"}},
            ],
            "atomic": True,
        },
        {"edits": [{"update": {"key": "{key}", "changes": {"size": 3}}}, {"delete": {"key": "{key}"}}]},
        {"edits": [{"update": {"key": "{key}", "changes": {"size": 3}}}, {"delete": {"key": "{other}"}}]},
    ],
}
"""Verb of `Thing` → arguments that bring out every request it may make."""

IN_TRANSACTION = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem"}
"""Part of a transaction → the operation whose permission it takes. Source: "Using IAM with transactions", DynamoDB
Developer Guide."""


@stored(access=public, indexes=[Index("kind", "at", "size"), Index("parent")])
class Live:
    """`Thing` again, stored on moto."""

    id: UUID
    kind: str
    size: int
    at: datetime
    parent: bytes | None = None


LIVE = App("live", items=[Live], url="memory://", stage="test")
live = app_fixture(LIVE)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_takes_exactly_the_actions_that_its_grant_names(live: App, verb: str) -> None:
    store = live.store(Live)
    key, other = (store.create({"kind": "a", "size": 1, "at": "2026-01-01T00:00:00Z"}).id for _ in range(2))
    recorder = Recorder(live.engine.transport)  # type: ignore[attr-defined]
    live.engine.transport, live.engine.options = recorder, Options(partiql=1)  # type: ignore[attr-defined]
    context_of(store).disconnect()
    live._engines.connections[None]._paths.clear()  # backends are opened anew, over the recorder
    call = operations(live)[f"live_{verb}"].call
    for arguments in VERB_CALLS[verb]:
        text = msgspec.json.encode(arguments).decode().replace("{key}", str(key)).replace("{other}", str(other))
        with suppress(PreconditionFailed):  # what is refused was asked too
            call(msgspec.json.decode(text))
    asked = {f"dynamodb:{name}" for operation, payload in recorder.calls for name in _permissions(operation, payload)}
    assert asked == _granted(verb)
    indexes = [payload for _, payload in recorder.calls if "IndexName" in payload]
    assert all(operation == "Query" for operation, payload in recorder.calls if payload in indexes)


def _permissions(operation: str, payload: dict[str, Any], table: str | None = None) -> Iterator[str]:
    """Return the permissions that the request needs, on one table or on any."""
    if operation == "BatchExecuteStatement":
        yield from (f"PartiQL{one['Statement'].partition(' ')[0].title()}" for one in payload["Statements"])
    elif operation == "TransactWriteItems":
        for action in payload["TransactItems"]:
            [(name, members)] = action.items()
            if table in (None, members["TableName"]):
                yield IN_TRANSACTION[name]
    elif table in (None, payload.get("TableName")):
        yield operation


def _granted(verb: str) -> set[str]:
    """Return the actions of a plan whose only item offers this verb, and for a batch the verbs of its edits."""
    verbs = {verb, *(("create", "update", "delete") if verb == "edit_batch" else ())}

    @stored(access=_only(*verbs))
    class Only:
        id: UUID
        text: str = Attr(default="")

    granted = [
        one.grants
        for one in _plan(App("only", items=[Only], url="memory://", idempotency=None)).functions
        if one.grants
    ]
    assert granted == granted[:1] * 3
    [grant] = granted[0]
    return set(grant.actions)


@stored(key="number", access=public, indexes=[Unique("name")])
class Counted:
    number: int = Attr(generator=SEQUENCE)
    name: str | None = None


COUNTED = App("counted", items=[Counted], url="memory://", stage="test")
counted = app_fixture(COUNTED)


@pytest.mark.parametrize("verb", ["create", "update", "delete"])
def test_unique_values_and_sequences_need_actions_on_the_system_table(counted: App, verb: str) -> None:
    store = counted.store(Counted)
    number = store.create({"name": "a"}).number
    recorder = Recorder(counted.engine.transport)  # type: ignore[attr-defined]
    counted.engine.transport = recorder  # type: ignore[attr-defined]
    context_of(store).disconnect()
    counted._engines.connections[None]._paths.clear()
    calls = {
        "create": lambda: store.create({"name": "b"}),
        "update": lambda: store.update(number, {"name": "c"}),
        "delete": lambda: store.delete(number),
    }
    calls[verb]()
    system = system_table_name(counted.name, counted.stage)
    asked = {
        f"dynamodb:{name}" for operation, payload in recorder.calls for name in _permissions(operation, payload, system)
    }

    @stored(key="number", access=_only(verb), indexes=[Unique("name")])
    class Only:
        number: int = Attr(generator=SEQUENCE)
        name: str | None = None

    plan = _plan(App("only", items=[Only], url="memory://", stage="test", idempotency=None))
    assert [table.name for table in plan.tables] == ["only-test-only", "only-test.system"]
    for function in _answering(plan):
        [grant] = [one for one in function.grants if one.store == SYSTEM]
        assert set(grant.actions) == asked


def test_without_unique_values_and_sequences_there_is_no_system_table() -> None:
    assert SYSTEM not in {table.store for table in _plan().tables}
    assert SYSTEM not in {grant.store for function in _plan().functions for grant in function.grants}


@stored(access=_only("search"), indexes=[Index("likes")])
class Liked:
    id: str
    likes: int = 0


def test_functions_that_query_an_index_over_a_default_may_read_the_record_of_applied_schemas() -> None:
    plan = _plan(App("liked", items=[Liked], url="memory://", stage="test", idempotency=None))
    assert APPLIED.name not in {table.store for table in plan.tables}, "`persisty deploy` creates it"
    for function in _answering(plan):
        [grant] = [one for one in function.grants if one.store == APPLIED.name]
        assert grant.actions == ("dynamodb:GetItem",)
    assert APPLIED.name not in {grant.store for function in _plan().functions for grant in function.grants}


def test_nothing_is_granted_on_a_table_that_no_surface_offers() -> None:
    for function in _answering(_plan()):
        assert {grant.store for grant in function.grants} == {"thing", "slot", "triple"}
        grants = {grant.store: grant.actions for grant in function.grants}
        assert grants["triple"] == ("dynamodb:PutItem",)
        assert not {action for action in grants["slot"] if action.endswith(("PutItem", "UpdateItem", "DeleteItem"))}


def test_custom_actions_may_use_every_verb_of_every_store() -> None:
    assert gallery.actions
    for function in _answering(_plan(gallery)):
        grants = {grant.store: grant.actions for grant in function.grants if not grant.store.startswith(RESERVED)}
        assert grants.keys() == gallery.metas.keys()
        assert all("dynamodb:DeleteItem" in actions for actions in grants.values())


@pytest.mark.parametrize("app", [SHOP, gallery], ids=lambda app: app.name)
def test_every_rest_path_has_one_route(app: App) -> None:
    plan = _plan(app)
    for operation in operations(app).values():
        path = operation.path.replace("{key}", "some-key")
        routes = [
            route for route in plan.routes if route.method in ("ANY", operation.method) and _matches(route.path, path)
        ]
        assert [route.function for route in routes] == ["rest"], path
    assert {"/health", "/openapi.json"} < {route.path for route in plan.routes}
    assert len({(route.method, route.path) for route in plan.routes}) == len(plan.routes)


def _matches(route: str, path: str) -> bool:
    prefix, greedy, _ = route.partition("{proxy+}")
    return path.startswith(prefix) and path != prefix if greedy else path == route


@pytest.mark.parametrize("app", [SHOP, gallery, town], ids=lambda app: app.name)
def test_fields_and_schema_and_operations_are_the_same_set(app: App) -> None:
    plan = _plan(app)
    schema = build_schema(plan.sdl + DECLARED)
    in_schema = {
        (root.name, field)
        for root in (schema.query_type, schema.mutation_type, schema.subscription_type)
        if isinstance(root, GraphQLObjectType)
        for field in root.fields
    }
    roots = [field for field in plan.fields if not field.batch]
    assert {(field.type, field.name) for field in roots} == in_schema
    live = [name for one in subscriptions(app.metas.values()) for name in (one.field, one.publisher)]
    assert {field.name for field in roots} == {one.field for one in operations(app).values()} | {*live}
    links = links_in(schema, app)
    assert {(field.type, field.name): field.function for field in plan.fields if field.batch} == dict.fromkeys(
        links, "appsync"
    )
    assert len(plan.fields) == len(roots) + len(links)
    assert all(type_.fields for type_ in schema.type_map.values() if isinstance(type_, GraphQLInputObjectType))


def test_a_plan_is_plain_data() -> None:
    plan = _plan()
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan
    with pytest.raises(AttributeError):
        plan.app = "other"  # type: ignore[misc]


def test_functions_have_variables_for_the_app_the_url_and_the_stage() -> None:
    for function in _plan().functions:
        assert function.environment == {"PERSISTY_APP": SPEC, "PERSISTY_URL": "dynamodb://", "PERSISTY_STAGE": "test"}
