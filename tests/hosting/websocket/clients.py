"""A running server, and WebSocket clients of it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from persisty.hosting.server import Server
from persisty.hosting.uvicorn_protocols import Protocol
from persisty.hosting.websocket import PROTOCOL
from persisty.hosting.websocket_protocol import SocketProtocol
from persisty.security.caller import Caller
from tests.shop import app

STAFF, ANN = Caller("bob", frozenset({"staff"})), Caller("ann")


CREATED = "subscription { articleCreated { code } }"


class Place(str):
    """Yield the address of a server, and the server."""

    server: Server

    def followers(self) -> int:
        return sum(map(len, self.server.socket.fan_out._followers.values()))

    def reaches(self, followers: int) -> bool:
        """Wait until this many subscriptions are running."""
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


class Client:
    """A connection that sends and receives messages of the protocol."""

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
        """Subscribe, and wait until the subscription has begun."""
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
    """Create an article over REST as a member of staff, and return its id."""
    token = app.authenticator.token(STAFF)
    body = {"code": code, "price": "1.50", **more}
    made = httpx.post(f"http://{place}/api/article", json=body, headers={"authorization": f"Bearer {token}"})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def following(name: str, **data: Any) -> dict[str, Any]:
    return {"type": "next", "id": name, "payload": {"data": data}}
