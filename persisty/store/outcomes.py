"""From an edit to the write that an engine gets, and from the engine's result to what the caller is told."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from ..errors import Aborted, Conflict, Fault, InvalidInput, NotFound, PersistyError, PreconditionFailed
from ..model.changes import bounds_of, sums_of
from ..model.expressions import ALL, And, Filter
from ..model.meta import StoreMeta
from ..model.validation import pointer
from ..query.match import matcher
from ..query.resolve import combine
from .backend import Outcome, Patch, Put, Write, WriteResult
from .edits import EditResult


class Planned(Struct, frozen=True):
    """A write, and what the caller's own condition was before the bounds of its sums were joined to it."""

    write: Write
    when: Filter = ALL


def patch(meta: StoreMeta[Any], key: tuple[Any, ...], changes: dict[str, Any], when: Filter) -> Planned:
    """The write of an update: on the caller's condition, and that no sum leaves the bounds of its attribute."""
    bounds = bounds_of(meta, changes)
    return Planned(Patch(key, changes, when if bounds is ALL else combine(And, [when, bounds])), when)


def error_of(meta: StoreMeta[Any], planned: Planned, result: WriteResult, path: str = "") -> PersistyError:
    """Why a write was not done."""
    match result.outcome:
        case Outcome.FAILED if _out_of_bounds(meta, planned, result):
            return InvalidInput(faults=_sums(meta, planned, path))
        case Outcome.FAILED:
            return PreconditionFailed(item=result.item)
        case Outcome.EXISTS:
            return conflict(meta, result)
        case Outcome.MISSING:
            return NotFound()
    return Aborted()


def conflict(meta: StoreMeta[Any], result: WriteResult) -> Conflict:
    """Names the attributes whose values are taken: the key's, or those of a unique index."""
    taken = next((index.attributes for index in meta.uniques if index.name == result.index), meta.key.attributes)
    return Conflict(attributes=list(taken))


def edit_result(
    meta: StoreMeta[Any], planned: Planned | None, result: WriteResult | None, path: str
) -> EditResult[Any]:
    """The result of one edit of a batch; without a write, its key is one that no item can have."""
    if planned is None or result is None:
        return EditResult(error=NotFound())
    if result.outcome is Outcome.DONE:
        return EditResult(result.item)
    return EditResult(error=error_of(meta, planned, result, path))


def key_of(meta: StoreMeta[Any], write: Write) -> tuple[Any, ...]:
    """The key that a write is about. A number that the engine gives is known to be like no other."""
    return meta.key_values(write.item) if isinstance(write, Put) else write.key


def _out_of_bounds(meta: StoreMeta[Any], planned: Planned, result: WriteResult) -> bool:
    write = planned.write
    return isinstance(write, Patch) and write.when is not planned.when and matcher(meta, planned.when)(result.item)


def _sums(meta: StoreMeta[Any], planned: Planned, path: str) -> list[Fault]:
    changes = planned.write.changes if isinstance(planned.write, Patch) else {}
    return [
        Fault(path + pointer(attribute.name), "The sum would leave the bounds of the attribute")
        for attribute, _ in sums_of(meta, changes)
    ]
