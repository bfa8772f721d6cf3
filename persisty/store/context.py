"""`StoreContext`: the internal API behind `Store`, with the parts of one store for one caller.

`Store` has the public verbs and nothing else. Modules of persisty that need the parts of a store (its guard, the preparation of requests, the
change path) obtain its context by `context_of(store)` of `persisty.store.store`, and the context of another store for the same caller by
`StoreContext.of`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Generic, TypeVar

from msgspec import UNSET

from ..errors import InvalidDeclaration, NotFound, ScanNotAllowed
from ..model.expressions import ALL, NOTHING, Filter, OrderBy
from ..model.keys import KeyValues
from ..model.meta import StoreMeta
from ..model.pages import IncompletePage, ResultPage
from ..model.unreadable_items import unreadable_error
from ..query.cursor import decode_cursor, encode_cursor
from ..query.filter_algebra import follows_links, stores_behind
from ..security.caller import Caller
from ..security.policy import Policy
from .backend import Backend, Delete, Outcome, Page, Put, Query, Write, WriteResult
from .caller_guard import CallerGuard
from .change_path import ChangePath
from .guard import Guard
from .limits import check_limit
from .preparation import Preparation, depends_on_nothing
from .referential_actions import ReferentialActions
from .results import Planned, edit_result
from .semi_joins import SemiJoins
from .trusted_guard import TrustedGuard
from .unreadable_matches import as_shown, require_readable, split_unreadable

T = TypeVar("T")
X = TypeVar("X")


class StoreContext(Generic[T]):
    """The parts of one store, for one caller.

    `guard`: the access rules. `preparation`: prepares requests for the engine. `semi_joins`: filters through links. `referential_actions`: the
    effects of deletes on dependents. `path`: the change path, which reads and writes the engine.

    `contexts`: the contexts of the app's stores for trusted code, by name. It is read when another store is needed.
    """

    def __init__(
        self,
        meta: StoreMeta[T],
        open_path: Callable[[], ChangePath[T]],
        contexts: Mapping[str, StoreContext[Any]] | None = None,
    ) -> None:
        open_contexts: Mapping[str, StoreContext[Any]] = {meta.name: self} if contexts is None else contexts
        self._contexts, self._open_path = open_contexts, open_path
        self._opened: ChangePath[T] | None = None
        self.semi_joins = SemiJoins(lambda other: open_contexts[other.name].path)
        self.referential_actions = ReferentialActions(
            lambda: [one.meta for one in open_contexts.values()],
            lambda other: open_contexts[other.name].path,
            self.semi_joins,
        )
        self._guarded(self, TrustedGuard(meta, self.semi_joins))

    def _guarded(self, trusted: StoreContext[T], guard: Guard) -> None:
        self.meta: StoreMeta[T] = guard.meta
        self._trusted, self.guard = trusted, guard
        self._classes = frozenset((self.meta.item, type(None)))
        self.preparation = Preparation(self.meta, guard, self.semi_joins)
        self._linked: dict[str, StoreContext[Any]] = {}

    def _for(self, guard: Guard) -> StoreContext[T]:
        """Return the same parts with another guard."""
        made: StoreContext[T] = StoreContext.__new__(StoreContext)
        made._contexts = self._contexts
        made.semi_joins, made.referential_actions = self.semi_joins, self.referential_actions
        made._guarded(self._trusted, guard)
        return made

    def on_behalf_of(self, caller: Caller) -> StoreContext[T]:
        """Return the context of the same store for a caller."""
        return self._for(CallerGuard(Policy(self.meta, caller), self.semi_joins))

    def of(self, meta: StoreMeta[Any]) -> StoreContext[Any]:
        """Return the context of another store for the same caller. `InvalidDeclaration` if the app has no such item."""
        found = self._linked.get(meta.name)
        if found is None:
            trusted = self._contexts.get(meta.name)
            if trusted is None:
                raise InvalidDeclaration(f"{meta.name} is not an item of the app that {self.meta.name} belongs to")
            found = self._linked[meta.name] = trusted._for(self.guard.of(meta))
        return found

    @property
    def path(self) -> ChangePath[T]:
        """The change path, opened at the first use."""
        trusted = self._trusted
        if trusted._opened is None:
            trusted._opened = trusted._open_path()
        return trusted._opened

    @property
    def backend(self) -> Backend[T]:
        """The engine's backend of the store."""
        return self.path.backend

    def disconnect(self) -> None:
        """Drop the connection to the engine, for every caller. The next verb opens it again."""
        self._trusted._opened = None

    def page(
        self,
        where: Filter,
        order: tuple[OrderBy, ...],
        limit: int,
        cursor: str | None,
        select: tuple[str, ...] | None = None,
        allow_scan: bool = False,
    ) -> ResultPage[T]:
        """Return a page of a resolved filter, access rules included, in a total order."""
        order, found = self._engine_page(where, order, limit, cursor, select, allow_scan)
        return self.redacted_page(where, order, found)

    def page_of_keys(
        self, where: Filter, order: tuple[OrderBy, ...], limit: int, cursor: str | None, allow_scan: bool = False
    ) -> tuple[list[KeyValues], str | None]:
        """Return the keys of a page of a resolved filter, and the cursor after it. Items that cannot be read are among them.

        Raises `UnreadableItem` for an item whose key cannot be read, because no request can name it.
        """
        order, found = self._engine_page(where, order, limit, cursor, self.meta.key.attributes, allow_scan)
        keys = [self.meta.key_values(item) for item in found.items]
        for item, key in zip(found.items, keys, strict=True):
            if None in key:
                raise unreadable_error(self.meta, item)
        return keys, None if found.position is None else encode_cursor(self.meta, where, order, found.position)

    def _engine_page(
        self,
        where: Filter,
        order: tuple[OrderBy, ...],
        limit: int,
        cursor: str | None,
        select: tuple[str, ...] | None,
        allow_scan: bool,
    ) -> tuple[tuple[OrderBy, ...], Page[T]]:
        """Return the order of a page, and the engine's page."""
        check_limit(limit)
        if not order and self.changes_plan(where):
            order = self.key_order
        after = None if cursor is None else decode_cursor(self.meta, where, order, cursor)
        ready = self.semi_joins.ready(self.meta, where)
        if ready == NOTHING:
            return order, Page([])
        return order, self.call_engine(self.path.query, Query(ready, order, after, limit, select, allow_scan))

    @property
    def key_order(self) -> tuple[OrderBy, ...]:
        return tuple(OrderBy(name) for name in self.meta.key.attributes)

    def changes_plan(self, where: Filter) -> bool:
        """Return whether the engine's query plan depends on linked items. These may change between two pages, and a position
        in the engine's own order would then be invalid. The order of the keys does not depend on the plan."""
        return follows_links(where) and not self.path.capabilities.joins

    def redacted_page(self, where: Filter, order: tuple[OrderBy, ...], page: Page[T]) -> ResultPage[T]:
        """Return an engine's page with redacted items, and with the cursor of the query."""
        items = self.guard.redact(page.items)
        cursor = None if page.position is None else encode_cursor(self.meta, where, order, page.position)
        if self._classes.issuperset(map(type, items)):
            return ResultPage(items, cursor)
        return self._without_unreadable(items, cursor)

    def redacted_pages(
        self, where: Callable[[int], Filter], order: tuple[OrderBy, ...], pages: Sequence[Page[T]]
    ) -> list[ResultPage[T]]:
        """Return the results of `redacted_page` for several pages of one order. `where`: position of a page → its filter, which only a cursor needs."""
        items = list(chain.from_iterable([page.items for page in pages]))
        redacted, start = self.guard.redact(items), 0
        page_of = ResultPage if self.all_whole(redacted) else self._without_unreadable
        found: list[ResultPage[T]] = []
        for place, page in enumerate(pages):
            end = start + len(page.items)
            some = page.items if redacted is items else redacted[start:end]
            position, start = page.position, end
            cursor = None if position is None else encode_cursor(self.meta, where(place), order, position)
            found.append(page_of(some, cursor))
        return found

    def all_whole(self, redacted: Sequence[T | None]) -> bool:
        """Return whether each of the items can be read, or is None."""
        return self._classes.issuperset(map(type, redacted))

    def _without_unreadable(self, redacted: list[T], cursor: str | None) -> ResultPage[T]:
        """Return a page of the items that can be read, and the errors of the others."""
        items, errors = split_unreadable(self.guard, redacted)
        return IncompletePage(items, cursor, errors) if errors else ResultPage(items, cursor)

    def call_engine(self, call: Callable[..., X], *arguments: Any, **options: Any) -> X:
        """Call the engine. A `ScanNotAllowed` is redacted, because it contains the size of the table."""
        try:
            return call(*arguments, **options)
        except ScanNotAllowed as error:
            raise self.guard.redact_error(error) from None

    def attributes_to_read(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the attributes to read in order to show `names`: all of them, if some are hidden on some items only."""
        return tuple(self.meta.attributes) if self.guard.view.partial else names

    def readable(self, items: list[T | None], rule: Filter, *, several: bool = False) -> list[T | None]:
        """Return redacted items, None for those that `rule` does not match. Raise `UnreadableItem` for one that cannot be read; with
        `several` its `others` are the rest, in their positions."""
        shown = items
        if rule is not ALL:
            present = [one for one in items if one is not None]
            fine = iter(self.guard.matches(rule, present))
            shown = [one if one is not None and next(fine) else None for one in items]
        redacted = self.guard.redact(shown)
        if self.all_whole(redacted):
            return redacted
        return require_readable(
            [None if one is None else as_shown(self.guard, one) for one in redacted], several=several
        )

    def readable_item(self, item: T, rule: Filter) -> T | None:
        """Return one item, redacted, or None if `rule` does not match it. Raises `UnreadableItem` as `readable` does."""
        guard = self.guard
        if rule is not ALL and not guard.matches(rule, (item,))[0]:
            return None
        shown: T = guard.redact([item])[0]
        if type(shown) is self.meta.item:
            return shown
        readable: T = require_readable([as_shown(guard, shown)], several=False)[0]
        return readable

    def write(self, planned: Sequence[Planned]) -> list[WriteResult]:
        """Perform planned writes of this store in order, each on its own. Deletes apply the referential actions."""
        ready = self.preparation.ready
        if self.referential_actions.of(self.meta) and any(isinstance(one.write, Delete) for one in planned):
            return self.referential_actions.write(self.meta, planned, ready, self.guard.caller)
        results: list[WriteResult] = []
        for some in self._groups(planned):
            writes = [one.write if depends_on_nothing(one.write) else ready(one.write) for one in some]
            results += self.path.write(writes, atomic=False, by=self.guard.caller)
        return results

    def _groups(self, planned: Sequence[Planned]) -> Iterator[Sequence[Planned]]:
        """Yield groups of writes that can be sent in one call. A condition through a link to items of this store depends on the edits before it. If the engine
        cannot follow links, these must be written first."""
        if self.path.capabilities.joins or len(planned) == 1:
            if planned:
                yield planned
            return
        start = 0
        for position, one in enumerate(planned):
            if (
                position > start
                and not depends_on_nothing(one.write)
                and self.meta.name in _conditional_stores(one.write)
            ):
                yield planned[start:position]
                start = position
        if planned:
            yield planned[start:]

    def settled(self, planned: Planned, result: WriteResult, missing: Any = UNSET) -> Any:
        """Return the redacted item of a write that is done, or `missing` for a missing item. Raises the error of any other write: that of a before
        trigger may be a `NotFound`, too."""
        settled = edit_result(self.meta, planned, result, self.guard)
        if settled.error is None:
            return settled.item
        if missing is not UNSET and isinstance(settled.error, NotFound) and result.outcome is not Outcome.ERROR:
            return missing
        raise settled.error


def _conditional_stores(write: Write) -> frozenset[str]:
    """Return the stores that the conditions of a write reach through links."""
    found: frozenset[str] = frozenset() if isinstance(write, Put) else stores_behind(write.when)
    if not isinstance(write, Delete):
        found = found.union(*(stores_behind(one.where) for one in write.requires))
    return found
