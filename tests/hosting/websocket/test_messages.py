"""The protocol graphql-transport-ws: operations, errors, handshakes."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from persisty.hosting.server import Server
from persisty.hosting.websocket import PROTOCOL
from tests.parity.hosts import SECRET
from tests.parity.table import item_id
from tests.shop import Article, app

from .clients import CREATED, Client, Place, client, create, following, raw, running


def test_queries_and_mutations_have_the_responses_of_http(place: Place) -> None:
    query = '{ articleSearch(order: [code_asc], limit: 2) { items { code price } } nope: articleRead(key: "x") { id } }'
    with client(place) as anybody:
        anybody.ask("q", query)
        assert anybody.hear() == {
            "type": "next", "id": "q", "payload": httpx.post(f"http://{place}/graphql", json={"query": query}).json(),
        }  # fmt: skip
        assert anybody.hear() == {"type": "complete", "id": "q"}
        anybody.ask("m", 'mutation { makerCreate(item: {name: "x"}) { name } }')
        assert anybody.hear()["payload"]["errors"][0]["extensions"]["code"] == "unauthenticated"


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"query": "{"}, "malformed_graphql"),
        ({"query": "subscription { nothing }"}, "malformed_graphql"),
        ({"query": "subscription { articleCreated { id } articleUpdated { id } }"}, "malformed_graphql"),
        ({"query": "subscription { __typename }"}, "malformed_graphql"),
        ({"query": CREATED, "variables": []}, "malformed_graphql"),
        ({}, "malformed_graphql"),
        (None, "malformed_json"),
        (["a"], "malformed_graphql"),
        ({"query": "subscription { articleCreated(where: {stock: {ge: \"x\"}}) { id } }"}, "invalid_query"),
    ],
)  # fmt: skip
def test_an_error_affects_only_its_operation(payload: Any, code: str, here: None) -> None:
    with running(Server(app)) as place, client(place) as anybody:
        anybody.say("subscribe", "1", payload)
        told = anybody.hear()
        assert (told["type"], told["id"]) == ("error", "1")
        assert told["payload"][0]["extensions"]["code"] == code
        anybody.ask("1", "{ __typename }")
        assert anybody.hear() == following("1", __typename="Query")


def test_over_http_there_are_no_subscriptions(here: None) -> None:
    server = Server(app)
    with running(server) as place:
        for answer in (
            httpx.post(f"http://{place}/graphql", json={"query": CREATED}),
            httpx.get(f"http://{place}/graphql", params={"query": CREATED}),
        ):
            [error] = answer.json()["errors"]
            assert error["extensions"]["code"] == "malformed_graphql"
            assert PROTOCOL in error["message"]


def test_a_completed_subscription_gets_no_more_events_and_its_id_is_free(place: Place) -> None:
    with client(place) as anybody:
        anybody.begin("1", CREATED)
        anybody.say("complete", "1")
        assert place.reaches(0)
        anybody.begin("1", "subscription { articleUpdated { code } }")
        anybody.say("complete", "never begun")
        create(place, "made")
        app.store(Article).update(item_id(3), {"stock": 1})
        assert anybody.hear() == following("1", articleUpdated={"code": "three"})


def end_of(client: Client, *said: Any) -> int:
    for one in said:
        client.connection.send(one if isinstance(one, str | bytes) else json.dumps(one))
    return client.ended()[0]


HANDSHAKE = (
    b"GET /graphql HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: graphql-transport-ws\r\n\r\n"
)
INIT: Any = {"type": "connection_init"}
ENDS: dict[str, tuple[list[Any], int]] = {
    "asked before it says who it is": ([{"type": "subscribe", "id": "1", "payload": {"query": CREATED}}], 4401),
    "says so twice": ([INIT, INIT], 4429),
    "two of one id": ([INIT, *[{"type": "subscribe", "id": "1", "payload": {"query": CREATED}}] * 2], 4409),
    "no JSON": (["{"], 4400),
    "not a message": (["[]"], 4400),
    "no such message": ([{"type": "next"}], 4400),
    "bytes": ([b"{}"], 4400),
    "no id": ([INIT, {"type": "subscribe", "payload": {"query": CREATED}}], 4400),
    "an id without end": ([INIT, {"type": "subscribe", "id": "x" * 200, "payload": {}}], 4400),
    "a token of nobody": ([{**INIT, "payload": {"authorization": "Bearer x"}}], 4403),
    "credentials that are no text": ([{**INIT, "payload": {"authorization": 1}}], 4400),
    "a payload that is no object": ([{**INIT, "payload": [1]}], 4400),
    "nested without end": ([f'{{"type": "connection_init", "payload": {"[" * 5000}{"]" * 5000}}}'], 4400),
    "too large": ([INIT, {"type": "ping", "payload": "x" * (1 << 20)}], 1009),
}


@pytest.fixture(scope="module")
def lasting() -> Iterator[Place]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERSISTY_TOKEN_SECRET", SECRET)
        patch.setattr(app, "_authenticator", None)
        app.use("memory://")
        with running(Server(app)) as place:
            yield place
        app.close()


@pytest.mark.parametrize("name", ENDS)
def test_a_violation_of_the_protocol_closes_the_connection_with_its_code(name: str, lasting: Place) -> None:
    said, code = ENDS[name]
    with raw(lasting) as one:
        assert end_of(one, *said) == code


def test_what_follows_an_invalid_frame_is_dropped_and_does_not_reset_the_connection(lasting: Place) -> None:
    """A reset would take the close frame from a client that is still sending."""
    host, _, port = str(lasting).partition(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(HANDSHAKE)
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += connection.recv(1)
        connection.sendall(b"\x01\x81\0\0\0\0a" * 2)  # a message begins within another one
        for _ in range(10):
            connection.sendall(b"x" * 10_000)
            time.sleep(0.02)
        received = b""
        while part := connection.recv(1 << 16):
            received += part
        assert received[2:4] == (1002).to_bytes(2, "big")


def test_another_subprotocol_is_rejected(lasting: Place) -> None:
    with raw(lasting, subprotocols=["graphql-ws"]) as one:
        assert one.ended()[0] == 4406
    with raw(lasting, subprotocols=None) as one:
        assert one.ended()[0] == 4406


def test_a_ping_is_answered_with_its_payload(lasting: Place) -> None:
    with raw(lasting) as one:
        one.say("ping", payload={"n": [1]})
        assert one.hear() == {"type": "pong", "payload": {"n": [1]}}
        one.say("pong")
        one.say("ping")
        assert one.hear() == {"type": "pong"}


@pytest.mark.parametrize(
    ("origin", "welcome"),
    [
        (None, True),
        ("http://{place}", True),
        ("https://{place}", True),
        ("http://evil.example", False),
        ("null", False),
    ],
)
def test_pages_of_other_origins_may_not_connect(origin: str | None, welcome: bool, lasting: Place) -> None:
    given = None if origin is None else origin.format(place=lasting)
    if welcome:
        with raw(lasting, origin=given) as one:
            one.say("ping")
            assert one.hear() == {"type": "pong"}
    else:
        with pytest.raises(InvalidStatus) as refused, raw(lasting, origin=given):
            pass
        assert refused.value.response.status_code == 403


def test_pages_of_configured_origins_may_connect(here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSISTY_CORS_ORIGINS", "https://good.example")
    with running(Server(app)) as place, raw(place, origin="https://good.example") as one:
        one.say("ping")
        assert one.hear() == {"type": "pong"}


def test_a_websocket_at_another_path_is_rejected(lasting: Place) -> None:
    with pytest.raises(InvalidStatus), connect(f"ws://{lasting}/api/article", subprotocols=[PROTOCOL]):
        pass


def test_a_connection_without_connection_init_is_closed_after_its_timeout(here: None) -> None:
    server = Server(app)
    server.socket.patience = 0.2
    with running(server) as place, raw(place) as one:
        one.say("ping")  # is no excuse
        assert one.ended() == (4408, "Connection initialisation timeout")
