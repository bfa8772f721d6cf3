"""GraphQL over a WebSocket: subscriptions, and queries and mutations beside them, by the protocol `graphql-transport-ws`.

Follows https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md. A message that asks for something is made a request, and passes all
that a POST to the same path passes: the look at credentials, the rate limit, the endpoint; so answers have the same bytes. Credentials
come in the payload of `connection_init`, `{"authorization": "Bearer …"}`, since a page cannot give a WebSocket headers; those of the handshake
count, too. They are looked at again with every request, and with every event.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec
from msgspec import Raw, Struct
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from ..api.graphql.hosted.endpoint import RESPONSE_JSON, GraphqlEndpoint
from ..api.graphql.hosted.subscription import Live
from ..api.graphql.response import refused
from ..api.http.authentication import Handle
from ..api.http.cors import EVERY
from ..api.http.messages import PROBLEM, Request, Response
from ..api.http.problem import as_error
from ..application import App
from ..errors import PersistyError, TooManySubscriptions
from ..security.authenticator import Authenticator
from ..store.change_feed import Change
from .fan_out import FanOut, Follower
from .tracing import LEFT, begin

PROTOCOL = "graphql-transport-ws"
PATIENCE = 10.0
"""Seconds in which a connection has to say who it is."""
MOST_OPERATIONS = 100
"""Operations of one connection at a time."""
LONGEST_ID = 128
"""Characters of what a client calls an operation."""

TOO_LARGE, FAILED = 1009, 1011
BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, WRONG_PROTOCOL, TIMEOUT, TWICE, INITIALISED = (
    4400, 4401, 4403, 4406, 4408, 4409, 4429,
)  # fmt: skip
HANDSHAKE = ("sec-websocket-", "content-", "accept", "connection", "upgrade", "if-", "idempotency-key")
"""Beginnings of headers that are about the handshake, or about one request."""


class Message(Struct, omit_defaults=True):
    """A message of the protocol. `payload` is any JSON, as it stands."""

    type: str
    id: str = ""
    payload: Raw = Raw()


Ended = Callable[[str, int, int, float], None]
"""Told of each operation when it has ended, in its context: path, status, bytes that were sent, and seconds it took."""


class _Closed(Exception):
    """The connection ends: a code of the protocol, and why, in at most 123 bytes."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class GraphqlSocket:
    """The GraphQL surface of an app for WebSockets. `surface` puts a handler behind all that a request has to pass; `patience`: seconds
    that a connection has for its `connection_init`; `most`: operations that one may have at a time."""

    def __init__(
        self,
        app: App,
        endpoint: GraphqlEndpoint,
        surface: Callable[[Handle], Handle],
        origins: frozenset[str],
        max_message: int,
        patience: float = PATIENCE,
        most: int = MOST_OPERATIONS,
        fan_out: FanOut | None = None,
    ) -> None:
        self.app, self.patience, self.most, self.max_message = app, patience, most, max_message
        self.fan_out = fan_out or FanOut(app)
        self.ended: Ended | None = None
        self._endpoint, self._surface, self._origins = endpoint, surface, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send, headers: Mapping[str, str]) -> None:
        """One connection, from its handshake to its end."""
        if not self._welcome(headers):
            await send({"type": "websocket.close"})  # before it is accepted, which a client is told as 403
            return
        await _Connection(self, scope, receive, send, headers).run()

    def answer(self, request: Request) -> tuple[Response, Live | None]:
        """The response to a request, or the subscription that it begins."""
        begun: list[Live] = []

        def handle(identified: Request) -> Response:
            return self._endpoint.handle_live(identified, begun.append)

        response = self._surface(handle)(request)
        return response, begun[0] if begun else None

    def _welcome(self, headers: Mapping[str, str]) -> bool:
        """Whether a page of this origin may connect. A browser asks nobody before it connects, so it is looked at here."""
        origin = headers.get("origin")
        return (
            origin is None
            or EVERY in self._origins
            or origin in self._origins
            or origin.partition("://")[2] == headers.get("host")
        )


