"""Filters through links, for engines that cannot follow links: query the keys behind a link first, and put them into the filter.

An engine with joins gets an `Exists` unchanged. For other engines, the inner filter is a separate query, whose result may have changed before the
outer query runs. docs/security-model.md explains the consequences for rules.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from ..errors import TooManyLinked
from ..model.expressions import ALL, NOTHING, And, Exists, Filter
from ..model.meta import StoreMeta
from ..query.evaluation import matcher
from ..query.filter_algebra import among, combine, follows_links, joined
from .backend import Query
from .change_path import ChangePath
from .limits import MAX_LIMIT

MAX_LINKED = 1_000
"""The most values that may replace a link."""

Related = Callable[[StoreMeta[Any]], ChangePath[Any]]
"""An item → the change path of its store."""


class SemiJoins:
    """Filters through links over the backends of one engine."""

    def __init__(self, path_of: Related) -> None:
        self.path_of = path_of

    def ready(self, meta: StoreMeta[Any], where: Filter, *, now: bool = False) -> Filter:
        """Return the filter for the engine. It contains links that the engine can follow; other links are replaced by the keys behind them.

        `now`: read the keys behind every link, so that the filter describes the linked items at this moment.
        """
        if not follows_links(where):
            return where
        here = self.path_of(meta)
        if now or not here.capabilities.joins:
            return joined(meta, where, self._values)

        def followed(link: Exists) -> Filter:
            linked_path = self.path_of(link.meta)
            if linked_path.transactions is not here.transactions:  # in another engine
                return self._values(link)
            inner = self.ready(link.meta, link.where)
            return link if inner is link.where else Exists(link.attribute, link.meta, link.other, inner)

        return joined(meta, where, followed)

    def matches(self, meta: StoreMeta[Any], where: Filter, items: Sequence[Any]) -> list[bool]:
        """Return whether the filter matches, for each item. Makes one query for each link in it."""
        if not follows_links(where):
            return list(map(matcher(meta, where), items))
        values_of: dict[Exists, set[Any]] = {}

        def behind(link: Exists) -> Filter:
            if link not in values_of:
                given = {value for one in items if (value := meta.attributes[link.attribute].get(one)) is not None}
                values_of[link] = set(self._linked_values(link, given)) if given else set()
            return among(link.attribute, values_of[link])

        return list(map(matcher(meta, joined(meta, where, behind)), items))

    def leads_to_item(self, link: Exists, value: Any) -> bool:
        """Return whether the link would lead to an item if its attribute had this value."""
        return bool(self._linked_values(link, {value}))

    def _values(self, link: Exists) -> Filter:
        return among(link.attribute, self._linked_values(link, None))

    def _linked_values(self, link: Exists, among_values: Collection[Any] | None) -> list[Any]:
        """Return the distinct values of the other end's attribute in its matches: those in `among_values`, or all."""
        backend, get = self.path_of(link.meta), link.meta.attributes[link.other].get
        among_filter = ALL if among_values is None else among(link.other, among_values)
        where = combine(And, [among_filter, self.ready(link.meta, link.where)])
        found: dict[Any, None] = {}
        after = None
        while where != NOTHING:
            page = backend.query(Query(where, (), after, MAX_LIMIT, select=(link.other,)))
            found.update(dict.fromkeys(value for one in page.items if (value := get(one)) is not None))
            if among_values is None and len(found) > MAX_LINKED:
                raise TooManyLinked(f"More than {MAX_LINKED} of {link.meta.name} match", limit=MAX_LINKED)
            after = page.position
            if after is None:
                break
        return list(found)
