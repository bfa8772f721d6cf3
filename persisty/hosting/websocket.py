"""GraphQL over a WebSocket: subscriptions, queries and mutations, by the protocol `graphql-transport-ws`.

Source: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md. Each operation becomes a request and passes the same steps as a POST
to the same path: authentication, rate limit, endpoint. Therefore responses have the same bytes. Credentials are in the payload of `connection_init`,
`{"authorization": "Bearer …"}`, because a page cannot set headers of a WebSocket; headers of the handshake work as well. They are verified
again with every request and every event.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec
from anyio import CapacityLimiter, to_thread
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
from ..model import nesting
from ..security.authenticator import Authenticator
from ..store.change_feed import Change
from ..store.wait_limits import within
from .embedded_calls import LONGEST, call_embedded
from .fan_out import FanOut, Follower
from .tracing import CLIENT_CLOSED, begin

PROTOCOL = "graphql-transport-ws"
PATIENCE = 10.0
"""Seconds in which a connection has to send `connection_init`."""
MOST_OPERATIONS = 100
"""The most operations of one connection at a time."""
MAX_ID = 128
"""The most characters of an operation's id."""
QUICK, LARGE_AT_ONCE = 2_048, 2
"""The most bytes of a request that is answered in the event loop, and the most larger ones that run in threads at a time."""
MAX_REASON = 123
"""The most bytes of the reason in a close frame (RFC 6455, 5.5)."""

TOO_LARGE, FAILED = 1009, 1011
BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, WRONG_PROTOCOL, TIMEOUT, TWICE, INITIALISED = (
    4400, 4401, 4403, 4406, 4408, 4409, 4429,
)  # fmt: skip
HANDSHAKE = ("sec-websocket-", "content-", "accept", "connection", "upgrade", "if-", "idempotency-key")
"""Prefixes of headers that belong to the handshake or to one request, and are not passed on."""


class Message(Struct, omit_defaults=True):
    """A message of the protocol. `payload` is any JSON, not decoded."""

    type: str
    id: str = ""
    payload: Raw = Raw()


Ended = Callable[[str, int, int, float], None]
"""Called in the context of each operation when it has ended, with path, status, bytes sent and seconds."""


