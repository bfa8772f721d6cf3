"""Compile the triggers of changes that the actions of an app declare, for one revision of its items.

```
declared triggers + items ─► filters are resolved, functions are checked ─► rows by (store, kind of change)
                                                                            after   one for each action: several of its triggers are one event
                                                                            before  in the order of the actions
```

This module is loaded at the first change of an app with actions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from time import monotonic
from typing import Any
from uuid import uuid4

from msgspec import Struct
from msgspec.structs import replace

from ..deferred import deferred
from ..errors import Fault, InvalidDeclaration, InvalidQuery
from ..model.allowed_values import one_of
from ..model.expressions import ALL, Filter
from ..model.meta import StoreMeta
from ..query.evaluation import matcher
from ..query.filter_algebra import follows_links
from ..query.resolution import resolve_filter
from ..query.unknown_names import unknown_name
from ..query.visibility import unrestricted
from ..store.backend import Requirement
from ..store.before_triggers import BeforeTrigger
from ..store.change_feed import Change
from ..store.context import StoreContext
from ..store.trigger_registry import AfterTrigger, Handler
from .calls import handle
from .changes import ChangeTrigger, Condition
from .declared import DETACHED, Declared, DeclaredTriggers, Runner
from .detached_triggers import NONE_DETACHED, Detached
from .event import Event
from .handlers import handler_faults, takes_event
from .trigger import Retry

log = logging.getLogger("persisty")
Metas = Mapping[str, StoreMeta[Any]]
Wants = Callable[[Any, Any], bool]
Place = tuple[str, str]
"""A store and a kind of change."""
ContextOf = Callable[[str], StoreContext[Any]]
"""The name of a store → its context, for trusted code."""


class Registry:
    """The compiled triggers of an app: `store.trigger_registry.Triggers` and `store.before_triggers.BeforeTriggers`."""

    def __init__(
        self,
        after: Mapping[Place, Sequence[AfterTrigger]],
        before: Mapping[Place, Sequence[BeforeTrigger]],
        handlers: Mapping[str, Handler],
        context_of: ContextOf,
        *,
        detached: bool = False,
    ) -> None:
        """`detached`: some handlers are for events without an item, whose store is empty."""
        self._after, self._before, self._handlers, self._context_of = after, before, handlers, context_of
        self.stores: Collection[str] = frozenset((*(store for store, _ in after), *(("",) if detached else ())))
        self.before_stores: Collection[str] = frozenset(store for store, _ in before)

    def after(self, store: str, kind: str) -> Sequence[AfterTrigger]:
        return self._after.get((store, kind), ())

    def handler(self, action: str) -> Handler | None:
        return self._handlers.get(action)

    def before(self, store: str, kind: str) -> Sequence[BeforeTrigger]:
        return self._before.get((store, kind), ())

    def is_met(self, meta: StoreMeta[Any], where: Filter, item: Any) -> bool:
        return where is ALL or self._context_of(meta.name).semi_joins.matches(meta, where, [item])[0]

    def requirements(self, meta: StoreMeta[Any], values: Mapping[str, Any]) -> Sequence[Requirement]:
        return self._context_of(meta.name).preparation.requirements(values)


class _Row(Struct, frozen=True):
    """A trigger for one kind of change. `key`: the action."""

    declared: Declared
    place: Place
    wants: Wants


def compiled(declared: DeclaredTriggers, metas: Metas, context_of: ContextOf) -> Registry:
    """Return the triggers of these items. `InvalidDeclaration` lists every fault."""
    rows, faults = _compiled(declared, metas)
    detached = _detached(declared)
    faults = [*declared.faults, *faults]
    if faults:
        raise InvalidDeclaration("The triggers of the app are not valid", faults=faults)
    before: dict[Place, list[BeforeTrigger]] = {}
    for row in rows[Runner.BEFORE]:
        trigger = BeforeTrigger(row.declared.name, row.wants, _before_call(row.declared))
        before.setdefault(row.place, []).append(trigger)
    wanted: dict[Place, dict[str, list[Wants]]] = {}
    for row in rows[Runner.AFTER]:
        wanted.setdefault(row.place, {}).setdefault(row.declared.name, []).append(row.wants)
    after = {
        place: [AfterTrigger(action, _any_of(tests)) for action, tests in by_action.items()]
        for place, by_action in wanted.items()
    }
    handlers = {one.name: _handler(one, declared) for one in declared.of(Runner.AFTER)}
    return Registry(after, before, {**handlers, **detached.handlers}, context_of, detached=bool(detached.handlers))


def _detached(declared: DeclaredTriggers) -> Detached:
    """Return the compiled timers, scheduled calls and queues, whose module is loaded only if there are any."""
    if not any(map(declared.of, DETACHED)):
        return NONE_DETACHED
    found: Detached = deferred("persisty.triggers.detached").detached_of(declared)
    return found


def trigger_faults(declared: DeclaredTriggers, metas: Metas) -> list[Fault]:
    """Return the faults of triggers of changes: items that the app lacks, filters that do not fit, functions that take something else."""
    return _compiled(declared, metas)[1]


def _compiled(declared: DeclaredTriggers, metas: Metas) -> tuple[dict[Runner, list[_Row]], list[Fault]]:
    rows: dict[Runner, list[_Row]] = {Runner.BEFORE: [], Runner.AFTER: []}
    faults: dict[Fault, None] = {}
    for runner, of_runner in rows.items():
        for one in declared.of(runner):
            try:
                of_runner.extend(_rows(one, metas))
            except InvalidDeclaration as error:
                faults |= dict.fromkeys(error.faults)
    faults |= dict.fromkeys(_detached(declared).faults)
    faults |= dict.fromkeys(_duplicate_names(declared))
    faults |= dict.fromkeys(_different_retries(declared))
    return rows, list(faults)


def _rows(declared: Declared, metas: Metas) -> list[_Row]:
    """Return the rows of a trigger, one for each kind of change. `InvalidDeclaration` has its faults."""
    trigger: ChangeTrigger = declared.trigger
    given, meta = trigger.item, meta_of_trigger(trigger, metas)
    if meta is None:
        found = given if isinstance(given, str) else getattr(given, "__name__", str(given))
        fault = Fault(f"{declared.path}/item", "Not an item of the app", "one of " + ", ".join(metas), found)
        raise InvalidDeclaration(faults=[fault])
    faults: list[Fault] = list(handler_faults(declared, given if isinstance(given, type) else None))
    rows = []
    for condition in trigger.conditions:
        wants = _wants(meta, condition, declared.path, faults)
        rows.append(_Row(declared, (meta.name, condition.kind), wants))
    if faults:
        raise InvalidDeclaration(faults=faults)
    return rows


def meta_of_trigger(trigger: ChangeTrigger, metas: Metas) -> StoreMeta[Any] | None:
    """Return the item of a trigger. None if the app has no item of its name."""
    own = getattr(trigger.item, "__persisty__", None)
    name = trigger.item if isinstance(trigger.item, str) else getattr(own, "name", None)
    return metas.get(name) if isinstance(name, str) else None


def _wants(meta: StoreMeta[Any], condition: Condition, path: str, faults: list[Fault]) -> Wants:
    """Return the function that decides whether a change meets a condition. Append the faults of the condition."""
    tests: list[Wants] = []
    if condition.before is not None:
        is_before = _test(meta, condition.before, path, faults)
        tests.append(lambda before, after: is_before(before))
    if condition.after is not None:
        is_after = _test(meta, condition.after, path, faults)
        tests.append(lambda before, after: is_after(after))
    if condition.changed is not None:
        getters = []
        for position, name in enumerate(condition.changed):
            attribute = meta.find(name)
            if attribute is None:
                faults.append(_not_an_attribute(meta, name, f"{path}/changed/{position}"))
            else:
                getters.append(attribute.get)
        tests.append(lambda before, after: any(get(before) != get(after) for get in getters))
    if not tests:
        return _always
    return tests[0] if len(tests) == 1 else lambda before, after: all(test(before, after) for test in tests)


def _not_an_attribute(meta: StoreMeta[Any], name: str, path: str) -> Fault:
    """Return the fault of a name in `changed`. A change of a linked item is no change of the item."""
    step, _, rest = name.partition(".")
    if step in meta.links:
        return Fault(path, "A link is not an attribute of the item", one_of([*meta.attributes]), name[:80])
    fault = unknown_name(unrestricted(meta), name, path)
    return fault if rest and step in meta.attributes else replace(fault, expected=one_of([*meta.attributes]))


def _test(meta: StoreMeta[Any], given: tuple[str, Filter], path: str, faults: list[Fault]) -> Callable[[Any], bool]:
    """Return the function that evaluates a filter. It must not follow links, because an event contains one item."""
    name, where = given
    try:
        resolved = resolve_filter(meta, where, f"{path}/{name}")
    except InvalidQuery as error:
        faults += error.faults
        return bool
    if follows_links(resolved):
        expected = f"attributes of {meta.name}: look at linked items in the function"
        faults.append(Fault(f"{path}/{name}", "A trigger cannot follow a link", expected, str(where)))
        return bool
    return matcher(meta, resolved)


def _always(before: Any, after: Any) -> bool:
    return True


def _any_of(tests: Sequence[Wants]) -> Wants:
    if _always in tests:
        return _always
    return tests[0] if len(tests) == 1 else lambda before, after: any(test(before, after) for test in tests)


def _before_call(declared: Declared) -> Callable[[Change, int], Any]:
    return partial(
        _call_before, declared.function, takes_event(declared.function), declared.name, declared.action.timeout
    )


def _call_before(
    function: Callable[..., Any], with_event: bool, name: str, timeout: float, change: Change, attempt: int
) -> Any:
    """Call a handler in the write of a change. One that takes longer than its timeout has failed."""
    event = Event(
        change.id or uuid4(),
        change.store,
        change.kind,
        change.key,
        change.before,
        change.after,
        change.at,  # type: ignore[arg-type]  # a change that is about to be made has a time
        change.caller,
        attempt,
    )
    until = monotonic() + timeout
    returned = handle(function, with_event, event, timeout)
    if monotonic() > until:
        raise TimeoutError(f"{name} took longer than {timeout} seconds")
    return event.after if returned is None else returned


def _handler(declared: Declared, of_app: DeclaredTriggers) -> Handler:
    """Return the handler of an action with after triggers."""
    function, timeout = declared.function, float(declared.action.timeout)
    retry = next(_retries(declared.name, of_app), Retry())
    with_event = takes_event(function)
    return Handler(lambda event: handle(function, with_event, event, timeout), timeout, retry.attempts, retry.pause)


def _retries(action: str, declared: DeclaredTriggers) -> Iterator[Retry]:
    """Yield the retries that the triggers of an action declare."""
    for one in declared.handled():
        retry = getattr(one.trigger, "retry", None)
        if one.name == action and retry is not None:
            yield retry


def _different_retries(declared: DeclaredTriggers) -> Iterator[Fault]:
    """Yield a fault for each action whose triggers declare different retries: its events have one policy."""
    for name in dict.fromkeys(one.name for one in declared.handled()):
        found = set(_retries(name, declared))
        if len(found) > 1:
            yield Fault(f"/actions/{name}/triggers", "Its triggers declare different retries", "one Retry for all")


def _duplicate_names(declared: DeclaredTriggers) -> Iterator[Fault]:
    """Yield a fault for each action that has the name of another one: events name their action."""
    functions: dict[str, Any] = {}
    for one in (*declared.of(Runner.BEFORE), *declared.handled()):
        if functions.setdefault(one.name, one.function) is not one.function:
            yield Fault(f"/actions/{one.name}", "Another action has this name", "@action(name=…)", one.name)
