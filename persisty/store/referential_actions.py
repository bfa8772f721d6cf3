"""Referential actions: what happens to the items that belong to one that is deleted. They block it, follow it, or lose their link.

Where the engine has transactions, the item is deleted first and its dependents after it, in one transaction: an item that is created
meanwhile requires its target, which is locked by then. Elsewhere the dependents go first, a bounded number in one call, and the item last: a
call that ends early can be repeated. An item that is created in between may stay without its target there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..errors import Conflict, Unfinished, Unsupported
from ..model.expressions import And, Filter
from ..model.meta import Link, StoreMeta
from ..model.validation import changes_of
from ..query.filter_algebra import among, combine
from ..security.caller import Caller
from .backend import Delete, Outcome, Query, WriteResult
from .bulk_writes import write_all
from .change_path import ChangePath
from .limits import MAX_BATCH
from .results import Planned
from .semi_joins import SemiJoins

MAX_DEPENDENTS = 10_000
"""Items that one call deletes or changes with another, where it cannot be one transaction."""
PathOf = Callable[[StoreMeta[Any]], ChangePath[Any]]
"""An item → the change path of its store."""


class ReferentialActions:
    """The links of an app whose target must exist, by target, and what a delete does with the items that have them."""

    def __init__(self, metas: Callable[[], Iterable[StoreMeta[Any]]], path_of: PathOf, joins: SemiJoins) -> None:
        self._metas, self.path_of, self._joins = metas, path_of, joins
        self._known: dict[StoreMeta[Any], tuple[tuple[StoreMeta[Any], Link], ...]] = {}

    def of(self, meta: StoreMeta[Any]) -> tuple[tuple[StoreMeta[Any], Link], ...]:
        """(item that belongs to those of `meta`, by which link)."""
        found = self._known.get(meta)
        if found is None:
            found = self._known[meta] = tuple(
                (one, link)
                for one in self._metas()
                for link in one.links.values()
                if link.kind == "belongs_to" and link.on_delete != "ignore" and link.ends.target is meta
            )
        return found

    def transactional(self, meta: StoreMeta[Any]) -> bool:
        """Return whether one transaction can write an item and all its dependents: one engine has them, and has transactions."""
        path, left, seen = self.path_of(meta), [meta], {meta}
        while left:
            for other, _ in self.of(left.pop()):
                if self.path_of(other).transactions is not path.transactions:
                    return False
                if other not in seen:
                    seen.add(other)
                    left.append(other)
        return path.capabilities.transactions

    def delete(self, meta: StoreMeta[Any], planned: Planned, by: Caller | None) -> WriteResult:
        """Delete an item with its dependents. Raises `Conflict` where one of them blocks it, `Unfinished` where there are more than one
        call deletes."""
        path = self.path_of(meta)
        [key] = planned.write.key  # type: ignore[union-attr]  # a link leads by a key of one part
        if self.transactional(meta):
            with path.transaction():
                [result] = path.write((planned.write,), atomic=False, by=by)
                if result.outcome is Outcome.DONE:
                    self.release(meta, [key], None, by)
            return result
        [item] = path.read(((key,),))
        if item is None:
            return WriteResult(Outcome.MISSING)
        # a caller that may not delete the item must not delete its dependents
        condition = combine(And, [planned.when, planned.rule])
        if not self._joins.hold(meta, condition, [item])[0]:
            return WriteResult(Outcome.FAILED, item)
        self.release(meta, [key], MAX_DEPENDENTS, by)
        [result] = path.write((planned.write,), atomic=False, by=by)
        return result

    def release(self, meta: StoreMeta[Any], keys: Sequence[Any], limit: int | None, by: Caller | None) -> None:
        """Apply the actions to the dependents of items, at most `limit` of them."""
        _Removal(self, limit, by).release(meta, keys)

    def write(
        self, meta: StoreMeta[Any], planned: Sequence[Planned], atomic: bool, by: Caller | None
    ) -> list[WriteResult]:
        """Do the writes of a batch that has deletes."""
        if atomic and self.transactional(meta):
            return self._together(meta, planned, by)
        if atomic:
            raise Unsupported("An atomic batch cannot delete items that others may belong to, with this engine")
        return [self._alone(meta, one, by) for one in planned]

    def _alone(self, meta: StoreMeta[Any], planned: Planned, by: Caller | None) -> WriteResult:
        if not isinstance(planned.write, Delete):
            return self.path_of(meta).write((planned.write,), atomic=False, by=by)[0]
        try:
            return self.delete(meta, planned, by)
        except (Conflict, Unfinished) as error:
            return WriteResult(Outcome.ERROR, error=error)

    def _together(self, meta: StoreMeta[Any], planned: Sequence[Planned], by: Caller | None) -> list[WriteResult]:
        """An atomic batch with the dependents of its deletes, in one transaction."""
        path = self.path_of(meta)
        with path.transaction():
            results = path.write([one.write for one in planned], atomic=True, by=by)
            if all(one.outcome is Outcome.DONE for one in results):
                gone = [one.write.key[0] for one in planned if isinstance(one.write, Delete)]
                self.release(meta, gone, None, by)
        return results


class _Removal:
    """One delete on its way down the links."""

    def __init__(self, actions: ReferentialActions, limit: int | None, by: Caller | None) -> None:
        self._actions, self._left, self._by = actions, limit, by
        self._done = 0
        self._seen: set[tuple[str, Any]] = set()

    def release(self, meta: StoreMeta[Any], keys: Sequence[Any]) -> None:
        """Apply the actions to the dependents of these items. A dependent that blocks is looked for before anything is written."""
        self._seen.update((meta.name, key) for key in keys)
        listed = self._actions.of(meta)
        for other, link in listed:
            path = self._actions.path_of(other)
            if link.on_delete == "block" and path.query(Query(among(link.by, keys), (), None, 1)).items:
                raise Conflict("There are items that belong to it", attributes=[])
        for other, link in listed:
            if link.on_delete == "cascade":
                self._cascade(other, link, keys)
            elif link.on_delete == "nullify":
                self._write(other, changes_of(other, {link.by: None}), among(link.by, keys))

    def _cascade(self, meta: StoreMeta[Any], link: Link, keys: Sequence[Any]) -> None:
        where = among(link.by, keys)
        if self._actions.of(meta):
            for some in self._keys(meta, where):
                fresh = [key for key in some if (meta.name, key) not in self._seen]
                if fresh:
                    self.release(meta, fresh)
                    self._write(meta, None, combine(And, [where, among(meta.key.attributes[0], fresh)]))
        else:
            self._write(meta, None, where)

    def _keys(self, meta: StoreMeta[Any], where: Filter) -> Iterator[list[Any]]:
        [name] = meta.key.attributes
        after: Mapping[str, Any] | None = None
        while True:
            page = self._actions.path_of(meta).query(Query(where, (), after, MAX_BATCH, select=(name,)))
            yield [meta.attributes[name].get(one) for one in page.items]
            after = page.position
            if after is None:
                return

    def _write(self, meta: StoreMeta[Any], changes: Mapping[str, Any] | None, where: Filter) -> None:
        """Write all matches, as far as one call goes."""
        bulk = write_all(self._actions.path_of(meta), changes, where, where, self._left, None, True, self._by)
        self._done += bulk.changed
        if self._left is not None:
            self._left -= bulk.changed
            if bulk.cursor is not None or self._left <= 0:
                raise Unfinished(f"{self._done} items that belong to it are done, and there are more", done=self._done)
