"""Subscriptions of a deployment: streams, the function, its mutations, and the authorization."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from graphql import FieldDefinitionNode, GraphQLSchema, ObjectTypeDefinitionNode, build_schema, parse, validate

from examples.messenger.app import app as messenger
from persisty import App, InvalidDeclaration, authenticated, private, public, settings, stored
from persisty.api.graphql.appsync.change_publisher import document
from persisty.api.graphql.subscriptions import subscriptions
from persisty.deploy.appsync_auth import IAM, AuthMode
from persisty.deploy.events import Publishing, Source, events_of
from persisty.deploy.plan import plan_of
from persisty.deploy.resources import Field, Plan
from persisty.local.graphql_fields import DECLARED

SPEC = "shop:app"


@stored(access=public)
class Toy:
    id: UUID


@stored(access=authenticated)
class Bill:
    id: UUID
    toy_id: UUID | None = None


@stored(access=private)
class Till:
    id: UUID


SHOP = App("toy-shop", items=[Toy, Bill, Till], url="memory://", stage="test")


def publishing(plan: Plan) -> Publishing:
    events = events_of(plan)
    assert events is not None
    assert events.after == ()
    assert events.publishing is not None
    return events.publishing


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*settings.VARIABLES, "PERSISTY_TOKEN_SECRET"):
        monkeypatch.delenv(name, raising=False)


def schema_of(plan: Plan) -> GraphQLSchema:
    return build_schema(plan.sdl + DECLARED)


def marks(node: Any) -> set[str]:
    return {one.name.value for one in node.directives}


def root(schema: GraphQLSchema, type_: str, name: str) -> FieldDefinitionNode:
    found = getattr(schema, f"{type_.lower()}_type").fields[name].ast_node
    assert isinstance(found, FieldDefinitionNode)
    return found


def test_only_tables_of_readable_items_have_streams() -> None:
    assert {table.store: table.stream for table in plan_of(SHOP, SPEC).tables} == {
        "persisty_request": False,
        "toy": True,
        "bill": True,
        "till": False,
    }


def test_the_function_reads_those_streams_and_gets_the_api_from_parameters() -> None:
    events = publishing(plan_of(SHOP, SPEC))
    assert events.sources == (
        Source("toy", "toy-shop--test--toy", "/persisty/toy-shop/test/stream/toy"),
        Source("bill", "toy-shop--test--bill", "/persisty/toy-shop/test/stream/bill"),
    )
    assert (events.url, events.arn) == (
        "/persisty/toy-shop/test/graphql/url",
        "/persisty/toy-shop/test/graphql/arn",
    )


def test_the_function_may_call_publishing_mutations_and_has_only_the_variables_it_needs() -> None:
    events = publishing(plan_of(SHOP, SPEC))
    kinds = ("Created", "Updated", "Deleted")
    assert events.publishers == tuple(f"publish{item}{kind}" for item in ("Toy", "Bill") for kind in kinds)
    assert events.function.grants == ()
    assert events.function.secret is None
    assert events.function.environment == {
        "PERSISTY_APP": SPEC,
        "PERSISTY_URL": "dynamodb://",
        "PERSISTY_STAGE": "test",
    }


@pytest.mark.parametrize(
    ("graphql", "live", "there"),
    [("both", True, True), ("appsync", True, True), ("http", True, False), ("none", True, False), ("both", False, False)],
)  # fmt: skip
def test_events_are_deployed_only_if_appsync_has_subscriptions(graphql: str, live: bool, there: bool) -> None:
    plan = plan_of(SHOP, SPEC, graphql, live=live)
    assert (events_of(plan) is not None) is there
    assert any(table.stream for table in plan.tables) is there
    assert ("Subscription" in plan.sdl) is there
    assert (AuthMode(IAM) in plan.auth) is there


def test_an_app_without_readable_items_has_no_events() -> None:
    assert events_of(plan_of(App("safe", items=[Till], url="memory://"), SPEC)) is None


def test_every_subscription_follows_its_own_mutation_which_returns_its_input() -> None:
    plan = plan_of(SHOP, SPEC)
    schema = schema_of(plan)
    assert schema.subscription_type is not None
    assert schema.mutation_type is not None
    offered = subscriptions(SHOP.metas.values())
    assert set(schema.subscription_type.fields) == {one.field for one in offered}
    for one in offered:
        field, publisher = schema.subscription_type.fields[one.field], schema.mutation_type.fields[one.publisher]
        [followed] = [mark for mark in field.ast_node.directives if mark.name.value == "aws_subscribe"]  # type: ignore[union-attr]
        [argument] = followed.arguments
        assert [value.value for value in argument.value.values] == [one.publisher]  # type: ignore[attr-defined]
        assert field.type == publisher.type
        assert {name: str(given.type) for name, given in publisher.args.items()} == {"item": "AWSJSON!"}
        assert set(field.args) == {"where"}
    assert {field for field in plan.fields if field.type == "Subscription"} == {
        Field("Subscription", one.field, "appsync") for one in offered
    }


@pytest.mark.parametrize("app", [SHOP, messenger], ids=lambda app: app.name)
def test_only_iam_may_publish_and_read_the_published_types(app: App) -> None:
    plan = plan_of(app, SPEC)
    schema = schema_of(plan)
    default = plan.auth[0]
    assert plan.auth[-1] == AuthMode(IAM)
    assert default != AuthMode(IAM)
    assert schema.mutation_type is not None
    for name, field in schema.mutation_type.fields.items():
        assert field.ast_node is not None
        published = name in plan.publishers
        assert ("aws_iam" in marks(field.ast_node)) is published
        assert not published or marks(field.ast_node) == {"aws_iam"}
    for one in subscriptions(app.metas.values()):
        node = schema.type_map[one.meta.item.__name__].ast_node
        assert isinstance(node, ObjectTypeDefinitionNode)
        assert {"aws_iam"} < marks(node)  # and subscribers


def test_a_subscription_has_the_modes_of_the_items_read() -> None:
    schema = schema_of(plan_of(SHOP, SPEC))
    for store in ("toy", "bill"):
        read = marks(root(schema, "Query", f"{store}Read"))
        for kind in ("Created", "Updated", "Deleted"):
            assert marks(root(schema, "Subscription", f"{store}{kind}")) == read | {"aws_subscribe"}
    assert "aws_api_key" in marks(root(schema, "Subscription", "toyCreated"))
    assert "aws_api_key" not in marks(root(schema, "Subscription", "billCreated"))


@pytest.mark.parametrize("app", [SHOP, messenger], ids=lambda app: app.name)
def test_mutations_of_the_function_fit_the_deployed_schema(app: App) -> None:
    schema = schema_of(plan_of(app, SPEC))
    for one in subscriptions(app.metas.values()):
        assert validate(schema, parse(document(one))) == []


def test_a_name_taken_by_a_subscription_is_an_error() -> None:
    @stored(access=public)
    class Publish:
        id: UUID

    @stored(access=public)
    class PublishToy:
        id: UUID

    with pytest.raises(InvalidDeclaration) as clash:
        plan_of(App("names", items=[Toy, PublishToy, Publish], url="memory://"), SPEC)
    assert any("publishToyCreated" in (fault.found or "") for fault in clash.value.faults)
