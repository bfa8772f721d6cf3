"""Find the stored items within a value, in lists, mappings and objects, and replace them in a copy.

`may_contain_items` returns whether values of a type have to be searched at all.
"""

from __future__ import annotations

import copy
import enum
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct, UnsetType

from ..errors import PersistyError
from . import schema_types as forms
from .meta import StoreMeta, meta_of, per_meta
from .schema import Object
from .struct_fields import declared_fields, declares_fields, is_named_tuple
from .type_descriptions import described, item_of

CLASSES = 1_000
"""The most classes whose parts are cached."""
SCALARS = (
    str, bytes, bytearray, memoryview, int, float, type(None), date, time, timedelta, UUID, Decimal, enum.Enum, msgspec.Raw, UnsetType,
)  # fmt: skip
"""Classes whose values contain no other value."""
ERROR_FIELDS = ("details", "item", "others", "by_position")
"""Members of errors whose values surfaces send."""
OPEN = (forms.Anything, forms.Python)
"""Types whose values may be of any class."""


def may_contain_items(annotation: Any) -> bool:
    """Return whether a value of the type may contain a stored item.

    An object may be of a subclass with further fields, so any class with fields counts.
    """
    found = described(annotation)
    return any(isinstance(one, OPEN) for one in found.parts()) or any(
        isinstance(one, Object) for one in found.definitions.values()
    )


def depends_on_caller(value: Any) -> bool:
    """Return whether an item within the value has an attribute that only some callers may read."""
    metas = {meta_of(item) for item in ContainedItems(value).items}
    return any(not isinstance(one.readable, bool) for meta in metas for one in meta.attributes.values())


class Parts(Struct, frozen=True):
    """The parts of values of one class. `of`: value → its parts; `begun`: value → a copy that `fill` gives its parts, or None if the copy is
    made of its parts by `made`. `consumed`: a value can be read only once, like an iterator."""

    of: Callable[[Any], Sequence[Any]]
    begun: Callable[[Any], Any] | None = None
    fill: Callable[[Any, Sequence[Any]], None] = lambda made, parts: None
    made: Callable[[Any, Sequence[Any]], Any] = lambda value, parts: value
    consumed: bool = False


class ContainedItems:
    """The stored items within a value, each once. A value may contain itself. Lists of items without restricted attributes are skipped."""

    def __init__(self, value: Any) -> None:
        self.items: list[Any] = []
        self._value, self._consumed = value, False
        self._parts: dict[int, tuple[Any, Parts, Sequence[Any]]] = {}
        self._find(value)

    def _find(self, value: Any) -> None:
        cls: Any = type(value)
        meta = item_of(cls)
        parts = parts_of(cls) if meta is None else parts_of_item(meta, cls)
        if parts is None or id(value) in self._parts:
            return
        if meta is not None:
            self.items.append(value)
        inside = parts.of(value)
        self._parts[id(value)] = (value, parts, inside)  # the reference prevents reuse of the id
        self._consumed = self._consumed or parts.consumed
        for one in inside:
            self._find(one)

    def replaced(self, items: Sequence[Any]) -> Any:
        """Return the value with these items instead of its own, in the order of `items`. Nothing is copied if they are the same objects."""
        other = {id(one): new for one, new in zip(self.items, items, strict=True) if new is not one}
        if not other and not self._consumed:
            return self._value
        return self._copied(self._value, other, {})

    def _copied(self, value: Any, other: Mapping[int, Any], made: dict[int, Any]) -> Any:
        entry = self._parts.get(id(value))
        if entry is None:
            return value
        if id(value) in made:
            return made[id(value)]
        _, parts, inside = entry
        if parts.begun is not None and not inside:
            return other.get(id(value), value)
        if parts.begun is None:
            made[id(value)] = parts.made(value, [self._copied(one, other, made) for one in inside])
            return made[id(value)]
        copied = made[id(value)] = parts.begun(other.get(id(value), value))
        parts.fill(copied, [self._copied(one, other, made) for one in inside])
        return copied


@lru_cache(CLASSES)
def parts_of(cls: Any) -> Parts | None:
    """Return the parts of values of a class that is not a stored item. None if no value can contain an item."""
    if issubclass(cls, SCALARS):
        return None
    if issubclass(cls, PersistyError):
        return _of_fields(ERROR_FIELDS)
    if is_named_tuple(cls):
        return Parts(list, made=lambda value, parts: cls._make(parts))
    if issubclass(cls, Mapping):
        return Parts(lambda value: _unless_scalars(value.values()), made=_mapping)
    if declares_fields(cls):
        names = tuple(_open_fields(cls))
        return _of_fields(names) if names else None
    if issubclass(cls, Collection):
        return Parts(_unless_scalars, made=_listed)
    if issubclass(cls, Iterable):
        return Parts(list, made=_listed, consumed=True)
    return None


@per_meta
def parts_of_item(meta: StoreMeta[Any], cls: type[Any]) -> Parts:
    """Return the parts of an item that may contain items: loaded links, further fields of a subclass, and attributes of a type that names a
    stored item."""
    further = [name for name in cls.__struct_fields__ if name not in meta.attributes]
    return _of_fields((*nested_items(meta), *further))


@per_meta
def nested_items(meta: StoreMeta[Any]) -> tuple[str, ...]:
    """Return the attributes whose type names a stored item, whose values are copies of items."""
    return tuple(
        name
        for name, attribute in meta.attributes.items()
        if any(item_of(cls) is not None for cls in described(attribute.type, meta).classes.values())
    )


def _open_fields(cls: type[Any]) -> list[str]:
    """Return the fields of a class that may contain an item. Returns all fields if the annotations cannot be read."""
    try:
        return [one.name for one in declared_fields(cls) if may_contain_items(one.annotation)]
    except (NameError, TypeError):
        return list(getattr(cls, "__struct_fields__", ()) or cls.__annotations__)


def _of_fields(names: tuple[str, ...]) -> Parts:
    def of(value: Any) -> Sequence[Any]:
        return [getattr(value, name, None) for name in names]

    def fill(made: Any, parts: Sequence[Any]) -> None:
        put = msgspec.structs.force_setattr if isinstance(made, Struct) else object.__setattr__
        for name, part in zip(names, parts, strict=True):
            now = getattr(made, name, None)
            if now is not None and type(now) is not UnsetType:  # the field may be hidden now
                put(made, name, part)

    return Parts(of, begun=copy.copy, fill=fill)


def _unless_scalars(values: Collection[Any]) -> Sequence[Any]:
    """Return the values. Returns none if no value of their classes can contain another value or a restricted attribute."""
    return () if all(map(_is_immutable, {*map(type, values)})) else [*values]


def _is_immutable(cls: Any) -> bool:
    meta = item_of(cls)
    return parts_of(cls) is None if meta is None else cls is meta.item and _all_readable(meta)


@per_meta
def _all_readable(meta: StoreMeta[Any]) -> bool:
    return all(one.readable is True for one in meta.attributes.values()) and not nested_items(meta)


def _mapping(value: Mapping[Any, Any], parts: Sequence[Any]) -> Mapping[Any, Any]:
    return dict(zip(value, parts, strict=True)) if parts else value


def _listed(value: Any, parts: Sequence[Any]) -> Any:
    """Return the parts as a tuple for a tuple, else as a list, which has the same JSON as a set."""
    if not parts and isinstance(value, Collection):
        return value
    return tuple(parts) if isinstance(value, tuple) else list(parts)
