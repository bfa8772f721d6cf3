"""The functions of after triggers, as rows of a plan: one for each store, which reads the stream of its table.

It runs the actions of all after triggers of the store, and before triggers when these write. So it has their variables, secrets and statements, and grants for
the stores that they use. Its time
is Lambda's maximum, because no API waits for it: a handler has the timeout of its action, and an event that has failed is tried again after a pause.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..model.meta import StoreMeta, meta_of
from ..query.resolution import resolve_filter
from ..triggers.changes import Condition
from ..triggers.declared import Declared, Runner
from .action_functions import called_before_writes, variables_used, verbs_used
from .deployed_settings import variables_of
from .event_filters import Wanted, patterns_of
from .functions import Common
from .grants import grants_of
from .layers import layers_of
from .options import ActionOptions, FunctionOptions
from .resources import HANDLERS, Function, StreamFunction

KIND = "after"
"""Key in the tables of functions for these functions, and the beginning of their names."""
HANDLER = f"{HANDLERS}.after.handler"
TIMEOUT = 900
"""Seconds: the maximum of Lambda."""


def after_functions(common: Common) -> Iterator[StreamFunction]:
    """Yield the functions of an app, in the order of its items. `InvalidDeclaration` for triggers that do not fit the items."""
    app = common.app
    if not app.has_actions or not app.triggers.stores:
        return
    declared: dict[str, list[Declared]] = {}
    for one in app.declared_triggers.of(Runner.AFTER):
        declared.setdefault(_store(one), []).append(one)
    for name, meta in app.metas.items():
        if name in declared:
            wanted = [_wanted(meta, condition) for one in declared[name] for condition in one.trigger.conditions]
            kinds = tuple(dict.fromkeys(one.kind for one in wanted))
            yield StreamFunction(_function(common, meta, declared[name]), name, kinds, patterns_of(meta, wanted))


def after_name(store: str) -> str:
    """Return the name of the function of a store's after triggers."""
    return f"{KIND}_{store}"


def _store(declared: Declared) -> str:
    item = declared.trigger.item
    return item if isinstance(item, str) else meta_of(item).name


def _function(common: Common, meta: StoreMeta[object], declared: Sequence[Declared]) -> Function:
    app = common.app
    executed = tuple(dict.fromkeys((*(one.name for one in declared), *called_before_writes(app))))
    own = [common.own[name] for name in executed if name in common.own]
    return Function(
        name=after_name(meta.name),
        handler=HANDLER,
        description=f"After triggers of {meta.name} of {app.name}",
        environment={
            **common.variables,
            **variables_used(executed, common.own),
            "PERSISTY_APP": common.spec,
            "PERSISTY_URL": "dynamodb://",
            "PERSISTY_STAGE": app.stage,
            **variables_of(KIND, common.configured),
        },
        grants=grants_of(app, verbs_used(app, executed, common.own)),
        layers=layers_of(KIND, tokens=False, actions=True, eager=common.eager),
        secrets=tuple(dict.fromkeys(arn for one in own for arn in one.secrets.values())),
        statements=tuple(statement for one in own for statement in one.statements),
        size=FunctionOptions(memory=_memory(own), timeout=TIMEOUT),
    )


def _memory(own: Sequence[ActionOptions]) -> int | None:
    """Return the memory of the action that declares the most."""
    return max((one.memory for one in own if one.memory is not None), default=None)


def _wanted(meta: StoreMeta[object], condition: Condition) -> Wanted:
    before, after = (
        None if given is None else resolve_filter(meta, given[1], f"/{given[0]}")
        for given in (condition.before, condition.after)
    )
    return Wanted(condition.kind, before, after)
