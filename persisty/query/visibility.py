"""What of an item a query may name: all of it for trusted code, for a caller what it may see.

An attribute that is hidden from a caller does not exist for it: not in filters, orders and aggregates, and not in the words of an
error. One that it may see on some items only is null on the others. Behind a link are the items that it may read there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any

from ..model.expressions import ALL, Filter
from ..model.links import Link
from ..model.meta import Attribute, StoreMeta

NONE: Mapping[str, Filter] = MappingProxyType({})


class View:
    """`hidden`: the names of attributes that are not there; `partial`: attribute → the items on which it can be seen; `rows`: the items
    that are there at all; `of`: the view of another item."""

    def __init__(
        self,
        meta: StoreMeta[Any],
        hidden: frozenset[str] = frozenset(),
        partial: Mapping[str, Filter] = NONE,
        rows: Filter = ALL,
        of: Callable[[StoreMeta[Any]], View] | None = None,
    ) -> None:
        self.meta, self.hidden, self.partial, self.rows = meta, hidden, partial, rows
        self._of = of or whole

    @cached_property
    def attributes(self) -> Mapping[str, Attribute]:
        """The attributes that are there, by name."""
        if not self.hidden:
            return self.meta.attributes
        return {name: one for name, one in self.meta.attributes.items() if name not in self.hidden}

    @property
    def even(self) -> Mapping[str, Attribute]:
        """The attributes that can be seen on every item: what can be ordered by and added up."""
        if not self.partial:
            return self.attributes
        return {name: one for name, one in self.attributes.items() if name not in self.partial}

    def find(self, name: str) -> Attribute | None:
        """The attribute of this name, or at this path such as `place.city`; None if there is none."""
        found = self.meta.find(name)
        return None if found is None or found.root in self.hidden else found

    def link(self, name: str) -> tuple[Link, View] | None:
        """The link of this name and the view of what is behind it; None if there is none that leads to anything."""
        found = self.meta.links.get(name)
        if found is None or found.ends.local in self.hidden:
            return None
        behind = self._of(found.ends.target)
        if found.ends.remote in behind.hidden:
            return None
        if found.ends.middle is not None and not self._of(found.ends.middle).hidden.isdisjoint(found.ends.between):
            return None
        return found, behind

    def beside(self, meta: StoreMeta[Any]) -> View:
        """The view of another item."""
        return self._of(meta)


@cache
def whole(meta: StoreMeta[Any]) -> View:
    """All of an item."""
    return View(meta)
