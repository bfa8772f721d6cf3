"""Separate items that cannot be read from those that can, with an `UnreadableItem` for each.

An item is shown if the caller may not read its unreadable attributes anyway. The row filter for reading has decided before: a removed member, or
a nested value of another type, meets no condition of it (`query.certain_matches`). An item does not exist for the caller if the row filter depends on another unreadable attribute, because it
cannot be decided whether the caller may read it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from msgspec import UNSET

from ..errors import Forbidden, Unauthenticated, UnreadableItem
from ..model.meta import StoreMeta
from ..model.unreadable_items import unreadable, unreadable_error
from ..query.certain_matches import decided
from ..query.filter_algebra import names_in
from .guard import Guard

MAX_NAMED = 100
"""Items that one error names."""


def split_unreadable(guard: Guard, redacted: list[Any]) -> tuple[list[Any], tuple[UnreadableItem, ...]]:
    """Return the readable items, and the errors of the others. Missing items, None, are readable."""
    if {guard.meta.item, type(None)}.issuperset(map(type, redacted)):
        return redacted, ()
    seen = [as_shown(guard, one) for one in redacted]
    fine = [one for one, given in zip(seen, redacted, strict=True) if given is None or one is not None]
    return (
        [one for one in fine if not isinstance(one, UnreadableItem)],
        tuple(one for one in fine if isinstance(one, UnreadableItem)),
    )


def as_shown(guard: Guard, redacted: Any, *, written: bool = False) -> Any:
    """Return a redacted item that the caller may read, or an `UnreadableItem` in its place. Return None if it must not be revealed."""
    meta, names = guard.meta, unreadable(redacted)
    if not names:  # or an `UnreadableItem` in its place
        return redacted
    if guard.caller is not None and not written and not _decidable(guard, decided(meta), names):
        return None
    unreadable_names = [name for name in names if meta.attributes[name].get(redacted) is not UNSET]
    return (
        unreadable_error(meta, redacted, unreadable_names, written=written)
        if unreadable_names
        else _whole(meta, redacted)
    )


def require_readable(seen: list[Any], *, several: bool = True) -> list[Any]:
    """Return what `as_shown` returned. Raise the first `UnreadableItem` in it, with `several` with the items in their positions as its
    `others`."""
    errors = [one for one in seen if isinstance(one, UnreadableItem)]
    if not errors:
        return seen
    if not several:
        raise errors[0]
    raise UnreadableItem(
        errors[0].message,
        others=[None if isinstance(one, UnreadableItem) else one for one in seen],
        by_position={place: one for place, one in enumerate(seen) if isinstance(one, UnreadableItem)},
        **errors[0].details,
    )


def all_of_them(errors: Sequence[UnreadableItem]) -> UnreadableItem:
    """Return one error that names several items."""
    first = errors[0]
    if len(errors) == 1:
        return first
    items = [one.details for one in errors]
    return UnreadableItem(
        f"{len(errors)} items cannot be read. The first: {first.message}", **first.details, items=items
    )


def _decidable(guard: Guard, decided_names: Collection[str], names: tuple[str, ...]) -> bool:
    """Return whether the row filter depends on no unreadable attribute except the `decided_names`."""
    try:
        return names_in(guard.row_filter("read")).isdisjoint([name for name in names if name not in decided_names])
    except (Forbidden, Unauthenticated):
        return False


def _whole(meta: StoreMeta[Any], item: Any) -> Any:
    return meta.item(**{name: attribute.get(item) for name, attribute in meta.attributes.items()})
