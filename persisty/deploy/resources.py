"""The records of a plan: the resources of a deployment as plain data. `plan.py` computes them, `stacks/` makes a construct of each."""

from __future__ import annotations

from msgspec import Struct

from ..api.graphql.appsync.resolver_caching import Caching
from ..naming import stack_prefix
from .appsync_auth import AuthMode
from .options import FunctionOptions, Statement

HANDLERS = "persisty_lambdas"
"""The package with the handlers in the code of a function, whatever its name on the deploying machine."""


class KeyAttribute(Struct, frozen=True):
    """`type` is DynamoDB's: S, N or B."""

    name: str
    type: str


class Index(Struct, frozen=True):
    name: str
    partition: KeyAttribute
    sorts: tuple[KeyAttribute, ...]


class Table(Struct, frozen=True):
    """`store` is the item's name, `name` the table's; `stream`: whether what is written goes into a stream, old and new; `ttl`: the attribute
    that says when an item expires."""

    store: str
    name: str
    partition: KeyAttribute
    sort: KeyAttribute | None
    indexes: tuple[Index, ...]
    stream: bool = False
    ttl: str | None = None


class Grant(Struct, frozen=True):
    """DynamoDB actions on the table of a store; those in `INDEX_ACTIONS` on its indexes too."""

    store: str
    actions: tuple[str, ...]


class Function(Struct, frozen=True):
    """`secret`: the ARN of the secret or parameter that it reads, or `Plan.secret`; `layers`: the rows of `layers.LAYERS` that it needs; `secrets`:
    ARNs of what custom actions read; `statements`: further permissions; `size`: memory and limits, if they are not the deployment's."""

    name: str
    handler: str
    description: str
    environment: dict[str, str]
    grants: tuple[Grant, ...]
    secret: str | None = None
    layers: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    statements: tuple[Statement, ...] = ()
    size: FunctionOptions = FunctionOptions()


class Route(Struct, frozen=True):
    """A route of the HTTP API. The method `ANY` stands for every method."""

    method: str
    path: str
    function: str


class Field(Struct, frozen=True):
    """A field of the GraphQL API with a resolver. `function`: the function that it invokes; without one, a mutation returns its input and subscriptions
    follow it. `caching`: how AppSync caches its responses. `batch`: for a link, the largest number of objects of `type` in one invocation."""

    type: str
    name: str
    function: str | None
    caching: Caching | None = None
    batch: int = 0


class Plan(Struct, frozen=True):
    """`sdl` is AppSync's schema, empty if there is no such API; `auth`: its authorization modes, the default first; `introspection`: whether
    AppSync answers introspection; `eager_actions`: loading the app imports servey, so every function needs it; `secret`: the name of the token
    secret that the deployment generates; `variables`: the app's own variables, which every function that loads the app has; `stream_settings`: the
    settings of the streams' function; `modules`: those that functions load, the app's first; `documents`: the file of GraphQL documents that they
    read."""

    app: str
    stage: str
    tables: tuple[Table, ...]
    functions: tuple[Function, ...]
    routes: tuple[Route, ...]
    fields: tuple[Field, ...]
    sdl: str
    auth: tuple[AuthMode, ...] = ()
    introspection: bool = True
    eager_actions: bool = False
    secret: str | None = None
    variables: dict[str, str] = {}
    stream_settings: dict[str, str] = {}
    modules: tuple[str, ...] = ()
    documents: str | None = None

    @property
    def publishers(self) -> tuple[str, ...]:
        """The mutations that subscriptions follow."""
        return tuple(field.name for field in self.fields if field.function is None)

    @property
    def prefix(self) -> str:
        """Prefix of the names of the stacks: `Messenger-dev`."""
        return stack_prefix(self.app, self.stage)
