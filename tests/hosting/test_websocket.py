"""GraphQL over a WebSocket, by a client that knows nothing of persisty, at a real port."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.messages import Request
from persisty.hosting.access_log import AccessLog, as_json
from persisty.hosting.fan_out import FanOut
from persisty.hosting.metrics import Metrics
from persisty.hosting.observability import Observed
from persisty.hosting.server import Server
from persisty.hosting.uvicorn_protocols import Protocol
from persisty.hosting.websocket import PROTOCOL
from persisty.hosting.websocket_protocol import SocketProtocol
from persisty.security.caller import Caller
from tests import tokens
from tests.parity.hosts import SECRET, fill
from tests.parity.table import item_id
from tests.shop import Article, Maker, Note, app

STAFF, ANN = Caller("bob", frozenset({"staff"})), Caller("ann")
CREATED = "subscription { articleCreated { code } }"


class Place(str):
    """The address of a server, and the server."""

    server: Server

    def followers(self) -> int:
        return sum(map(len, self.server.socket.fan_out._followers.values()))

    def reaches(self, followers: int) -> bool:
        """Wait until so many subscriptions run."""
        until = time.monotonic() + 10
        while self.followers() != followers and time.monotonic() < until:
            time.sleep(0.005)
        return self.followers() == followers


@contextmanager
def running(server: Server, around: Any = None) -> Iterator[Place]:
    config = uvicorn.Config(
        around or server, port=0, http=Protocol, ws=SocketProtocol, log_level="warning", lifespan="off"
    )
    process = uvicorn.Server(config)
    thread = threading.Thread(target=process.run)
    thread.start()
    while not process.started:
        thread.join(0.01)
    place = Place(f"127.0.0.1:{process.servers[0].sockets[0].getsockname()[1]}")
    place.server = server
    yield place
    process.should_exit = True
    thread.join(30)
    assert not thread.is_alive()


@pytest.fixture(params=["memory", "sqlite", "threads"])
def place(request: pytest.FixtureRequest, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A server: over engines that it calls where it is, and over one for which it uses threads."""
    monkeypatch.setenv("PERSISTY_TOKEN_SECRET", SECRET)
    monkeypatch.setattr(app, "_authenticator", None)
    app.use("memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/shop.db")
    app.prepare()
    fill()
    with running(Server(app)) as found:
        if request.param == "threads":
            monkeypatch.setattr(app.engine, "embedded", False)
        yield found
    app.close()


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The app, of which a test makes a server itself."""
    monkeypatch.setenv("PERSISTY_TOKEN_SECRET", SECRET)
    monkeypatch.setattr(app, "_authenticator", None)
    app.use("memory://")
    fill()
    yield
    app.close()


class Client:
    """A connection, spoken to in messages."""

    def __init__(self, connection: ClientConnection, place: Place) -> None:
        self.connection, self.place = connection, place

    def say(self, kind: str, name: str | None = None, payload: Any = None) -> None:
        said = {"type": kind, "id": name, "payload": payload}
        self.connection.send(json.dumps({key: value for key, value in said.items() if value is not None}))

    def hear(self) -> Any:
        return json.loads(self.connection.recv(timeout=10))

    def ask(self, name: str, query: str, **variables: Any) -> None:
        self.say("subscribe", name, {"query": query, "variables": variables})

    def begin(self, name: str, query: str, **variables: Any) -> None:
        """Subscribe, and wait until that has begun."""
        before = self.place.followers()
        self.ask(name, query, **variables)
        assert self.place.reaches(before + 1), self.hear()

    def ended(self) -> tuple[int, str]:
        """Return the server's close code."""
        with pytest.raises(ConnectionClosed) as closed:
            self._drain()
        received = closed.value.rcvd
        assert received is not None
        return received.code, received.reason

    def _drain(self) -> None:
        while True:
            self.connection.recv(timeout=10)


@contextmanager
def raw(place: Place, **more: Any) -> Iterator[Client]:
    with connect(f"ws://{place}/graphql", **{"subprotocols": [PROTOCOL], **more}) as connection:
        yield Client(connection, place)


@contextmanager
def client(place: Place, caller: Caller | None = None, token: str | None = None) -> Iterator[Client]:
    with raw(place) as found:
        token = app.authenticator.token(caller) if caller is not None else token
        found.say("connection_init", payload={"Authorization": f"Bearer {token}"} if token else None)
        assert found.hear() == {"type": "connection_ack"}
        yield found


