"""Atomic batches, of one store or several: all edits are one change.

```
conditions (`when`, access rules)   apply to the items before the batch
foreign keys                        may lead to an item that the batch creates, in any position, and not to one that it deletes
deletes                             carry out their referential actions in the same transaction; each blocked one is a `conflict`
```

SQL engines perform the writes of a batch one after the other, DynamoDB all at once. Conditions that depend on other edits of the batch are
therefore decided here, before the engine is called, so that the batch has the same outcome on each engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import structs

from ..errors import BackendUnavailable, PersistyError, Throttled, Unsupported
from ..model.expressions import ALL, NOTHING, Filter
from ..query.filter_algebra import stores_behind
from ..security.caller import Caller
from .backend import Delete, Outcome, Patch, Put, Requirement, Write, WriteResult
from .change_path import ChangePath
from .context import StoreContext
from .multi_store_writes import write_together
from .preparation import depends_on_nothing
from .referential_actions import Removal
from .results import Planned
from .write_results import undone

Placed = tuple[StoreContext[Any], Planned]
"""A planned write and its store."""


class _BlockedError(Exception):
    """Rolls back the transaction of a batch in which deletes are refused. `errors`: by position."""

    def __init__(self, errors: Mapping[int, PersistyError]) -> None:
        self.errors = errors


def write_atomically(batch: Sequence[Placed], by: Caller | None) -> list[WriteResult]:
    """Perform the writes, all or none; results in their positions."""
    paths = {store: store.path for store in {store for store, _ in batch}}
    writes = list(zip((paths[store] for store, _ in batch), _ready(batch), strict=True))
    released = [
        position
        for position, (store, planned) in enumerate(batch)
        if isinstance(planned.write, Delete) and store.referential_actions.of(store.meta)
    ]
    if not released:
        return _written(writes, by)
    if not all(batch[position][0].referential_actions.transactional(batch[position][0].meta) for position in released):
        raise Unsupported("An atomic batch cannot delete items that others may belong to, with this engine")
    try:
        with writes[0][0].transaction():
            results = _written(writes, by)
            if all(result.outcome is Outcome.DONE for result in results):
                errors = _release([(position, *batch[position]) for position in released], by)
                if errors:
                    raise _BlockedError(errors)
    except _BlockedError as blocked:
        blocking = {position: WriteResult(Outcome.ERROR, error=error) for position, error in blocked.errors.items()}
        return [blocking.get(position, result) for position, result in enumerate(undone(results))]
    return results


def _written(writes: Sequence[tuple[ChangePath[Any], Write]], by: Caller | None) -> list[WriteResult]:
    paths = {path for path, _ in writes}
    if len(paths) > 1:
        return write_together(writes, by)
    return [result for path in paths for result in path.write([write for _, write in writes], atomic=True, by=by)]


def _release(released: Sequence[tuple[int, StoreContext[Any], Planned]], by: Caller | None) -> dict[int, PersistyError]:
    """Apply the referential actions of all deletes, then return the errors of those that are blocked, or refused by a before trigger."""
    removals: dict[int, Removal] = {}
    errors: dict[int, PersistyError] = {}
    for position, store, planned in released:
        removals[position] = store.referential_actions.removal(None, by)
        try:
            removals[position].release(store.meta, list(planned.write.key))  # type: ignore[union-attr]  # a Delete
        except (BackendUnavailable, Throttled):
            raise
        except PersistyError as error:
            errors[position] = error
    blocked = {position: one.blocked() for position, one in removals.items() if position not in errors}
    return errors | {position: error for position, error in blocked.items() if error is not None}


def _ready(batch: Sequence[Placed]) -> list[Write]:
    """Return the writes in the form for the engine."""
    writes = [planned.write for _, planned in batch]
    if all(map(depends_on_nothing, writes)):
        return writes
    written = {store.meta.name for store, _ in batch}
    places = {(store.meta.name, _key(store, planned.write)): planned.write for store, planned in batch}

    def now(where: Filter) -> bool:
        return len(batch) > 1 and not written.isdisjoint(stores_behind(where))

    ready: list[Write] = []
    for store, planned in batch:
        write = planned.write
        if not isinstance(write, Delete) and write.requires:
            requires = tuple(one for each in write.requires if (one := _required(store, each, places)) is not None)
            write = structs.replace(write, requires=requires)
        ready.append(store.preparation.ready(write, now=now))
    return ready


def _key(store: StoreContext[Any], write: Write) -> Any:
    return store.meta.key_values(write.item) if isinstance(write, Put) else write.key


def _required(store: StoreContext[Any], one: Requirement, places: dict[Any, Write]) -> Requirement | None:
    """Return the requirement that the engine must check, None if the batch creates the required item. A requirement that cannot be met has
    the filter `NOTHING`."""
    other = places.get((one.meta.name, one.key))
    if isinstance(other, Delete):
        return structs.replace(one, where=NOTHING)
    if isinstance(other, Put):
        return (
            None
            if store.semi_joins.matches(one.meta, one.where, [other.item])[0]
            else structs.replace(one, where=NOTHING)
        )
    if isinstance(other, Patch) and one.where is not ALL:
        [found] = store.of(one.meta).path.read((one.key,))
        fine = found is not None and store.semi_joins.matches(one.meta, one.where, [found])[0]
        return structs.replace(one, where=ALL if fine else NOTHING)
    return one