class _Told:
    """What an operation's client has been told."""

    def __init__(self, name: str) -> None:
        self.name, self.status, self.size = name, 200, 0


class _Connection:
    """One client."""

    def __init__(
        self, socket: GraphqlSocket, scope: Scope, receive: Receive, send: Send, headers: Mapping[str, str]
    ) -> None:
        self._socket, self._scope, self._receive, self._send = socket, scope, receive, send
        self._headers = {name: one for name, one in headers.items() if not name.startswith(HANDSHAKE)}
        self._authenticator: Authenticator = socket.app.authenticator
        self._embedded = socket.app.engine.embedded
        self._known = False
        self._operations: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        await self._receive()  # websocket.connect
        spoken = PROTOCOL in self._scope.get("subprotocols", ())
        await self._send({"type": "websocket.accept", "subprotocol": PROTOCOL if spoken else None})
        try:
            if not spoken:
                raise _Closed(WRONG_PROTOCOL, f"Subprotocol not acceptable: {PROTOCOL} is spoken here")
            await self._converse()
        except _Closed as end:
            await self._send({"type": "websocket.close", "code": end.code, "reason": end.reason})
        except OSError:  # the client is gone, as every send tells by now
            pass
        finally:
            running = list(self._operations.values())
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _converse(self) -> None:
        try:
            async with asyncio.timeout(self._socket.patience):
                while not self._known:
                    message = await self._next()
                    if message is None:
                        return
                    await self._hear(message)
        except TimeoutError:
            raise _Closed(TIMEOUT, "Connection initialisation timeout") from None
        while (message := await self._next()) is not None:
            await self._hear(message)

    async def _next(self) -> Message | None:
        """The next message; None where the client is gone."""
        event = await self._receive()
        if event["type"] == "websocket.disconnect":
            return None
        text = event.get("text")
        if text is None:
            raise _Closed(BAD_REQUEST, "Expected text")
        if len(text.encode()) > self._socket.max_message:
            raise _Closed(TOO_LARGE, f"A message has at most {self._socket.max_message} bytes")
        try:
            return MESSAGES.decode(text)
        except (msgspec.DecodeError, RecursionError):
            raise _Closed(BAD_REQUEST, "Not a message of the protocol") from None

    async def _hear(self, message: Message) -> None:
        hear = HEARD.get(message.type)
        if hear is None:
            raise _Closed(BAD_REQUEST, "There is no such message from a client")
        await hear(self, message)

    async def _initialise(self, message: Message) -> None:
        if self._known:
            raise _Closed(INITIALISED, "Too many initialisation requests")
        self._headers |= _credentials(message.payload)
        known = partial(self._authenticator.authenticate, self._headers)
        try:
            await self._do(known)
        except Exception as error:
            told = as_error(error)
            raise _Closed(FORBIDDEN if told.status < 500 else FAILED, told.code) from None
        self._known = True
        await self._tell(Message("connection_ack"))

    async def _subscribe(self, message: Message) -> None:
        if not self._known:
            raise _Closed(UNAUTHORIZED, "Unauthorized")
        name = message.id
        if not 0 < len(name) <= LONGEST_ID:
            raise _Closed(BAD_REQUEST, f"An id has 1 to {LONGEST_ID} characters")
        if name in self._operations:
            raise _Closed(TWICE, f"Subscriber for {name} already exists"[:100])
        if len(self._operations) >= self._socket.most:
            most = self._socket.most
            await self._fail(name, TooManySubscriptions(f"A connection has at most {most} at a time", limit=most))
            return
        task = self._operations[name] = asyncio.create_task(self._operate(name, bytes(message.payload)))
        task.add_done_callback(lambda done: self._forget(name, done))

    async def _complete(self, message: Message) -> None:
        task = self._operations.pop(message.id, None)
        if task is not None:
            task.cancel()

    async def _pong(self, message: Message) -> None:
        await self._tell(Message("pong", payload=message.payload))

    async def _ignore(self, message: Message) -> None:
        """A pong asks for nothing."""

    def _forget(self, name: str, done: asyncio.Task[None]) -> None:
        if self._operations.get(name) is done:
            del self._operations[name]

    async def _operate(self, name: str, body: bytes) -> None:
        """One operation, to its end. Its status is that of an answer over HTTP, or 499 if its client ended it, as the access log has it."""
        begin(self._headers, self._scope)
        told, started = _Told(name), time.perf_counter()
        try:
            await self._answered(told, body)
        except asyncio.CancelledError:
            told.status = LEFT
            raise
        except OSError:  # nobody is there to be told
            told.status = LEFT
        except Exception as error:
            known = as_error(error)
            told.status = known.status
            with suppress(OSError):
                await self._fail(name, known)
        finally:
            if self._socket.ended is not None:
                self._socket.ended(self._scope["path"], told.status, told.size, time.perf_counter() - started)

    async def _answered(self, told: _Told, body: bytes) -> None:
        request = Request("POST", "/graphql", "", {**self._headers, **AS_GRAPHQL}, body)
        response, live = await self._do(partial(self._socket.answer, request))
        if live is not None:
            with self._socket.fan_out.following(live.store, live.kind) as follower:
                await self._follow(told, live, follower)
            return
        told.status = response.status
        if response.status == 200:
            await self._next_of(told, response.body)
            await self._tell(Message("complete", told.name))
        else:
            await self._tell(Message("error", told.name, _errors(response)))

    async def _follow(self, told: _Told, live: Live, follower: Follower) -> None:
        """Tell of changes until the client is told otherwise, or may not be told any more."""
        while True:
            changes = await follower.take()
            for event in await self._do(partial(self._events, live, changes)):
                await self._next_of(told, event)
            await asyncio.sleep(0)  # others have their turn

    def _events(self, live: Live, changes: list[Change]) -> list[bytes]:
        caller = self._authenticator.authenticate(self._headers)
        return [told for one in changes if (told := live.event(one, caller)) is not None]

    async def _do(self, work: Callable[[], Any]) -> Any:
        """Do work that may ask the engine, where it holds up nobody."""
        if self._embedded and self._authenticator.ready(self._headers):
            return work()
        return await run_in_threadpool(work)

    async def _next_of(self, told: _Told, answer: bytes) -> None:
        told.size += len(answer)
        await self._tell(Message("next", told.name, Raw(answer)))

    async def _fail(self, name: str, error: PersistyError) -> None:
        await self._tell(Message("error", name, ERRORS.decode(refused(error).body)["errors"]))

    async def _tell(self, message: Message) -> None:
        await self._send({"type": "websocket.send", "text": msgspec.json.encode(message).decode()})


