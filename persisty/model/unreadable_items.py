"""Stored items that do not fit their declaration: a removed enum member, another type, a required attribute without a value.

An engine that cannot decode a value returns the item as an instance of a subclass of its class. Attributes that cannot be decoded are
None there, and `unreadable` names them. The error has the path of a nested value, such as `/position/alt`. Filters, deletes and referential
actions treat such an item like any other. `StoreContext` raises an `UnreadableItem` instead, which names store, key and attributes, so that no
caller of a store gets the item itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET

from ..errors import UnreadableItem
from .allowed_values import listed_choices
from .meta import StoreMeta, per_meta
from .msgspec_faults import fault_of
from .types import stored_type

T = TypeVar("T")

FAULTS = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError)
"""Errors that decoding a value of another type may raise."""
NAMES = "persisty_unreadable"
"""The field with the attributes that cannot be decoded, each with the path of its value. Names of attributes do not start with it."""
MISSING = "missing required field "
"""In msgspec's message about an object without a field, before the name of the field."""


UNREADABLE = "These items have a value that is not of the declared type, so they could not be read. Change them first"
"""Fault of a migration that would make items unreadable."""


def is_readable(stored: Any, decode: Callable[[Any], Any]) -> bool:
    """Return whether a stored value has the declared type."""
    try:
        decode(stored)
    except FAULTS:
        return False
    return True


class UnreadableValue(ValueError):
    """A stored value does not have the type of its attribute."""


@per_meta
def _class(meta: StoreMeta[Any]) -> type[Any]:
    return msgspec.defstruct(
        meta.item.__name__, [(NAMES, tuple)], bases=(meta.item,), kw_only=True, module=meta.item.__module__
    )


def partly_readable(
    meta: StoreMeta[Any],
    stored: Mapping[str, Any],
    decode: Callable[[str, Any], Any],
    selected: tuple[str, ...],
    plain: Callable[[str, Any], Any] | None = None,
) -> Any:
    """Return the item of stored values. `decode`: (attribute, its stored value) → its value, or an error of `FAULTS`. Attributes that
    are not `selected` are UNSET. `plain`: the same for the stored value of an enum or a `Literal` that is none of its members. Such a value stays in
    the key, so that the item can be named and deleted, and in the attributes of links.
    """
    values: dict[str, Any] = dict.fromkeys(meta.attributes, UNSET)
    unreadable: list[tuple[str, str]] = []
    for name in selected:
        try:
            values[name] = decode(name, stored[name])
        except FAULTS as error:
            values[name] = None if plain is None or name not in _choices_kept(meta) else _in_key(name, stored, plain)
            unreadable.append((name, _path(error)))
    return _class(meta)(**values, **{NAMES: tuple(unreadable)}) if unreadable else meta.item(**values)


@per_meta
def choices_of_key(meta: StoreMeta[Any]) -> frozenset[str]:
    """Return the attributes of the key that are an enum or a `Literal`."""
    names = meta.key.attributes
    return frozenset([name for name in names if stored_type(meta.attributes[name].type) is not None])


@per_meta
def _choices_kept(meta: StoreMeta[Any]) -> frozenset[str]:
    """Return the attributes of the key and of links that are an enum or a `Literal`. Filters through links compare their stored values."""
    names = {link.by for link in meta.links.values() if link.kind == "belongs_to"}
    by_links = [name for name in names if stored_type(meta.attributes[name].type) is not None]
    return choices_of_key(meta).union(by_links)


def _in_key(name: str, stored: Mapping[str, Any], plain: Callable[[str, Any], Any]) -> Any:
    try:
        return plain(name, stored[name])
    except FAULTS:
        return None


def marked(meta: StoreMeta[T], values: Mapping[str, Any], misfits: Mapping[str, Exception]) -> T:
    """Return the item of values that are stored as they were given, `misfits` among them: attribute → why its value cannot be decoded.

    An engine without an encoding of its own stores such an item, and `without_misfits` is what it reads.
    """
    if not misfits:
        return meta.item(**values)
    found: T = _class(meta)(**values, **{NAMES: tuple((name, _path(error)) for name, error in misfits.items())})
    return found


def without_misfits(meta: StoreMeta[T], item: T, selected: Collection[str] | None = None) -> T:
    """Return a copy of a `marked` item in which the values that cannot be decoded are None, and those that are not `selected` are UNSET. An enum or a
    `Literal` in the key or of a link keeps its stored value."""
    hidden = set() if selected is None else meta.attributes.keys() - set(selected)
    broken = [name for name in unreadable(item) if name not in _choices_kept(meta)]
    blank = {**dict.fromkeys(broken), **dict.fromkeys(hidden, UNSET)}
    return repaired(meta, msgspec.structs.replace(item, **blank), hidden)  # type: ignore[type-var]


def repaired(meta: StoreMeta[T], item: T, changes: Collection[str]) -> T:
    """Return the item without the marks of attributes that have been changed, which have values of the declared type now."""
    still_unreadable = tuple([one for one in getattr(item, NAMES, ()) if one[0] not in changes])
    if still_unreadable or type(item) is meta.item:
        return msgspec.structs.replace(item, **{NAMES: still_unreadable}) if still_unreadable else item  # type: ignore[type-var]
    return meta.item(**{name: attribute.get(item) for name, attribute in meta.attributes.items()})


def _path(error: Exception) -> str:
    """Return where a value is within its attribute, empty for the whole value."""
    if not isinstance(error, msgspec.ValidationError):
        return ""
    fault = fault_of(error, "")
    _, missing, field = fault.message.partition(MISSING)
    return f"{fault.path}/{field}" if missing else fault.path


def unreadable(item: Any) -> tuple[str, ...]:
    """Return the attributes of an item that could not be decoded."""
    return tuple([name for name, _ in getattr(item, NAMES, ())])


def unreadable_error(
    meta: StoreMeta[Any], item: Any, names: Sequence[str] | None = None, *, written: bool = False
) -> UnreadableItem:
    """Return the error that names an item and its unreadable attributes, or those in `names`.

    `written`: the change of the request was written, and only the response lacks the item.
    """
    listed = list(unreadable(item) if names is None else names)
    has_key = not any(value is None or value is UNSET for value in meta.key_values(item))
    key = meta.key_of(item) if has_key else None
    place = meta.name if key is None else f"{meta.name} {key}"
    has = "has a value" if len(listed) == 1 else "have values"
    below: dict[str, str] = dict(getattr(item, NAMES, ()))
    paths = {name: f"/{name}{below[name]}" if below.get(name) else name for name in listed}
    message = f"{place} cannot be read: {', '.join(paths.values())} {has} that the declaration does not allow"
    for name, path in paths.items():
        if allowed := listed_choices(meta.attributes[name].type, below.get(name, "").split("/")[1:]):
            message += f". Allowed for {path}: {', '.join(allowed)}"
    details: dict[str, Any] = {"store": meta.name, "key": key, "attributes": listed}
    if written:
        return UnreadableItem(f"The change was written. {message}", **details, written=True)
    return UnreadableItem(message, **details)


def unreadable_values(meta: StoreMeta[Any], names: Iterable[str]) -> UnreadableItem:
    """Return the error of an aggregate over attributes with a value that cannot be decoded."""
    listed = list(dict.fromkeys(names))
    message = f"An item of {meta.name} cannot be read: {', '.join(listed)}. A search names it"
    return UnreadableItem(message, store=meta.name, key=None, attributes=listed)
