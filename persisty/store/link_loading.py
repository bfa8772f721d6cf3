"""Load the linked items of several items at once: one backend call for a link, two through a join item.

Each loader returns one value for each item, in its position: an item or None, a page, or a number. The caller's rules for the linked item apply: items
that it may not read are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from ..errors import AnswerTooLarge, Fault, InvalidQuery, TooManyLinked
from ..model.allowed_values import one_of
from ..model.expressions import ALL, COUNT, NOTHING, And, Compare, Exists, Filter, OrderBy
from ..model.meta import Link, StoreMeta
from ..model.msgspec_faults import pointer
from ..model.pages import ResultPage
from ..model.unreadable_items import unreadable
from ..query.evaluation import sort_key
from ..query.filter_algebra import among, combine, visible_where
from ..query.keyset import position_of
from ..query.order import Order
from .backend import Page, Query
from .context import StoreContext
from .limits import COMPLETE_PAGE, MAX_BATCH, MAX_LIMIT, MAX_LINKED_BYTES, check_limit
from .page_bytes import Total, link_too_large, size_of_all
from .unreadable_matches import as_shown, require_readable

SMALL_ITEM = 4_000
"""Mean bytes of linked items of which `MAX_LIMIT` are read at a time, and of larger ones `MAX_BATCH`."""
MAX_BETWEEN = 10_000
"""The most join items that one call reads."""


class LinkRequest(Struct, frozen=True):
    """A request for linked items. `where` is resolved for the caller. `select`: the requested attributes, None for all."""

    where: Filter = ALL
    order: tuple[OrderBy, ...] = ()
    limit: int = 25
    cursor: str | None = None
    select: tuple[str, ...] | None = None


def related(
    store: StoreContext[Any],
    name: str,
    items: Sequence[Any],
    where: Filter | None,
    order: Order,
    limit: int,
    cursor: str | None,
    select: tuple[str, ...] | None = None,
) -> list[Any]:
    """Return the linked items of each item. Raises `UnreadableItem` if the item of a `belongs_to` or `has_one` cannot be read."""
    link = link_of(store, name)
    target = store.of(link.ends.target)
    if cursor is not None and len(items) != 1:
        raise InvalidQuery(faults=[Fault("/cursor", "A cursor continues the page of one item")])
    check_limit(limit)
    led = combine(And, [target.preparation.where(where), visible_where(target.guard.view, link.ends.remote)])
    request = LinkRequest(
        led,
        target.preparation.order(order),
        limit,
        cursor,
        None if select is None else target.attributes_to_read(select),
    )
    get = store.meta.attributes[link.ends.local].get
    distinct: dict[Any, int] = {}  # value → its place; Python code hashes a UUID, so each value is looked up once
    places = [
        None if (value := get(item)) is None or value is UNSET else distinct.setdefault(value, len(distinct))
        for item in items
    ]
    try:
        loaded = LOADERS[link.kind](store, target, link, list(distinct), request) if distinct else []
    except AnswerTooLarge as error:
        raise link_too_large(name, error) from error
    empty = EMPTY.get(link.kind)
    found = [empty if place is None else loaded[place] for place in places]
    if link.kind in ("belongs_to", "has_one") and not target.all_whole(found):
        return require_readable([None if one is None else as_shown(target.guard, one) for one in found])
    return found


NO_ITEMS: ResultPage[Any] = ResultPage([])
EMPTY: dict[str, Any] = {"has_many": NO_ITEMS, "has_count": 0}
"""Kind of link → its value without linked items. Kinds that are not listed have None."""


def link_of(store: StoreContext[Any], name: str) -> Link:
    """Return the link. Raises `InvalidQuery` if it does not exist, or if the caller may not follow it."""
    links = open_links(store)
    if name not in links:
        raise InvalidQuery(faults=[Fault(pointer(name), "Unknown link", one_of(links), name[:64])])
    return links[name]


def open_links(store: StoreContext[Any]) -> dict[str, Link]:
    """Return the links that the caller may follow, by name."""
    view = store.guard.view
    found = [one[0] for name in store.meta.links if (one := view.link(name)) is not None]
    return {link.name: link for link in found if store.guard.of(link.ends.target).allows("read")}


def _target(
    store: StoreContext[Any], target: StoreContext[Any], link: Link, values: list[Any], request: LinkRequest
) -> list[Any]:
    """Load the items with these keys."""
    found = _by_key(target, link, values, request)
    return [found.get(value) for value in values]


def _by_key(target: StoreContext[Any], link: Link, values: list[Any], request: LinkRequest) -> dict[Any, Any]:
    found = _of_keys(target, values)
    where = combine(And, [target.guard.row_filter("read"), request.where])
    matches = found if where == ALL else _matching(target, where, found)
    get = target.meta.attributes[link.ends.remote].get
    return {get(one): one for one in target.guard.redact(matches)}


def _of_keys(target: StoreContext[Any], keys: list[Any]) -> list[Any]:
    """Return the items of these keys. `AnswerTooLarge` if they are too large together. The size of the first items decides how many keys are read
    at a time."""
    if not keys:
        return []
    if len(keys) <= COMPLETE_PAGE:
        return [one for one in target.path.read([(key,) for key in keys]) if one is not None]
    loaded = Total(MAX_LINKED_BYTES)
    found: list[Any] = []
    start, step = 0, MAX_BATCH
    while start < len(keys):
        some = [one for one in target.path.read([(key,) for key in keys[start : start + step]]) if one is not None]
        loaded.add(size_of_all(target.meta, some))
        found += some
        start += step
        step = MAX_LIMIT if loaded.bytes < start * SMALL_ITEM else MAX_BATCH
    return found


def _matching(target: StoreContext[Any], where: Filter, items: list[Any]) -> list[Any]:
    fine = target.semi_joins.matches(target.meta, where, items)
    return [one for one, is_match in zip(items, fine, strict=True) if is_match]


def _pages(
    store: StoreContext[Any], target: StoreContext[Any], link: Link, values: list[Any], request: LinkRequest
) -> list[Any]:
    """Load the first items of each value."""
    ends = link.ends
    if ends.middle is not None:
        return _pages_through(store, target, link, values, request)
    if not target.guard.allows("search"):
        return [NO_ITEMS] * len(values)
    if request.cursor is not None:
        [value] = values
        led = _of(target, ends.remote, value, request)
        return [target.page(led, request.order, request.limit, request.cursor, request.select)]
    where = target.preparation.within_rule("search", request.where)
    ready = target.semi_joins.ready(target.meta, where)
    if ready == NOTHING:
        return [NO_ITEMS] * len(values)
    found = target.path.query_each(
        ends.remote,
        values,
        Query(ready, request.order, None, request.limit, select=request.select, max_bytes=MAX_LINKED_BYTES),
    )
    return target.redacted_pages(lambda place: _of(target, ends.remote, values[place], request), request.order, found)


def _middle(link: Link) -> StoreMeta[Any]:
    return link.ends.middle or link.ends.target


def _of(target: StoreContext[Any], attribute: str, value: Any, request: LinkRequest) -> Filter:
    """Return the filter of a search for the items of one value. It makes cursors of the search and of the link interchangeable."""
    return target.preparation.within_rule("search", combine(And, [Compare(attribute, "eq", value), request.where]))


def _pages_through(
    store: StoreContext[Any], target: StoreContext[Any], link: Link, values: list[Any], request: LinkRequest
) -> list[Any]:
    middle = store.of(_middle(link))
    if not (target.guard.allows("search") and middle.guard.allows("search")):
        return [NO_ITEMS] * len(values)
    total = request.order or tuple(OrderBy(name) for name in target.meta.key.attributes)
    if request.cursor is not None:
        [value] = values
        where = _through(target, middle, link, value, request)
        return [target.page(where, total, request.limit, request.cursor, request.select)]
    far = _between(middle, link, values)
    keys = list(dict.fromkeys(key for some in far.values() for key in some))
    behind = _by_key(
        target,
        link,
        keys,
        msgspec.structs.replace(request, where=target.preparation.within_rule("search", request.where)),
    )
    rank = sort_key(target.meta, total)
    pages: list[Page[Any]] = []
    for value in values:
        own_items = sorted((behind[key] for key in far.get(value, ()) if key in behind), key=rank)
        first, position = own_items[: request.limit], None
        if len(own_items) > request.limit:
            readable = [one for one in first if not unreadable(one)] or first
            first, position = (
                own_items[: own_items.index(readable[-1]) + 1],
                position_of(target.meta, total, readable[-1]),
            )
        pages.append(Page(first, position))
    return target.redacted_pages(lambda place: _through(target, middle, link, values[place], request), total, pages)


def _through(
    target: StoreContext[Any], middle: StoreContext[Any], link: Link, value: Any, request: LinkRequest
) -> Filter:
    """Return the filter of a search for the items behind the join items."""
    ends = link.ends
    between = middle.preparation.within_rule("search", _link_filter(middle, link, Compare(ends.near, "eq", value)))
    leads = Exists(ends.remote, ends.middle, ends.far, between)
    return target.preparation.within_rule("search", combine(And, [leads, request.where]))


def _link_filter(middle: StoreContext[Any], link: Link, where: Filter) -> Filter:
    """Join a filter of join items with the condition that the caller may see both of their link attributes."""
    return combine(And, [where, visible_where(middle.guard.view, *link.ends.between)])


def _between(middle: StoreContext[Any], link: Link, values: list[Any]) -> dict[Any, dict[Any, None]]:
    """Return, for each value, the distinct keys at the far end of its join items."""
    near, far = (middle.meta.attributes[name].get for name in (link.ends.near, link.ends.far))
    where = middle.preparation.within_rule("search", _link_filter(middle, link, among(link.ends.near, values)))
    ready = middle.semi_joins.ready(middle.meta, where)
    found: dict[Any, dict[Any, None]] = {}
    after, seen = None, 0
    while ready != NOTHING:
        page = middle.path.query(Query(ready, (), after, MAX_LIMIT, select=(link.ends.near, link.ends.far)))
        for one in page.items:
            if far(one) is not None:
                found.setdefault(near(one), {})[far(one)] = None
        seen, after = seen + len(page.items), page.position
        if after is None:
            break
        if seen >= MAX_BETWEEN:
            raise TooManyLinked(
                f"The link needs more than {MAX_BETWEEN} join items of {middle.meta.name}", limit=MAX_BETWEEN
            )
    return found


def _first(
    store: StoreContext[Any], target: StoreContext[Any], link: Link, values: list[Any], request: LinkRequest
) -> list[Any]:
    pages = _pages(store, target, link, values, msgspec.structs.replace(request, limit=1))
    return [next(iter((*page.items, *page.errors)), None) for page in pages]


def _counts(
    store: StoreContext[Any], target: StoreContext[Any], link: Link, values: list[Any], request: LinkRequest
) -> list[Any]:
    found = _counted(store, target, link, values, request)
    return [found.get(value, 0) for value in values]


def _counted(
    store: StoreContext[Any], target: StoreContext[Any], link: Link, values: list[Any], request: LinkRequest
) -> dict[Any, int]:
    """Return the number of items for each value, counting those that the caller may count."""
    ends = link.ends
    counted, attribute = (target, ends.remote) if ends.middle is None else (store.of(_middle(link)), ends.near)
    if not (counted.guard.allows("count") and target.guard.allows("count")):
        return {}
    where = target.preparation.within_rule("count", request.where)
    if ends.middle is not None:
        where = counted.preparation.within_rule(
            "count", _link_filter(counted, link, Exists(ends.far, target.meta, ends.remote, where))
        )
    ready = counted.semi_joins.ready(counted.meta, combine(And, [among(attribute, values), where]))
    if ready == NOTHING:
        return {}
    if ends.middle is None:
        return {group.by[0]: group.values[0] for group in counted.path.aggregate((COUNT,), (attribute,), ready)}
    # several join items may lead to the same item, which counts once
    return Counter(group.by[0] for group in counted.path.aggregate((COUNT,), ends.between, ready))


Loader = Callable[[StoreContext[Any], StoreContext[Any], Link, list[Any], LinkRequest], list[Any]]

LOADERS: dict[str, Loader] = {"belongs_to": _target, "has_many": _pages, "has_one": _first, "has_count": _counts}
"""Kind of link → its loader: (store, target's store, link, distinct values of the near end) → the linked items of each value."""
