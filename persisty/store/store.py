"""`Store`: the verbs. Each one validates, generates, authorises, makes one conditional call of the engine, and returns its result.

A verb is one round trip. A sequence needs one more, and so does a link that the engine cannot follow. Everything that a write depends on,
access rules included, is a condition of the write, so no other write can come between a check and the write.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar, overload

from msgspec import UNSET

from ..errors import UnreadableItem
from ..model.expressions import COUNT, NOTHING, Aggregate, And, AttributeExpression, Filter
from ..model.links import LinkName, link_name
from ..model.pages import ResultPage, page_like
from ..model.update_operators import bounds_of
from ..query.aggregate import Group, check_groups, finished, groupable, measures_of, resolve_aggregates, sort_groups
from ..query.explain import Explanation
from ..query.filter_algebra import combine
from ..query.order import Order, resolve_attributes, resolve_order
from ..security.caller import Caller
from ..security.policy import cacheable
from . import edits
from .backend import Query
from .bulk_verbs import delete_matches, write_matches
from .context import StoreContext
from .limits import DEFAULT_LIMIT, MAX_LIMIT, check_batch, check_limit, listed
from .link_loading import related
from .loaded_links import loaded
from .preparation import depends_on_nothing
from .results import number
from .store_batch import edit_store
from .unreadable_matches import MAX_NAMED, all_of_them, split_unreadable

T = TypeVar("T")
X = TypeVar("X")
MAX_CALLERS = 256
"""Callers whose compiled rules are cached. An authenticator that caches tokens returns the same caller again."""


class Store(Generic[T]):
    """The verbs of one item. Obtain it from `App.store`.

    A `key` is the item's string key, or its value (for a composite key the tuple of its values). Methods raise subclasses of `PersistyError`.
    `App.store` returns a store with full access. `on_behalf_of` returns one that applies the access rules of a caller.
    """

    def __init__(self, context: StoreContext[T]) -> None:
        self.meta, self._context = context.meta, context
        self._numbered = bool(context.meta.sequences)
        self._callers: dict[Caller, Store[T]] = {}

    def on_behalf_of(self, caller: Caller) -> Store[T]:
        """Return a store with the access rules of a caller. A forbidden call raises `Forbidden`, or `Unauthenticated` for an anonymous caller.
        Items that the caller may not read are missing, and attributes that it may not read are UNSET."""
        store = self._callers.get(caller)
        if store is None:
            store = Store(self._context.on_behalf_of(caller))
            store._callers = self._callers
            if cacheable(self.meta):
                if len(self._callers) >= MAX_CALLERS:
                    self._callers.clear()
                self._callers[caller] = store
        return store

    def create(self, item: T | Mapping[str, Any]) -> T:
        """Store a new item and return it complete. `Conflict` if its key or a unique value is taken, `InvalidInput` for invalid values."""
        here = self._context
        planned = here.preparation.create(item)
        if self._numbered:
            number(here.path, [planned.write.item])  # type: ignore[union-attr]  # a Put
        write = planned.write if depends_on_nothing(planned.write) else here.preparation.ready(planned.write)
        [result] = here.path.write((write,), atomic=False, by=here.guard.caller)
        created: T = here.settled(planned, result)
        return created

    def read(self, key: Any) -> T | None:
        """Return the item, or None."""
        here = self._context
        rule, values = here.guard.row_filter("read"), here.preparation.key(key)
        if values is None:
            return None
        [item] = here.path.read((values,))
        return None if item is None else here.readable_item(item, rule)

    def update(self, key: Any, changes: Mapping[str, Any], *, when: Filter | None = None) -> T | None:
        """Change some attributes of an item. Return the new item, or None if it is missing.

        A change may be `add(n)` or `append(value, …)`, which the engine applies. A false `when` raises `PreconditionFailed` with the current
        item, a taken unique value `Conflict`, a sum out of bounds `InvalidInput`."""
        here = self._context
        planned = here.preparation.update(key, changes, when)
        if planned is None:
            return None
        write = planned.write if depends_on_nothing(planned.write) else here.preparation.ready(planned.write)
        [result] = here.path.write((write,), atomic=False, by=here.guard.caller)
        item: T | None = here.settled(planned, result, missing=None)
        return item

    def delete(self, key: Any, *, when: Filter | None = None) -> bool:
        """Delete an item. Return whether it existed. A false `when` raises `PreconditionFailed`."""
        here = self._context
        planned = here.preparation.delete(key, when)
        if planned is None:
            return False
        write = here.preparation.ready(planned.write)
        if here.referential_actions.of(self.meta):
            result = here.referential_actions.delete(self.meta, planned, write, here.guard.caller)
        else:
            [result] = here.path.write((write,), atomic=False, by=here.guard.caller)
        return here.settled(planned, result, missing=False) is not False

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
        """Return the first `limit` items that match, in the order. A page without a cursor is the last. Only the last is shorter, or one of 25 or
        more items that exceed 4 MB.

        `query`: words, each of which must occur in some text of the item, ignoring case. `order`: attributes, `.asc()` or
        `.desc()`, or text such as `"-created_at"`; ties are ordered by the key. None means the engine's own stable order. `cursor`:
        the one of the previous page of the same query. Matches that cannot be read are the page's `errors`. `allow_scan`: the engine may read every item of a large table.
        """
        here = self._context
        total = here.preparation.order(order)
        matches = here.preparation.matches("search", where, query)
        return here.page(matches, total, limit, cursor, allow_scan=allow_scan)

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
        """Search, and return only these attributes of each item, as a dict: `select([Message.text], …)`."""
        here = self._context
        names = resolve_attributes(here.guard.view.attributes, attributes, "/attributes")
        total = here.preparation.order(order)
        matches = here.preparation.matches("search", where, query)
        page = here.page(matches, total, limit, cursor, here.attributes_to_read(names), allow_scan)
        columns = [(name, self.meta.attributes[name].get) for name in names]
        return page_like(
            page, [{name: value for name, get in columns if (value := get(item)) is not UNSET} for item in page.items]
        )

    def search_all(
        self,
        where: Filter | None = None,
        *,
        query: str | None = None,
        order: Order = None,
        allow_scan: bool = False,
    ) -> Iterator[T]:
        """Iterate over every item that matches. Reads one page at a time. At the end, `UnreadableItem` names matches that cannot be read."""
        here = self._context
        total = here.preparation.order(order)
        matches = here.preparation.matches("search", where, query)
        ready = here.semi_joins.ready(self.meta, matches)
        after: Mapping[str, Any] | None = None
        errors: list[UnreadableItem] = []
        while ready != NOTHING:
            page = here.call_engine(here.path.query, Query(ready, total, after, MAX_LIMIT, allow_scan=allow_scan))
            items, unreadable = split_unreadable(here.guard, here.guard.redact(page.items))
            yield from items
            errors += unreadable[: MAX_NAMED - len(errors)]
            after = page.position
            if after is None:
                break
        if errors:
            raise all_of_them(errors)

    def count(self, where: Filter | None = None, *, query: str | None = None, allow_scan: bool = False) -> int:
        """Return the number of items that match."""
        here = self._context
        matches = here.preparation.matches("count", where, query)
        ready = here.semi_joins.ready(self.meta, matches)
        return 0 if ready == NOTHING else here.call_engine(here.path.count, ready, allow_scan=allow_scan)

    @overload
    def count_by(
        self, attribute: AttributeExpression[X], where: Filter | None = None, *, allow_scan: bool = False
    ) -> dict[X | None, int]: ...
    @overload
    def count_by(self, attribute: str, where: Filter | None = None, *, allow_scan: bool = False) -> dict[Any, int]: ...
    def count_by(self, attribute: Any, where: Filter | None = None, *, allow_scan: bool = False) -> dict[Any, int]:
        """Return value of the attribute → number of matches that have it, in the order of the values, None last."""
        groups = self.aggregate(COUNT, where=where, by=attribute, allow_scan=allow_scan)
        return {group.by[0]: group.values[0] for group in groups}

    def aggregate(
        self,
        *aggregates: Aggregate,
        where: Filter | None = None,
        by: Iterable[AttributeExpression[Any] | str] | AttributeExpression[Any] | str = (),
        query: str | None = None,
        allow_scan: bool = False,
    ) -> list[Group]:
        """Return aggregates of the matches (`COUNT`, `Item.n.max()`, `.min()`, `.sum()`, `.avg()`), in groups of equal values of `by`.

        Groups are in the order of the values, None last. Without `by` there is one group. `TooManyGroups` beyond 10,000. Aggregates ignore
        null values: `max` of no values is None, `sum` of no values is 0.
        """
        here = self._context
        visible = here.guard.view.always_visible
        resolve_aggregates(visible, aggregates)
        listed = tuple(by) if isinstance(by, Iterable) and not isinstance(by, str) else by
        names = (
            () if isinstance(listed, tuple) and not listed else resolve_attributes(visible, listed, "/by", groupable)
        )
        check_groups(self.meta, names)
        rows = here.preparation.matches("count", where, query)
        ready = here.semi_joins.ready(self.meta, rows)
        if ready == NOTHING and names:
            return []
        measures = measures_of(aggregates)
        found = here.call_engine(here.path.aggregate, measures, names, ready, allow_scan=allow_scan)
        return [finished(aggregates, measures, group) for group in sort_groups(self.meta, names, found)]

    def update_all(
        self,
        changes: Mapping[str, Any],
        where: Filter | None = None,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        allow_scan: bool = False,
    ) -> edits.BulkResult:
        """Change every item that matches, each on the condition that it still matches. Needs bounded memory.

        `limit` ends the call after about that many items, with a `cursor` to continue from. The details of an error contain `cursor` and
        `changed`. An item stays unchanged if a sum would leave the bounds of its attribute.
        """
        here = self._context
        valid = here.guard.changes(changes)
        here.preparation.check_requirements(valid)
        conditions = [here.preparation.where(where), here.guard.condition("update", valid), bounds_of(self.meta, valid)]
        rows = combine(And, conditions)
        return write_matches(here, valid, rows, limit, cursor, allow_scan)

    def delete_all(
        self,
        where: Filter | None = None,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        allow_scan: bool = False,
    ) -> edits.BulkResult:
        """Delete every item that matches, as `update_all` changes them. Without a filter, deletes every item."""
        here = self._context
        rows = here.preparation.matches("delete", where)
        if here.referential_actions.of(self.meta):
            return delete_matches(here, rows, limit, cursor, allow_scan)
        return write_matches(here, None, rows, limit, cursor, allow_scan)

    def explain(
        self,
        where: Filter | None = None,
        *,
        query: str | None = None,
        order: Order = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Explanation:
        """Return the engine's plan for a search, its cost, and the index that would make it cheap. Reads no items."""
        here = self._context
        if here.guard.caller is not None:
            raise here.guard.refusal("Not allowed: explain")
        check_limit(limit)
        matches = here.semi_joins.ready(self.meta, here.preparation.where(where, query=query))
        return here.path.explain(Query(matches, resolve_order(self.meta, order), None, limit))

    def read_batch(self, keys: Iterable[Any]) -> list[T | None]:
        """Return the items of up to 100 keys, in their positions. None for a missing item. The `others` of an `UnreadableItem` are the rest."""
        here = self._context
        given = listed(keys, "/keys")
        check_batch(given)
        rule = here.guard.row_filter("read_batch")
        values = here.preparation.keys(given)
        valid_keys = [one for one in values if one is not None]
        read = here.path.read(valid_keys) if valid_keys else []
        if len(read) < len(values):
            rest = iter(read)
            read = [None if one is None else next(rest) for one in values]
        return here.readable(read, rule, several=True)

    def edit_batch(self, batch: Iterable[edits.Edit], *, atomic: bool = False) -> list[edits.EditResult[T]]:
        """Perform up to 100 edits in order. Each has its own result in its position.

        Invalid input in any edit raises `InvalidInput` with every fault, before anything is written. `atomic`: all edits are done or none is.
        An update or delete of a missing item is then a failure too, and no two edits may have the same key.
        """
        return edit_store(self._context, listed(batch, "/edits"), atomic=atomic)

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
        """Return the value of a link for each item, in its position: an item or None, a `ResultPage` for `HasMany`, a number for `HasCount`.

        Makes one call of the engine for all items, or two if the link goes through a join item. `where`, `order` and `limit` apply to the
        linked items. A `cursor` continues the page of one item. `select`: the attributes to read; others may be UNSET.
        """
        return related(self._context, link, items, where, order, limit, cursor, select)

    @overload
    def links(self, items: ResultPage[T], *names: LinkName, limit: int = DEFAULT_LIMIT) -> ResultPage[T]: ...
    @overload
    def links(self, items: Sequence[T], *names: LinkName, limit: int = DEFAULT_LIMIT) -> list[T]: ...
    @overload
    def links(self, items: T, *names: LinkName, limit: int = DEFAULT_LIMIT) -> T: ...
    def links(self, items: Any, *names: Any, limit: int = DEFAULT_LIMIT) -> Any:
        """Load links of a page, a list or an item: `store.links(page, "author", Message.room)`. Without names, loads all links.

        Returns copies: their `author` is an item or None, and their `messages` a `ResultPage` of the first `limit`. `"author.team"` loads the
        team of each author, too. A link to an item that cannot be read is left out; the `errors` of a page name the item, otherwise the log does.
        """
        here = self._context
        link_names = [str(link_name(name)) for name in names] or list(self.meta.links)
        if isinstance(items, ResultPage):
            errors: list[UnreadableItem] = []
            return page_like(items, loaded(here, items.items, link_names, limit, errors), errors)
        if isinstance(items, Sequence):
            return loaded(here, items, link_names, limit)
        return loaded(here, [items], link_names, limit)[0]


def context_of(store: Store[T]) -> StoreContext[T]:
    """Return the parts of a store. Internal: for modules of persisty, and for its tests."""
    return store._context
