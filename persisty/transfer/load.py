"""The last stage of an import: write rows to a store in batches.

The store validates each row once, in the batch that writes it. A batch with an invalid row is written again without it, so that an invalid row
does not affect the others. A row whose foreign key leads to an item of the same store that does not exist yet is written again after the last row of the file.
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
from ..model.types import Kind
from ..store.edits import Create
from ..store.limits import MAX_BATCH
from ..store.store import Store
from .rows import Row
from .values import malformed
from .waiting_rows import WaitingRows

_PLACE = re.compile(r"/edits/(?P<edit>\d+)/item(?P<within>/.*)?")


Refused = list[tuple[Row, PersistyError]]
"""Rows that were not stored, each with its error."""


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
    """Create an item for each row. Yield the result of each batch of up to `batch` rows, in the order of the file, and then of the rows that
    waited for later ones.

    Errors of the engine (`BackendUnavailable`, `Throttled`) are raised. The state of that batch is then unknown.
    """
    remaining, waiting = iter(rows), WaitingRows(store.meta)
    while some := list(islice(remaining, batch)):
        readable = [row for row in some if row.error is None]
        rejected = [_rejected(row, row.error) for row in some if row.error is not None]
        invalid, refused = _create(store, readable, typed)
        stored = len(readable) - len(invalid) - len(refused)
        rejected += [_rejected(row, error) for row, error in (*invalid, *waiting.take(refused))]
        rejected.sort(key=_line)
        yield Settled(stored, rejected)
    yield from _again(store, waiting.rows, typed, batch)


def _again(
    store: Store[Any],
    waiting: Refused,
    typed: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    batch: int,
) -> Iterator[Settled]:
    """Write the waiting rows until none of them can be stored. Every second time, begin at the end: most files that have children first are in
    reverse order."""
    backwards = True
    while waiting:
        remaining = iter([row for row, _ in (reversed(waiting) if backwards else waiting)])
        left: Refused = []
        while some := list(islice(remaining, batch)):
            _, refused = _create(store, some, typed)
            left += refused
            yield Settled(len(some) - len(refused), [])
        left.sort(key=_first)
        if len(left) == len(waiting):
            yield Settled(0, [_rejected(row, error) for row, error in left])
            return
        waiting, backwards = left, not backwards


def _create(
    store: Store[Any], rows: list[Row], typed: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> tuple[Refused, Refused]:
    """Create the valid rows. Return the invalid ones, and those that the store refused, with their errors."""
    invalid: Refused = []
    edits = [Create(typed(row.given)) for row in rows]
    try:
        results = store.edit_batch(edits) if edits else []
    except InvalidInput as error:
        faulty = _by_edit(error)
        invalid = [(rows[edit], one) for edit, one in faulty.items()]
        rows = [row for edit, row in enumerate(rows) if edit not in faulty]
        valid = [one for edit, one in enumerate(edits) if edit not in faulty]
        results = store.edit_batch(valid) if valid else []
    refused = [(row, _within(result.error)) for row, result in zip(rows, results, strict=True) if result.error]
    return invalid, refused


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


def with_json_hint(meta: StoreMeta[Any], settled: Iterable[Settled]) -> Iterator[Settled]:
    """Yield the results with the reason why a field of a JSON attribute is not JSON, in place of the fault that it is text."""
    names = {pointer(name): name for name, one in meta.attributes.items() if one.kind is Kind.JSON}
    for some in settled:
        yield structs.replace(some, rejected=[_with_reason(one, names) for one in some.rejected])


def _with_reason(one: Rejected, names: Mapping[str, str]) -> Rejected:
    if one.code != InvalidInput.code or not isinstance(one.row, dict):
        return one
    faults = (
        structs.replace(fault, message=f"Malformed JSON: {reason}", found="text")
        if fault.found == "str" and fault.path in names and (reason := malformed(one.row.get(names[fault.path])))
        else fault
        for fault in one.faults
    )
    return structs.replace(one, faults=tuple(faults))


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


def _first(refused: tuple[Row, PersistyError]) -> int:
    return refused[0].line
