"""Copies of items with loaded links, for `Store.links`. `persisty.store.link_loading` loads the linked items of each link."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from ..errors import UnreadableItem
from ..model.links import LoadedLink
from ..model.meta import StoreMeta, per_meta
from ..model.pages import ResultPage, page_like
from .context import StoreContext
from .link_loading import related

log = logging.getLogger("persisty")


def loaded(
    store: StoreContext[Any],
    items: Sequence[Any],
    names: Iterable[str],
    limit: int,
    errors: list[UnreadableItem] | None = None,
) -> list[Any]:
    """Return copies of the items with these links loaded. `author.team` also loads the team of each author. None stays None.

    A link to an item that cannot be read is left out. Its error is appended to `errors`, or logged if there is no such list.
    """
    below: dict[str, list[str]] = {}
    for name in names:
        step, _, rest = name.partition(".")
        below.setdefault(step, []).extend([rest] if rest else [])
    present = [one for one in items if one is not None]
    values: dict[str, list[Any]] = {}
    for name, further in below.items():
        values[name] = _readable(store, name, present, limit, errors)
        if further:
            values[name] = _further(store.of(store.meta.links[name].ends.target), values[name], further, limit, errors)
    cls = loaded_class(store.meta)
    copies = iter([_copy(cls, one, {name: some[i] for name, some in values.items()}) for i, one in enumerate(present)])
    return [None if one is None else next(copies) for one in items]


def _readable(
    store: StoreContext[Any], name: str, items: list[Any], limit: int, errors: list[UnreadableItem] | None
) -> list[Any]:
    """Return the values of a link, UNSET for a linked item that cannot be read: such a link is left out."""
    try:
        return related(store, name, items, None, None, limit, None)
    except UnreadableItem as error:
        if errors is None:
            log.warning("%s", error.message)
        else:
            errors += error.by_position.values()
        return [UNSET if place in error.by_position else one for place, one in enumerate(error.others)]


def _further(
    target: StoreContext[Any], found: list[Any], names: list[str], limit: int, errors: list[UnreadableItem] | None
) -> list[Any]:
    """Load links of linked items, or of the items of their pages."""
    flat: list[Any] = []
    for one in found:
        if isinstance(one, target.meta.item):
            flat.append(one)
        elif isinstance(one, ResultPage):
            flat += one.items
    again = iter(loaded(target, flat, names, limit, errors))

    def with_links(one: Any) -> Any:
        if isinstance(one, target.meta.item):
            return next(again)
        return page_like(one, [next(again) for _ in one.items]) if isinstance(one, ResultPage) else one

    return [with_links(one) for one in found]


def _copy(cls: type[Any], item: Any, values: Mapping[str, Any]) -> Any:
    """Return a copy of an item, which may have links loaded already, with these values of links."""
    return cls(**{name: getattr(item, name, UNSET) for name in item.__struct_fields__} | dict(values))


@per_meta
def loaded_class(meta: StoreMeta[Any]) -> type[Any]:
    """Return the item's class with a field for each link. A link that is not loaded is left out of JSON, and reading it raises `AttributeError`."""
    fields = [(name, Any, UNSET) for name in meta.links]
    cls = msgspec.defstruct(meta.item.__name__, fields, bases=(meta.item,), kw_only=True, module=meta.item.__module__)
    for name in meta.links:
        setattr(cls, name, LoadedLink(vars(meta.item)[name], vars(cls)[name]))
    return cls
