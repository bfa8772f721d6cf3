"""The plan of a deployment: what an app needs on AWS, as plain data. No CDK, no I/O.

It is computed from the same metas, operations and names as the runtime, so what is deployed is what runs. `stacks/` turns
each row into a construct and decides nothing but how.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, structs

from . import settings
from .api.actions import action_operations
from .api.graphql.caching import Caching, caching
from .api.graphql.sdl import sdl
from .api.operations import Operation, store_operations
from .application import App
from .backends.dynamodb.codec import WireCodec
from .backends.dynamodb.system import ID
from .model.meta import StoreMeta
from .naming import pascal, system_table_name, table_name
from .security.authenticator import authenticator_of

READ_ACTIONS = ("dynamodb:GetItem", "dynamodb:BatchGetItem")
QUERY_ACTIONS = ("dynamodb:Query", "dynamodb:Scan", *READ_ACTIONS, "dynamodb:DescribeTable")
"""A filter by keys is read, and how large a table is decides whether it may be scanned."""
INDEX_ACTIONS = ("dynamodb:Query",)
"""What is asked of a table's indexes too: only tables are scanned."""

VERB_ACTIONS: dict[str, tuple[str, ...]] = {
    "read": ("dynamodb:GetItem",),
    "read_batch": READ_ACTIONS,
    "search": QUERY_ACTIONS,
    "count": QUERY_ACTIONS,
    "create": ("dynamodb:PutItem",),
    "update": ("dynamodb:UpdateItem", "dynamodb:GetItem"),
    "delete": ("dynamodb:DeleteItem", "dynamodb:GetItem"),
    "edit_batch": READ_ACTIONS,
}
"""Verb of a store → the DynamoDB actions it takes. Updates and deletes read where a condition is not DynamoDB's to decide;
the edits of a batch take what their own verbs take, and are offered only where those are."""
BATCH_ACTIONS = {
    "create": "dynamodb:PartiQLInsert",
    "update": "dynamodb:PartiQLUpdate",
    "delete": "dynamodb:PartiQLDelete",
}
"""Verb → what it takes as a statement of a batch."""
UNIQUE_ACTIONS: dict[str, tuple[str, ...]] = {
    "create": ("dynamodb:PutItem",),
    "update": ("dynamodb:PutItem", "dynamodb:DeleteItem"),
    "delete": ("dynamodb:DeleteItem",),
}
"""Verb of a store with unique indexes → what it takes of the system table."""
SEQUENCE_ACTIONS: dict[str, tuple[str, ...]] = {"create": ("dynamodb:UpdateItem",)}
"""Verb of a store with sequences → what it takes of the system table."""
SYSTEM = "persisty_system"
"""What stands for the store of the system table, which has none."""


class KeyAttribute(Struct, frozen=True):
    """`type` is DynamoDB's: S, N or B."""

    name: str
    type: str


class Index(Struct, frozen=True):
    name: str
    partition: KeyAttribute
    sorts: tuple[KeyAttribute, ...]


class Table(Struct, frozen=True):
    """`store` is the item's name, `name` the table's."""

    store: str
    name: str
    partition: KeyAttribute
    sort: KeyAttribute | None
    indexes: tuple[Index, ...]


class Grant(Struct, frozen=True):
    """DynamoDB actions on the table of a store; those in `INDEX_ACTIONS` on its indexes too."""

    store: str
    actions: tuple[str, ...]


class Function(Struct, frozen=True):
    """`secret`: the ARN of the secret or parameter that it reads."""

    name: str
    handler: str
    description: str
    environment: dict[str, str]
    grants: tuple[Grant, ...]
    secret: str | None = None


class Route(Struct, frozen=True):
    """A route of the HTTP API; method `ANY` is every one."""

    method: str
    path: str
    function: str


class Field(Struct, frozen=True):
    """A root field of the GraphQL API, the function that resolves it, and how AppSync keeps the answers."""

    type: str
    name: str
    function: str
    caching: Caching | None = None


class Plan(Struct, frozen=True):
    app: str
    stage: str
    tables: tuple[Table, ...]
    functions: tuple[Function, ...]
    routes: tuple[Route, ...]
    fields: tuple[Field, ...]
    sdl: str

    @property
    def prefix(self) -> str:
        """What the stacks' names start with: `Messenger-dev`."""
        return f"{pascal(self.app)}-{self.stage}"


FUNCTIONS: dict[str, tuple[str, str]] = {
    "rest": ("lambdas.rest.handler", "REST of {app}"),
    "appsync": ("lambdas.appsync.handler", "Root fields of the GraphQL API of {app}"),
}
"""Function → its handler and description."""


