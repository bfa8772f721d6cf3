"""The functions of a plan: the handler of each, its variables, grants, secrets and layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from .. import settings
from ..api.operations import ActionOperation, StoreOperation
from ..application import App
from ..model.meta import StoreMeta
from .action_functions import (
    KIND,
    WHOLE_REQUESTS,
    Actions,
    called_before_writes,
    executed_by,
    variables_used,
    verbs_used,
)
from .deployed_settings import variables_of
from .grants import REQUEST_ACTIONS, Verbs, grants_of, offered_verbs
from .layers import layers_of
from .options import FunctionOptions
from .resources import HANDLERS, Function, Grant

FUNCTIONS: dict[str, tuple[str, str]] = {
    "rest": (f"{HANDLERS}.rest.handler", "REST of {app}"),
    "graphql_http": (f"{HANDLERS}.graphql.handler", "GraphQL of {app}, whole requests"),
    "appsync": (f"{HANDLERS}.appsync.handler", "Root fields of the GraphQL API of {app}"),
    "authorizer": (f"{HANDLERS}.authorizer.handler", "Authorizer of the GraphQL API of {app}"),
    KIND: (f"{HANDLERS}.action.handler", "A custom action of {app}"),
}
"""Function → its handler and description. Every custom action with a separate function uses the last row."""
AUTHORIZER = "authorizer"
"""The function that reads no store and executes no action."""
WRITING = ("rest", WHOLE_REQUESTS, "appsync", KIND)
"""Functions that write items."""
WITHOUT_BEFORE_TRIGGERS = {"PERSISTY_BEFORE_TRIGGERS": "off"}
"""Variable of functions whose writes need not load the modules of actions."""
RECORDING = ("rest", WHOLE_REQUESTS, KIND)
"""Functions that record idempotency keys."""


class Common(Struct, frozen=True, kw_only=True):
    """The parts of a deployment that its functions are computed from.

    `requests`: the stores of idempotency records. `variables`: the app's own. `configured`: the settings of the deployment. `secret`: the place of the token
    secret. `tokens`: whether tokens of callers are verified. `eager`: loading the app imports servey. `before_triggers`: whether writes
    have to load the modules of actions.
    """

    app: App
    spec: str
    stores: Mapping[str, StoreOperation]
    actions: Mapping[str, ActionOperation]
    own: Actions
    requests: Sequence[StoreMeta[Any]]
    variables: Mapping[str, str]
    configured: settings.Settings
    secret: str | None
    tokens: bool
    eager: bool
    before_triggers: bool


def function_of(name: str, common: Common) -> Function:
    """Return the function with a name: one of `FUNCTIONS`, or that of a custom action."""
    app, own = common.app, common.own
    kind = name if name in FUNCTIONS else KIND
    handler, description = FUNCTIONS[kind]
    called = () if kind == AUTHORIZER else executed_by(name, common.actions, own)
    executed = () if kind == AUTHORIZER else tuple(dict.fromkeys((*called, *called_before_writes(app))))
    alone = [own[action] for action in executed if action in own]
    return Function(
        name=name,
        handler=handler,
        description=description.format(app=app.name),
        environment={
            **common.variables,
            **variables_used(executed, own),
            "PERSISTY_APP": common.spec,
            "PERSISTY_URL": "dynamodb://",
            "PERSISTY_STAGE": app.stage,
            **variables_of(kind, common.configured),
            **(WITHOUT_BEFORE_TRIGGERS if kind in WRITING and not common.before_triggers else {}),
        },
        grants=(
            *grants_of(app, _used(kind, executed, common)),
            *(Grant(one.name, REQUEST_ACTIONS) for one in common.requests if kind in RECORDING),
        ),
        secret=common.secret,
        layers=layers_of(kind, tokens=common.tokens, actions=bool(app.actions), eager=common.eager),
        secrets=tuple(dict.fromkeys(arn for one in alone for arn in one.secrets.values())),
        statements=tuple(statement for one in alone for statement in one.statements),
        size=own[called[0]] if kind == KIND else FunctionOptions(),
    )


def _used(kind: str, executed: Sequence[str], common: Common) -> Verbs:
    """Return the verbs of stores that a function uses: those of its actions and those of its callers."""
    offered = {} if kind in (AUTHORIZER, KIND) else offered_verbs(common.stores)
    used = verbs_used(common.app, executed, common.own)
    return {store: {*offered.get(store, ()), *used.get(store, ())} for store in {**offered, **used}}
