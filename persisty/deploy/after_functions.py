"""The functions of after triggers, as rows of a plan: one for each store, which reads the stream of its table.

It runs the actions of all after triggers of the store, and has the most memory that one of its actions declares. Its time is Lambda's maximum, because no API waits for it: a handler has the timeout of its action, and an event that has failed is tried again after a pause.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..model.meta import StoreMeta, meta_of
from ..query.resolution import resolve_filter
from ..triggers.changes import Condition
from ..triggers.declared import Declared, Runner
from .action_functions import called_before_writes
from .event_filters import Wanted, patterns_of
from .functions import Common
from .options import FunctionOptions
from .resources import Function, StreamFunction
from .triggered_functions import MAX_TIMEOUT, triggered_function

KIND = "after"
"""Key in the tables of functions for these functions, and the beginning of their names."""


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
    actions = [one.name for one in declared]
    executed = {*actions, *called_before_writes(common.app)}
    memories = [one.memory for name, one in common.own.items() if name in executed and one.memory is not None]
    return triggered_function(
        common,
        KIND,
        after_name(meta.name),
        f"After triggers of {meta.name} of {common.app.name}",
        actions,
        FunctionOptions(memory=max(memories, default=None), timeout=MAX_TIMEOUT),
    )


def _wanted(meta: StoreMeta[object], condition: Condition) -> Wanted:
    before, after = (
        None if given is None else resolve_filter(meta, given[1], f"/{given[0]}")
        for given in (condition.before, condition.after)
    )
    return Wanted(condition.kind, before, after)
