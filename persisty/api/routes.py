"""The table of routes: method and path → the operation, handler or page that answers.

The server and REST dispatch by it, OpenAPI describes it, the plan makes API Gateway's routes from it, and metrics take their labels from it.
`route_of` returns the route of an operation.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from msgspec import Struct

from .operations import Operation

API, ACTIONS = "/api/", "/actions/"
"""Prefixes of the paths of store operations, and of actions that declare no path."""
KEY = "/{key}"
"""The end of a path with an item's key."""


class Surface(Enum):
    """The part of a host that answers: REST, GraphQL, the server itself, a page, or a folder of files that pages load."""

    REST = "rest"
    GRAPHQL = "graphql"
    SERVER = "server"
    PAGE = "page"
    FOLDER = "folder"


class Route(Struct, frozen=True):
    """A row of the table. `name` is the name of the operation, the handler, the page's file or the folder. `path` may end with a parameter in
    braces."""

    method: str
    path: str
    name: str
    surface: Surface

    @property
    def stem(self) -> str:
        """The path up to its parameter."""
        return self.path.partition("{")[0]


ROUTES: tuple[Route, ...] = (
    Route("GET", "/health", "health", Surface.REST),
    Route("GET", "/openapi.json", "openapi", Surface.REST),
    Route("GET", API, "index", Surface.REST),
    Route("POST", "/graphql", "graphql", Surface.GRAPHQL),
    Route("GET", "/ready", "ready", Surface.SERVER),
    Route("GET", "/metrics", "metrics", Surface.SERVER),
    Route("GET", "/", "index.html", Surface.PAGE),
    Route("GET", "/docs", "docs.html", Surface.PAGE),
    Route("GET", "/graphiql", "graphiql.html", Surface.PAGE),
    Route("GET", "/pages/{file}", "pages", Surface.FOLDER),
    Route("GET", "/static/{file}", "static", Surface.FOLDER),
)
"""The fixed routes."""


def fixed(surface: Surface) -> tuple[Route, ...]:
    """Return the fixed routes of a surface."""
    return tuple(route for route in ROUTES if route.surface is surface)


def route_of(operation: Operation) -> Route:
    """Return the route of an operation."""
    return Route(operation.method, operation.path, operation.name, Surface.REST)


def routes_of(operations: Iterable[Operation]) -> tuple[Route, ...]:
    """Return every route of a host: the fixed ones, and those of the operations."""
    return (*ROUTES, *map(route_of, operations))
