"""Read a table: items by key, pages of queries, counts and aggregates.

```
keys      GetItem or BatchGetItem; the rest of the filter and the order are applied here
query     the pages of a Query until there are enough matches, in the order of the index if that is the requested one
union     the queries in parallel: with an order, their matches are merged; without one, the matches of one query
          follow those of another
scan      the pages of a Scan until there are enough matches; by segments if all of a large table is read
```

If no index has the order, all matches pass through a heap of the size of a page.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from functools import partial
from itertools import chain, islice, repeat
from typing import Any, Generic, TypeVar

from msgspec.structs import replace

from ...model.expressions import ALL, COUNT, Aggregate, And, Compare, Filter, OrderBy
from ...model.generators import Add
from ...model.indexes import Index
from ...model.meta import StoreMeta
from ...model.unreadable_items import unreadable, unreadable_values, without_misfits
from ...query.aggregate import Accumulator, Group
from ...query.evaluation import sort_key
from ...query.explain import Explanation
from ...query.filter_algebra import among, combine
from ...query.keyset import beyond
from ...query.order import resolve_order
from ...store.backend import Page, Query
from ...store.limits import COMPLETE_PAGE
from ...store.page_bytes import Total, size_of_all
from ...store.unfinished_pages import unfinished_page
from .access_paths import QueryPlan
from .codec import WireCodec
from .explain import explained, scan_refused
from .key_reads import Keyed
from .local_order import Groups, Unplaced, merged, with_sorted_ties
from .page_positions import Positions
from .page_requests import PageRequest, distinct, length_of_page, segments_of, through_index, ties, up_to_bytes
from .parallel import MAX_THREADS, in_parallel, side_by_side
from .planner import KeyPlan, Plan, Planner, UnionPlan
from .requests import Requests
from .result_streams import ResultStream, ResultStreams
from .statistics import Statistics
from .transport import Transport
from .wire_answers import Sizes
from .wire_kinds import Wire

T = TypeVar("T")
LOOKAHEAD = 8
"""The first request of a query with a filter reads this many times the limit."""


class Reads(Generic[T]):
    """`max_scan`: items that a table may have to be scanned without `allow_scan`."""

    def __init__(
        self,
        meta: StoreMeta[T],
        codec: WireCodec,
        requests: Requests,
        transport: Transport,
        planner: Planner,
        max_scan: int,
    ) -> None:
        self.meta = meta
        self._codec = codec
        self._planner = planner
        self._max_scan = max_scan
        self._streams: ResultStreams[T] = ResultStreams(meta, codec, requests, transport)
        self._keyed = Keyed(meta, codec, requests, self._streams)
        self._positions = Positions(meta, codec)
        self._statistics = Statistics(requests.table, transport)
        self.read, self.read_stored = self._keyed.read, self._keyed.read_stored

    def for_changes(self, changes: Mapping[str, Any]) -> Reads[T]:
        """Return reads in which an item that is changed so does not appear again: they use no index in which the item would move,
        and no union in which it could leave one query and appear in a later one."""

        def moves(index: Index) -> bool:
            partition, *sorts = index.attributes
            return not changes.keys().isdisjoint(sorts) or isinstance(changes.get(partition), Add)

        unmoved = tuple([index for index in self.meta.indexes if not moves(index)])
        moving = frozenset(index.attributes[0] for index in unmoved) & changes.keys()
        if unmoved == self.meta.indexes and not moving:
            return self
        found = copy(self)
        meta = self.meta.altered(indexes=unmoved)
        found._planner = Planner(meta, self._codec, self._planner.index_attributes, moving, self._planner.incomplete)
        return found

    def query(self, query: Query) -> Page[T]:
        return self._selected(self._query(query, []), query)

    def _selected(self, page: Page[T], query: Query) -> Page[T]:
        """Return a page whose items are unreadable only for attributes of the query, not for those that its filter alone compares."""
        if query.select is None or {self.meta.item}.issuperset(map(type, page.items)):
            return page
        names = {*query.select, *self.meta.key.attributes, *(one.attribute for one in query.order)}
        items = [one if type(one) is self.meta.item else without_misfits(self.meta, one, names) for one in page.items]
        return Page(items, page.position)

    def _query(self, query: Query, sizes: Sizes) -> Page[T]:
        """Return a page. `sizes` receives the size of each response."""
        where, order, after, limit = query.where, query.order, query.after, query.limit
        following = beyond(self.meta, order, after) if order and after is not None else ALL
        chosen = self._planner.plan(where, order, following)
        names = None
        if query.select is not None:
            names = frozenset((*query.select, *self._positions.names(chosen, order)))
        max_bytes = None if limit <= COMPLETE_PAGE else query.max_bytes
        request = PageRequest(order, None if order else after, limit, names, max_bytes, sizes)
        match chosen:
            case KeyPlan():
                found = self._of_keys(chosen, request)
            case UnionPlan():
                found = self._of_union(chosen, request)
            case _:
                if not (chosen.ordered and chosen.exact):  # otherwise a page reads exactly its items
                    self._allow(chosen, where, order, query.allow_scan)
                found = self._of_query(chosen, request)
        if max_bytes is not None:
            limit = length_of_page(self.meta, found, request)
        if request.unplaced:
            found = found[: limit + 1]
            page = self._page(chosen, order, found[:limit], query, sizes) if len(found) > limit else Page(found, None)
            return page if after is not None else Page([*request.unplaced, *page.items], page.position)
        if len(found) <= limit:
            return Page(found, None)
        return self._page(chosen, order, found[:limit], query, sizes)

    def query_each(self, attribute: str, values: Sequence[Any], query: Query) -> list[Page[T]]:
        """Return a page for each value: queries in parallel, or one scan for all if no index begins with the attribute."""
        each = [combine(And, [Compare(attribute, "eq", value), query.where]) for value in values]
        plans = [self._planner.plan(one, query.order) for one in each[:1]]
        if any(isinstance(one, QueryPlan) and one.path is None for one in plans):
            return [self._selected(page, query) for page in self._scan_each(attribute, values, query)]
        pages: list[Page[T]] = [Page([])] * len(values)
        one_page = replace(query, after=None, max_bytes=None)
        loaded = Total(query.max_bytes)

        def run(position: int) -> None:
            sizes: Sizes = []
            of_value = replace(one_page, where=each[position])
            page = pages[position] = self._selected(self._query(of_value, sizes), of_value)
            if query.limit * len(values) > COMPLETE_PAGE:
                loaded.add_at_most(sum(sizes), partial(size_of_all, self.meta, page.items))

        in_parallel(run, range(len(values)))
        return pages

    def _scan_each(self, attribute: str, values: Sequence[Any], query: Query) -> list[Page[T]]:
        where, order, limit = query.where, query.order, query.limit
        of_values = combine(And, [among(attribute, values), where])
        chosen = self._planner.plan(of_values)
        self._allow(chosen, of_values, order, False)
        get = self.meta.attributes[attribute].get
        groups = Groups(
            self.meta, order, values, limit, query.max_bytes if limit * len(values) > COMPLETE_PAGE else None
        )
        unplaced: list[T] = []
        # without an order, the next page continues from the position of the scan
        placed = Unplaced(self.meta, order, unplaced)
        for item in placed.without(self._every(chosen, None, [])) if order else self._in_turn(chosen):
            groups.add(get(item), item)
        pages: list[Page[T]] = []
        for value in values:
            some = groups.first(value)
            of_value = Query(combine(And, [Compare(attribute, "eq", value), where]), order, None, limit)
            page = self._page(chosen, order, some[:limit], of_value, []) if len(some) > limit else Page(some)
            first = [one for one in unplaced if get(one) == value]
            pages.append(Page([*first, *page.items], page.position) if first else page)
        return pages

    def _page(self, chosen: Plan, order: tuple[OrderBy, ...], items: list[T], query: Query, sizes: Sizes) -> Page[T]:
        """Return a page that is not the last one."""
        return unfinished_page(
            self.meta,
            self._positions.names(chosen, order),
            items,
            lambda last: self._positions.of(chosen, order, last),
            query,
            lambda again: self._query(again, sizes),
        )

    def count(self, where: Filter, *, allow_scan: bool = False) -> int:
        chosen = self._planner.plan(where)
        self._allow(chosen, where, (), allow_scan)
        if isinstance(chosen, KeyPlan):
            return sum(map(len, self._keyed.matches(chosen, (), [])))
        counts = [self._streams.counts(stream) for stream in self._all(chosen, ())]
        return sum(side_by_side(counts))

    def aggregate(
        self, measures: tuple[Aggregate, ...], by: tuple[str, ...], where: Filter, *, allow_scan: bool = False
    ) -> list[Group]:
        if not by and measures == (COUNT,):
            return [Group((), (self.count(where, allow_scan=allow_scan),))]
        if not by and (ends := self._ends(measures, where)) is not None:
            return [Group((), ends)]
        chosen = self._planner.plan(where)
        self._allow(chosen, where, (), allow_scan)
        accumulator = Accumulator(self.meta, measures, by)
        names = {*by, *(one.attribute for one in measures if one.attribute)}
        for item in self._every(chosen, names, []):
            if type(item) is not self.meta.item and not names.isdisjoint(unreadable(item)):
                raise unreadable_values(self.meta, names)
            accumulator.add(item)
        return accumulator.groups()

    def _ends(self, measures: tuple[Aggregate, ...], where: Filter) -> tuple[Any, ...] | None:
        """Return least and greatest values from the ends of indexes, None if an index for one is missing."""
        ends: list[Any] = []
        orders = [
            resolve_order(self.meta, OrderBy(one.attribute or "", one.function == "max"))
            for one in measures
            if one.function in ("min", "max")
        ]
        if len(orders) < len(measures) or not all(through_index(self._planner.plan(where, order)) for order in orders):
            return None
        for order in orders:
            name = order[0].attribute
            page = self.query(Query(where, order, None, 1, select=(name,)))
            if page.items and name in unreadable(page.items[0]):
                raise unreadable_values(self.meta, [name])
            ends.append(self.meta.attributes[name].get(page.items[0]) if page.items else None)
        return tuple(ends)

    def explain(self, query: Query) -> Explanation:
        return explained(self._planner, query.where, query.order, query.limit, self._statistics.size())

    def _allow(self, chosen: Plan, where: Filter, order: tuple[OrderBy, ...], allow_scan: bool) -> None:
        """Raise `ScanNotAllowed` for a plan that may read all of a table that is too large."""
        if allow_scan or not isinstance(chosen, QueryPlan) or chosen.path is not None:
            return
        items = self._statistics.size().items
        if items > self._max_scan:
            raise scan_refused(self._planner, where, order, items)

    # A page of each kind of plan: more than `limit` matches, or all

    def _of_query(self, chosen: QueryPlan, request: PageRequest) -> list[T]:
        if not chosen.ordered:
            return self._top(self._every(chosen, request.names, request.sizes), request)
        start = None if request.after is None else self._positions.start(chosen, request.after)
        return self._first(chosen, self._streams.stream(chosen, request.names), request, start)

    def _of_union(self, chosen: UnionPlan, request: PageRequest) -> list[T]:
        if not request.order:
            return self._one_after_another(chosen, request)
        if not all(one.ordered for one in chosen.queries):
            return self._top(self._every(chosen, request.names, request.sizes), request)
        firsts = self._firsts((one, self._streams.stream(one, request.names), request, None) for one in chosen.queries)
        found = merged(self.meta, request.order, firsts)
        matches = islice(found if chosen.disjoint else distinct(self.meta, found), request.limit + 1)
        return list(up_to_bytes(self.meta, matches, request))

    def _one_after_another(self, chosen: UnionPlan, request: PageRequest) -> list[T]:
        """Yield the matches of one query after another. A few queries run at a time, which saves the latency of small ones."""
        streams = self._streams.of_union(chosen, request.names)
        position, start = (0, None) if request.after is None else self._positions.resume(chosen, request.after)
        starts = [start, *[None] * (len(streams) - position - 1)]
        waiting = list(zip(chosen.queries[position:], streams[position:], repeat(request), starts, strict=False))
        found: list[T] = []
        while waiting and length_of_page(self.meta, found, request) == len(found):
            found += chain.from_iterable(self._firsts(waiting[:MAX_THREADS]))
            del waiting[:MAX_THREADS]
        return found

    def _of_keys(self, chosen: KeyPlan, request: PageRequest) -> list[T]:
        if request.order:
            return self._top(self._every(chosen, request.names, request.sizes), request)
        if request.after is not None:
            self._positions.check(chosen, request.after)
        found: list[T] = []
        for some in self._keyed.matches(chosen, request.names, request.sizes, request.after):
            found += some
            if length_of_page(self.meta, found, request) < len(found):
                break
        return found

    def _top(self, items: Iterable[T], request: PageRequest) -> list[T]:
        placed = Unplaced(self.meta, request.order, request.unplaced).without(items)
        return heapq.nsmallest(request.limit + 1, placed, sort_key(self.meta, request.order))

    def _firsts(self, queries: Iterable[tuple[QueryPlan, ResultStream[T], PageRequest, Wire | None]]) -> list[list[T]]:
        """Run `_first` for several queries in parallel."""
        arguments = list(queries)
        firsts: list[list[T]] = [[] for _ in arguments]

        def run(position: int) -> None:
            firsts[position] = self._first(*arguments[position])

        in_parallel(run, range(len(arguments)))
        return firsts

    def _first(self, one: QueryPlan, stream: ResultStream[T], request: PageRequest, start: Wire | None) -> list[T]:
        """Return more than `limit` matches of a query that returns them in the requested order."""
        enough = (
            request.limit + 2
        )  # one more match shows that the page is not the last one, another that the ties are complete
        pages = self._streams.items(stream, request.sizes, enough if one.exact else enough * LOOKAHEAD, start)
        if request.order:
            return self._complete_ties(one, stream, pages, request)
        found: list[T] = []
        while length_of_page(self.meta, found, request) == len(found) and (page := next(pages, None)) is not None:
            found += stream.chosen(page)
        return found

    def _complete_ties(
        self, one: QueryPlan, stream: ResultStream[T], pages: Iterator[list[T]], request: PageRequest
    ) -> list[T]:
        """Return more than `limit` matches in the order, with all ties of the last one. DynamoDB does not define the order
        of ties, so they are sorted here once they are complete."""
        group = ties(self.meta, one.grouping)
        found: list[T] = []
        for page in pages:
            found += stream.chosen(page)
            end = length_of_page(self.meta, found, request)
            if len(found) > end and page and group(page[-1]) != group(found[end]):
                break
        return with_sorted_ties(self.meta, request.order, group, found)

    # All matches

    def _every(self, chosen: Plan, names: Iterable[str] | None, sizes: Sizes) -> Iterator[T]:
        """Yield every match of a plan, in no particular order. `sizes` receives the size of each response."""
        if isinstance(chosen, KeyPlan):
            return chain.from_iterable(self._keyed.matches(chosen, names, sizes))
        streams = self._all(chosen, names)
        return chain.from_iterable(side_by_side([self._streams.matches(stream, sizes) for stream in streams]))

    def _in_turn(self, chosen: Plan) -> Iterator[T]:
        """Yield every match of a plan, in the order of its pages."""
        if isinstance(chosen, QueryPlan):
            return chain.from_iterable(self._streams.matches(self._streams.stream(chosen), []))
        return self._every(chosen, None, [])

    def _all(self, chosen: QueryPlan | UnionPlan, names: Iterable[str] | None) -> list[ResultStream[T]]:
        """Return the streams that together read each match once."""
        if isinstance(chosen, UnionPlan):
            return self._streams.of_union(chosen, names)
        segments = segments_of(self._statistics.size()) if chosen.path is None else 1
        return self._streams.segments(chosen, segments, names)
