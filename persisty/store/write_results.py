"""Convert an engine's results of writes to errors, for engines and the change path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import structs

from ..errors import BackendUnavailable, Conflict, Fault, InvalidInput
from ..model.meta import StoreMeta
from ..model.msgspec_faults import pointer
from .backend import Outcome, WriteResult


def in_doubt() -> BackendUnavailable:
    """Return the error of a write that may have been done."""
    return BackendUnavailable(
        "The response of the engine was lost. It is not known whether the write was done", in_doubt=True
    )


def conflict(meta: StoreMeta[Any], result: WriteResult) -> Conflict:
    """Return the error of a write whose key or unique values are taken. It names their attributes."""
    taken = next((index.attributes for index in meta.uniques if index.name == result.index), meta.key.attributes)
    message = f"{taken[0]} is already taken" if len(taken) == 1 else f"{', '.join(taken)} are already taken together"
    return Conflict(message, attributes=list(taken))


def unrelated(result: WriteResult, path: str = "") -> InvalidInput:
    """Return the error of a write whose link leads to no item. `path`: of its values."""
    fault = Fault(path + pointer(result.index), "No item has this key", "the key of an existing item")
    return InvalidInput(faults=[fault])


def undone(results: Sequence[WriteResult]) -> list[WriteResult]:
    """Return the results of an atomic batch that was undone: writes that did not fail themselves are ABORTED."""
    aborted = WriteResult(Outcome.ABORTED)
    return [aborted if result.outcome is Outcome.DONE else result for result in results]


def relocated(error: InvalidInput, positions: Sequence[int]) -> InvalidInput:
    """Return the error of some writes with their positions in the batch as the first step of each path."""
    if len(positions) == 1:
        error.faults = tuple(structs.replace(one, path=pointer(positions[0]) + one.path) for one in error.faults)
        return error

    def place(path: str) -> str:
        number, _, rest = path.removeprefix("/").partition("/")
        return pointer(positions[int(number)]) + (rest and "/" + rest)

    error.faults = tuple(structs.replace(one, path=place(one.path)) for one in error.faults)
    return error