def plan_of(app: App, spec: str) -> Plan:
    """The plan of an app. `spec` is where it is found, `module:attribute`, for the functions to load it."""
    stores, actions = store_operations(app), action_operations(app)
    identity = _identity(app)
    return Plan(
        app=app.name,
        stage=app.stage,
        tables=(*(_table(app, meta) for meta in app.metas.values()), *_system_table(app)),
        functions=tuple(
            Function(
                name=name,
                handler=handler,
                description=description.format(app=app.name),
                environment={
                    "PERSISTY_APP": spec,
                    "PERSISTY_URL": "dynamodb://",
                    "PERSISTY_STAGE": app.stage,
                    **identity,
                },
                grants=_grants(app, stores, whole=bool(app.actions)),
                secret=identity.get("PERSISTY_TOKEN_SECRET_ARN"),
            )
            for name, (handler, description) in FUNCTIONS.items()
        ),
        routes=_routes(app, actions),
        fields=tuple(_field(operation) for operation in (*stores.values(), *actions.values())),
        sdl=sdl((*stores.values(), *actions.values()), appsync=True),
    )


def _identity(app: App) -> dict[str, str]:
    """What the functions are told of whose tokens count: issuers and where a secret is, never one. A mistake stops here.

    A secret in the environment or in a file is this machine's, and stays.
    """
    unset = settings.Settings()
    configured = structs.replace(settings.load(), token_key_file=None)
    authenticator_of(configured, app.stage, None, needed=app.looks_at_callers)
    said = {name: getattr(configured, name) for name in unset.__struct_fields__ if name.startswith("token_")}
    return {f"PERSISTY_{name.upper()}": value for name, value in said.items() if value != getattr(unset, name)}


def _table(app: App, meta: StoreMeta[Any]) -> Table:
    codec = WireCodec(meta)
    partition, *sort = (KeyAttribute(name, codec.tag(name)) for name in codec.schema)
    indexes = tuple(
        Index(index.name, *_index_key(tuple(KeyAttribute(name, codec.tag(name)) for name in index.attributes)))
        for index in meta.indexes
    )
    return Table(meta.name, table_name(app.name, app.stage, meta.name), partition, sort[0] if sort else None, indexes)


def _index_key(key: tuple[KeyAttribute, ...]) -> tuple[KeyAttribute, tuple[KeyAttribute, ...]]:
    return key[0], key[1:]


def _system_table(app: App) -> tuple[Table, ...]:
    """The table of what is kept beside the items, where there is any of that."""
    if not any(meta.uniques or meta.sequences for meta in app.metas.values()):
        return ()
    return (Table(SYSTEM, system_table_name(app.name, app.stage), KeyAttribute(ID, "S"), None, ()),)


def _grants(app: App, stores: dict[str, Operation], *, whole: bool) -> tuple[Grant, ...]:
    """What the offered verbs take. Custom actions are the app's own code and may use every verb of every store."""
    grants: list[Grant] = []
    system: set[str] = set()
    for meta in app.metas.values():
        offered = {operation.verb for operation in stores.values() if operation.meta is meta}
        verbs = [verb for verb in VERB_ACTIONS if whole or verb in offered]
        actions = {action for verb in verbs for action in VERB_ACTIONS[verb]}
        if "edit_batch" in verbs:
            actions |= {action for verb, action in BATCH_ACTIONS.items() if verb in verbs}
        if actions:
            grants.append(Grant(meta.name, tuple(sorted(actions))))
        for table, kept in ((UNIQUE_ACTIONS, meta.uniques), (SEQUENCE_ACTIONS, meta.sequences)):
            system |= {action for verb in verbs if kept for action in table.get(verb, ())}
    return (*grants, Grant(SYSTEM, tuple(sorted(system)))) if system else tuple(grants)


def _routes(app: App, actions: dict[str, Operation]) -> tuple[Route, ...]:
    """A few routes with wildcards rather than one an operation: an HTTP API takes 300."""
    fixed = [
        Route("ANY", "/api/{proxy+}", "rest"),
        Route("GET", "/health", "rest"),
        Route("GET", "/openapi.json", "rest"),
    ]
    if any(operation.path.startswith("/actions/") for operation in actions.values()):
        fixed.append(Route("ANY", "/actions/{proxy+}", "rest"))
    elsewhere = [one for one in actions.values() if not one.path.startswith(("/actions/", "/api/"))]
    return (*fixed, *(Route(operation.method, operation.path, "rest") for operation in elsewhere))


def _field(operation: Operation) -> Field:
    return Field("Mutation" if operation.mutation else "Query", operation.field, "appsync", caching(operation))