AS_GRAPHQL = {"content-type": "application/json", "accept": RESPONSE_JSON}
MESSAGES = msgspec.json.Decoder(Message)
ERRORS = msgspec.json.Decoder(dict[str, Raw])
HEARD = {
    "connection_init": _Connection._initialise,
    "subscribe": _Connection._subscribe,
    "complete": _Connection._complete,
    "ping": _Connection._pong,
    "pong": _Connection._ignore,
}


def _credentials(payload: Raw) -> dict[str, str]:
    """The headers in the payload of `connection_init`, however their names are spelled. Nothing else in it is looked at."""
    given = msgspec.json.decode(payload) if payload else None
    if given is not None and not isinstance(given, dict):
        raise _Closed(BAD_REQUEST, "The payload of connection_init is an object")
    found = {name.lower(): one for name, one in (given or {}).items() if name.lower() in CREDENTIALS}
    if not all(isinstance(one, str) for one in found.values()):
        raise _Closed(BAD_REQUEST, "Credentials are text")
    return found


CREDENTIALS = frozenset({"authorization"})


def _errors(response: Response) -> Raw:
    """What went wrong, as a list of GraphQL's errors."""
    if response.headers.get("content-type") != PROBLEM["content-type"]:
        return ERRORS.decode(response.body)["errors"]
    said: dict[str, Any] = msgspec.json.decode(response.body)
    title, detail = said.pop("title"), said.pop("detail", None)
    return Raw(msgspec.json.encode([{"message": detail or title, "extensions": said}]))
