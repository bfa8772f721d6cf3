"""The server in front of the functions: the HTTP API's routes, AppSync below `/appsync`, and the pages for people."""

from __future__ import annotations

from typing import Any

from anyio import to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..hosting.pages import routes_without_app
from .appsync import AppSync
from .deployed import Deployed
from .functions import FunctionFailed, RunningFunction
from .http_api import FAILED, NOT_FOUND, TIMED_OUT, Incoming, Outgoing, Routes, event_of, own_response, response_of
from .realtime import PATH, REALTIME, Realtime

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
MAX_BODY = 10 * 1024 * 1024
"""Bytes of a request's body that an HTTP API accepts."""

URLS = {"REST": "/api", "OpenAPI": "/openapi.json", "GraphQL": "/graphql"}
"""Name of a part of the HTTP API → its path."""

PAGES = {"REST documentation": ("/docs", "OpenAPI"), "GraphiQL": ("/graphiql", "GraphQL")}
"""Title of a page → its path, and the URL that it needs. They are for this machine: AWS serves no pages."""


class Front:
    """Answers requests by what is deployed, which may be replaced while it answers."""

    def __init__(self) -> None:
        self._functions: dict[str, RunningFunction] = {}
        self._routes = Routes(())
        self._paths: dict[str, str] = {}
        self._keys: tuple[str, ...] = ()
        self.realtime = Realtime()

    def deploy(self, deployed: Deployed, functions: dict[str, RunningFunction], graphql: AppSync | None) -> None:
        """Answer the next requests by this deployment."""
        self._functions, self._routes = functions, Routes(deployed.routes)
        self.realtime.deploy(graphql)
        self._keys = () if graphql is None else graphql.api.keys
        keys = [route.key for route in deployed.routes]
        self._paths = {name: path for name, path in URLS.items() if any(key.endswith(f" {path}") for key in keys)}

    def urls(self, place: str) -> list[str]:
        """Return a line for each URL. `place`: of the server."""
        lines = [f"{name}: {place}{path}" for name, path in self._paths.items()]
        lines += [f"{title}: {place}{page}" for title, (page, needs) in PAGES.items() if needs in self._paths]
        if self.realtime.api is not None:
            lines.append(f"AppSync: {place}{PATH}")
            lines.append(f"AppSync subscriptions: {place.replace('http', 'ws', 1)}{REALTIME}")
            lines += [f"AppSync API key: {key}" for key in self._keys]
        return lines

    def answer(self, request: Incoming) -> Outgoing:
        """Return the response to a request, as the HTTP API and the function give it."""
        match = self._routes.find(request.method, request.path)
        if match is None:
            return own_response(NOT_FOUND)
        if len(request.body) > MAX_BODY:
            return own_response((413, "Request Entity Too Large"))
        try:
            return response_of(self._functions[match.route.function].invoke(event_of(request, match, "local")))
        except FunctionFailed as error:
            return own_response(TIMED_OUT if error.kind == "Sandbox.Timedout" else FAILED)


def application(front: Front, name: str) -> Starlette:
    """Return the server: AppSync's endpoints, the pages /docs and /graphiql, and the HTTP API on every other path."""

    async def http(request: Request) -> Response:
        scope: Any = request.scope
        incoming = Incoming(
            method=request.method,
            path=scope["raw_path"].decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
            headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]],
            body=await request.body(),
            client=scope["client"][0] if scope.get("client") else "127.0.0.1",
        )
        outgoing = await to_thread.run_sync(front.answer, incoming)
        response = Response(outgoing.body, outgoing.status)
        length = [(b"content-length", str(len(outgoing.body)).encode())]
        response.raw_headers = [
            *(
                (name.encode("latin-1"), value.encode("latin-1"))
                for name, value in outgoing.headers
                if name != "content-length"
            ),
            *length,
        ]
        return response

    return Starlette(
        routes=[*front.realtime.routes(), *routes_without_app(name), Route("/{path:path}", http, methods=METHODS)]
    )
