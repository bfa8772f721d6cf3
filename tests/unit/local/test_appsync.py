"""AppSync of `persisty local`: modes, resolvers, links in batches, and subscriptions over its WebSocket."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from persisty.local.appsync import AppSync
from persisty.local.deployed import GraphqlApi, Resolver
from persisty.local.event_filters import passes
from persisty.local.functions import FunctionFailed
from persisty.local.realtime import PATH, REALTIME, Realtime
from persisty.local.resolvers import Resolvers
from stacks.constructs.resolvers import CODE, LINK, PUBLISHER, joined

SDL = """
type Query { item(id: ID!): Item @aws_lambda @aws_api_key  secret: String @aws_lambda  broken: String @aws_api_key @aws_lambda }
type Mutation { publish(item: AWSJSON!): Item @aws_iam }
type Subscription { created(of: String): Item @aws_subscribe(mutations: ["publish"]) @aws_api_key }
type Item @aws_lambda @aws_api_key @aws_iam { id: ID  name: String  parts: [Item] @aws_lambda @aws_api_key }
schema { query: Query mutation: Mutation subscription: Subscription }
"""
KEY = {"x-api-key": "the-key"}
SIGNED = {"authorization": "AWS4-HMAC-SHA256 Credential=local"}


def resolver(type_: str, field: str, kind: str, function: str | None = "Fields", batch: int = 0) -> Resolver:
    return Resolver(type_, field, joined(CODE[kind]), function, batch)


API = GraphqlApi(
    "api",
    SDL,
    (
        resolver("Query", "item", "Query"),
        resolver("Query", "secret", "Query"),
        resolver("Query", "broken", "Query"),
        resolver("Mutation", "publish", PUBLISHER, None),
        resolver("Subscription", "created", "Subscription"),
        resolver("Item", "parts", LINK, batch=10),
    ),
    "Authorizer",
    ("AWS_LAMBDA", "API_KEY", "AWS_IAM"),
    ("the-key",),
)


class Functions:
    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, function: str, event: Any) -> Any:
        if function == "Authorizer":
            return {"isAuthorized": event["authorizationToken"] == "a.good.one", "resolverContext": {"claims": "{}"}}
        if isinstance(event, list):
            self.batches.append(len(event))
            return [{"data": [{"id": f"part of {one['source']}"}]} for one in event]
        match event["fieldName"]:
            case "item":
                parts = [{"id": str(number), ":parts": str(number)} for number in range(3)]
                return {"data": {"id": event["arguments"]["id"], "name": event["selectionSetGraphQL"], "parts": parts}}
            case "secret":
                return {"error": {"message": "Not yours", "code": "forbidden", "info": {"path": "/secret"}}}
            case "created":
                name = event["arguments"].get("of")
                return {
                    "filter": {"filterGroup": [{"filters": [{"fieldName": "name", "operator": "eq", "value": name}]}]}
                }
        raise FunctionFailed("out of order", "KeyError")


@pytest.fixture
def functions() -> Functions:
    return Functions()


@pytest.fixture
def client(functions: Functions, tmp_path: Path) -> Iterator[TestClient]:
    resolvers, realtime = Resolvers(tmp_path / "resolvers"), Realtime()
    realtime.deploy(AppSync(API, functions, resolvers))
    with TestClient(Starlette(routes=realtime.routes())) as found:
        yield found
    resolvers.close()


def ask(client: TestClient, document: str, headers: dict[str, str], **variables: Any) -> Any:
    return client.post(PATH, json={"query": document, "variables": variables}, headers=headers).json()


def test_a_field_runs_its_resolver_and_its_links_are_asked_in_one_batch(
    client: TestClient, functions: Functions
) -> None:
    answer = ask(client, "query($id: ID!) { item(id: $id) { id parts { id parts { id } } } }", KEY, id="7")
    assert answer["data"]["item"]["parts"][2] == {"id": "2", "parts": [{"id": "part of 2"}]}
    assert functions.batches == [3]


def test_errors_have_the_type_and_info_of_the_resolver(client: TestClient) -> None:
    token = {"authorization": "a.good.one"}
    [error] = ask(client, "{ secret }", token)["errors"]
    assert (error["errorType"], error["errorInfo"], error["path"]) == ("forbidden", {"path": "/secret"}, ["secret"])
    [error] = ask(client, "{ broken }", token)["errors"]
    assert (error["errorType"], error["message"]) == ("Lambda:KeyError", "out of order")


def test_a_mode_reaches_the_fields_with_its_directive_only(client: TestClient) -> None:
    [error] = ask(client, "{ secret }", KEY)["errors"]
    assert error["errorType"] == "Unauthorized"
    [error] = ask(client, 'mutation { publish(item: "{}") { id } }', KEY)["errors"]
    assert error["errorType"] == "Unauthorized"


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "another"}, {"authorization": "a.bad.one"}])
def test_a_request_without_a_valid_mode_is_refused(client: TestClient, headers: dict[str, str]) -> None:
    response = client.post(PATH, json={"query": "{ secret }"}, headers=headers)
    assert (response.status_code, response.json()["errors"][0]["errorType"]) == (401, "UnauthorizedException")


def test_a_subscriber_receives_what_passes_its_filter(client: TestClient) -> None:
    header = b64encode(json.dumps(KEY).encode()).decode()
    with client.websocket_connect(f"{REALTIME}?header={header}&payload=e30=", subprotocols=["graphql-ws"]) as socket:
        socket.send_json({"type": "connection_init"})
        assert socket.receive_json()["type"] == "connection_ack"
        data = json.dumps({"query": 'subscription { created(of: "ann") { name } }'})
        socket.send_json({"id": "1", "type": "start", "payload": {"data": data, "extensions": {"authorization": KEY}}})
        assert socket.receive_json() == {"id": "1", "type": "start_ack"}
        for name in ("bob", "ann"):
            item = json.dumps({"id": "1", "name": name})
            answer = ask(client, "mutation($item: AWSJSON!) { publish(item: $item) { id name } }", SIGNED, item=item)
            assert answer == {"data": {"publish": {"id": "1", "name": name}}}
        assert socket.receive_json() == {"id": "1", "type": "data", "payload": {"data": {"created": {"name": "ann"}}}}
        socket.send_json({"id": "1", "type": "stop"})
        assert socket.receive_json() == {"id": "1", "type": "complete"}


def test_a_connection_without_authorization_is_refused(client: TestClient) -> None:
    with client.websocket_connect(REALTIME, subprotocols=["graphql-ws"]) as socket:
        assert socket.receive_json()["type"] == "connection_error"


@pytest.mark.parametrize(
    ("operator", "value", "found", "holds"),
    [
        ("eq", 1, 1, True), ("eq", "1", 1, False), ("in", ["a", "b"], "b", True), ("between", [1, 3], 2, True), ("gt", "a", 1, False),
        ("beginsWith", "he", "hello", True), ("contains", "x", ["x"], True), ("ne", 1, None, False),
    ],
)  # fmt: skip
def test_filters_hold_as_those_of_appsync(operator: str, value: Any, found: Any, holds: bool) -> None:
    given = {"filterGroup": [{"filters": [{"fieldName": "name", "operator": operator, "value": value}]}]}
    assert passes(given, {"name": found}) is holds
