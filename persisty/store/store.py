"""`Store`: the verbs, each read top to bottom: validate, generate, authorise, one conditional backend call, answer.

A verb is one round trip, and one more where a sequence has to be asked or a link leads out of an engine that cannot follow it.
Whatever a write depends on, access rules included, travels with it, so nothing can happen in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from typing import Any, Generic, TypeVar, overload

from msgspec import UNSET

from ..errors import InvalidDeclaration, InvalidInput, NotFound, PersistyError, ScanNotAllowed
from ..model.expressions import ALL, COUNT, NOTHING, Aggregate, And, AttributeExpression, Filter, OrderBy
from ..model.links import LinkName, link_name
from ..model.meta import StoreMeta
from ..model.pages import ResultPage
from ..model.update_operators import bounds_of
from ..query.aggregate import Group, check_groups, finished, measures_of, resolve_aggregates, sort_groups
from ..query.cursor import decode_cursor, encode_cursor
from ..query.explain import Explanation
from ..query.filter_algebra import combine
from ..query.order import Order, resolve_attributes, resolve_order
from ..security.caller import Caller
from ..security.policy import Policy, cacheable
from . import edits
from .backend import Backend, Delete, Outcome, Page, Put, Query, WriteResult
from .bulk_writes import write_all, write_by_key
from .caller_guard import CallerGuard
from .change_path import ChangePath
from .guard import Guard
from .limits import DEFAULT_LIMIT, MAX_BATCH, MAX_LIMIT, check_batch, check_limit
from .link_loading import loaded, related
from .preparation import Planning
from .referential_actions import ReferentialActions
from .results import Planned, check_distinct, edit_result, located, number
from .semi_joins import Joins
from .trusted_guard import TrustedGuard

T = TypeVar("T")
X = TypeVar("X")
REMEMBERED = 256
"""Callers whose rules are kept compiled: one whose token is remembered comes back as the same caller."""


class Store(Generic[T]):
    """The items of one declaration. Obtain it from `App.store`.

    A `key` is the item's string key, or the value (for composite keys the tuple of values) it is made of. Methods raise
    subclasses of `PersistyError` and nothing else on purpose. It has full access: `on_behalf_of` gives the store as a caller
    has it, of which all this holds with the items and attributes that its access rules let it have.
    """

    def __init__(
        self,
        meta: StoreMeta[T],
        open_path: Callable[[], ChangePath[T]],
        stores: Mapping[str, Store[Any]] | None = None,
    ) -> None:
        self.meta = meta
        self._open = open_path
        self._path: ChangePath[T] | None = None
        self._sequences = meta.sequences
        self._stores: Mapping[str, Store[Any]] = {meta.name: self} if stores is None else stores
        self.joins = Joins(lambda other: self._stores[other.name].path)
        self.referential_actions = ReferentialActions(
            lambda: [one.meta for one in self._stores.values()], lambda other: self._stores[other.name].path, self.joins
        )
        self._callers: dict[Caller, Store[T]] = {}
        self._beside: dict[str, Store[Any]] = {}
        self._guarded_by(TrustedGuard(meta, self.joins))

    def _guarded_by(self, guard: Guard) -> None:
        self.guard, self.planning = guard, Planning(self.meta, guard, self.joins)

    def on_behalf_of(self, caller: Caller) -> Store[T]:
        """The store as this caller has it. What a rule forbids raises `Forbidden`, or `Unauthenticated` for a caller that has not said
        who it is; items that the caller may not read are not there, and attributes that it may not read are UNSET."""
        store = self._callers.get(caller)
        if store is None:
            store = self._with(CallerGuard(Policy(self.meta, caller), self.joins))
            if cacheable(self.meta):
                if len(self._callers) >= REMEMBERED:
                    self._callers.clear()
                self._callers[caller] = store
        return store

    def beside(self, meta: StoreMeta[Any]) -> Store[Any]:
        """The store of another item, for the same caller."""
        found = self._beside.get(meta.name)
        if found is None:
            store = self._stores.get(meta.name)
            if store is None:
                raise InvalidDeclaration(f"{meta.name} is not an item of the app that {self.meta.name} belongs to")
            found = self._beside[meta.name] = store._with(self.guard.of(meta))
        return found

    def _with(self, guard: Guard) -> Store[T]:
        store: Store[T] = copy(self)
        store._guarded_by(guard)
        store._open, store._path, store._beside = lambda: self.path, None, {}
        return store

    @property
    def path(self) -> ChangePath[T]:
        """The way to the items in the engine, opened when it is first needed."""
        if self._path is None:
            self._path = self._open()
        return self._path

    @property
    def backend(self) -> Backend[T]:
        """The engine's own backend of the store."""
        return self.path.backend

    def disconnect(self) -> None:
        """Forget the engine; the next verb opens it anew."""
        self._path = None
        self._callers.clear()
        self._beside.clear()

    def create(self, item: T | Mapping[str, Any]) -> T:
        """Store a new item and return it complete. `Conflict` if its key or a unique value is taken, `InvalidInput` if it is
        not valid."""
        planned = self.planning.create(item)
        if self._sequences:
            number(self.path, [planned.write.item])  # type: ignore[union-attr]  # a Put
        [result] = self.path.write((planned.write,), atomic=False, by=self.guard.caller)
        created: T = self._settled(planned, result)
        return created

    def read(self, key: Any) -> T | None:
        """The item, or None."""
        rule, values = self.guard.rows("read"), self.planning.key(key)
        if values is None:
            return None
        return self._visible(self.path.read((values,)), rule)[0]

    def update(self, key: Any, changes: Mapping[str, Any], *, when: Filter | None = None) -> T | None:
        """Change some attributes of an item and return it as it is now; None if it is missing.

        A change may be `add(n)` or `append(value, …)`, which the engine applies. `when` false raises `PreconditionFailed`,
        which carries the current item; a unique value that is taken, `Conflict`; a sum out of bounds, `InvalidInput`.
        """
        planned = self.planning.update(key, changes, when)
        if planned is None:
            return None
        [result] = self.path.write((planned.write,), atomic=False, by=self.guard.caller)
        item: T | None = self._settled(planned, result, missing=None)
        return item

    def delete(self, key: Any, *, when: Filter | None = None) -> bool:
        """Delete an item: True if it was there. `when` false raises `PreconditionFailed`."""
        planned = self.planning.delete(key, when)
        if planned is None:
            return False
        if self.referential_actions.of(self.meta):
            result = self.referential_actions.delete(self.meta, planned, self.guard.caller)
        else:
            [result] = self.path.write((planned.write,), atomic=False, by=self.guard.caller)
        return self._settled(planned, result, missing=False) is not False

    def search(
        self,
        where: Filter | None = None,
        *,
        query: str | None = None,
        order: Order = None,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
        allow_scan: bool = False,
    ) -> ResultPage[T]:
        """The first `limit` items that match, in the order; short only when there are no more.

        `query`: words, each of which must occur in some text of the item, whatever the case. `order`: attributes, `.asc()` or
        `.desc()`, or text such as `"-created_at"`; ties end on the key. None takes the engine's own stable order. `cursor`:
        from the page before, of the same query. `allow_scan`: look at every item of a large table, if it comes to that.
        """
        total = self.planning.order(order)
        asked = self.planning.rows("search", self.planning.where(where, query=query))
        return self.page(asked, total, limit, cursor, allow_scan=allow_scan)

    def select(
        self,
        attributes: Iterable[AttributeExpression[Any] | str] | AttributeExpression[Any] | str,
        where: Filter | None = None,
        *,
        query: str | None = None,
        order: Order = None,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
        allow_scan: bool = False,
    ) -> ResultPage[dict[str, Any]]:
        """Like `search`, with only these attributes of each item, as a dict: `select([Message.text], …)`."""
        names = resolve_attributes(self.guard.view.attributes, attributes, "/attributes")
        total = self.planning.order(order)
        asked = self.planning.rows("search", self.planning.where(where, query=query))
        page = self.page(asked, total, limit, cursor, self.needed(names), allow_scan)
        columns = [(name, self.meta.attributes[name].get) for name in names]
        return ResultPage(
            [{name: value for name, get in columns if (value := get(item)) is not UNSET} for item in page.items],
            page.cursor,
        )

    def search_all(
        self,
        where: Filter | None = None,
        *,
        query: str | None = None,
        order: Order = None,
        allow_scan: bool = False,
    ) -> Iterator[T]:
        """Every item that matches, a page at a time in memory."""
        total = self.planning.order(order)
        asked = self.planning.rows("search", self.planning.where(where, query=query))
        ready = self.joins.ready(self.meta, asked)
        after: Mapping[str, Any] | None = None
        while ready != NOTHING:
            page = self._ask(self.path.query, Query(ready, total, after, MAX_LIMIT, allow_scan=allow_scan))
            yield from self.guard.shown(page.items)
            if page.position is None:
                return
            after = page.position

    def count(self, where: Filter | None = None, *, query: str | None = None, allow_scan: bool = False) -> int:
        """Return the number of matches."""
        asked = self.planning.rows("count", self.planning.where(where, query=query))
        ready = self.joins.ready(self.meta, asked)
        return 0 if ready == NOTHING else self._ask(self.path.count, ready, allow_scan=allow_scan)

    @overload
    def count_by(
        self, attribute: AttributeExpression[X], where: Filter | None = None, *, allow_scan: bool = False
    ) -> dict[X | None, int]: ...
    @overload
    def count_by(self, attribute: str, where: Filter | None = None, *, allow_scan: bool = False) -> dict[Any, int]: ...
    def count_by(self, attribute: Any, where: Filter | None = None, *, allow_scan: bool = False) -> dict[Any, int]:
        """Value of the attribute → how many matches have it, in the order of the values, None last."""
        groups = self.aggregate(COUNT, where=where, by=attribute, allow_scan=allow_scan)
        return {group.by[0]: group.values[0] for group in groups}

    def aggregate(
        self,
        *asked: Aggregate,
        where: Filter | None = None,
        by: Iterable[AttributeExpression[Any] | str] | AttributeExpression[Any] | str = (),
        query: str | None = None,
        allow_scan: bool = False,
    ) -> list[Group]:
        """Return aggregates of the matches (`COUNT`, `Item.n.max()`, `.min()`, `.sum()`, `.avg()`).

        With `by`, return a group for each combination of values, in their order, None last; without, one group of all matches. Raise `TooManyGroups` beyond 10,000
        groups. Null values are not aggregated: `max` of no values is None, `sum` of no values is 0.
        """
        known = self.guard.view.always_visible
        resolve_aggregates(known, asked)
        listed = tuple(by) if isinstance(by, Iterable) and not isinstance(by, str) else by
        names = () if isinstance(listed, tuple) and not listed else resolve_attributes(known, listed, "/by")
        check_groups(self.meta, names)
        rows = self.planning.rows("count", self.planning.where(where, query=query))
        ready = self.joins.ready(self.meta, rows)
        if ready == NOTHING and names:
            return []
        measures = measures_of(asked)
        found = self._ask(self.path.aggregate, measures, names, ready, allow_scan=allow_scan)
        return [finished(asked, measures, group) for group in sort_groups(self.meta, names, found)]

    def update_all(
        self,
        changes: Mapping[str, Any],
        where: Filter | None = None,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        allow_scan: bool = False,
    ) -> edits.BulkResult:
        """Change every item that matches, each on the condition that it still matches then; bounded memory.

        `limit` ends it after about so many items, with a `cursor` to go on from. An error in between carries `cursor` and
        `changed` in its details. Items whose sums would leave the bounds of an attribute are left as they are.
        """
        valid = self.guard.changes(changes)
        self.planning.check_requirements(valid)
        rows = combine(
            And, [self.planning.where(where), self.guard.condition("update", valid), bounds_of(self.meta, valid)]
        )
        return self._bulk(valid, rows, limit, cursor, allow_scan)

    def delete_all(
        self,
        where: Filter | None = None,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        allow_scan: bool = False,
    ) -> edits.BulkResult:
        """Delete every item that matches; like `update_all`. Without a filter that is every item there is."""
        rows = self.planning.rows("delete", self.planning.where(where))
        if self.referential_actions.of(self.meta):
            return self._delete_each(rows, limit, cursor, allow_scan)
        return self._bulk(None, rows, limit, cursor, allow_scan)

    def explain(
        self,
        where: Filter | None = None,
        *,
        query: str | None = None,
        order: Order = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Explanation:
        """Return how the engine would run a search, its cost, and the index that would make it cheap. Reads no items."""
        if self.guard.caller is not None:
            raise self.guard.refusal("How an engine answers is for trusted code to know")
        check_limit(limit)
        asked = self.joins.ready(self.meta, self.planning.where(where, query=query))
        return self.path.explain(Query(asked, resolve_order(self.meta, order), None, limit))

    def read_batch(self, keys: Iterable[Any]) -> list[T | None]:
        """The items of up to 100 keys, in their positions, None where there is none."""
        given = list(keys)
        check_batch(given)
        rule = self.guard.rows("read_batch")
        values = self.planning.keys(given)
        asked = [one for one in values if one is not None]
        found = self._visible(self.path.read(asked), rule) if asked else []
        if len(found) == len(values):
            return found
        rest = iter(found)
        return [None if one is None else next(rest) for one in values]

    def edit_batch(self, batch: Iterable[edits.Edit], *, atomic: bool = False) -> list[edits.EditResult[T]]:
        """Do up to 100 edits in order; each has its own result in its position.

        Invalid input in any of them raises `InvalidInput` for all, with every fault, before anything is written.
        `atomic`: all are done or none is; then an update or delete of a missing item counts as a failure too, and no two
        edits may name the same key.
        """
        given = list(batch)
        check_batch(given)
        self.guard.rows("edit_batch")
        planned = self.planning.batch(given)
        present = [one for one in planned if one is not None]
        if atomic:
            check_distinct(self.meta, planned)
        if self._sequences:
            number(self.path, [one.write.item for one in present if isinstance(one.write, Put)])
        if atomic and len(present) < len(planned):
            results = iter([WriteResult(Outcome.ABORTED)] * len(present))
        else:
            results = iter(self._written(planned, present, atomic))
        return [
            edit_result(
                self.meta, one, None if one is None else next(results), self.guard, f"/edits/{position}/changes"
            )
            for position, one in enumerate(planned)
        ]

    def related(
        self,
        link: str,
        items: Sequence[T],
        where: Filter | None = None,
        *,
        order: Order = None,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
        select: tuple[str, ...] | None = None,
    ) -> list[Any]:
        """Return the linked items of each item, in its position: an item or None, a `ResultPage` for `HasMany`, a number for `HasCount`.

        Makes one backend call for all of them, two through a join item. `where`, `order` and `limit` apply to the linked items; a `cursor` continues the page of
        one item. `select`: the requested attributes; others may be UNSET.
        """
        return related(self, link, items, where, order, limit, cursor, select)

    @overload
    def links(self, items: ResultPage[T], *names: LinkName, limit: int = DEFAULT_LIMIT) -> ResultPage[T]: ...
    @overload
    def links(self, items: Sequence[T], *names: LinkName, limit: int = DEFAULT_LIMIT) -> list[T]: ...
    @overload
    def links(self, items: T, *names: LinkName, limit: int = DEFAULT_LIMIT) -> T: ...
    def links(self, items: Any, *names: Any, limit: int = DEFAULT_LIMIT) -> Any:
        """A page, a list or an item with links loaded: `store.links(page, "author", Message.room)`; all of them without names.

        What comes back are copies, whose `author` is an item or None, and whose `messages` is a `ResultPage` of the first `limit`.
        `"author.team"` loads the links of what was loaded.
        """
        asked = [str(link_name(name)) for name in names] or list(self.meta.links)
        if isinstance(items, ResultPage):
            return ResultPage(loaded(self, items.items, asked, limit), items.cursor)
        return (
            loaded(self, items, asked, limit) if isinstance(items, Sequence) else loaded(self, [items], asked, limit)[0]
        )

    def page(
        self,
        where: Filter,
        order: tuple[OrderBy, ...],
        limit: int,
        cursor: str | None,
        select: tuple[str, ...] | None = None,
        allow_scan: bool = False,
    ) -> ResultPage[T]:
        """A page of a resolved filter, access rules included, in a total order."""
        check_limit(limit)
        after = None if cursor is None else decode_cursor(self.meta, where, order, cursor)
        ready = self.joins.ready(self.meta, where)
        if ready == NOTHING:
            return ResultPage([])
        found = self._ask(self.path.query, Query(ready, order, after, limit, select, allow_scan))
        return self.shown_page(where, order, found)

    def shown_page(self, where: Filter, order: tuple[OrderBy, ...], page: Page[T]) -> ResultPage[T]:
        """A backend's page as the caller may see it."""
        items = self.guard.shown(page.items)
        if page.position is None:
            return ResultPage(items)
        return ResultPage(items, encode_cursor(self.meta, where, order, page.position))

    def _ask(self, call: Callable[..., X], *arguments: Any, **options: Any) -> X:
        """Call a backend. Remove the size of its table from errors, which not every caller may know."""
        try:
            return call(*arguments, **options)
        except ScanNotAllowed as error:
            raise self.guard.told(error) from None

    def needed(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The attributes to ask for: where some are not to be seen on every item, all, which tell on which they are."""
        return tuple(self.meta.attributes) if self.guard.view.partial else names

    def _visible(self, items: list[T | None], rule: Filter) -> list[T | None]:
        """The items as the caller may see them, None for those that it may not."""
        if rule is ALL:
            return self.guard.shown(items)
        present = [one for one in items if one is not None]
        fine = iter(self.guard.hold(rule, present))
        return self.guard.shown([one if one is not None and next(fine) else None for one in items])

    def _written(self, planned: Sequence[Planned | None], present: list[Planned], atomic: bool) -> list[WriteResult]:
        """The results of the edits that have a write."""
        try:
            return self.write_planned(present, atomic=atomic)
        except InvalidInput as error:
            error.faults = located(error.faults, planned)
            raise

    def write_planned(self, planned: Sequence[Planned], *, atomic: bool) -> list[WriteResult]:
        """Do planned writes of this store, deletes with what belongs to their items."""
        writes = [one.write for one in planned]
        if writes and self.referential_actions.of(self.meta) and any(isinstance(one, Delete) for one in writes):
            return self.referential_actions.write(self.meta, planned, atomic, self.guard.caller)
        return self.path.write(writes, atomic=atomic, by=self.guard.caller) if writes else []

    def _bulk(
        self, changes: Mapping[str, Any] | None, rows: Filter, limit: int | None, cursor: str | None, allow_scan: bool
    ) -> edits.BulkResult:
        """A bulk write, whose cursors tell no more than the items do."""
        ready = self.joins.ready(self.meta, rows)
        try:
            if limit is None or not self.planning.order(None):
                return write_all(self.path, changes, rows, ready, limit, cursor, allow_scan, self.guard.caller)
            return write_by_key(self.path, changes, rows, ready, limit, cursor, allow_scan, self.guard.caller)
        except PersistyError as error:
            if self.planning.order(None) and limit is None:
                error.details.pop("cursor", None)
            raise self.guard.told(error) from None

    def _delete_each(self, rows: Filter, limit: int | None, cursor: str | None, allow_scan: bool) -> edits.BulkResult:
        """Delete items to which others belong, a page at a time."""
        asked = self.planning.rows("read", rows)
        condition = self.joins.ready(self.meta, asked)
        changed = 0
        while True:
            size = MAX_BATCH if limit is None else min(MAX_BATCH, limit - changed)
            select = None if self.guard.view.partial else self.meta.key.attributes
            page = self.page(asked, self.planning.order(None), size, cursor, select, allow_scan)
            for item in page.items:
                planned = Planned(Delete(self.meta.key_values(item), condition), asked)
                changed += (
                    self.referential_actions.delete(self.meta, planned, self.guard.caller).outcome is Outcome.DONE
                )
            cursor = page.cursor
            if cursor is None or (limit is not None and changed >= limit):
                return edits.BulkResult(changed, cursor)

    def _settled(self, planned: Planned, result: WriteResult, missing: Any = UNSET) -> Any:
        """The item of a write that is done; the error of one that is not is raised, but for a missing item with `missing`."""
        told = edit_result(self.meta, planned, result, self.guard)
        if told.error is None:
            return told.item
        if missing is not UNSET and isinstance(told.error, NotFound):
            return missing
        raise told.error