class _Closed(Exception):
    """Closes the connection with a code of the protocol and a reason, which is cut to the length that a close frame allows."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason.encode()[:MAX_REASON].decode(errors="ignore")


class GraphqlSocket:
    """The GraphQL surface of an app for WebSockets. `surface` wraps a handler in CORS, rate limit and authentication. `patience`: seconds in
    which a connection has to send `connection_init`. `most`: operations that a connection may have at a time."""

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
        self.large = CapacityLimiter(LARGE_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send, headers: Mapping[str, str]) -> None:
        """Serve one connection from its handshake to its end."""
        if not self._allows_origin(headers):
            await send({"type": "websocket.close"})  # before it is accepted: the client gets 403
            return
        await _Connection(self, scope, receive, send, headers).run()

    def answer(self, request: Request) -> tuple[Response, Live | None]:
        """Return the response to a request, and the subscription if it begins one."""
        begun: list[Live] = []

        def handle(identified: Request) -> Response:
            return self._endpoint.handle_live(identified, begun.append)

        response = self._surface(handle)(request)
        return response, begun[0] if begun else None

    def _allows_origin(self, headers: Mapping[str, str]) -> bool:
        """Return whether a page of this origin may connect. Browsers send no preflight for a WebSocket, so the check is here."""
        origin = headers.get("origin")
        return (
            origin is None
            or EVERY in self._origins
            or origin in self._origins
            or origin.partition("://")[2] == headers.get("host")
        )


class _Progress:
    """The status of an operation and the bytes sent for it so far."""

    def __init__(self, name: str) -> None:
        self.name, self.status, self.size = name, 200, 0


class _Connection:
    """The connection of one client."""

    def __init__(
        self, socket: GraphqlSocket, scope: Scope, receive: Receive, send: Send, headers: Mapping[str, str]
    ) -> None:
        self._socket, self._scope, self._receive, self._send = socket, scope, receive, send
        self._headers = {name: one for name, one in headers.items() if not name.startswith(HANDSHAKE)}
        self._authenticator: Authenticator = socket.app.authenticator
        self._embedded = socket.app.engine.embedded
        self._initialised = False
        self._operations: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        await self._receive()  # websocket.connect
        offered = PROTOCOL in self._scope.get("subprotocols", ())
        await self._send({"type": "websocket.accept", "subprotocol": PROTOCOL if offered else None})
        try:
            if not offered:
                raise _Closed(WRONG_PROTOCOL, f"Subprotocol not acceptable: use {PROTOCOL}")
            await self._serve()
        except _Closed as end:
            await self._send({"type": "websocket.close", "code": end.code, "reason": end.reason})
        except OSError:  # the client has disconnected: every send fails
            pass
        finally:
            running = list(self._operations.values())
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _serve(self) -> None:
        try:
            async with asyncio.timeout(self._socket.patience):
                while not self._initialised:
                    message = await self._next()
                    if message is None:
                        return
                    await self._handle(message)
        except TimeoutError:
            raise _Closed(TIMEOUT, "Connection initialisation timeout") from None
        while (message := await self._next()) is not None:
            await self._handle(message)

    async def _next(self) -> Message | None:
        """Return the next message, None if the client has disconnected."""
        event = await self._receive()
        if event["type"] == "websocket.disconnect":
            return None
        text = event.get("text")
        if text is None:
            raise _Closed(BAD_REQUEST, "Expected text")
        if len(text.encode()) > self._socket.max_message:
            raise _Closed(TOO_LARGE, f"A message may have at most {self._socket.max_message} bytes")
        try:
            return MESSAGES.decode(text)
        except (msgspec.DecodeError, RecursionError):
            raise _Closed(BAD_REQUEST, "Not a message of the protocol") from None

    async def _handle(self, message: Message) -> None:
        handle = HANDLERS.get(message.type)
        if handle is None:
            raise _Closed(BAD_REQUEST, "Unknown type of message")
        await handle(self, message)

    async def _initialise(self, message: Message) -> None:
        if self._initialised:
            raise _Closed(INITIALISED, "Too many initialisation requests")
        self._headers |= _credentials(message.payload)
        try:
            await self._run(partial(self._authenticator.authenticate, self._headers))
        except Exception as error:
            known = as_error(error)
            raise _Closed(FORBIDDEN if known.status < 500 else FAILED, known.code) from None
        self._initialised = True
        await self._send_message(Message("connection_ack"))

    async def _subscribe(self, message: Message) -> None:
        if not self._initialised:
            raise _Closed(UNAUTHORIZED, "Unauthorized")
        name = message.id
        if not 0 < len(name) <= MAX_ID:
            raise _Closed(BAD_REQUEST, f"An id must have 1 to {MAX_ID} characters")
        if name in self._operations:
            raise _Closed(TWICE, f"Subscriber for {name} already exists")
        if len(self._operations) >= self._socket.most:
            most = self._socket.most
            await self._fail(
                name, TooManySubscriptions(f"A connection may have at most {most} operations at a time", limit=most)
            )
            return
        task = self._operations[name] = asyncio.create_task(self._operate(name, bytes(message.payload)))
        task.add_done_callback(lambda done: self._remove(name, done))

    async def _complete(self, message: Message) -> None:
        task = self._operations.pop(message.id, None)
        if task is not None:
            task.cancel()

    async def _pong(self, message: Message) -> None:
        await self._send_message(Message("pong", payload=message.payload))

    async def _ignore(self, message: Message) -> None:
        """Ignore a pong."""

    def _remove(self, name: str, done: asyncio.Task[None]) -> None:
        if self._operations.get(name) is done:
            del self._operations[name]

    async def _operate(self, name: str, body: bytes) -> None:
        """Run one operation to its end. Its status in the access log is that of the response over HTTP, or 499 if the client ended it."""
        begin(self._headers, self._scope)
        progress, started = _Progress(name), time.perf_counter()
        try:
            await self._answer(progress, body)
        except asyncio.CancelledError:
            progress.status = CLIENT_CLOSED
            raise
        except OSError:  # the client has disconnected
            progress.status = CLIENT_CLOSED
        except Exception as error:
            known = as_error(error)
            progress.status = known.status
            with suppress(OSError):
                await self._fail(name, known)
        finally:
            if self._socket.ended is not None:
                seconds = time.perf_counter() - started
                self._socket.ended(self._scope["path"], progress.status, progress.size, seconds)

    async def _answer(self, progress: _Progress, body: bytes) -> None:
        request = Request("POST", "/graphql", "", {**self._headers, **AS_GRAPHQL}, body)
        response, live = await self._run(partial(self._socket.answer, request), quick=len(body) <= QUICK)
        if live is not None:
            with self._socket.fan_out.following(live.store, live.kind) as follower:
                await self._follow(progress, live, follower)
            return
        progress.status = response.status
        if response.status == 200:
            await self._send_next(progress, response.body)
            await self._send_message(Message("complete", progress.name))
        else:
            await self._send_message(Message("error", progress.name, _errors(response)))

    async def _follow(self, progress: _Progress, live: Live, follower: Follower) -> None:
        """Send events until the client ends the subscription or loses its access."""
        while True:
            changes = await follower.take()
            for event in await self._run(partial(self._events, live, changes)):
                await self._send_next(progress, event)
            await asyncio.sleep(0)  # lets other tasks run

    def _events(self, live: Live, changes: list[Change]) -> list[bytes]:
        caller = self._authenticator.authenticate(self._headers)
        return [event for one in changes if (event := live.event(one, caller)) is not None]

    async def _run(self, work: Callable[[], Any], *, quick: bool = True) -> Any:
        """Run work that may call the engine. It runs in a thread unless it returns at once. It is not `quick` if its document is large."""
        if not (self._embedded and self._authenticator.ready(self._headers)):
            return await run_in_threadpool(work)
        return (
            await call_embedded(work)
            if quick
            else await to_thread.run_sync(within, LONGEST, work, limiter=self._socket.large)
        )

    async def _send_next(self, progress: _Progress, answer: bytes) -> None:
        progress.size += len(answer)
        await self._send_message(Message("next", progress.name, Raw(answer)))

    async def _fail(self, name: str, error: PersistyError) -> None:
        await self._send_message(Message("error", name, ERRORS.decode(refused(error).body)["errors"]))

    async def _send_message(self, message: Message) -> None:
        await self._send({"type": "websocket.send", "text": msgspec.json.encode(message).decode()})


AS_GRAPHQL = {"content-type": "application/json", "accept": RESPONSE_JSON}
MESSAGES = msgspec.json.Decoder(Message)
ERRORS = msgspec.json.Decoder(dict[str, Raw])
HANDLERS = {
    "connection_init": _Connection._initialise,
    "subscribe": _Connection._subscribe,
    "complete": _Connection._complete,
    "ping": _Connection._pong,
    "pong": _Connection._ignore,
}
"""Type of a message → its handler."""


def _credentials(payload: Raw) -> dict[str, str]:
    """Return the headers in the payload of `connection_init`, in any case of letters. Other members are ignored."""
    try:
        given = nesting.decode(bytes(payload)) if payload else None
    except msgspec.DecodeError:
        raise _Closed(BAD_REQUEST, "The payload of connection_init is not JSON") from None
    if given is not None and not isinstance(given, dict):
        raise _Closed(BAD_REQUEST, "The payload of connection_init must be an object")
    found = {name.lower(): one for name, one in (given or {}).items() if name.lower() in CREDENTIALS}
    if not all(isinstance(one, str) for one in found.values()):
        raise _Closed(BAD_REQUEST, "Credentials must be text")
    return found


CREDENTIALS = frozenset({"authorization"})


def _errors(response: Response) -> Raw:
    """Return the errors of a response as a list of GraphQL errors."""
    if response.headers.get("content-type") != PROBLEM["content-type"]:
        return ERRORS.decode(response.body)["errors"]
    members: dict[str, Any] = msgspec.json.decode(response.body)
    title, detail = members.pop("title"), members.pop("detail", None)
    return Raw(msgspec.json.encode([{"message": detail or title, "extensions": members}]))
