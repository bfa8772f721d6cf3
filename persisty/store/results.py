"""Planned writes, and the conversion of an engine's results to results and errors for the caller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET, Struct, structs

from ..errors import (
    Aborted,
    Fault,
    InvalidInput,
    NotFound,
    PersistyError,
    PreconditionFailed,
    UnreadableItem,
)
from ..model.expressions import ALL, Filter
from ..model.keys import SEPARATOR, KeyValues
from ..model.meta import StoreMeta
from ..model.msgspec_faults import pointer
from ..model.update_operators import sums_of
from .backend import Backend, Outcome, Patch, Put, Write, WriteResult
from .edits import Edit, EditResult
from .guard import Guard
from .in_doubt_writes import settled
from .unreadable_matches import as_shown
from .write_results import conflict, in_doubt, unrelated


class Planned(Struct, frozen=True):
    """A write, and the parts of its condition: the caller's `when`, the access `rule`, and the `bounds` of its sums. `given`: the item
    or the changes of the caller, before generators ran."""

    write: Write
    when: Filter = ALL
    given: Any = None
    rule: Filter = ALL
    bounds: Filter = ALL


def error_of(meta: StoreMeta[Any], planned: Planned, result: WriteResult, guard: Guard, path: str) -> PersistyError:
    """Return the error of a write that was not done. An item that the caller may not see is missing. An item that the caller may not
    change is forbidden, even if its condition was false too."""
    match result.outcome:
        case Outcome.FAILED:
            return _refused(meta, planned, result.item, path, guard)
        case Outcome.UNRELATED:
            return unrelated(result, path)
        case Outcome.EXISTS:
            return conflict(meta, result)
        case Outcome.MISSING:
            return NotFound()
        case Outcome.IN_DOUBT:
            return in_doubt()
        case Outcome.ERROR if isinstance(result.error, InvalidInput):
            faults = [structs.replace(fault, path=path + fault.path) for fault in result.error.faults]
            return InvalidInput(result.error.message, faults=faults)
        case Outcome.ERROR if result.error is not None:
            return result.error
    return Aborted()


def edit_result(
    meta: StoreMeta[Any],
    planned: Planned | None,
    result: WriteResult | None,
    guard: Guard,
    position: int | None = None,
    edit: Edit | None = None,
) -> EditResult[Any]:
    """Return the result of one edit, at this position of its batch. An edit without a write has a key that no item can have."""
    if planned is None or result is None:
        key = getattr(edit, "key", None)
        return EditResult(error=missing(meta, key, pointer("edits", position, "key")))
    if result.outcome is Outcome.IN_DOUBT:
        result = settled(meta, planned.write, planned.given, result)
    if result.outcome is Outcome.DONE:
        return _done(guard, planned, result.item)
    path = "" if position is None else pointer("edits", position, _given(planned.write))
    return EditResult(error=guard.redact_error(error_of(meta, planned, result, guard, path)))


def _done(guard: Guard, planned: Planned, item: Any) -> EditResult[Any]:
    """Return the result of a write that is done. For an item that cannot be read, the error says that it was written."""
    if item is None:
        return EditResult()
    shown = guard.redact_written(item)
    if type(shown) is guard.meta.item:
        return EditResult(shown)
    seen = as_shown(guard, shown, written=True)
    return EditResult(error=seen) if isinstance(seen, UnreadableItem) else EditResult(seen)


def missing(meta: StoreMeta[Any], key: Any, path: str = "/key") -> NotFound:
    """Return the error for an item that does not exist. If no item can have the key, because it has another number of parts, a fault says so."""
    names = meta.key.attributes
    found = key.count(SEPARATOR) + 1 if isinstance(key, str) else len(names)
    if len(names) == 1 or found == len(names):
        return NotFound()
    message = (
        f"A key of {meta.name} has {len(names)} parts: their texts, each percent-encoded, with {SEPARATOR} between them"
    )
    shown = SEPARATOR.join(f"{{{name}}}" for name in names)
    return NotFound(faults=[Fault(path, message, shown, f"{found} part{'s' if found > 1 else ''}")])


def number(backend: Backend[Any], items: Sequence[Any]) -> None:
    """Assign numbers of sequences to new items, with one call for each sequence. A number that trusted code gives advances its sequence."""
    for name in backend.meta.sequences:
        get = backend.meta.attributes[name].get
        lacking = [item for item in items if get(item) is UNSET]
        if len(lacking) < len(items):
            _advance(backend, name, max(value for item in items if (value := get(item)) is not UNSET))
        if lacking:
            for given, item in enumerate(lacking, backend.allocate(name, len(lacking))):
                setattr(item, name, given)


def _advance(backend: Backend[Any], sequence: str, given: int) -> None:
    """Reserve the numbers up to `given`, so that no later item gets one of them. A number that is already reserved leaves a gap of one.

    Reads nothing: a concurrent reservation only makes the gap larger.
    """
    if given > 0 and (first := backend.allocate(sequence, 1)) < given:
        backend.allocate(sequence, given - first)


def check_distinct(
    meta: StoreMeta[Any], planned: Sequence[Planned | None], positions: Sequence[int] | None = None
) -> None:
    """Raise `InvalidInput` if an atomic batch writes an item twice: engines do not order two writes of it, and DynamoDB rejects them.

    A key with a number that the engine has not assigned yet is different from all others.
    """
    seen: set[KeyValues] = set()
    faults: list[Fault] = []
    for position, one in zip(positions or range(len(planned)), planned, strict=True):
        if one is None:
            continue
        key = meta.key_values(one.write.item) if isinstance(one.write, Put) else one.write.key
        if key in seen and UNSET not in key:
            faults.append(Fault(pointer("edits", position), "The same item twice in an atomic batch"))
        seen.add(key)
    if faults:
        raise InvalidInput(faults=faults)


def with_edit_paths(faults: Sequence[Fault], planned: Sequence[Planned | None]) -> tuple[Fault, ...]:
    """Return an engine's faults with the path of the edit, instead of the position of its write."""
    present = [(position, one.write) for position, one in enumerate(planned) if one is not None]

    def place(path: str) -> str:
        number, _, rest = (
            path.removeprefix("/").partition("/") if len(present) > 1 else ("0", "", path.removeprefix("/"))
        )
        if not number.isdigit():  # the engine does not report the position of the write
            return pointer("edits") + path
        position, write = present[int(number)]
        return pointer("edits", position, _given(write)) + (rest and "/" + rest)

    return tuple(structs.replace(fault, path=place(fault.path)) for fault in faults)


def _given(write: Write) -> str:
    """Return the attribute of the edit that has the values of its write."""
    return "item" if isinstance(write, Put) else "changes"


def _refused(meta: StoreMeta[Any], planned: Planned, item: Any, path: str, guard: Guard) -> PersistyError:
    if not guard.visible(item):
        return NotFound()
    if not guard.is_met(planned.rule, item):
        verb = "update" if isinstance(planned.write, Patch) else "delete"
        return guard.refusal(f"Not allowed: {verb} of {meta.name}")
    if planned.bounds is not ALL and guard.is_met(planned.when, item):
        return InvalidInput(faults=_sums(meta, planned, path))
    seen = as_shown(guard, guard.redact([item])[0])
    return PreconditionFailed(item=None if isinstance(seen, UnreadableItem) else seen)


def _sums(meta: StoreMeta[Any], planned: Planned, path: str) -> list[Fault]:
    changes = planned.write.changes if isinstance(planned.write, Patch) else {}
    return [
        Fault(path + pointer(attribute.name), "The sum would leave the bounds of the attribute")
        for attribute, _ in sums_of(meta, changes)
    ]
