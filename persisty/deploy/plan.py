"""The plan of a deployment: the resources that an app needs on AWS, as plain data. No CDK, no I/O.

It is computed from the same metas, operations and names as the runtime, so both always agree. `stacks/` turns
each row into a construct.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from types import MappingProxyType
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
from ..api.http.rate_limit import rate_of
from ..api.multi_store_operations import multi_store_operations
from ..api.operations import ActionOperation, Operation
from ..api.routes import ACTIONS, API, Surface, fixed, route_of
from ..api.store_operations import store_operations
from ..application import App
from ..backends.dynamodb.codec import WireCodec
from ..backends.dynamodb.system_table import ID
from ..errors import InvalidDeclaration
from ..model.meta import StoreMeta
from ..model.stored_names import stored_index
from ..naming import system_table_name, table_name
from ..store.idempotency_records import REQUESTS
from ..triggers.declared import Runner
from .action_functions import WHOLE_REQUESTS, Actions, check_actions, check_triggers, function_name
from .after_functions import after_functions
from .appsync_auth import IAM, LAMBDA, AuthMode, auth_modes, directives, with_publishers
from .aws_limits import check_limits
from .deployed_settings import variables_of
from .functions import FUNCTIONS, Common, function_of
from .grants import SYSTEM
from .layers import imports_servey
from .resources import Field, Index, KeyAttribute, Plan, Route, Table
from .timer_functions import timer_functions
from .token_secret import token_secret_of

BATCH = 200
"""Most objects of a link in one invocation by AppSync: their events must fit into 6 MB."""
NO_VARIABLES: Mapping[str, str] = MappingProxyType({})
NO_ACTIONS: Actions = MappingProxyType({})

GRAPHQL: dict[str, tuple[str, ...]] = {
    "both": ("graphql_http", "appsync"),
    "http": ("graphql_http",),
    "appsync": ("appsync",),
    "none": (),
}
"""Choice of a GraphQL API → its functions: at `/graphql` of the HTTP API, and for AppSync."""


def plan_of(
    app: App,
    spec: str,
    graphql: str = "both",
    *,
    live: bool = True,
    configured: settings.Settings | None = None,
    variables: Mapping[str, str] = NO_VARIABLES,
    own: Actions = NO_ACTIONS,
) -> Plan:
    """Return the plan of an app.

    `spec`: the place from which the functions load it, `module:attribute`. `graphql`: one of `GRAPHQL`. `live`: AppSync has subscriptions.
    `configured`: the settings of the deployment, by default those of this process. `variables`: the app's own variables. `own`: the custom actions
    with a separate function.
    """
    if graphql not in GRAPHQL:
        raise InvalidDeclaration(f"graphql is {' or '.join(GRAPHQL)}, not {graphql!r}")
    configured = settings.load() if configured is None else configured
    names = ("rest", *GRAPHQL[graphql])
    system = app.deployed_system_stores
    stores, actions = store_operations(app), action_operations(app)
    offered: tuple[Operation, ...] = (*stores.values(), *multi_store_operations(app).values(), *actions.values())
    check_actions(app, actions, own)
    check_triggers(app)
    secret = token_secret_of(app, configured)
    configured = structs.replace(configured, token_secret_arn=secret.place)
    auth = auth_modes(app, offered, configured) if "appsync" in names else ()
    followed = subscriptions(app.metas.values()) if live and "appsync" in names else ()
    marks = with_publishers(directives(auth, offered), auth, followed)
    schema = sdl(offered, appsync=True, directives=marks, subscriptions=followed) if len(names) > 1 else ""
    if any(mode.kind == LAMBDA for mode in auth):
        names = (*names, "authorizer")
    _check(configured, spec, names)
    called = {name: options for name, options in own.items() if name in actions}
    eager = imports_servey(spec, app.actions)
    common = Common(
        app=app,
        spec=spec,
        stores=stores,
        actions=actions,
        own=own,
        requests=[meta for meta in system if meta is REQUESTS],
        variables=variables,
        configured=structs.replace(configured, token_secret_arn=secret.arn),
        secret=secret.place,
        tokens=bool(secret.place or configured.token_issuers),
        eager=eager,
        before_triggers=bool(app.declared_triggers.of(Runner.BEFORE)) or not app.has_actions,
    )
    after = tuple(after_functions(common))
    streamed = frozenset((*(one.meta.name for one in followed), *(one.store for one in after)))
    plan = Plan(
        app=app.name,
        stage=app.stage,
        tables=(*(_table(app, meta, streamed) for meta in (*app.metas.values(), *system)), *_system_table(app)),
        functions=tuple(
            function_of(name, common)
            for name in (*(name for name in FUNCTIONS if name in names), *map(function_name, called))
        ),
        routes=_routes(actions, [name for name in names if name == WHOLE_REQUESTS], called),
        fields=(*_fields(offered, own), *_live(followed)) if "appsync" in names else (),
        sdl=schema if "appsync" in names else "",
        auth=(*auth, AuthMode(IAM)) if followed else auth,
        introspection=configured.graphql_introspection != "off",
        eager_actions=eager,
        secret=secret.name,
        variables=dict(variables),
        stream_settings=variables_of("stream", configured),
        modules=tuple(dict.fromkeys((spec.partition(":")[0], *(action.__module__ for action in app.actions)))),
        documents=configured.graphql_documents if WHOLE_REQUESTS in names else None,
        after=after,
        timers=tuple(timer_functions(common)),
        followed=tuple(dict.fromkeys(one.meta.name for one in followed)),
    )
    check_limits(plan)
    return plan


def _check(configured: settings.Settings, spec: str, functions: Sequence[str]) -> None:
    """Raise `InvalidDeclaration` for a setting with which a function would not start.

    The file of the documents that `/graphql` may execute is deployed with the app's code. With such a file AppSync is rejected, because it executes
    any document.
    """
    origins_of(configured.cors_origins)
    rate_of(configured.rate_limit)
    if configured.graphql_documents and len(functions) > 1:
        file, top = PurePath(configured.graphql_documents), spec.partition(":")[0].partition(".")[0]
        if "appsync" in functions:
            raise InvalidDeclaration(
                "AppSync executes any document: with PERSISTY_GRAPHQL_DOCUMENTS choose graphql=http"
            )
        if file.is_absolute() or ".." in file.parts or file.parts[0] != top:
            raise InvalidDeclaration(f"PERSISTY_GRAPHQL_DOCUMENTS has to be in {top}/ to be deployed with it")
        declared_in(configured.graphql_documents)


def _table(app: App, meta: StoreMeta[Any], streamed: Collection[str]) -> Table:
    codec = WireCodec(meta)

    def key(names: Iterable[str]) -> tuple[KeyAttribute, ...]:
        return tuple(KeyAttribute(codec.stored.get(name, name), codec.tag(name)) for name in names)

    partition, *sort = key(codec.schema)
    indexes = tuple(Index(stored_index(meta, index), *_index_key(key(index.attributes))) for index in meta.indexes)
    name, stream = table_name(app.name, app.stage, meta.table), meta.name in streamed
    return Table(
        meta.name,
        name,
        partition,
        sort[0] if sort else None,
        indexes,
        stream,
        codec.stored.get(meta.expires or ""),
        None if meta.table == meta.name else meta.table,
    )


def _index_key(key: tuple[KeyAttribute, ...]) -> tuple[KeyAttribute, tuple[KeyAttribute, ...]]:
    return key[0], key[1:]


def _system_table(app: App) -> tuple[Table, ...]:
    """Return the system table if an item has unique indexes or sequences."""
    if not any(meta.uniques or meta.sequences for meta in app.metas.values()):
        return ()
    return (Table(SYSTEM, system_table_name(app.name, app.stage), KeyAttribute(ID, "S"), None, ()),)


def _routes(actions: dict[str, ActionOperation], graphql: Sequence[str], own: Actions) -> tuple[Route, ...]:
    """Return a small number of routes with wildcards, because an HTTP API has at most 300. They accept every method, and the surface rejects unknown ones."""
    paths = dict.fromkeys(route_of(one).path for one in actions.values())
    elsewhere = [path for path in paths if not path.startswith((ACTIONS, API))]
    rest = [
        route.path.rstrip("/") for route in fixed(Surface.REST)
    ]  # an HTTP API accepts no route that ends with a slash
    some = [Route("ANY", path, "rest") for path in (f"{API}{{proxy+}}", *rest)]
    if any(path.startswith(ACTIONS) for path in paths):
        some.append(Route("ANY", f"{ACTIONS}{{proxy+}}", "rest"))
    some += [Route("ANY", path, "rest") for path in elsewhere]
    some += [
        Route(
            method, route.path, function_name(name)
        )  # any other method, such as that of a CORS preflight, is answered by REST
        for name in own
        for route in [route_of(actions[name])]
        for method in (["GET", "HEAD"] if route.method == "GET" else [route.method])
    ]
    return (*some, *(Route("ANY", one.path, name) for name in graphql for one in fixed(Surface.GRAPHQL)))


def _fields(operations: Sequence[Operation], own: Actions) -> Iterator[Field]:
    """Return the root fields and their links."""
    for one in operations:
        alone = isinstance(one, ActionOperation) and one.name in own
        yield Field(
            "Mutation" if one.mutation else "Query",
            one.field,
            function_name(one.name) if alone else "appsync",
            caching(one),
        )
    for record, name, _ in everywhere(operations).links:
        yield Field(record.name, name, "appsync", batch=BATCH)


def _live(followed: Sequence[Subscription]) -> Iterator[Field]:
    for one in followed:
        yield Field("Subscription", one.field, "appsync")
        yield Field("Mutation", one.publisher, None)
