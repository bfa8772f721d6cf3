"""Credentials that expire, limits of a connection, and its end."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import threading
import time
from typing import Any

import pytest

from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.messages import Request
from persisty.hosting.access_log import AccessLog, as_json
from persisty.hosting.fan_out import FanOut
from persisty.hosting.metrics import Metrics
from persisty.hosting.observability import Observed
from persisty.hosting.server import Server
from tests import tokens
from tests.shop import Article, Maker, app

from .clients import ANN, CREATED, Place, client, following, raw, running


def test_credentials_of_the_handshake_are_used(here: None) -> None:
    headers = {"authorization": f"Bearer {app.authenticator.token(ANN)}"}
    with running(Server(app)) as place, raw(place, additional_headers=headers) as ann:
        ann.say("connection_init")
        assert ann.hear() == {"type": "connection_ack"}
        ann.ask("1", "{ noteCount }")
        assert ann.hear() == following("1", noteCount=1)


def test_a_caller_whose_token_is_no_longer_trusted_gets_only_the_error(
    here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [time.time()]
    authenticator = tokens.authenticator()
    monkeypatch.setattr(authenticator, "_clock", lambda: clock[0])
    monkeypatch.setattr(app, "_authenticator", authenticator)
    ann_s, staff_s = tokens.issued(), tokens.own(sub="bob", scope="staff")
    with running(Server(app)) as place, client(place, token=ann_s) as ann, client(place, token=staff_s) as staff:
        for one in (ann, staff):
            one.begin("1", CREATED)
        app.store(Article).create({"code": "before", "price": "1"})
        for one in (ann, staff):
            assert one.hear() == following("1", articleCreated={"code": "before"})
        del authenticator._issuers[tokens.ISSUER]
        clock[0] += 400  # what is remembered of a token is good no more
        app.store(Article).create({"code": "after", "price": "1"})
        told = ann.hear()
        assert (told["type"], told["payload"][0]["extensions"]["code"]) == ("error", "unauthenticated")
        assert staff.hear() == following("1", articleCreated={"code": "after"})
        ann.ask("2", "{ articleCount }")
        told = ann.hear()
        assert (told["type"], told["payload"][0]["extensions"]["code"]) == ("error", "unauthenticated")


def test_the_number_of_operations_of_a_connection_is_limited(here: None) -> None:
    server = Server(app)
    server.socket.most = 2
    with running(server) as place, client(place) as anybody:
        for name in ("1", "2"):
            anybody.begin(name, CREATED)
        anybody.ask("3", CREATED)
        told = anybody.hear()
        assert (told["type"], told["id"]) == ("error", "3")
        assert told["payload"][0]["extensions"] == {"status": 429, "code": "too_many_subscriptions", "limit": 2}
        anybody.say("complete", "1")
        assert place.reaches(1)
        anybody.begin("3", CREATED)


def test_operations_over_a_socket_count_for_the_rate_limit(here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSISTY_RATE_LIMIT", "3/h")
    with running(Server(app)) as place, client(place) as anybody:
        for name in ("1", "2"):
            anybody.ask(name, "{ articleCount }")
            assert [anybody.hear()["type"], anybody.hear()["type"]] == ["next", "complete"]
        anybody.begin("3", CREATED)
        anybody.ask("4", "{ articleCount }")
        told = anybody.hear()
        assert (told["type"], told["id"], told["payload"][0]["extensions"]["code"]) == ("error", "4", "rate_limited")


def test_a_slow_subscriber_receives_the_first_events_and_then_an_overrun_error(here: None) -> None:
    async def run() -> tuple[list[str], str]:
        changes = FanOut(app, size=5)
        with changes.following("maker", "created") as follower:
            for number in range(8):
                app.store(Maker).create({"name": str(number)})
            await asyncio.sleep(0.05)
            first = [one.item.name for one in await follower.take()]
            with pytest.raises(Exception, match="overrun") as lost:
                await follower.take()
        return first, lost.value.code

    assert asyncio.run(run()) == (["0", "1", "2", "3", "4"], "subscription_overrun")


def test_without_subscribers_no_change_is_queued(here: None) -> None:
    async def run() -> None:
        changes = FanOut(app)
        with changes.following("maker", "created"), changes.following("maker", "created"):
            assert app._feed.has_listeners("maker")
        assert not app._feed.has_listeners("maker")

    asyncio.run(run())


def test_a_disconnected_client_is_removed(here: None) -> None:
    with running(Server(app)) as place:
        with client(place) as anybody:
            anybody.begin("1", "subscription { makerCreated { name } }")
            assert app._feed.has_listeners("maker")
        until = time.monotonic() + 10
        while app._feed.has_listeners("maker") and time.monotonic() < until:
            time.sleep(0.01)
        assert not app._feed.has_listeners("maker")
        app.store(Maker).create({"name": "still works"})


def test_many_writers_in_threads_lose_no_change(here: None) -> None:
    with running(Server(app)) as place, client(place) as anybody:
        anybody.begin("1", "subscription { makerCreated { name } }")

        def write(thread: int) -> None:
            for number in range(50):
                app.store(Maker).create({"name": f"{thread}-{number}"})

        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for one in threads:
            one.start()
        names = [anybody.hear()["payload"]["data"]["makerCreated"]["name"] for _ in range(400)]
        for one in threads:
            one.join()
    assert sorted(names) == sorted(f"{thread}-{number}" for thread in range(8) for number in range(50))
    for thread in range(8):
        mine = [int(name.partition("-")[2]) for name in names if name.startswith(f"{thread}-")]
        assert mine == sorted(mine)


def test_operations_are_logged_and_counted_like_requests(here: None) -> None:
    out, metrics, server = io.BytesIO(), Metrics(), Server(app, with_subject=True)
    around = Observed(server, lambda path: path, AccessLog(out, as_json), metrics)
    with running(server, around) as place, client(place, ANN) as ann:
        ann.ask("1", "{ noteCount }")
        assert [ann.hear()["type"], ann.hear()["type"]] == ["next", "complete"]
        ann.ask("2", "{")
        assert ann.hear()["type"] == "error"
        ann.begin("3", CREATED)
        ann.say("complete", "3")
        assert place.reaches(0)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    shown = [(one["method"], one["route"], one["status"], one["bytes"], one["subject"]) for one in lines]
    whole = len('{"data":{"noteCount":1}}')
    assert shown == [
        ("WEBSOCKET", "/graphql", 200, whole, "ann"),
        ("WEBSOCKET", "/graphql", 400, 0, "ann"),
        ("WEBSOCKET", "/graphql", 499, 0, "ann"),
    ]
    assert len({one["request_id"] for one in lines}) == 3
    for status in ("200", "400", "499"):
        labels = {"route": "/graphql", "method": "WEBSOCKET", "status": status}
        assert metrics.registry.get_sample_value("persisty_http_requests_total", labels) == 1


def test_a_server_that_stops_closes_connections(here: None) -> None:
    with running(Server(app)) as place, raw(place) as one:
        one.say("ping")
        one.hear()
    # the context is left when the server has stopped


def test_the_endpoint_over_http_never_begins_a_subscription(here: None) -> None:
    body = json.dumps({"query": CREATED}).encode()
    request = Request("POST", "/graphql", "", {"content-type": "application/json"}, body)
    begun: list[Any] = []
    endpoint = GraphqlEndpoint(app)
    assert "errors" in json.loads(endpoint.handle(request).body)
    assert endpoint.handle_live(request, begun.append).body == b""
    assert len(begun) == 1


def framed(content: bytes, opcode: int = 1) -> bytes:
    size = bytes([0x80 | len(content)]) if len(content) < 126 else b"\xfe" + len(content).to_bytes(2, "big")
    return bytes([0x80 | opcode]) + size + b"\0\0\0\0" + content


INIT_FRAME, BYE = framed(b'{"type":"connection_init"}'), framed(b"\x03\xe8", 8)


def raw_frames(place: Place, *frames: bytes) -> bytes:
    """Return what the server sends after the handshake, until it closes the connection. The frames arrive in one packet."""
    port = int(place.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        connection.sendall(
            b"GET /graphql?token=secret HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
            b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: graphql-transport-ws\r\n\r\n"
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 101")
        connection.sendall(b"".join(frames))
        answer = b""
        while part := connection.recv(4096):
            answer += part
        return answer


EMOJIS = json.dumps("\U0001f600" * 100).encode()


SUBSCRIBE = framed(b'{"type":"subscribe","id":' + EMOJIS + b',"payload":{"query":"' + CREATED.encode() + b'"}}')


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ((framed(b'{"type":"connection_init","payload":{"a":1e999}}'),), 4400),
        ((framed(b'{"type":"connection_init","payload":' + b"9" * 5000 + b"}"),), 4400),
        ((framed(b'{"type":"connection_init","payload":' + b"[" * 900 + b"]" * 900 + b"}"),), 4400),
        ((INIT_FRAME, SUBSCRIBE, SUBSCRIBE), 4409),
        ((INIT_FRAME, framed(b"\xff\xfe")), 1007),
        ((INIT_FRAME, framed(b"\xff\xfe"), BYE), 1000),
        ((framed(b"\xff\xfe"), framed(b"\xff\xfe"), BYE, framed(b"\xff")), 1000),
    ],
)
def test_a_client_that_breaks_the_protocol_gets_a_close_frame_and_no_traceback_is_logged(
    place: Place, caplog: pytest.LogCaptureFixture, frames: tuple[bytes, ...], code: int
) -> None:
    with caplog.at_level("INFO"):
        answer = raw_frames(place, *frames)
    assert code.to_bytes(2, "big") in answer
    assert "Traceback" not in caplog.text
    assert "secret" not in caplog.text
