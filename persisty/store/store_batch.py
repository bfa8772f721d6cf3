"""`Store.edit_batch`: up to 100 edits of one store, with one write for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import InvalidInput
from .atomic_batch import write_atomically
from .backend import Outcome, Put, WriteResult
from .context import StoreContext
from .edits import Edit, EditResult
from .limits import check_batch
from .results import check_distinct, edit_result, number, with_edit_paths


def edit_store(here: StoreContext[Any], batch: Sequence[Edit], *, atomic: bool) -> list[EditResult[Any]]:
    """Perform the edits in order. Returns results in their positions. See `Store.edit_batch`."""
    check_batch(batch)
    here.guard.row_filter("edit_batch")
    planned = here.preparation.batch(batch)
    present = [one for one in planned if one is not None]
    if atomic:
        check_distinct(here.meta, planned)
    if here.meta.sequences:
        number(here.path, [one.write.item for one in present if isinstance(one.write, Put)])
    if atomic and len(present) < len(planned):
        results = iter([WriteResult(Outcome.ABORTED)] * len(present))
    else:
        try:
            placed = [(here, one) for one in present]
            results = iter(write_atomically(placed, here.guard.caller) if atomic else here.write(present))
        except InvalidInput as error:
            error.faults = with_edit_paths(error.faults, planned)
            raise
    return [
        edit_result(here.meta, one, None if one is None else next(results), here.guard, position, batch[position])
        for position, one in enumerate(planned)
    ]