def create(place: Place, code: str, **more: Any) -> str:
    """Create an article over REST, as the staff; its id."""
    token = app.authenticator.token(STAFF)
    body = {"code": code, "price": "1.50", **more}
    made = httpx.post(f"http://{place}/api/article", json=body, headers={"authorization": f"Bearer {token}"})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def following(name: str, **data: Any) -> dict[str, Any]:
    return {"type": "next", "id": name, "payload": {"data": data}}


# what subscribers are told


def test_what_is_written_by_whatever_means_is_told_as_a_query_would_tell_it(place: Place) -> None:
    with client(place) as anybody:
        query = "{ id code price maker { name article_count } }"
        anybody.begin("1", f"subscription {{ made: articleCreated {query} }}")
        key = create(place, "rest", maker_id=str(item_id(900)))
        [answered] = httpx.post(
            f"http://{place}/graphql", json={"query": f'{{ made: articleRead(key: "{key}") {query} }}'}
        ).json()["data"].values()  # fmt: skip
        assert answered["maker"] == {"name": "Ann & Sons", "article_count": answered["maker"]["article_count"]}
        assert anybody.hear() == following("1", made=answered)
        app.store(Article).create({"code": "python", "price": "2"})
        assert anybody.hear()["payload"]["data"]["made"]["code"] == "python"


def test_each_kind_has_its_own_and_a_deleted_item_is_told_as_it_was(place: Place) -> None:
    with client(place, STAFF) as staff:
        stocks = {"Created": 0, "Updated": 4, "Deleted": 4}
        for kind in stocks:
            staff.begin(kind, f"subscription {{ article{kind} {{ code stock }} }}")
        articles = app.store(Article)
        made = articles.create({"code": "new", "price": "2"})
        articles.update(made.id, {"stock": 4})
        articles.delete(made.id)
        told = sorted((staff.hear() for _ in range(3)), key=lambda one: list(stocks).index(one["id"]))
        assert told == [
            following(kind, **{f"article{kind}": {"code": "new", "stock": stock}}) for kind, stock in stocks.items()
        ]


def test_a_filter_and_its_variables_choose(place: Place) -> None:
    query = 'subscription($least: Int!) { articleCreated(where: {stock: {ge: $least}, maker: {name: {eq: "Böll"}}}) { code } }'
    with client(place) as anybody:
        anybody.begin("a", query, least=5)
        for code, stock, maker in (("few", 4, 901), ("other", 9, 900), ("right", 5, 901)):
            create(place, code, stock=stock, maker_id=str(item_id(maker)))
        assert anybody.hear() == following("a", articleCreated={"code": "right"})


def test_each_subscriber_is_told_what_it_may_read_and_see(place: Place) -> None:
    query = "subscription { articleUpdated { code cost } }"
    with client(place) as anybody, client(place, STAFF) as staff, client(place, ANN) as ann:
        for one in (anybody, staff, ann):
            one.begin("1", query)
        articles = app.store(Article)
        articles.update(item_id(2), {"stock": 1})  # which is hidden
        articles.update(item_id(3), {"stock": 1})
        assert staff.hear() == following("1", articleUpdated={"code": "two", "cost": 2})
        assert staff.hear() == following("1", articleUpdated={"code": "three", "cost": 3})
        for one in (anybody, ann):
            assert one.hear() == following("1", articleUpdated={"code": "three", "cost": None})
        articles.update(item_id(3), {"hidden": True})
        articles.update(item_id(4), {"stock": 1})
        assert ann.hear() == following("1", articleUpdated={"code": "four", "cost": None})


def test_an_owner_is_told_of_its_own(place: Place) -> None:
    with client(place, ANN) as ann, client(place) as anybody:
        ann.begin("1", "subscription { noteCreated { text owner } }")
        for owner in ("bob", "ann"):
            app.store(Note).create(Note(id=item_id(800 + len(owner) + ord(owner[0])), text="new", owner=owner))
        assert ann.hear() == following("1", noteCreated={"text": "new", "owner": "ann"})
        anybody.ask("1", "subscription { noteCreated { text } }")
        refusal = anybody.hear()
        assert (refusal["type"], refusal["id"]) == ("error", "1")
        [error] = refusal["payload"]
        assert (error["extensions"]["code"], error["path"]) == ("unauthenticated", ["noteCreated"])


