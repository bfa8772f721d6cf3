"""The plan of a deployment: what an app needs on AWS, as plain data. No CDK, no I/O.

It is computed from the same metas, operations and names as the runtime, so what is deployed is what runs. `stacks/` turns
each row into a construct and decides nothing but how.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

from msgspec import Struct, structs

from .. import settings
from ..api.actions import action_operations
from ..api.graphql.appsync.resolver_caching import Caching, caching
from ..api.graphql.hosted.persisted_documents import declared_in
from ..api.graphql.reachable_types import everywhere
from ..api.graphql.sdl import sdl
from ..api.graphql.subscriptions import Subscription, subscriptions
from ..api.http.cors import origins_of
from ..api.operations import ActionOperation, Operation, StoreOperation
from ..api.routes import ACTIONS, API, Surface, fixed, route_of
from ..api.store_operations import store_operations
from ..application import App
from ..backends.dynamodb.codec import WireCodec
from ..backends.dynamodb.system_table import ID
from ..errors import InvalidDeclaration
from ..model.meta import Link, StoreMeta
from ..model.rules import Rule, Through
from ..model.verbs import READS, WRITES
from ..naming import pascal, system_table_name, table_name
from ..security.authenticator import authenticator_of
from .appsync_auth import IAM, LAMBDA, AuthMode, auth_modes, directives, with_publishers
from .layers import imports_servey, layers_of

READ_ACTIONS = ("dynamodb:GetItem", "dynamodb:BatchGetItem")
QUERY_ACTIONS = ("dynamodb:Query", "dynamodb:Scan", *READ_ACTIONS, "dynamodb:DescribeTable")
"""A filter by keys is read, and how large a table is decides whether it may be scanned."""
INDEX_ACTIONS = ("dynamodb:Query",)
"""Actions that are also granted on a table's indexes. Only tables are scanned."""

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
BATCH = 200
"""Objects for which AppSync asks the function for a link at once: with what is told of each they have to fit into 6 MB."""
REQUEST_ACTIONS = ("dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem")
"""Actions on the table of idempotency records."""
SYSTEM = "persisty_system"
"""The name that grants use for the system table, which has no store."""


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
    """`secret`: the ARN of the secret or parameter that it reads; `layers`: the rows of `layers.LAYERS` that it needs."""

    name: str
    handler: str
    description: str
    environment: dict[str, str]
    grants: tuple[Grant, ...]
    secret: str | None = None
    layers: tuple[str, ...] = ()


class Route(Struct, frozen=True):
    """A route of the HTTP API; method `ANY` is every one."""

    method: str
    path: str
    function: str


class Field(Struct, frozen=True):
    """A field of the GraphQL API that has a resolver, the function that it asks, and how AppSync keeps the answers. A mutation without a
    function gives back what it is given: subscriptions follow it. A link, `type` being that of its items, is asked for many of these at
    once, at most `batch`."""

    type: str
    name: str
    function: str | None
    caching: Caching | None = None
    batch: int = 0


class Plan(Struct, frozen=True):
    """`sdl` is AppSync's schema, empty where there is no such API; `auth`: who it lets in, the default first; `introspection`: whether
    AppSync answers introspection; `eager_actions`: loading the app imports servey, so every function needs it."""

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

    @property
    def publishers(self) -> tuple[str, ...]:
        """The mutations that subscriptions follow."""
        return tuple(field.name for field in self.fields if field.function is None)

    @property
    def prefix(self) -> str:
        """Prefix of the names of the stacks: `Messenger-dev`."""
        return f"{pascal(self.app)}-{self.stage}"


FUNCTIONS: dict[str, tuple[str, str]] = {
    "rest": ("lambdas.rest.handler", "REST of {app}"),
    "graphql_http": ("lambdas.graphql.handler", "GraphQL of {app}, whole requests"),
    "appsync": ("lambdas.appsync.handler", "Root fields of the GraphQL API of {app}"),
    "authorizer": ("lambdas.authorizer.handler", "Who calls the GraphQL API of {app}"),
}
"""Function → its handler and description."""
GRAPHQL: dict[str, tuple[str, ...]] = {
    "both": ("graphql_http", "appsync"),
    "http": ("graphql_http",),
    "appsync": ("appsync",),
    "none": (),
}
"""Choice of a GraphQL API → its functions: at `/graphql` of the HTTP API, and for AppSync."""


