"""Stored items that do not fit their declaration: a removed enum member, another type, a required attribute without a value.

An engine that cannot decode a value returns the item as an instance of a subclass of its class. Attributes that cannot be decoded are
None there, `unreadable` names them, and filters compare their stored values (`stored_objects`). The error has the path of a nested value, such as
`/position/alt`. Deletes and referential actions treat such an item like any other. `StoreContext` raises an `UnreadableItem` instead, which names store, key and attributes, so that no
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
from .stored_objects import STORED, StoredObject, stored_json
from .types import Kind, stored_type

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
        meta.item.__name__,
        [(NAMES, tuple), (STORED, dict)],
        bases=(meta.item,),
        kw_only=True,
        module=meta.item.__module__,
    )


def partly_readable(
    meta: StoreMeta[Any],
    stored: Mapping[str, Any],
    decode: Callable[[str, Any], Any],
    selected: tuple[str, ...],
    plain: Callable[[str, Any], Any],
) -> Any:
    """Return the item of stored values. `decode`: (attribute, its stored value) → its value, or an error of `FAULTS`. Attributes that
    are not `selected` are UNSET. `plain`: the same for a stored value that its type does not allow: that of an enum or a `Literal`, and the JSON text of an
    object. A value of an enum stays in the key, so that the item can be named and deleted, and in the attributes of links.
    """
    values: dict[str, Any] = dict.fromkeys(meta.attributes, UNSET)
    unreadable: list[tuple[str, str]] = []
    compared: dict[str, Any] = {}
    for name in selected:
        try:
            values[name] = decode(name, stored[name])
        except FAULTS as error:
            found = _plain(meta.attributes[name].kind, name, stored[name], plain)
            values[name] = found if name in _choices_kept(meta) else None
            unreadable.append((name, _path(error)))
            if found is not None:
                compared[name] = found
    if not unreadable:
        return meta.item(**values)
    return _class(meta)(**values, **{NAMES: tuple(unreadable), STORED: compared})


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


def _plain(kind: Kind, name: str, stored: Any, plain: Callable[[str, Any], Any]) -> Any:
    """Return the value of an unreadable attribute as filters see it, None if it has no plain form."""
    try:
        found = plain(name, stored)
        json = msgspec.json.decode(found) if kind is Kind.JSON and found is not None else None
        return found if json is None else stored_json(json)
    except FAULTS:
        return None


def marked(meta: StoreMeta[T], values: Mapping[str, Any], misfits: Mapping[str, Exception]) -> T:
    """Return the item of values that are stored as they were given, `misfits` among them: attribute → why its value cannot be decoded.

    An engine without an encoding of its own stores such an item, and `without_misfits` is what it reads.
    """
    if not misfits:
        return meta.item(**values)
    compared = {name: _without_class(values[name]) for name in misfits if values[name] is not None}
    objects = {name for name, value in compared.items() if isinstance(value, StoredObject)}
    marks = {NAMES: tuple((name, _path(error)) for name, error in misfits.items()), STORED: compared}
    found: T = _class(meta)(**{**values, **dict.fromkeys(objects)}, **marks)
    return found


def _without_class(value: Any) -> Any:
    """Return a value as filters see it: an object of another class has the members of its JSON."""
    plain = msgspec.to_builtins(value)
    return StoredObject(plain) if isinstance(plain, dict) else value


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
    if type(item) is meta.item:
        return item
    if still_unreadable:
        compared = {name: value for name, value in getattr(item, STORED).items() if name not in changes}
        return msgspec.structs.replace(item, **{NAMES: still_unreadable, STORED: compared})  # type: ignore[type-var]
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