def test_a_filter_cannot_ask_for_what_the_subscriber_may_not_see(place: Place) -> None:
    with client(place, ANN) as ann:
        ann.ask("1", "subscription { articleCreated(where: {cost: {gt: 1}}) { code } }")
        [error] = ann.hear()["payload"]
        assert error["extensions"]["code"] == "invalid_query"
        assert error["extensions"]["faults"][0]["path"].startswith("/where/cost")


def test_edits_of_a_batch_are_told_one_by_one_and_what_failed_is_not(place: Place) -> None:
    with client(place) as anybody:
        anybody.begin("1", "subscription { makerCreated { name } }")
        token = app.authenticator.token(STAFF)
        edits = [{"create": {"name": name}} for name in ("a", "", "b")]
        done = httpx.post(
            f"http://{place}/graphql",
            headers={"authorization": f"Bearer {token}"},
            json={
                "query": "mutation($edits: [MakerEdit!]!) { makerEditBatch(edits: $edits, atomic: false) { code } }",
                "variables": {"edits": edits},
            },
        ).json()
        assert "errors" in done or [one["code"] for one in done["data"]["makerEditBatch"]][1] != "created"
        app.store(Maker).create({"name": "last"})
        names = []
        while not names or names[-1] != "last":
            names.append(anybody.hear()["payload"]["data"]["makerCreated"]["name"])
        assert names in (["last"], ["a", "b", "last"])


# the protocol


def test_queries_and_mutations_are_answered_as_by_http(place: Place) -> None:
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
def test_what_cannot_be_done_is_an_error_of_its_operation_alone(payload: Any, code: str, here: None) -> None:
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


def test_who_completes_is_told_nothing_more_and_may_use_the_id_again(place: Place) -> None:
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
def test_who_does_not_keep_to_the_protocol_is_told_so_and_let_go(name: str, lasting: Place) -> None:
    said, code = ENDS[name]
    with raw(lasting) as one:
        assert end_of(one, *said) == code


def test_another_protocol_is_not_spoken(lasting: Place) -> None:
    with raw(lasting, subprotocols=["graphql-ws"]) as one:
        assert one.ended()[0] == 4406
    with raw(lasting, subprotocols=None) as one:
        assert one.ended()[0] == 4406


def test_pings_are_answered_with_what_they_carry(lasting: Place) -> None:
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


