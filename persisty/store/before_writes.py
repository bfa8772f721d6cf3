"""Writes with before triggers: actions see each change before it is made. They may change it, and an error of theirs refuses the write.

```
transactions   begin · read the items, locked · actions · write · commit             a refused write rolls back, with what the actions wrote
none           read the items · actions · write on the condition that each item is still the one that the actions saw
               it has changed → again, with the current item
```

An action runs for a write that would be done: not for an item that is missing, or that does not meet the condition of the write. Otherwise, its error
would tell a caller about an item that the caller may not see.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from datetime import UTC, datetime
from itertools import count
from time import sleep
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID, uuid4

from msgspec import UNSET, Struct, structs

from ..backoff import ATTEMPTS, backoff
from ..errors import BackendUnavailable, Conflict, InternalError, PersistyError, Throttled, TriggerLoop
from ..model.expressions import And, Compare, Filter
from ..model.generators import UpdateOperator
from ..model.item_copies import copier
from ..model.keys import KeyValues
from ..model.meta import StoreMeta, per_meta
from ..model.types import OPERATORS
from ..model.unreadable_items import repaired, unreadable
from ..model.validation import APPLIED, changed, changes_of
from ..query.evaluation import SAME
from ..query.filter_algebra import combine
from ..security.caller import Caller
from .backend import Capabilities, Delete, Outcome, Patch, Put, Write, WriteResult
from .before_triggers import BeforeTrigger, BeforeTriggers
from .change_capture import KINDS, Images, Seen
from .change_feed import Change
from .transactions import Transactions, Undone
from .wait_limits import WouldWait, in_attempt, this_thread

log = logging.getLogger("persisty")
MAX_DEPTH = 8
"""The most before triggers that run within each other."""
ABORTED = WriteResult(Outcome.ABORTED)
_depth: ContextVar[int] = ContextVar("persisty_trigger_depth", default=0)


class Path(Protocol):
    """The part of a `ChangePath` that this module uses."""

    meta: StoreMeta[Any]
    capabilities: Capabilities
    transactions: Transactions

    def unit(self) -> AbstractContextManager[Any]: ...

    def images(self, keys: Sequence[KeyValues]) -> Images: ...


class Writing(Path, Protocol):
    """The `ChangePath` of a store."""

    def write(self, writes: Sequence[Write], *, atomic: bool, by: Caller | None = None) -> list[WriteResult]: ...


P = TypeVar("P", bound=Path)
Perform = Callable[[Sequence[P], Sequence[Write], Mapping[P, Seen]], list[WriteResult]]
"""(paths and writes by position, what the actions saw, by path) → the results of the engine."""


class _Work(Struct, Generic[P], frozen=True):
    """Writes that are done together, all or none. `ids`: of their events, by position."""

    writes: Sequence[tuple[P, Write]]
    triggers: BeforeTriggers
    by: Caller | None
    ids: Sequence[UUID]
    perform: Perform[P]


class _RefusedError(Exception):
    """Rolls back the transaction of writes that are not done."""

    def __init__(self, results: list[WriteResult]) -> None:
        self.results = results


def leave_event_loop(path: Path) -> None:
    """Raise `WouldWait` in an event loop, because an action may take long. Without transactions, nothing would undo the writes before it."""
    if path.capabilities.transactions and in_attempt():
        raise WouldWait


def write_each(path: Writing, writes: Sequence[Write], by: Caller | None) -> list[WriteResult]:
    """Perform the writes one after the other, because an action may see what earlier ones have written. If the engine fails, the rest is not done."""
    leave_event_loop(path)
    results: list[WriteResult] = []
    for one in writes:
        try:
            results += path.write((one,), atomic=False, by=by)
        except PersistyError as error:
            if path.transactions.active:
                raise
            remaining = len(writes) - len(results) if isinstance(error, BackendUnavailable | Throttled) else 1
            results += [WriteResult(Outcome.ERROR, error=error)] * remaining
            if len(results) == len(writes):
                break
    return results


def write_checked(
    writes: Sequence[tuple[P, Write]], triggers: BeforeTriggers, by: Caller | None, perform: Perform[P]
) -> list[WriteResult]:
    """Perform one write, or several of one engine, all or none, after the before triggers that concern them."""
    here = writes[0][0]
    leave_event_loop(here)
    work = _Work(writes, triggers, by, [uuid4() for _ in writes], perform)
    if here.capabilities.transactions:
        attempts = count(1)
        return here.transactions.repeated(lambda: _in_transaction(work, next(attempts)))
    return _on_condition(work)


def _in_transaction(work: _Work[Any], attempt: int) -> list[WriteResult]:
    here: Path = work.writes[0][0]
    try:
        with here.unit():
            _, results = _attempted(work, attempt, conditional=False)
            if any(one.outcome is not Outcome.DONE for one in results):
                raise _RefusedError(results)
    except _RefusedError as refused:
        return refused.results
    return results


def _on_condition(work: _Work[Any]) -> list[WriteResult]:
    for attempt in range(ATTEMPTS):
        items, results = _attempted(work, attempt + 1, conditional=True)
        if not any(
            result.outcome is Outcome.FAILED and result.item != item
            for item, result in zip(items, results, strict=True)
            if item is not None
        ):
            return results
        sleep(backoff(attempt))
    raise BackendUnavailable("The item changed at every attempt of its before triggers")


def _attempted(work: _Work[Any], attempt: int, *, conditional: bool) -> tuple[list[Any], list[WriteResult]]:
    """Run the actions, then do the writes unless one is refused. Returns the items that the actions saw, by position, and the results."""
    before = _images(work)
    items: list[Any] = []
    accepted: list[Write] = []
    refused: dict[int, WriteResult] = {}
    for position, (path, write) in enumerate(work.writes):
        item = None if isinstance(write, Put) else before[path].get(write.key)
        triggers = work.triggers.before(path.meta.name, KINDS[type(write)])
        items.append(item if triggers else None)
        check = _Check(path.meta, work, work.ids[position], attempt, conditional)
        checked = check.run(write, item, triggers) if triggers else write
        if isinstance(checked, WriteResult):
            refused[position] = checked
        else:
            accepted.append(checked)
    if refused:
        return items, [refused.get(position, ABORTED) for position in range(len(work.writes))]
    seen = {path: Seen(images, _ids(work, path)) for path, images in before.items()}
    return items, work.perform([path for path, _ in work.writes], accepted, seen)


def _images(work: _Work[Any]) -> dict[Any, Images]:
    """Return the current items of the updates and deletes that an action concerns, by path."""
    keys: dict[Any, list[KeyValues]] = {path: [] for path, _ in work.writes}
    for path, write in work.writes:
        if not isinstance(write, Put) and work.triggers.before(path.meta.name, KINDS[type(write)]):
            keys[path].append(write.key)
    return {path: path.images(some) for path, some in keys.items()}


def _ids(work: _Work[Any], path: Any) -> dict[KeyValues, UUID]:
    return {
        _key(path.meta, write): one for (other, write), one in zip(work.writes, work.ids, strict=True) if other is path
    }


def _key(meta: StoreMeta[Any], write: Write) -> KeyValues:
    return meta.key_values(write.item) if isinstance(write, Put) else write.key


class _Check:
    """The before triggers of one write."""

    def __init__(self, meta: StoreMeta[Any], work: _Work[Any], event: UUID, attempt: int, conditional: bool) -> None:
        self.meta, self.work, self.event, self.attempt, self.conditional = meta, work, event, attempt, conditional

    def run(self, write: Write, item: Any, triggers: Sequence[BeforeTrigger]) -> Write | WriteResult:
        """Return the write to do, or the result of a write that is refused. `item`: the current item."""
        if not isinstance(write, Put):
            if item is None:
                return WriteResult(Outcome.MISSING)
            if not self.work.triggers.is_met(self.meta, write.when, item):
                return WriteResult(Outcome.FAILED, item)
        given: dict[str, Any] = {}
        after = _after(self.meta, write, item)
        for one in triggers:
            if one.wants(item, after):
                try:
                    changes = self._changes(one, write, item, after)
                except Undone:
                    raise
                except PersistyError as error:
                    return WriteResult(Outcome.ERROR, error=error)
                except BaseException as error:
                    if _interrupts(error):
                        raise
                    log.error("the before trigger %s of %s failed", one.action, self.meta.name, exc_info=error)
                    return WriteResult(Outcome.ERROR, error=InternalError())
                if changes:
                    after = changed(self.meta, after, changes)
                    given |= changes
        try:
            return self._changed(write, item, after, given)
        except PersistyError as error:
            return WriteResult(Outcome.ERROR, error=error)

    def _changes(self, trigger: BeforeTrigger, write: Write, item: Any, after: Any) -> dict[str, Any]:
        """Call an action, and return the valid changes of the item that it makes. The action gets copies."""
        copied, by = _copier(self.meta), self.work.by
        shown = None if after is None else copied(after)
        change = Change(
            self.meta.name,
            KINDS[type(write)],
            self.meta.key_of(item if shown is None else shown),
            None if item is None else copied(item),
            shown,
            None if by is None else by.subject,
            datetime.now(UTC),
            id=self.event,
        )
        depth = _depth.get()
        if depth >= MAX_DEPTH:
            raise TriggerLoop(limit=MAX_DEPTH)
        token = _depth.set(depth + 1)
        try:
            returned = trigger.call(change, self.attempt)
        finally:
            _depth.reset(token)
        return _valid(self.meta, trigger.action, returned, after)

    def _changed(self, write: Write, item: Any, after: Any, given: Mapping[str, Any]) -> Write:
        """Return the write with the changes of the actions. Without transactions, it requires that the item has not changed since. Raises `Conflict` if
        a link that a delete makes null would still lead to a deleted item."""
        requires = () if isinstance(write, Delete) else write.requires
        if isinstance(write, Patch) and write.unlinks and self.work.triggers.is_met(self.meta, write.when, after):
            raise Conflict("A before trigger keeps a link to it")
        if given:
            kept = tuple(one for one in requires if one.attribute not in given)
            requires = (*kept, *self._requirements(write, given))
        match write:
            case Put():
                return structs.replace(write, item=after, requires=requires) if given else write
            case Patch():
                write = structs.replace(write, changes={**write.changes, **given}, requires=requires)
        return (
            structs.replace(write, when=combine(And, [write.when, _same(self.meta, item)]))
            if self.conditional
            else write
        )

    def _requirements(self, write: Write, given: Mapping[str, Any]) -> Sequence[Any]:
        own = _key(self.meta, write)
        found = self.work.triggers.requirements(self.meta, given)
        return [one for one in found if one.meta is not self.meta or one.key != own]  # it exists if the write is done


def _interrupts(error: BaseException) -> bool:
    """Return whether an exception is not the action's own: Ctrl-C, which reaches the main thread except in a server, or a repetition of the call.

    An action that calls `sys.exit`, or whose own task is cancelled, has failed like any other one.
    """
    if isinstance(error, KeyboardInterrupt):
        return threading.current_thread() is threading.main_thread() and this_thread.attempt is None
    return isinstance(error, WouldWait)


def _after(meta: StoreMeta[Any], write: Write, item: Any) -> Any:
    """Return the item as it will be after the write."""
    if isinstance(write, Put):
        return _copier(meta)(write.item)
    return repaired(meta, changed(meta, item, write.changes), write.changes) if isinstance(write, Patch) else None


def _valid(meta: StoreMeta[Any], action: str, returned: Any, after: Any) -> dict[str, Any]:
    """Return the valid changes that an action makes to the item `after` the change. `InvalidInput` lists every fault."""
    if returned is None:
        return {}
    getters = {name: one.get for name, one in meta.attributes.items()}
    if after is not None and isinstance(returned, meta.item):
        values = {name: get(returned) for name, get in getters.items()}
        given = {name: one for name, one in values.items() if one is not UNSET and one != getters[name](after)}
    elif after is not None and isinstance(returned, Mapping):
        given = {name: _applied(getters, after, name, one) for name, one in returned.items()}
    else:
        expected = "None" if after is None else f"None, {meta.item.__name__} or changes of it"
        raise TypeError(f"{action} returned {type(returned).__name__}, not {expected}")
    if not given:
        return {}
    valid = changes_of(meta, given)
    return {name: valid[name] for name in given}  # not what generators add


def _applied(getters: Mapping[str, Callable[[Any], Any]], after: Any, name: str, value: Any) -> Any:
    """Return the value that a change of an action gives an attribute."""
    if isinstance(value, UpdateOperator) and name in getters:
        return APPLIED[type(value)](getters[name](after), value)
    return value


def _same(meta: StoreMeta[Any], item: Any) -> Filter:
    """Return the filter that an item still has all the values that an action saw."""
    broken = unreadable(item)
    found: list[Filter] = []
    for name, attribute in meta.attributes.items():
        value = attribute.get(item)
        if name in meta.key.attributes or name in broken:
            continue
        if value is None:
            found.append(Compare(name, "null", True))
        else:
            found.append(Compare(name, "eq" if attribute.kind in OPERATORS["eq"] else SAME, value))
    return combine(And, found)


_copier = per_meta(copier)
