"""The stored items in the arguments of a custom action: a caller may give what it may give on create, and no other attribute.

The converted value says where the items are, and the given one which attributes they were given. Both are walked side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import UNSET, Struct

from ..errors import Fault
from ..model.contained_items import nested_items
from ..model.meta import Attribute, StoreMeta
from ..model.msgspec_faults import pointer
from ..model.struct_fields import declared_fields
from ..model.type_descriptions import described, item_of
from ..model.validation import May, forbidden_faults
from ..store.guard import Guard

GuardOf = Callable[[StoreMeta[Any]], Guard | None]
"""Function from an item to the guard of its store for the caller, None for an item that is not one of the app's."""


def names_items(annotation: Any) -> bool:
    """Return whether a value that is converted to the type may contain a stored item."""
    return any(item_of(cls) is not None for cls in described(annotation).classes.values())


def item_faults(value: Any, given: Any, path: str, guard_of: GuardOf) -> Iterator[Fault]:
    """Yield a fault for each attribute that was given of an item, and that the caller may not give. `value`: what `given` was converted to."""
    meta = item_of(type(value))
    if meta is not None and isinstance(given, Mapping):
        yield from forbidden_faults(meta, given, path, "creatable", _may(meta, guard_of))
    for step, inner, raw in _parts(value, given, meta):
        yield from item_faults(inner, raw, path + pointer(step), guard_of)


def _may(meta: StoreMeta[Any], guard_of: GuardOf) -> May:
    guard = guard_of(meta)
    return _without_rule if guard is None else guard.may_set("creatable")


def _without_rule(attribute: Attribute) -> bool:
    """Return whether callers may give an attribute of an item that has no store here, and so no rules that could be decided."""
    return attribute.creatable is True


def _parts(value: Any, given: Any, meta: StoreMeta[Any] | None) -> Iterable[tuple[object, Any, Any]]:
    """Return (name or position, converted part, given part) of what is within a value."""
    if meta is not None and isinstance(given, Mapping):
        return _members(((name, name) for name in nested_items(meta)), value, given)
    if isinstance(value, Mapping) and isinstance(given, Mapping):
        pairs = zip(given.items(), value.values(), strict=False)  # the conversion keeps the order
        return ((name, inner, raw) for (name, raw), inner in pairs)
    if isinstance(value, list | tuple) and isinstance(given, Sequence):
        return ((position, inner, raw) for position, (inner, raw) in enumerate(zip(value, given, strict=False)))
    if not (fields := declared_fields(type(value))):
        return ()
    if isinstance(given, Mapping):
        return _members(((one.name, one.json) for one in fields), value, given)
    if isinstance(value, Struct) and isinstance(given, list):
        first = int(type(value).__struct_config__.tag is not None)  # the tag precedes the fields
        named = zip(fields, given[first:], strict=False)
        return ((first + position, getattr(value, one.name), raw) for position, (one, raw) in enumerate(named))
    return ()


def _members(
    names: Iterable[tuple[str, str]], value: Any, given: Mapping[str, Any]
) -> Iterator[tuple[object, Any, Any]]:
    for name, json in names:
        if json in given:
            yield json, getattr(value, name, UNSET), given[json]
