"""The last stage of an import: write rows to a store in batches.

The store validates each row once, in the batch that writes it. A batch with an invalid row is written again without it, so that an invalid row
does not affect the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from msgspec import Struct, structs

from ..errors import Conflict, Fault, InvalidInput, PersistyError
from ..model.meta import StoreMeta
from ..model.msgspec_faults import pointer
from ..store.edits import Create
from ..store.limits import MAX_BATCH
from ..store.store import Store
from .rows import Row

_PLACE = re.compile(r"/edits/(?P<edit>\d+)/item(?P<within>/.*)?")


class Rejected(Struct, frozen=True):
    """A row that was not stored, with its error and its values."""

    line: int
    code: str
    faults: tuple[Fault, ...]
    row: Any


class Settled(Struct, frozen=True):
    """The result of a batch: each row is imported or rejected."""

    imported: int
    rejected: list[Rejected]


def load(
    store: Store[Any],
    rows: Iterable[Row],
    typed: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    *,
    batch: int = MAX_BATCH,
) -> Iterator[Settled]:
    """Create an item for each row. Yield the result of each batch of up to `batch` rows, in the order of the file.

    Errors of the engine (`BackendUnavailable`, `Throttled`) are raised. The state of that batch is then unknown.
    """
    remaining = iter(rows)
    while some := list(islice(remaining, batch)):
        readable = [row for row in some if row.error is None]
        rejected = [_rejected(row, row.error) for row in some if row.error is not None]
        rejected += [_rejected(row, error) for row, error in _create(store, readable, typed)]
        rejected.sort(key=_line)
        yield Settled(len(some) - len(rejected), rejected)


def _create(
    store: Store[Any], rows: list[Row], typed: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> list[tuple[Row, PersistyError]]:
    """Create the valid rows. Return the others with their errors."""
    refused: list[tuple[Row, PersistyError]] = []
    edits = [Create(typed(row.given)) for row in rows]
    try:
        results = store.edit_batch(edits) if edits else []
    except InvalidInput as error:
        invalid = _by_edit(error)
        refused += [(rows[edit], one) for edit, one in invalid.items()]
        rows = [row for edit, row in enumerate(rows) if edit not in invalid]
        valid = [one for edit, one in enumerate(edits) if edit not in invalid]
        results = store.edit_batch(valid) if valid else []
    refused += [(row, _within(result.error)) for row, result in zip(rows, results, strict=True) if result.error]
    return refused


def _within(error: PersistyError) -> PersistyError:
    """Return the error of one edit, with the paths of its faults into the item."""
    if not isinstance(error, InvalidInput):
        return error
    places = [(_PLACE.fullmatch(fault.path), fault) for fault in error.faults]
    faults = [structs.replace(fault, path=place["within"] or "") if place else fault for place, fault in places]
    return InvalidInput(error.message, faults=faults)


def _by_edit(error: InvalidInput) -> dict[int, InvalidInput]:
    """Return the faults of a batch as one error for each edit, with paths into its item. Raises the error if a fault belongs to no edit."""
    faults: dict[int, list[Fault]] = {}
    for fault in error.faults:
        place = _PLACE.fullmatch(fault.path)
        if place is None:
            raise error
        within = Fault(place["within"] or "", fault.message, fault.expected, fault.found)
        faults.setdefault(int(place["edit"]), []).append(within)
    if not faults:
        raise error
    return {edit: InvalidInput(faults=found) for edit, found in faults.items()}


def _rejected(row: Row, error: PersistyError) -> Rejected:
    taken = error.details.get("attributes", ()) if isinstance(error, Conflict) else ()
    faults = error.faults or tuple(Fault(pointer(name), error.message) for name in taken) or (Fault("", error.message),)
    return Rejected(row.line, error.code, faults, row.given)


NULL_HINT = "The field is empty: --null '' reads empty fields as null"


def with_null_hint(meta: StoreMeta[Any], settled: Iterable[Settled]) -> Iterator[Settled]:
    """Yield the results with a hint at the faults of empty fields of attributes that need no value."""
    optional = {pointer(name): name for name, one in meta.attributes.items() if not one.required}
    for some in settled:
        yield structs.replace(some, rejected=[_hinted(one, optional) for one in some.rejected])


def _hinted(one: Rejected, optional: Mapping[str, str]) -> Rejected:
    if one.code != InvalidInput.code or not isinstance(one.row, dict):
        return one
    faults = (
        structs.replace(fault, message=f"{fault.message}. {NULL_HINT}")
        if fault.path in optional and one.row.get(optional[fault.path]) == ""
        else fault
        for fault in one.faults
    )
    return structs.replace(one, faults=tuple(faults))


def _line(rejected: Rejected) -> int:
    return rejected.line
