"""The HTTP API: finds the route of a request, makes the event of it, and the response of the function's result.

Source: "Working with AWS Lambda proxy integrations for HTTP APIs" (payload format 2.0) and "Create routes for HTTP APIs" in the Amazon API Gateway
Developer Guide.
"""

from __future__ import annotations

import time
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote
from uuid import uuid4

import msgspec
from msgspec import Struct

from .deployed import HttpRoute

ANY, DEFAULT = "ANY", "$default"
NOT_FOUND, FAILED, TIMED_OUT = (404, "Not Found"), (500, "Internal Server Error"), (503, "Service Unavailable")
"""Responses of the HTTP API itself."""


class Incoming(Struct, frozen=True):
    """A request as the server has read it. `path`: percent-encoded."""

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    client: str


class Outgoing(Struct, frozen=True):
    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


class Match(Struct, frozen=True):
    """The route of a request, with the values of its parameters."""

    route: HttpRoute
    parameters: Mapping[str, str]


class Routes:
    """The routes of an API. The most specific one is taken: a full path before a parameter before a greedy one, a method before `ANY`."""

    def __init__(self, routes: Iterable[HttpRoute]) -> None:
        self._routes = tuple(routes)

    def find(self, method: str, path: str) -> Match | None:
        """Return the route of a request, None if there is none."""
        found = [
            (specific, Match(route, parameters))
            for route in self._routes
            for specific, parameters in _matches(route, method, path)
        ]
        return max(found, key=lambda one: one[0])[1] if found else None


def _matches(route: HttpRoute, method: str, path: str) -> Iterable[tuple[tuple[Any, ...], dict[str, str]]]:
    """Return how specific a route is for a request, and its parameters: one pair, or none if it does not match."""
    if route.key == DEFAULT:
        yield (0,), {}
        return
    route_method, _, pattern = route.key.partition(" ")
    if route_method not in (ANY, method):
        return
    parameters: dict[str, str] = {}
    kinds: list[int] = []
    given, parts = path.split("/"), pattern.split("/")
    for number, part in enumerate(parts):
        if number >= len(given):
            return
        if part.endswith("+}"):
            rest = "/".join(given[number:])
            if not rest:
                return
            parameters[part[1:-2]] = rest
            yield (1, tuple(kinds), route_method != ANY), parameters
            return
        if part.startswith("{"):
            parameters[part[1:-1]] = given[number]
            kinds.append(1)
        elif part == given[number]:
            kinds.append(2)
        else:
            return
    if len(parts) == len(given):
        yield (2, tuple(kinds), route_method != ANY), parameters


def decoded_path(path: str) -> str:
    """Return a path as an HTTP API passes it: decoded, except `%25`."""
    return "%25".join(unquote(part) for part in path.split("%25"))


def event_of(request: Incoming, match: Match, api: str) -> dict[str, Any]:
    """Return the event of a request."""
    headers: dict[str, str] = {}
    cookies = []
    for name, value in request.headers:
        if name == "cookie":
            cookies += [one.strip() for one in value.split(";")]
        else:
            headers[name] = f"{headers[name]},{value}" if name in headers else value
    path, now = decoded_path(request.path), time.time()
    values: dict[str, str] = {}
    for name, value in parse_qsl(request.query, keep_blank_values=True):
        values[name] = f"{values[name]},{value}" if name in values else value
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": match.route.key,
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": api,
            "domainName": headers.get("host", "localhost"),
            "domainPrefix": api,
            "http": {
                "method": request.method, "path": path, "protocol": "HTTP/1.1", "sourceIp": request.client,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": str(uuid4()),
            "routeKey": match.route.key,
            "stage": DEFAULT,
            "time": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }  # fmt: skip
    if cookies:
        event["cookies"] = cookies
    if values:
        event["queryStringParameters"] = values
    if match.parameters:
        event["pathParameters"] = {name: decoded_path(value) for name, value in match.parameters.items()}
    if request.body:
        try:
            event["body"] = request.body.decode()
        except UnicodeDecodeError:
            event |= {"body": b64encode(request.body).decode(), "isBase64Encoded": True}
    return event


def response_of(result: Any) -> Outgoing:
    """Return the response of a function's result. A result without a status is the body, as JSON."""
    if not isinstance(result, Mapping) or "statusCode" not in result:
        return Outgoing(200, [("content-type", "application/json")], msgspec.json.encode(result))
    body = result.get("body") or ""
    content = b64decode(body) if result.get("isBase64Encoded") else str(body).encode()
    headers = [(name.lower(), str(value)) for name, value in (result.get("headers") or {}).items()]
    headers += [("set-cookie", one) for one in result.get("cookies") or ()]
    return Outgoing(int(result["statusCode"]), headers, content)


def own_response(answer: tuple[int, str]) -> Outgoing:
    """Return a response of the API itself."""
    status, message = answer
    return Outgoing(status, [("content-type", "application/json")], msgspec.json.encode({"message": message}))
