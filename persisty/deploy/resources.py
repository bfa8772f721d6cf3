"""The records of a plan: the resources of a deployment as plain data. `plan.py` computes them, and `stacks/` makes a construct from each."""

from __future__ import annotations

from msgspec import Struct

from ..api.graphql.appsync.resolver_caching import Caching
from ..naming import stack_prefix
from .appsync_auth import AuthMode
from .options import FunctionOptions, Statement
from .scheduler_expressions import Schedule

HANDLERS = "persisty_lambdas"
"""The package with the handlers in the code of a function, whatever its name on the deploying machine."""


class KeyAttribute(Struct, frozen=True):
    """An attribute of a key or an index. `type`: that of DynamoDB, S, N or B."""

    name: str
    type: str


class Index(Struct, frozen=True):
    name: str
    partition: KeyAttribute
    sorts: tuple[KeyAttribute, ...]


class Table(Struct, frozen=True):
    """A table. `store`: the name of the item. `name`: that of the table. `declared`: the name that the item declares for it, None without one. `stream`: whether a stream has the old and new item of each write. `ttl`: the
    attribute with the time at which an item expires."""

    store: str
    name: str
    partition: KeyAttribute
    sort: KeyAttribute | None
    indexes: tuple[Index, ...]
    stream: bool = False
    ttl: str | None = None
    declared: str | None = None


class Grant(Struct, frozen=True):
    """DynamoDB actions on the table of a store, which may be one that no stack contains. Those in `INDEX_ACTIONS` are granted on its indexes too."""

    store: str
    actions: tuple[str, ...]


class Function(Struct, frozen=True):
    """A function. `secret`: the ARN of the secret or parameter that it reads, or `Plan.secret`; `layers`: the rows of `layers.LAYERS` that it needs; `secrets`:
    ARNs of secrets that custom actions read; `statements`: further permissions; `size`: memory and limits, if they differ from the deployment's."""

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


class StreamFunction(Struct, frozen=True):
    """The function that calls the after triggers of a store for the records of its table's stream. `kinds`: the kinds of changes that
    they want. `patterns`: the filter patterns, as JSON, of which a record has to
    match one; empty if every record is delivered."""

    function: Function
    store: str
    kinds: tuple[str, ...]
    patterns: tuple[str, ...] = ()


class TimerFunction(Struct, frozen=True):
    """The function of a timed action, and the schedules that invoke it."""

    function: Function
    action: str
    schedules: tuple[Schedule, ...]


class Route(Struct, frozen=True):
    """A route of the HTTP API. The method `ANY` stands for every method."""

    method: str
    path: str
    function: str


class Field(Struct, frozen=True):
    """A field of the GraphQL API with a resolver. `function`: the function that it invokes; a mutation without one returns its input, and subscriptions
    receive it. `caching`: how AppSync caches its responses. `batch`: for a link, the largest number of objects of `type` in one invocation."""

    type: str
    name: str
    function: str | None
    caching: Caching | None = None
    batch: int = 0


class Plan(Struct, frozen=True):
    """The plan of a deployment. `sdl`: AppSync's schema, empty without AppSync; `auth`: its authorization modes, the default first; `introspection`: whether
    AppSync answers introspection; `eager_actions`: loading the app imports servey, so every function needs it; `secret`: the name of the token
    secret that the deployment generates; `variables`: the app's own variables, of every function that loads the app; `stream_settings`: the
    settings of the streams' function; `modules`: the modules that functions load, the app's first; `documents`: the file of GraphQL documents that they
    read; `after`: the functions of after triggers; `timers`: those of timed actions; `followed`: the stores whose changes are published to subscribers."""

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
    after: tuple[StreamFunction, ...] = ()
    timers: tuple[TimerFunction, ...] = ()
    followed: tuple[str, ...] = ()

    @property
    def called(self) -> tuple[Function, ...]:
        """The functions that no API invokes, besides the one that publishes."""
        return (*(one.function for one in self.after), *(one.function for one in self.timers))

    @property
    def publishers(self) -> tuple[str, ...]:
        """The mutations whose results are sent to subscribers."""
        return tuple(field.name for field in self.fields if field.function is None)

    @property
    def prefix(self) -> str:
        """Prefix of the names of the stacks: `Messenger-dev`."""
        return stack_prefix(self.app, self.stage)
