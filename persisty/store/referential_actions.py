"""Referential actions: the effects of a delete on dependents. They block the delete, are deleted too, or lose their link.

An item does not block if the same call deletes it, directly or by `cascade`. A blocked delete writes nothing.

```
transactions   delete the item, then its dependents, then search for blocking items, which roll the transaction back.
               A concurrent create of a dependent requires its target, which is locked by then
none           search for blocking items; delete the dependents, a bounded number in one call, then the item, then the dependents that
               were created in between. A call that ends early can be repeated
```
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..errors import BackendUnavailable, Conflict, PersistyError, Throttled, Unfinished
from ..model.expressions import ALL, And, Filter
from ..model.keys import KeyValues
from ..model.meta import Link, StoreMeta
from ..model.validation import changes_of
from ..query.filter_algebra import among, combine
from ..security.caller import Caller
from ..security.policy import Policy
from .backend import Delete, Outcome, Query, Write, WriteResult
from .bulk_writes import write_all
from .change_path import ChangePath
from .limits import MAX_BATCH
from .results import Planned
from .semi_joins import SemiJoins

MAX_DEPENDENTS = 10_000
"""The most dependents that one call deletes or changes without a transaction."""
BLOCKED = "There are items that belong to it"
PathOf = Callable[[StoreMeta[Any]], ChangePath[Any]]
"""An item → the change path of its store."""
_Blocking = tuple[StoreMeta[Any], Link, Filter]
"""An item that may block a delete, the link, and the filter of the blocking items."""


class ReferentialActions:
    """The links of an app whose target must exist, by target, with their referential actions."""

    def __init__(self, metas: Callable[[], Iterable[StoreMeta[Any]]], path_of: PathOf, joins: SemiJoins) -> None:
        self._metas, self.path_of, self._joins = metas, path_of, joins
        self._dependents: dict[StoreMeta[Any], tuple[tuple[StoreMeta[Any], Link], ...]] = {}

    def of(self, meta: StoreMeta[Any]) -> tuple[tuple[StoreMeta[Any], Link], ...]:
        """Return (dependent item, its link) for each link to `meta` whose target must exist."""
        found = self._dependents.get(meta)
        if found is None:
            found = self._dependents[meta] = tuple(
                (one, link)
                for one in self._metas()
                for link in one.links.values()
                if link.kind == "belongs_to" and link.on_delete != "ignore" and link.ends.target is meta
            )
        return found

    def transactional(self, meta: StoreMeta[Any]) -> bool:
        """Return whether one transaction can write an item and all its dependents: they are in one engine with transactions."""
        path, pending, seen = self.path_of(meta), [meta], {meta}
        while pending:
            for other, _ in self.of(pending.pop()):
                if self.path_of(other).transactions is not path.transactions:
                    return False
                if other not in seen:
                    seen.add(other)
                    pending.append(other)
        return path.capabilities.transactions

    def delete(self, meta: StoreMeta[Any], planned: Planned, write: Write, by: Caller | None) -> WriteResult:
        """Delete an item with its dependents. Raises `Conflict` if an item blocks it, `Unfinished` if there are more dependents than one
        call deletes. `write`: the prepared write of the plan."""
        path = self.path_of(meta)
        [key] = planned.write.key  # type: ignore[union-attr]  # the key of a link's target has one attribute
        if self.transactional(meta):
            with path.transaction():
                [result] = path.write((write,), atomic=False, by=by)
                if result.outcome is Outcome.DONE:
                    removal = self.removal(None, by)
                    removal.release(meta, [key])
                    removal.check()
            return result
        refused = self._refused(meta, planned)
        if refused is not None:
            return refused
        self.check_blocked(meta, [key], by)
        return self._dependents_first(meta, key, write, by)

    def delete_one(self, meta: StoreMeta[Any], key: Any, when: Filter, removal: Removal) -> bool:
        """Delete one of several items, with its dependents. Returns whether it existed and matched. The caller has begun a transaction and calls
        `Removal.check` after the last item, or, without transactions, has called `check_blocked` for all items."""
        write = Delete((key,), when)
        if self.transactional(meta):
            [result] = self.path_of(meta).write((write,), atomic=False, by=removal.by)
            if result.outcome is Outcome.DONE:
                removal.release(meta, [key])
        else:
            result = self._refused(meta, Planned(write, when)) or self._dependents_first(meta, key, write, removal.by)
        if result.error is not None:
            raise result.error
        return result.outcome is Outcome.DONE

    def _refused(self, meta: StoreMeta[Any], planned: Planned) -> WriteResult | None:
        """Return the result of a delete whose item is missing or does not match, because its dependents must not be deleted. None for any other."""
        [item] = self.path_of(meta).read((planned.write.key,))  # type: ignore[union-attr]  # a Delete
        if item is None:
            return WriteResult(Outcome.MISSING)
        condition = combine(And, [planned.when, planned.rule])
        return None if self._joins.matches(meta, condition, [item])[0] else WriteResult(Outcome.FAILED, item)

    def _dependents_first(self, meta: StoreMeta[Any], key: Any, write: Write, by: Caller | None) -> WriteResult:
        path, removal = self.path_of(meta), self.removal(MAX_DEPENDENTS, by)

        def release() -> None:
            removal.release(meta, [key])

        [result] = path.write((write,), atomic=False, by=by, first=release)
        if result.outcome is Outcome.DONE:
            release()
        return result

    def removal(self, limit: int | None, by: Caller | None) -> Removal:
        """Return the deletion of dependents, at most `limit` of them."""
        return Removal(self, limit, by)

    def may_block(self, meta: StoreMeta[Any]) -> bool:
        """Return whether an item can block the delete of one of `meta`, or of an item that is deleted with it."""
        pending, seen = [meta], {meta}
        while pending:
            for other, link in self.of(pending.pop()):
                if link.on_delete == "block":
                    return True
                if link.on_delete == "cascade" and other not in seen:
                    seen.add(other)
                    pending.append(other)
        return False

    def check_blocked(self, meta: StoreMeta[Any], keys: Sequence[Any], by: Caller | None) -> None:
        """Raise `Conflict` if an item blocks the delete of these and is not deleted with them. Writes nothing."""
        if not self.may_block(meta):
            return
        deleted_keys: dict[str, set[KeyValues]] = {meta.name: {(key,) for key in keys}}
        pending: list[tuple[StoreMeta[Any], list[Any]]] = [(meta, list(keys))]
        blocking: list[_Blocking] = []
        while pending:
            target, deleted = pending.pop()
            for other, link in self.of(target):
                for start in range(0, len(deleted), MAX_BATCH):
                    where = among(link.by, deleted[start : start + MAX_BATCH])
                    if link.on_delete == "block":
                        blocking.append((other, link, where))
                    elif link.on_delete == "cascade":
                        seen = deleted_keys.setdefault(other.name, set())
                        for some in self.keys(other, where):
                            fresh = [key for key in some if key not in seen]
                            seen.update(fresh)
                            if fresh and self.of(other):
                                pending.append((other, [key for [key] in fresh]))
        for other, link, where in blocking:
            for some in self.keys(other, where):
                if not deleted_keys.get(other.name, set()).issuperset(some):
                    raise _conflict(other, link, by)

    def keys(self, meta: StoreMeta[Any], where: Filter) -> Iterator[list[KeyValues]]:
        """Yield the keys of the matches, a page at a time."""
        after: Mapping[str, Any] | None = None
        while True:
            page = self.path_of(meta).query(
                Query(where, (), after, MAX_BATCH, select=meta.key.attributes, allow_scan=True)
            )
            yield [meta.key_values(one) for one in page.items]
            after = page.position
            if after is None:
                return

    def write(
        self, meta: StoreMeta[Any], planned: Sequence[Planned], ready: Callable[[Write], Write], by: Caller | None
    ) -> list[WriteResult]:
        """Perform the writes of a batch with deletes, one after the other."""
        return [self._alone(meta, one, ready(one.write), by) for one in planned]

    def _alone(self, meta: StoreMeta[Any], planned: Planned, write: Write, by: Caller | None) -> WriteResult:
        if not isinstance(write, Delete):
            return self.path_of(meta).write((write,), atomic=False, by=by)[0]
        try:
            return self.delete(meta, planned, write, by)
        except (BackendUnavailable, Throttled):
            raise
        except PersistyError as error:  # of the items that belong to it, or of their before triggers
            return WriteResult(Outcome.ERROR, error=error)


class Removal:
    """The deletion of the dependents of deleted items, link by link."""

    def __init__(self, actions: ReferentialActions, limit: int | None, by: Caller | None) -> None:
        self._actions, self._remaining, self.by = actions, limit, by
        self._done = 0
        self._seen: set[tuple[str, Any]] = set()
        self._blocking: list[_Blocking] = []

    def release(self, meta: StoreMeta[Any], keys: Sequence[Any]) -> None:
        """Apply the referential actions to the dependents of these items. `check` searches for blocking items afterwards."""
        self._seen.update((meta.name, key) for key in keys)
        for other, link in self._actions.of(meta):
            where = among(link.by, keys)
            if link.on_delete == "block":
                self._blocking.append((other, link, where))
            elif link.on_delete == "cascade":
                self._cascade(other, where)
            elif link.on_delete == "nullify":
                self._write(other, changes_of(other, {link.by: None}), where)

    def blocked(self) -> Conflict | None:
        """Return the error of the deletes if items that belong to the deleted ones block them."""
        for other, link, where in self._blocking:
            if self._actions.path_of(other).query(Query(where, (), None, 1, allow_scan=True)).items:
                return _conflict(other, link, self.by)
        return None

    def check(self) -> None:
        """Raise `Conflict` if the deletes are blocked. Call it in their transaction, after all of them."""
        blocked = self.blocked()
        if blocked is not None:
            raise blocked

    def _cascade(self, meta: StoreMeta[Any], where: Filter) -> None:
        if not self._actions.of(meta):
            self._write(meta, None, where)
            return
        for some in self._actions.keys(meta, where):
            fresh = [key for [key] in some if (meta.name, key) not in self._seen]
            if fresh:
                self.release(meta, fresh)
                self._write(meta, None, combine(And, [where, among(meta.key.attributes[0], fresh)]))
                if self._remaining is not None:  # without a transaction, more may have been created in between
                    self.release(meta, fresh)

    def _write(self, meta: StoreMeta[Any], changes: Mapping[str, Any] | None, where: Filter) -> None:
        """Write all matches, up to the limit of one call."""
        path, unlinks = self._actions.path_of(meta), changes is not None
        bulk = write_all(path, changes, where, where, self._remaining, None, True, self.by, unlinks=unlinks)
        self._done += bulk.changed
        if self._remaining is not None:
            self._remaining -= bulk.changed
            if bulk.cursor is not None or self._remaining <= 0:
                raise Unfinished(
                    f"{self._done} items that belong to it are deleted or changed, and there are more", done=self._done
                )


def _conflict(meta: StoreMeta[Any], link: Link, by: Caller | None) -> Conflict:
    """Return the error of a delete that items of `meta` block. The error names their store if the caller may read all of its items and the link."""
    if by is not None:
        policy = Policy(meta, by)
        if (
            not policy.allows("read")
            or policy.row_filter("read") != ALL
            or link.by in policy.view.hidden | policy.view.partial.keys()
        ):
            return Conflict(BLOCKED, attributes=[])
    message = f"Items of {meta.name} belong to it by {link.by} and block the delete"
    return Conflict(message, attributes=[], store=meta.name)