def plan_of(app: App, spec: str, graphql: str = "both", *, live: bool = True) -> Plan:
    """The plan of an app. `spec` is where it is found, `module:attribute`, for the functions to load it; `graphql` one of `GRAPHQL`;
    `live`: AppSync has subscriptions."""
    if graphql not in GRAPHQL:
        raise InvalidDeclaration(f"graphql is {' or '.join(GRAPHQL)}, not {graphql!r}")
    names = ("rest", *GRAPHQL[graphql])
    requests = app.system_stores
    stores, actions = store_operations(app), action_operations(app)
    offered: tuple[Operation, ...] = (*stores.values(), *actions.values())
    auth = auth_modes(app, offered, settings.load()) if "appsync" in names else ()
    followed = subscriptions(app.metas.values()) if live and "appsync" in names else ()
    marks = with_publishers(directives(auth, offered), auth, followed)
    schema = sdl(offered, appsync=True, directives=marks, subscriptions=followed) if len(names) > 1 else ""
    if any(mode.kind == LAMBDA for mode in auth):
        names = (*names, "authorizer")
    identity, origins = _identity(app), _origins()
    asked = _documents(spec, names)
    eager = imports_servey(spec, app.actions)
    return Plan(
        app=app.name,
        stage=app.stage,
        tables=(*(_table(app, meta, followed) for meta in (*app.metas.values(), *requests)), *_system_table(app)),
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
                    **origins,
                    **(asked if name == "graphql_http" else {}),
                },
                grants=(
                    *(() if name == "authorizer" else _grants(app, stores, whole=bool(app.actions))),
                    *(Grant(one.name, REQUEST_ACTIONS) for one in requests if name == "rest"),
                ),
                secret=identity.get("PERSISTY_TOKEN_SECRET_ARN"),
                layers=layers_of(name, tokens=bool(identity), actions=bool(app.actions), eager=eager),
            )
            for name, (handler, description) in FUNCTIONS.items()
            if name in names
        ),
        routes=_routes(actions, [name for name in names if name == "graphql_http"]),
        fields=(*_fields(offered), *_live(followed)) if "appsync" in names else (),
        sdl=schema if "appsync" in names else "",
        auth=(*auth, AuthMode(IAM)) if followed else auth,
        introspection=settings.load().graphql_introspection != "off",
        eager_actions=eager,
    )


def _identity(app: App) -> dict[str, str]:
    """Return the variables of identity: issuers, and the ARN of a secret but never a secret. `InvalidDeclaration` if a setting is not valid.

    A secret in the environment or in a file belongs to this machine and is not deployed.
    """
    unset = settings.Settings()
    configured = structs.replace(settings.load(), token_key_file=None)
    authenticator_of(configured, app.stage, None, needed=app.looks_at_callers)
    said = {name: getattr(configured, name) for name in unset.__struct_fields__ if name.startswith("token_")}
    return {f"PERSISTY_{name.upper()}": value for name, value in said.items() if value != getattr(unset, name)}


def _origins() -> dict[str, str]:
    """Return the variable with the allowed origins. `InvalidDeclaration` if the setting is not valid."""
    configured = settings.load().cors_origins
    return {"PERSISTY_CORS_ORIGINS": configured} if configured and origins_of(configured) else {}


def _documents(spec: str, names: Sequence[str]) -> dict[str, str]:
    """Return the variables of the function at `/graphql`: introspection, and the file of the documents that it may execute.

    The file is deployed with the app's code. With such a file AppSync is refused, because it executes any document.
    """
    configured, unset = settings.load(), settings.Settings()
    said: dict[str, str] = {}
    if configured.graphql_introspection != unset.graphql_introspection:
        said["PERSISTY_GRAPHQL_INTROSPECTION"] = configured.graphql_introspection
    if configured.graphql_documents and len(names) > 1:
        file, top = PurePath(configured.graphql_documents), spec.partition(":")[0].partition(".")[0]
        if "appsync" in names:
            raise InvalidDeclaration(
                "AppSync executes any document: with PERSISTY_GRAPHQL_DOCUMENTS choose graphql=http"
            )
        if file.is_absolute() or ".." in file.parts or file.parts[0] != top:
            raise InvalidDeclaration(f"PERSISTY_GRAPHQL_DOCUMENTS has to be in {top}/ to be deployed with it")
        declared_in(configured.graphql_documents)
        said["PERSISTY_GRAPHQL_DOCUMENTS"] = configured.graphql_documents
    return said


def _table(app: App, meta: StoreMeta[Any], followed: Sequence[Subscription]) -> Table:
    codec = WireCodec(meta)
    partition, *sort = (KeyAttribute(name, codec.tag(name)) for name in codec.schema)
    indexes = tuple(
        Index(index.name, *_index_key(tuple(KeyAttribute(name, codec.tag(name)) for name in index.attributes)))
        for index in meta.indexes
    )
    name, stream = table_name(app.name, app.stage, meta.name), any(one.meta is meta for one in followed)
    return Table(meta.name, name, partition, sort[0] if sort else None, indexes, stream, meta.expires)


def _index_key(key: tuple[KeyAttribute, ...]) -> tuple[KeyAttribute, tuple[KeyAttribute, ...]]:
    return key[0], key[1:]


def _system_table(app: App) -> tuple[Table, ...]:
    """The table of what is kept beside the items, where there is any of that."""
    if not any(meta.uniques or meta.sequences for meta in app.metas.values()):
        return ()
    return (Table(SYSTEM, system_table_name(app.name, app.stage), KeyAttribute(ID, "S"), None, ()),)