def test_pages_of_origins_that_are_configured_may(here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSISTY_CORS_ORIGINS", "https://good.example")
    with running(Server(app)) as place, raw(place, origin="https://good.example") as one:
        one.say("ping")
        assert one.hear() == {"type": "pong"}


def test_there_is_nothing_at_other_paths(lasting: Place) -> None:
    with pytest.raises(InvalidStatus), connect(f"ws://{lasting}/api/article", subprotocols=[PROTOCOL]):
        pass


def test_who_does_not_say_who_it_is_in_time_is_let_go(here: None) -> None:
    server = Server(app)
    server.socket.patience = 0.2
    with running(server) as place, raw(place) as one:
        one.say("ping")  # is no excuse
        assert one.ended() == (4408, "Connection initialisation timeout")


# who it is, later on


def test_credentials_of_the_handshake_count(here: None) -> None:
    headers = {"authorization": f"Bearer {app.authenticator.token(ANN)}"}
    with running(Server(app)) as place, raw(place, additional_headers=headers) as ann:
        ann.say("connection_init")
        assert ann.hear() == {"type": "connection_ack"}
        ann.ask("1", "{ noteCount }")
        assert ann.hear() == following("1", noteCount=1)


def test_who_is_trusted_no_more_is_told_so_and_nothing_else(here: None, monkeypatch: pytest.MonkeyPatch) -> None:
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


# bounds


def test_a_connection_has_so_many_operations_and_no_more(here: None) -> None:
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


def test_what_is_asked_over_a_socket_is_counted_as_any_request(here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSISTY_RATE_LIMIT", "3/h")
    with running(Server(app)) as place, client(place) as anybody:
        for name in ("1", "2"):
            anybody.ask(name, "{ articleCount }")
            assert [anybody.hear()["type"], anybody.hear()["type"]] == ["next", "complete"]
        anybody.begin("3", CREATED)
        anybody.ask("4", "{ articleCount }")
        told = anybody.hear()
        assert (told["type"], told["id"], told["payload"][0]["extensions"]["code"]) == ("error", "4", "rate_limited")


def test_who_falls_behind_is_told_what_came_first_and_that_more_was_lost(here: None) -> None:
    async def run() -> tuple[list[str], str]:
        changes = FanOut(app, kept=5)
        with changes.following("maker", "created") as follower:
            for number in range(8):
                app.store(Maker).create({"name": str(number)})
            await asyncio.sleep(0.05)
            first = [one.item.name for one in await follower.take()]
            with pytest.raises(Exception, match="overrun") as lost:
                await follower.take()
        return first, lost.value.code

    assert asyncio.run(run()) == (["0", "1", "2", "3", "4"], "subscription_overrun")


def test_nobody_is_told_and_nothing_kept_when_nobody_follows(here: None) -> None:
    async def run() -> None:
        changes = FanOut(app)
        with changes.following("maker", "created"), changes.following("maker", "created"):
            assert app._feed.has_listeners("maker")
        assert not app._feed.has_listeners("maker")

    asyncio.run(run())


def test_a_client_that_leaves_is_forgotten(here: None) -> None:
    with running(Server(app)) as place:
        with client(place) as anybody:
            anybody.begin("1", "subscription { makerCreated { name } }")
            assert app._feed.has_listeners("maker")
        until = time.monotonic() + 10
        while app._feed.has_listeners("maker") and time.monotonic() < until:
            time.sleep(0.01)
        assert not app._feed.has_listeners("maker")
        app.store(Maker).create({"name": "still works"})


def test_many_writers_in_threads_lose_nothing(here: None) -> None:
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


def test_operations_are_logged_and_counted_as_requests_are(here: None) -> None:
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


def test_a_server_that_stops_lets_connections_go(here: None) -> None:
    with running(Server(app)) as place, raw(place) as one:
        one.say("ping")
        one.hear()
    # which the context does not leave while it runs


def test_the_endpoint_over_http_never_begins_a_subscription(here: None) -> None:
    body = json.dumps({"query": CREATED}).encode()
    request = Request("POST", "/graphql", "", {"content-type": "application/json"}, body)
    begun: list[Any] = []
    endpoint = GraphqlEndpoint(app)
    assert "errors" in json.loads(endpoint.handle(request).body)
    assert endpoint.handle_live(request, begun.append).body == b""
    assert len(begun) == 1


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


def framed(content: bytes, opcode: int = 1) -> bytes:
    size = bytes([0x80 | len(content)]) if len(content) < 126 else b"\xfe" + len(content).to_bytes(2, "big")
    return bytes([0x80 | opcode]) + size + b"\0\0\0\0" + content


INIT, BYE = framed(b'{"type":"connection_init"}'), framed(b"\x03\xe8", 8)
EMOJIS = json.dumps("\U0001f600" * 100).encode()
SUBSCRIBE = framed(b'{"type":"subscribe","id":' + EMOJIS + b',"payload":{"query":"' + CREATED.encode() + b'"}}')


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ((framed(b'{"type":"connection_init","payload":{"a":1e999}}'),), 4400),
        ((framed(b'{"type":"connection_init","payload":' + b"9" * 5000 + b"}"),), 4400),
        ((framed(b'{"type":"connection_init","payload":' + b"[" * 900 + b"]" * 900 + b"}"),), 4400),
        ((INIT, SUBSCRIBE, SUBSCRIBE), 4409),
        ((INIT, framed(b"\xff\xfe")), 1007),
        ((INIT, framed(b"\xff\xfe"), BYE), 1000),
        ((framed(b"\xff\xfe"), framed(b"\xff\xfe"), BYE, framed(b"\xff")), 1000),
    ],
)
def test_a_conversation_that_breaks_the_protocol_ends_with_a_close_frame_and_no_trace(
    place: Place, caplog: pytest.LogCaptureFixture, frames: tuple[bytes, ...], code: int
) -> None:
    with caplog.at_level("INFO"):
        answer = raw_frames(place, *frames)
    assert code.to_bytes(2, "big") in answer
    assert "Traceback" not in caplog.text
    assert "secret" not in caplog.text
