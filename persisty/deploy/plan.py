"""The plan of a deployment: what an app needs on AWS, as plain data. No CDK, no I/O.

It is computed from the same metas, operations and names as the runtime, so what is deployed is what runs. `stacks/` turns
each row into a construct and decides nothing but how.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

from msgspec import structs

from .. import settings
from ..api.actions import action_operations
from ..api.graphql.appsync.resolver_caching import caching
from ..api.graphql.hosted.persisted_documents import declared_in
from ..api.graphql.reachable_types import everywhere
from ..api.graphql.sdl import sdl
from ..api.graphql.subscriptions import Subscription, subscriptions
from ..api.http.cors import origins_of
from ..api.operations import ActionOperation, Operation
from ..api.routes import ACTIONS, API, Surface, fixed, route_of
from ..api.store_operations import store_operations
from ..application import App
from ..backends.dynamodb.codec import WireCodec
from ..backends.dynamodb.system_table import ID
from ..errors import InvalidDeclaration
from ..model.meta import StoreMeta
from ..naming import system_table_name, table_name
from ..security.authenticator import authenticator_of
from .appsync_auth import IAM, LAMBDA, AuthMode, auth_modes, directives, with_publishers
from .grants import REQUEST_ACTIONS, SYSTEM, grants_of
from .layers import imports_servey, layers_of
from .resources import Field, Function, Grant, Index, KeyAttribute, Plan, Route, Table

BATCH = 200
"""Objects for which AppSync asks the function for a link at once: their events have to fit into 6 MB."""

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
                    *(() if name == "authorizer" else grants_of(app, stores, whole=bool(app.actions))),
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
