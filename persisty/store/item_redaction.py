"""Redact items that were not returned by a verb of a store, such as those in the result of a custom action.

Each attribute is shown as the verbs of its store would show it to this caller. Whether the caller may read the item at all is not decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msgspec import UNSET, structs

from ..model.contained_items import ContainedItems
from ..model.meta import StoreMeta, meta_of, per_meta
from ..query.filter_algebra import names_in
from .guard import Guard

GuardOf = Callable[[StoreMeta[Any]], Guard | None]
"""Item → the guard of its store for the caller, None for an item of another app."""


def redact_contained(value: Any, guard_of: GuardOf) -> Any:
    """Return the value with all items within it redacted, at any depth. Nothing is copied if every attribute may be read."""
    found = ContainedItems(value)
    return found.replaced(redact_items(found.items, guard_of))


def redact_items(items: Sequence[Any], guard_of: GuardOf) -> list[Any]:
    """Return the items redacted, in their positions. Items of one store are redacted at once."""
    shown = list(items)
    places: dict[StoreMeta[Any], list[int]] = {}
    for place, item in enumerate(items):
        places.setdefault(meta_of(item), []).append(place)
    for meta, some in places.items():
        if not restricted(meta):
            continue
        found = _redacted(meta, guard_of(meta), [items[place] for place in some])
        for place, item in zip(some, found, strict=True):
            shown[place] = item
    return shown


@per_meta
def restricted(meta: StoreMeta[Any]) -> tuple[str, ...]:
    """Return the attributes that not every caller may read."""
    return tuple(name for name, attribute in meta.attributes.items() if attribute.readable is not True)


def _redacted(meta: StoreMeta[Any], guard: Guard | None, items: list[Any]) -> list[Any]:
    if guard is None:
        return [_without_links(meta, _without(item, restricted(meta))) for item in items]
    view = guard.view
    needed = frozenset[str]().union(*map(names_in, view.partial.values()))
    rules_decide = [not _lacks(meta, item, needed) for item in items]
    decided = iter(guard.redact([item for item, decide in zip(items, rules_decide, strict=True) if decide]))
    restricted_names = (*view.hidden, *view.partial)
    redacted = [
        next(decided) if decide else _without(item, restricted_names)
        for item, decide in zip(items, rules_decide, strict=True)
    ]
    return [_without_links(meta, item) for item in redacted]


def _lacks(meta: StoreMeta[Any], item: Any, names: Iterable[str]) -> bool:
    """Return whether the item lacks an attribute, such as one that a store has redacted. A rule about it cannot be decided."""
    return any(meta.attributes[name].get(item) is UNSET for name in names if name in meta.attributes)


def _without(item: Any, names: Sequence[str]) -> Any:
    return structs.replace(item, **dict.fromkeys(names, UNSET)) if names else item


def _without_links(meta: StoreMeta[Any], item: Any) -> Any:
    """Return an item without loaded links through an attribute that the caller may not read: they would reveal its value."""
    if type(item) is meta.item:
        return item
    names = [
        name
        for name, link in meta.links.items()
        if name in item.__struct_fields__ and meta.attributes[link.ends.local].get(item) is UNSET
    ]
    return _without(item, names)