def _grants(app: App, stores: dict[str, StoreOperation], *, whole: bool) -> tuple[Grant, ...]:
    """Return the grants of the offered verbs. Custom actions are the app's own code and may use every verb of every store."""
    actions: dict[str, set[str]] = {name: set() for name in (*app.metas, SYSTEM)}
    for meta in app.metas.values():
        offered = {operation.verb for operation in stores.values() if operation.meta is meta}
        verbs = [verb for verb in VERB_ACTIONS if whole or verb in offered]
        if not verbs:
            continue
        _take(actions, meta, verbs)
        if not WRITES.isdisjoint(verbs):
            for link in _checked(meta):
                actions[link.ends.target.name].add("dynamodb:ConditionCheckItem")
        for other in _reached(meta, verbs):
            actions[other.name].update(QUERY_ACTIONS)
        if "delete" in verbs:
            _take_dependents(app, actions, meta, set())
    return tuple(Grant(name, tuple(sorted(taken))) for name, taken in actions.items() if taken)


def _take(actions: dict[str, set[str]], meta: StoreMeta[Any], verbs: Sequence[str]) -> None:
    """Add the actions of some verbs of a store: on its table and on the system table."""
    actions[meta.name].update(action for verb in verbs for action in VERB_ACTIONS[verb])
    if "edit_batch" in verbs:
        actions[meta.name].update(action for verb, action in BATCH_ACTIONS.items() if verb in verbs)
    for table, kept in ((UNIQUE_ACTIONS, meta.uniques), (SEQUENCE_ACTIONS, meta.sequences)):
        actions[SYSTEM].update(action for verb in verbs if kept for action in table.get(verb, ()))


def _checked(meta: StoreMeta[Any]) -> list[Link]:
    """The links whose targets have to be there for an item to be written."""
    return [link for link in meta.links.values() if link.kind == "belongs_to" and link.on_delete != "ignore"]


def _reached(meta: StoreMeta[Any], verbs: Sequence[str]) -> list[StoreMeta[Any]]:
    """The items to which filters and answers may follow links, and rules do: those that somebody may read, and those that a rule
    names."""
    found: dict[str, StoreMeta[Any]] = {}
    left = [meta]
    while left:
        one = left.pop()
        named = {name for verb in VERB_ACTIONS if one.access is not None for name in _links_in(one.access.of(verb))}
        reads = not READS.isdisjoint(verbs) or not WRITES.isdisjoint(verbs)
        for link in one.links.values():
            ends = link.ends
            open_ = reads and ends.target.access is not None and ends.target.access.allows("read")
            if open_ or link.name in named:
                for other in (ends.target, ends.middle):
                    if other is not None and other.name not in found:
                        found[other.name] = other
                        left.append(other)
    return list(found.values())


def _links_in(rule: Rule) -> Iterator[str]:
    if isinstance(rule, Through):
        yield rule.link
    for part in rule.parts:
        yield from _links_in(part)


def _take_dependents(app: App, actions: dict[str, set[str]], meta: StoreMeta[Any], seen: set[str]) -> None:
    """Add the actions that delete or update the items which refer to a deleted item."""
    for other in app.metas.values():
        for link in _checked(other):
            if link.ends.target is not meta or f"{other.name}.{link.name}" in seen:
                continue
            seen.add(f"{other.name}.{link.name}")
            actions[other.name].update(QUERY_ACTIONS)
            verb = {"cascade": "delete", "nullify": "update"}.get(link.on_delete)
            if verb is not None:
                _take(actions, other, [verb, "edit_batch"])
            if link.on_delete == "cascade":
                _take_dependents(app, actions, other, seen)


def _routes(actions: dict[str, ActionOperation], graphql: Sequence[str]) -> tuple[Route, ...]:
    """Return few routes with wildcards, because an HTTP API takes 300. They take every method: the surface knows which there are."""
    paths = dict.fromkeys(route_of(one).path for one in actions.values())
    elsewhere = [path for path in paths if not path.startswith((ACTIONS, API))]
    rest = [route.path for route in fixed(Surface.REST)]
    some = [Route("ANY", path, "rest") for path in (f"{API}{{proxy+}}", *rest)]
    if any(path.startswith(ACTIONS) for path in paths):
        some.append(Route("ANY", f"{ACTIONS}{{proxy+}}", "rest"))
    some += [Route("ANY", path, "rest") for path in elsewhere]
    return (*some, *(Route("ANY", one.path, name) for name in graphql for one in fixed(Surface.GRAPHQL)))


def _fields(operations: Sequence[Operation]) -> Iterator[Field]:
    """The root fields, and the links below them."""
    for one in operations:
        yield Field("Mutation" if one.mutation else "Query", one.field, "appsync", caching(one))
    for record, name, _ in everywhere(operations).links:
        yield Field(record.name, name, "appsync", batch=BATCH)


def _live(followed: Sequence[Subscription]) -> Iterator[Field]:
    for one in followed:
        yield Field("Subscription", one.field, "appsync")
        yield Field("Mutation", one.publisher, None)
