"""What becomes of the items that belong to one that is deleted: they block it, follow it, or lose their link.

Where the engine has transactions, the item goes first and what belongs to it after it, or nothing at all: an item that is made
meanwhile requires its target, which is locked by then. Elsewhere what belongs to the item goes first, a bounded number in one call, and
the item last: a call that ends early can be repeated. What is made in between may stay without its target there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import Conflict, Unfinished, Unsupported
from ..model.expressions import And, Filter
from ..model.meta import Link, StoreMeta
from ..model.validation import changes_of
from ..query.filter_algebra import among, combine
from .backend import Delete, Outcome, Query, WriteResult
from .bulk_writes import write_all
from .limits import MAX_BATCH
from .results import Planned

if TYPE_CHECKING:
    from .store import Store

MAX_DEPENDENTS = 10_000
"""Items that one call deletes or changes with another, where it cannot be one transaction."""


class Dependents:
    """The links that lead to the items of each store, of those that must not lead nowhere, over the stores of an app."""

    def __init__(self, stores: Mapping[str, Store[Any]]) -> None:
        self._stores = stores
        self._known: dict[StoreMeta[Any], tuple[tuple[Store[Any], Link], ...]] = {}

    def of(self, meta: StoreMeta[Any]) -> tuple[tuple[Store[Any], Link], ...]:
        """(store of the items that belong to those of `meta`, by which link)."""
        found = self._known.get(meta)
        if found is None:
            found = self._known[meta] = tuple(
                (store, link)
                for store in self._stores.values()
                for link in store.meta.links.values()
                if link.kind == "belongs_to" and link.on_delete != "ignore" and link.ends.target is meta
            )
        return found

    def delete(self, store: Store[Any], planned: Planned) -> WriteResult:
        """Delete an item with what belongs to it. Raises `Conflict` where something blocks it, `Unfinished` where there is more than
        one call deletes."""
        [key] = planned.write.key  # type: ignore[union-attr]  # a link leads by a key of one part
        if store.backend.capabilities.transactions:
            with store.transaction():
                [result] = store.backend.write((planned.write,), atomic=False)
                if result.outcome is Outcome.DONE:
                    _Removal(self, None).release(store.meta, [key])
            return result
        [item] = store.backend.read(((key,),))
        if item is None:
            return WriteResult(Outcome.MISSING)
        # who may not delete the item must not delete what belongs to it
        condition = combine(And, [planned.when, planned.rule])
        if not store.joins.hold(store.meta, condition, [item])[0]:
            return WriteResult(Outcome.FAILED, item)
        _Removal(self, MAX_DEPENDENTS).release(store.meta, [key])
        [result] = store.backend.write((planned.write,), atomic=False)
        return result

    def write(self, store: Store[Any], planned: Sequence[Planned], atomic: bool) -> list[WriteResult]:
        """The writes of a batch in which there are deletes."""
        if atomic and store.backend.capabilities.transactions:
            return self._together(store, planned)
        if atomic:
            raise Unsupported("An atomic batch cannot delete items that others may belong to, with this engine")
        return [self._alone(store, one) for one in planned]

    def _alone(self, store: Store[Any], planned: Planned) -> WriteResult:
        if not isinstance(planned.write, Delete):
            return store.backend.write((planned.write,), atomic=False)[0]
        try:
            return self.delete(store, planned)
        except (Conflict, Unfinished) as error:
            return WriteResult(Outcome.ERROR, error=error)

    def _together(self, store: Store[Any], planned: Sequence[Planned]) -> list[WriteResult]:
        """An atomic batch with its deletes' dependents, in one transaction."""
        with store.transaction():
            results = store.backend.write([one.write for one in planned], atomic=True)
            if all(one.outcome is Outcome.DONE for one in results):
                gone = [one.write.key[0] for one in planned if isinstance(one.write, Delete)]
                _Removal(self, None).release(store.meta, gone)
        return results


class _Removal:
    """One delete on its way down."""

    def __init__(self, dependents: Dependents, limit: int | None) -> None:
        self._dependents, self._left = dependents, limit
        self._done = 0
        self._seen: set[tuple[str, Any]] = set()

    def release(self, meta: StoreMeta[Any], keys: Sequence[Any]) -> None:
        """Do with what belongs to these items as its links say: what blocks is looked for first."""
        self._seen.update((meta.name, key) for key in keys)
        listed = self._dependents.of(meta)
        for store, link in listed:
            if link.on_delete == "block" and store.backend.query(Query(among(link.by, keys), (), None, 1)).items:
                raise Conflict("There are items that belong to it", attributes=[])
        for store, link in listed:
            if link.on_delete == "cascade":
                self._cascade(store, link, keys)
            elif link.on_delete == "nullify":
                self._write(store, changes_of(store.meta, {link.by: None}), among(link.by, keys))

    def _cascade(self, store: Store[Any], link: Link, keys: Sequence[Any]) -> None:
        where = among(link.by, keys)
        if self._dependents.of(store.meta):
            for some in self._keys(store, where):
                fresh = [key for key in some if (store.meta.name, key) not in self._seen]
                if fresh:
                    self.release(store.meta, fresh)
                    self._write(store, None, combine(And, [where, among(store.meta.key.attributes[0], fresh)]))
        else:
            self._write(store, None, where)

    def _keys(self, store: Store[Any], where: Filter) -> Iterator[list[Any]]:
        [name] = store.meta.key.attributes
        after: Mapping[str, Any] | None = None
        while True:
            page = store.backend.query(Query(where, (), after, MAX_BATCH, select=(name,)))
            yield [store.meta.attributes[name].get(one) for one in page.items]
            after = page.position
            if after is None:
                return

    def _write(self, store: Store[Any], changes: Mapping[str, Any] | None, where: Filter) -> None:
        """All of them, as far as one call goes."""
        bulk = write_all(store.backend, changes, where, where, self._left, None, True)
        self._done += bulk.changed
        if self._left is not None:
            self._left -= bulk.changed
            if bulk.cursor is not None or self._left <= 0:
                raise Unfinished(f"{self._done} items that belong to it are done, and there are more", done=self._done)
