"""`?fields=id,text,author.username`: a response with only these attributes of its items and of the items behind their links.

A name such as `author.username` includes its link. The name of a link includes the whole linked item. A projection, which is compiled once for
the names, makes a dict of each item. If no name follows a link, the engine reads only these attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any

from msgspec import UNSET, Struct

from ...errors import Fault, InvalidQuery
from ...model.allowed_values import one_of
from ...model.meta import StoreMeta, per_meta
from ...model.msgspec_faults import pointer
from ...model.pages import ResultPage, page_like
from ...query.unknown_names import PART
from ...store.link_loading import open_links
from ...store.store import Store, context_of
from . import include

FIELDS = "fields"
"""The parameter: names separated by commas, or the parameter repeated."""
MAX_FIELDS = 100
"""Names in one request."""

Projection = Callable[[Any], Any]


class Shape(Struct, frozen=True):
    """The fields that a response shows: the `links` that are loaded, and a projection of each item. `columns`: the attributes, if the response
    shows nothing else."""

    store: Store[Any] | None = None
    links: tuple[str, ...] = ()
    projection: Projection | None = None
    columns: tuple[str, ...] | None = None

    def of(self, items: Any) -> Any:
        """Return a page, a list or an item as it is shown."""
        if self.links and self.store is not None:
            items = self.store.links(items, *self.links)
        return items if self.projection is None else _within(items, self.projection)


WHOLE = Shape()
"""Items as they are."""


def shape(store: Store[Any], links: list[str], names: list[str]) -> Shape:
    """Return the shape for these links and names. Raises `InvalidQuery` for those that do not exist or that the caller may not see."""
    if len(names) > MAX_FIELDS:  # the names are not checked: a response lists few faults
        many = Fault(pointer(FIELDS), f"At most {MAX_FIELDS} fields can be named", found=str(len(names)))
        raise InvalidQuery(faults=[many])
    faults = include.faults(store, links)
    faults += [fault for position, name in enumerate(names) if (fault := _fault(store, name, position))]
    if faults:
        raise InvalidQuery(faults=faults)
    if not names:
        return Shape(store, tuple(links))
    projection, led, columns = _projections(store.meta)(tuple(names), tuple(links))
    if len(led) > include.MAX_LINKS:
        raise InvalidQuery(faults=[include.too_many(FIELDS, len(led))])
    return Shape(store, led, projection, columns)


def _fault(store: Store[Any], name: str, position: int) -> Fault | None:
    *path, last = name.split(".")
    where = pointer(FIELDS, position)
    if len(path) > include.MAX_LEVELS:
        return Fault(where, f"A response follows links for at most {include.MAX_LEVELS} levels", found=name[:64])
    here = context_of(store)
    for place, step in enumerate(path):
        link = open_links(here).get(step)
        if link is None or link.kind == "has_count":
            if step in here.guard.view.attributes:
                return Fault(where, PART, ".".join(path[: place + 1]), name[:64])
            return _unknown(where, step, [one.name for one in open_links(here).values() if one.kind != "has_count"])
        here = here.of(link.ends.target)
    if last in here.guard.view.attributes or last in open_links(here):
        return None
    return _unknown(where, last, [*here.guard.view.attributes, *open_links(here)])


def _unknown(where: str, name: str, known: Sequence[str]) -> Fault:
    return Fault(where, "Unknown attribute or link", one_of(known), name[:64])


class _Node(Struct):
    """The part of an item that a response shows: the attributes that are `named`, or all of them if the item itself was named (`whole`) or no name
    selects from it (not `narrowed`)."""

    named: dict[str, None] = {}
    below: dict[str, _Node] = {}
    whole: bool = False
    narrowed: bool = False

    def behind(self, link: str) -> _Node:
        return self.below.setdefault(link, _Node())

    def links(self, before: str = "") -> Iterator[str]:
        """Yield the paths of the links below this node."""
        for name, node in self.below.items():
            yield before + name
            yield from node.links(f"{before}{name}.")


PROJECTIONS = 128
"""Projections of one item that are cached. Clients choose them."""


@per_meta
def _projections(meta: StoreMeta[Any]) -> Callable[..., Any]:
    return lru_cache(PROJECTIONS)(partial(_compiled, meta))


def _compiled(
    meta: StoreMeta[Any], names: tuple[str, ...], links: tuple[str, ...]
) -> tuple[Projection | None, tuple[str, ...], tuple[str, ...] | None]:
    """Return the projection of the names, the links that they follow or that are included, and the attributes if there are no links."""
    root = _Node(narrowed=True)
    for name in names:
        node, target = root, meta
        *path, last = name.split(".")
        for step in path:
            node, target = node.behind(step), target.links[step].ends.target
            node.narrowed = True
        if last in target.links:
            node.behind(last).whole = True
        else:
            node.named[last] = None
    for name in links:
        node = root
        for step in name.split("."):
            node = node.behind(step)
    return _projection(meta, root), tuple(root.links()), None if root.below else tuple(root.named)


def _projection(meta: StoreMeta[Any], node: _Node) -> Projection | None:
    """Return the function that makes a dict of an item, or None if the item is shown as it is."""
    links = [(name, _projection(meta.links[name].ends.target, below)) for name, below in node.below.items()]
    every = node.whole or not node.narrowed
    if every and all(behind is None for _, behind in links):
        return None
    columns = [(name, meta.attributes[name].get) for name in (meta.attributes if every else node.named)]

    def project(item: Any) -> dict[str, Any]:
        shown = {name: value for name, get in columns if (value := get(item)) is not UNSET}
        for name, behind in links:
            found = getattr(item, name, UNSET)
            if found is not UNSET:  # UNSET: the caller may not read the linked item
                shown[name] = found if behind is None else _within(found, behind)
        return shown

    return project


def _within(found: Any, projection: Projection) -> Any:
    """Return the projection of an item, or of those of a list or a page in their positions. None stays None."""
    if isinstance(found, ResultPage):
        return page_like(found, [None if one is None else projection(one) for one in found.items])
    if isinstance(found, list):
        return [_within(one, projection) for one in found]
    return None if found is None else projection(found)
