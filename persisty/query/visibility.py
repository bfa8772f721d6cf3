"""Visibility: the attributes and links that a query may name. Trusted code may name all of them, a caller only those that it may see.

A hidden attribute does not exist for the caller: not in filters, orders and aggregates, and not in the text of errors. An attribute
that the caller may see on some items only is null on the others. A link leads to the items that the caller may read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

from ..model.expressions import ALL, NOTHING, Filter
from ..model.meta import Attribute, Link, StoreMeta, per_meta

NONE: Mapping[str, Filter] = MappingProxyType({})


class View:
    """The part of an item that one caller may name.

    `hidden`: names of attributes that do not exist for the caller. `partial`: attribute → filter for the items on which the caller
    sees it. `row_filter`: filter for the items that the caller sees at all. `of`: returns the view of another item.
    """

    def __init__(
        self,
        meta: StoreMeta[Any],
        hidden: frozenset[str] = frozenset(),
        partial: Mapping[str, Filter] = NONE,
        row_filter: Filter = ALL,
        of: Callable[[StoreMeta[Any]], View] | None = None,
    ) -> None:
        self.meta, self.hidden, self.partial, self.row_filter = meta, hidden, partial, row_filter
        self._of = of or unrestricted
        self.parsed: dict[str, Any] = {}
        """Cache of parsed parameter names, for `filter_parsing.py`."""

    @cached_property
    def attributes(self) -> Mapping[str, Attribute]:
        """Visible attributes by name."""
        if not self.hidden:
            return self.meta.attributes
        return {name: one for name, one in self.meta.attributes.items() if name not in self.hidden}

    @property
    def always_visible(self) -> Mapping[str, Attribute]:
        """Attributes that are visible on every item. Only these can be ordered by and aggregated."""
        if not self.partial:
            return self.attributes
        return {name: one for name, one in self.attributes.items() if name not in self.partial}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the visible attributes, and of the links to items that may be visible."""
        links = {name: found[1] for name in self.meta.links if (found := self.link(name)) is not None}
        return (*self.attributes, *(name for name, behind in links.items() if behind.row_filter != NOTHING))

    def find(self, name: str) -> Attribute | None:
        """Return the attribute with this name, or at a path such as `place.city`. Return None if it is not visible."""
        found = self.meta.find(name)
        return None if found is None or found.root in self.hidden else found

    def link(self, name: str) -> tuple[Link, View] | None:
        """Return the link with this name and the view of its target, or None if the link is not visible."""
        found = self.meta.links.get(name)
        if found is None or found.ends.local in self.hidden:
            return None
        behind = self._of(found.ends.target)
        if found.ends.remote in behind.hidden:
            return None
        if found.ends.middle is not None and not self._of(found.ends.middle).hidden.isdisjoint(found.ends.between):
            return None
        return found, behind

    def view_of(self, meta: StoreMeta[Any]) -> View:
        """Return the view of another item."""
        return self._of(meta)


@per_meta
def unrestricted(meta: StoreMeta[Any]) -> View:
    """Return the view of trusted code: everything."""
    return View(meta)
