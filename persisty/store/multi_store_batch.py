"""Edits of several stores in one batch: `App.edit_batch`.

Each edit is planned by its own store, for one caller, before anything is written. An atomic batch is one call of the engine, which performs
all writes or none. Otherwise adjacent edits of one store are written together, in the order of the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from msgspec import Struct, structs

from ..errors import Fault, InvalidDeclaration, InvalidInput, InvalidQuery, PersistyError
from ..model.msgspec_faults import pointer
from .atomic_batch import write_atomically
from .backend import Outcome, Put, WriteResult
from .context import StoreContext
from .edits import Create, Delete, Edit, EditResult, Update
from .limits import check_batch
from .results import Planned, check_distinct, edit_result, number

_NAMED: dict[type[Edit], str] = {
    Create: "Create({...}, store=User), or an instance of the item",
    Update: "Update(key, {...}, store=User)",
    Delete: "Delete(key, store=User)",
}
"""Kind of edit → example of naming its store."""
ContextOf = Callable[[type[Any] | str], StoreContext[Any]]
"""An item's class or name → its store, for the caller of the batch. Raises `InvalidDeclaration` for an item of another app."""


class _Placed(Struct):
    """A planned edit, with its position in the batch and its store. `planned` is None for a key that no item can have."""

    position: int
    store: StoreContext[Any]
    planned: Planned | None

    @property
    def path(self) -> str:
        """Path of the edit's values in the batch."""
        new = self.planned is not None and isinstance(self.planned.write, Put)
        return pointer("edits", self.position, "item" if new else "changes")


def edit_stores(context_of: ContextOf, batch: Sequence[Edit], *, atomic: bool) -> list[EditResult[Any]]:
    """Perform up to 100 edits of several stores. Returns results in their positions."""
    check_batch(batch)
    if not batch:
        return []
    placed = _planned(_contexts(context_of, batch), batch)
    for store in dict.fromkeys(one.store for one in placed):
        of_store = [one for one in placed if one.store is store]
        if atomic:
            check_distinct(store.meta, [one.planned for one in of_store], [one.position for one in of_store])
        if store.meta.sequences:
            number(
                store.path,
                [one.planned.write.item for one in of_store if one.planned and isinstance(one.planned.write, Put)],
            )
    results = (_together if atomic else _in_turn)(placed)
    return [
        edit_result(one.store.meta, one.planned, result, one.store.guard, one.position, batch[one.position])
        for one, result in zip(placed, results, strict=True)
    ]


def _contexts(context_of: ContextOf, batch: Sequence[Edit]) -> list[StoreContext[Any]]:
    """Return the store of each edit, one context for each store. Raises every fault at once."""
    found: list[StoreContext[Any]] = []
    by_store: dict[str, StoreContext[Any]] = {}
    faults: list[Fault] = []
    for position, edit in enumerate(batch):
        named = getattr(edit, "store", None)
        if named is None and isinstance(edit, Create) and hasattr(type(edit.item), "__persisty__"):
            named = type(edit.item).__persisty__.item  # a copy with loaded links is of a subclass
        if not isinstance(edit, Edit):
            faults.append(
                Fault(pointer("edits", position), "Not an edit", "Create, Update or Delete", type(edit).__name__)
            )
        elif named is None:
            faults.append(Fault(pointer("edits", position, "store"), "Missing", _NAMED.get(type(edit), "store=User")))
        else:
            try:
                context = context_of(named)
                found.append(by_store.setdefault(context.meta.name, context))
            except InvalidDeclaration:
                name = named if isinstance(named, str) else getattr(named, "__name__", str(named))
                faults.append(
                    Fault(pointer("edits", position, "store"), "Unknown store", "an item of the app", name[:64])
                )
    if faults:
        raise InvalidInput(faults=faults)
    return found


def _planned(stores: Sequence[StoreContext[Any]], batch: Sequence[Edit]) -> list[_Placed]:
    placed: list[_Placed] = []
    faults: list[Fault] = []
    for store in dict.fromkeys(stores):
        store.guard.row_filter("edit_batch")
        positions = [position for position, other in enumerate(stores) if other is store]
        try:
            planned = store.preparation.batch([batch[position] for position in positions], positions)
        except (InvalidInput, InvalidQuery) as error:
            faults.extend(error.faults)
            continue
        placed += [_Placed(position, store, one) for position, one in zip(positions, planned, strict=True)]
    if faults:
        raise InvalidInput(faults=faults)
    return sorted(placed, key=lambda one: one.position)


def _together(placed: Sequence[_Placed]) -> list[WriteResult | None]:
    """Return the results of an atomic batch, None for an edit without a write."""
    if any(one.planned is None for one in placed):
        return [None if one.planned is None else WriteResult(Outcome.ABORTED) for one in placed]
    try:
        batch = [(one.store, one.planned) for one in placed if one.planned is not None]
        return list(write_atomically(batch, placed[0].store.guard.caller))
    except InvalidInput as error:
        error.faults = tuple(_relocated(fault, placed) for fault in error.faults)
        raise


def _relocated(fault: Fault, placed: Sequence[_Placed]) -> Fault:
    """Return an engine's fault with the path of its edit. The engine's path begins with the position of the write."""
    number, _, rest = fault.path.removeprefix("/").partition("/")
    return structs.replace(fault, path=placed[int(number)].path + (rest and "/" + rest))


def _in_turn(placed: Sequence[_Placed]) -> list[WriteResult | None]:
    """Return the results of a batch that is not atomic. An error of some edits does not hide the results of the others."""
    results: dict[int, WriteResult] = {}
    present = [one for one in placed if one.planned is not None]
    for store, group in groupby(present, lambda one: one.store):
        some = list(group)
        try:
            found = store.write([one.planned for one in some if one.planned])
        except InvalidInput:  # the engine rejected some edits, and wrote none
            found = [_alone(one) for one in some]
        except PersistyError as error:
            found = [WriteResult(Outcome.ERROR, error=error) for _ in some]
        results |= zip([one.position for one in some], found, strict=True)
    return [results.get(one.position) for one in placed]


def _alone(one: _Placed) -> WriteResult:
    try:
        [result] = one.store.write([one.planned] if one.planned else [])
    except PersistyError as error:
        return WriteResult(Outcome.ERROR, error=error)
    return result
