"""AppSync's endpoints: `POST /appsync/graphql`, and the WebSocket of its subscriptions at `/appsync/graphql/realtime`.

Source: "Building a real-time WebSocket client in AWS AppSync" in the AWS AppSync Developer Guide.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from graphql import GraphQLError
from msgspec import Struct
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from .appsync import UNAUTHORIZED, AppSync, Refused, fresh
from .graphql_fields import schema_of
from .subscriptions import Subscription, begin, received

PATH, REALTIME, PROTOCOL = "/appsync/graphql", "/appsync/graphql/realtime", "graphql-ws"
TIMEOUT, KEEP_ALIVE = 300_000, 60.0
"""Milliseconds after which a client gives up a silent connection; seconds between keep-alive messages."""


class Subscriber(Struct, frozen=True, eq=False):
    """A subscription of a connection."""

    id: str
    socket: WebSocket
    subscription: Subscription


class Realtime:
    """The endpoints, in front of the API that is deployed at the moment. `api` is None if there is none."""

    def __init__(self) -> None:
        self.api: AppSync | None = None
        self._schema: Any = None
        self._subscribers: set[Subscriber] = set()

    def deploy(self, api: AppSync | None) -> None:
        """Answer the next requests by this API. Subscriptions go on."""
        self._schema = None if api is None else schema_of(api.api.sdl)
        self.api = api

    def routes(self) -> list[BaseRoute]:
        return [Route(PATH, self._post, methods=["POST"]), WebSocketRoute(REALTIME, self._connect)]

    async def _post(self, request: HttpRequest) -> Response:
        if self.api is None:
            return JSONResponse({"message": "Not Found"}, 404)
        try:
            body = await request.json()
            document, variables = body["query"], body.get("variables")
        except (ValueError, KeyError, TypeError):
            return _refusal(400, "MalformedHttpRequestException", "Request is malformed")
        try:
            caller = await self.api.caller(request.headers)
        except Refused:
            return _refusal(401, UNAUTHORIZED, "You are not authorized to make this call.")
        state = fresh(caller)
        answer = await self.api.execute(document, variables, body.get("operationName"), state)
        for name, event in (answer.get("data") or {}).items():
            if isinstance(event, dict):
                await self._publish(name, event)
        return JSONResponse(answer)

    async def _publish(self, mutation: str, event: dict[str, Any]) -> None:
        """Deliver the result of a mutation to the subscriptions that follow it."""
        for one in tuple(self._subscribers):
            data = received(self._schema, one.subscription, mutation, event)
            if data is not None:
                with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # the client has gone meanwhile
                    await one.socket.send_json({"id": one.id, "type": "data", "payload": {"data": data}})

    async def _connect(self, socket: WebSocket) -> None:
        """Serve a connection until it closes."""
        await socket.accept(subprotocol=PROTOCOL)
        try:
            if self.api is None:
                raise Refused(UNAUTHORIZED)
            await self.api.caller(_headers(socket))
        except Refused:
            await socket.send_json({"type": "connection_error", "payload": _errors(UNAUTHORIZED, "Permission denied")})
            await socket.close()
            return
        keep_alive = asyncio.create_task(_keep_alive(socket))
        try:
            while True:
                message = await socket.receive_json()
                await self._receive(socket, message)
        except (WebSocketDisconnect, ValueError, KeyError):
            pass
        finally:
            keep_alive.cancel()
            self._subscribers = {one for one in self._subscribers if one.socket is not socket}

    async def _receive(self, socket: WebSocket, message: Mapping[str, Any]) -> None:
        kind = message["type"]
        if kind == "connection_init":
            await socket.send_json({"type": "connection_ack", "payload": {"connectionTimeoutMs": TIMEOUT}})
        elif kind == "start":
            await self._start(socket, message["id"], message["payload"])
        elif kind == "stop":
            self._subscribers = {
                one for one in self._subscribers if one.socket is not socket or one.id != message["id"]
            }
            await socket.send_json({"id": message["id"], "type": "complete"})

    async def _start(self, socket: WebSocket, id_: str, payload: Mapping[str, Any]) -> None:
        given = json.loads(payload["data"])
        try:
            if self.api is None:
                raise Refused(UNAUTHORIZED)
            authorization = payload.get("extensions", {}).get("authorization", {})
            caller = await self.api.caller({name.lower(): value for name, value in authorization.items()})
            found = await begin(self.api, given, caller)
        except Refused:
            await _refuse(socket, id_, _errors(UNAUTHORIZED, "Permission denied"))
        except GraphQLError as error:
            await _refuse(socket, id_, _errors("BadRequestException", error.message))
        else:
            if isinstance(found, Subscription):
                self._subscribers = {*self._subscribers, Subscriber(id_, socket, found)}
                await socket.send_json({"id": id_, "type": "start_ack"})
            else:
                await _refuse(socket, id_, {"errors": found})


def _headers(socket: WebSocket) -> dict[str, str]:
    """Return the authorization of a connection: JSON in base64, in the query string or in the subprotocol."""
    given = socket.query_params.get("header")
    if given is None:
        offered = socket.headers.get("sec-websocket-protocol", "").split(",")
        given = next((one.strip()[len("header-") :] for one in offered if one.strip().startswith("header-")), "")
        given = given.replace("-", "+").replace("_", "/")
    try:
        found = json.loads(b64decode(given + "=" * (-len(given) % 4)))
        return {name.lower(): str(value) for name, value in found.items()}
    except (ValueError, AttributeError):
        return {}


async def _keep_alive(socket: WebSocket) -> None:
    while True:
        await asyncio.sleep(KEEP_ALIVE)
        await socket.send_json({"type": "ka"})


async def _refuse(socket: WebSocket, id_: str, payload: Mapping[str, Any]) -> None:
    await socket.send_json({"id": id_, "type": "error", "payload": payload})


def _errors(kind: str, message: str) -> dict[str, Any]:
    return {"errors": [{"errorType": kind, "message": message}]}


def _refusal(status: int, kind: str, message: str) -> Response:
    return JSONResponse(_errors(kind, message), status)
