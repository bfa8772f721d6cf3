"""Validation of a caller's items and changes: convert them to the stored form, typed and normalised, and report every fault at once.

The fast path is one msgspec conversion of the whole item. If it fails, each attribute is converted on its own, so that the caller gets every
fault and not only the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from types import NoneType
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET

from ..errors import MAX_FAULTS, Fault, InvalidInput
from .allowed_values import one_of
from .decimal_texts import check_decimals, decimal_checks
from .generated_values import generate_all, generate_missing, on_create, on_update
from .generators import Add, Append, UpdateOperator, now
from .integer_enums import has_integer_members, with_numbers
from .json_numbers import contains_unrounded
from .meta import Attribute, StoreMeta, per_meta
from .msgspec_faults import INVALID_KEY, fault_of, pointer
from .nested_faults import fault_within, faults_within
from .rules import Rule
from .type_words import type_words
from .types import Kind
from .undeclared_members import Shapes, is_declared, shapes_of, undeclared_members
from .update_operators import change_of_json, no_changes, typed_change
from .value_validation import converted, typed, typed_all

T = TypeVar("T")

OPERATORS = (Add, Append)
"""Changes that the engine applies to the stored value. Every other change is a value."""


@per_meta
def _getters(meta: StoreMeta[Any]) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    return tuple((name, attribute.get) for name, attribute in meta.attributes.items())


@per_meta
def _normalisers(meta: StoreMeta[Any]) -> tuple[tuple[Attribute, Callable[[Any], Any]], ...]:
    return tuple((one, one.normalise) for one in meta.attributes.values() if one.normalise is not None)


@per_meta
def _link_keys(meta: StoreMeta[Any]) -> frozenset[str]:
    return frozenset(link.by for link in meta.links.values() if link.kind == "belongs_to")


May = Callable[[Attribute], bool | None]
"""(attribute) → whether the caller may set it. None: the attribute does not exist for the caller."""


def new_item(
    meta: StoreMeta[T],
    given: T | Mapping[str, Any],
    path: str = "",
    *,
    may: May | None = None,
) -> T:
    """Return a complete, valid item from an item or a mapping. Generators fill in missing values.

    `may` returns which attributes the caller may set. Without it, the caller may set all (see `May`). Raises `InvalidInput` with every fault.
    """
    if isinstance(given, meta.item):
        values = {name: value for name, get in _getters(meta) if (value := get(given)) is not UNSET}
        faults = forbidden_faults(meta, _not_default(meta, values), path, "creatable", may) if may else []
    elif isinstance(given, Mapping):
        values = dict(given)
        faults = forbidden_faults(meta, values, path, "creatable", may) if may else []
    else:
        raise InvalidInput(faults=[Fault(path, f"Expected {meta.item.__name__} or an object", "object", _name(given))])
    if faults:
        raise InvalidInput(faults=[*faults, *_faults(meta, values, path, may)])
    generate_missing(values, on_create(meta))
    if (shapes := shapes_of(meta)) and _has_undeclared_members(shapes, values):
        raise InvalidInput(faults=_faults(meta, values, path, may))
    try:
        return _item(meta, values)
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        if has_integer_members(values):
            converted: dict[str, Any] = with_numbers(values)
            return new_item(meta, converted, path)
        faults = _faults(meta, values, path, may)
        if not faults and (INVALID_KEY in str(error) or contains_unrounded(values)):
            return _item(meta, {name: typed(meta.attributes[name], value) for name, value in values.items()})
        raise InvalidInput(faults=faults or [fault_of(error, path, meta.item)]) from error


def new_items(meta: StoreMeta[T], given: Sequence[Any], *, may: May | None = None) -> list[T] | None:
    """Return what `new_item` returns of each, or None unless all are valid and give the same attributes. Takes half the time."""
    kind = dict if may or not isinstance(given[0], meta.item) else meta.item
    if any(type(one) is not kind for one in given):
        return None
    if kind is dict:
        rows = [one.copy() for one in given]
    else:
        getters = _getters(meta)
        rows = [{name: value for name, get in getters if (value := get(one)) is not UNSET} for one in given]
    names = rows[0].keys()
    if any(one.keys() != names for one in rows):
        return None
    if not names <= meta.attributes.keys() or (may and not all(may(meta.attributes[name]) for name in names)):
        return None
    if (shapes := shapes_of(meta)) and any(_has_undeclared_members(shapes, values) for values in rows):
        return None
    generators = [one for one in on_create(meta) if one[0] not in names]
    generate_all(rows, generators)
    moments = {name for name, generate in generators if generate is now}  # which are in UTC
    try:
        for name, check in decimal_checks(meta):
            for one in rows if name in names else ():
                check(one[name])
        items: list[T] = msgspec.convert(rows, list[meta.item])  # type: ignore[name-defined]
        for attribute, normalise in _normalisers(meta):
            if attribute.name not in moments:
                get = attribute.get
                for item in items:
                    value = get(item)
                    if value is not None and (normal := normalise(value)) is not value:
                        setattr(item, attribute.name, normal)
    except (msgspec.ValidationError, ValueError, TypeError):
        return None
    return items


def _item(meta: StoreMeta[T], values: Mapping[str, Any]) -> T:
    for name, check in decimal_checks(meta):
        if name in values:
            check(values[name])
    item = msgspec.convert(values, meta.item)
    for attribute, normalise in _normalisers(meta):
        _normalised(item, attribute, normalise)
    return item


def _normalised(item: Any, attribute: Attribute, normalise: Callable[[Any], Any]) -> None:
    value = attribute.get(item)
    if value is not None and (normal := normalise(value)) is not value:
        setattr(item, attribute.name, normal)


def changes_of(
    meta: StoreMeta[Any],
    given: Mapping[str, Any],
    path: str = "",
    *,
    may: May | None = None,
) -> dict[str, Any]:
    """Return valid changes of a partial update, with the generators' changes on update. Raises `InvalidInput`.

    `may` returns which attributes a caller of a surface may set. Such a caller may also send an `Add` or `Append` as JSON.
    """
    if type(given) is not dict and not isinstance(given, Mapping):  # the first test is five times as fast
        raise InvalidInput(faults=[no_changes(given, path)])
    faults = forbidden_faults(meta, given, path, "updatable", may) if may else []
    shapes = shapes_of(meta)
    changes: dict[str, Any] = {}
    for name, value in given.items():
        attribute = meta.attributes.get(name)
        if attribute is None:
            if len(faults) < MAX_FAULTS:
                faults.append(_unknown(meta, name, path, may))
        elif may and may(attribute) is None:
            continue  # already reported
        elif name in meta.key.attributes:
            if not may:
                faults.append(Fault(path + pointer(name), "The key of an item never changes"))
        else:
            change, word = change_of_json(attribute, value) if may else (value, None)
            check = typed_change if isinstance(change, OPERATORS) else typed
            if check is typed_change and name in _link_keys(meta):
                faults.append(
                    Fault(path + pointer(name), "The key of a linked item can be set, but not added to", "a key")
                )
                continue
            try:
                changes[name] = check(attribute, change)
            except (msgspec.ValidationError, ValueError, TypeError) as error:
                given_value = change.values if isinstance(change, Append) else change
                faults += _faults_of(error, path + pointer(name, *([word] if word else ())), attribute, given_value)
            if name in shapes:
                given_value = change.values if isinstance(change, Append) else change
                _add_undeclared(faults, shapes[name], given_value, path + pointer(name, *([word] if word else ())))
    if faults:
        raise InvalidInput(faults=faults)
    generate_missing(changes, on_update(meta))
    return changes


def changes_of_all(
    meta: StoreMeta[Any], given: Sequence[Mapping[str, Any]], *, may: May | None = None
) -> list[dict[str, Any]] | None:
    """Return what `changes_of` returns of each, or None unless all change the same attributes to valid plain values.

    The values are validated an attribute at a time: a tenth of the time of one change after the other.
    """
    names = tuple(given[0]) if given and type(given[0]) is dict else ()
    if not names or any(type(one) is not dict or tuple(one) != names for one in given):
        return None
    columns = []
    for name in names:
        attribute = meta.attributes.get(name)
        if attribute is None or name in meta.key.attributes or (may and not may(attribute)):
            return None
        values = [one[name] for one in given]
        if not SPECIAL_TYPES.isdisjoint(map(type, values)):
            return None
        shapes = shapes_of(meta).get(name)
        if shapes and any(_undeclared(shapes, value) for value in values):
            return None
        try:
            columns.append(typed_all(attribute, values))
        except (msgspec.ValidationError, ValueError, TypeError):
            return None
    found = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    generate_all(found, [one for one in on_update(meta) if one[0] not in names])
    return found


SPECIAL_TYPES = frozenset({NoneType, dict, *OPERATORS})
"""Types of values that `changes_of_all` leaves to `changes_of`: a dict may spell an operator."""


def changed(meta: StoreMeta[T], item: T, changes: Mapping[str, Any]) -> T:
    """Return a copy of the item with the changes applied, as an engine does in place."""
    values = {name: _changed(meta.attributes[name].get(item), value) for name, value in changes.items()}
    return msgspec.structs.replace(item, **values)  # type: ignore[type-var]


def _changed(stored: Any, change: Any) -> Any:
    return APPLIED[type(change)](stored, change) if isinstance(change, UpdateOperator) else change


APPLIED: dict[type, Callable[[Any, Any], Any]] = {
    Add: lambda stored, change: (stored or 0) + change.amount,
    Append: lambda stored, change: [*(stored or ()), *change.values],
}
"""Update operator → (stored value, change) → the value after it."""


def _faults(meta: StoreMeta[Any], values: Mapping[str, Any], path: str, may: May | None = None) -> list[Fault]:
    """Return the faults of each attribute, converted on its own: the slow path."""
    shapes = shapes_of(meta)
    undeclared = (name for name in values if name not in meta.attributes)
    faults = [_unknown(meta, name, path, may) for name in islice(undeclared, MAX_FAULTS)]
    for name, attribute in meta.attributes.items():
        if may and may(attribute) is None:
            continue
        if name not in values:
            if attribute.required:
                faults.append(Fault(path + pointer(name), "Missing", type_words(attribute), "nothing"))
            continue
        try:
            typed(attribute, values[name])
        except (msgspec.ValidationError, ValueError, TypeError) as error:
            faults += _faults_of(error, path + pointer(name), attribute, values[name])
        if name in shapes:
            _add_undeclared(faults, shapes[name], values[name], path + pointer(name))
    return faults


def _has_undeclared_members(shapes: Mapping[str, Shapes], values: Mapping[str, Any]) -> bool:
    return any(_undeclared(shapes[name], values[name]) for name in shapes if name in values)


def _undeclared(shapes: Shapes, value: Any) -> bool:
    return not is_declared(shapes, value) and bool(undeclared_members(shapes, value, ""))


def _add_undeclared(faults: list[Fault], shapes: Shapes, value: Any, path: str) -> None:
    """Add a fault for each undeclared member. msgspec's own fault of such a member is replaced, because it does not list the declared ones."""
    if is_declared(shapes, value):
        return
    found = undeclared_members(shapes, value, path)
    paths = {one.path for one in found}
    faults[:] = [*(one for one in faults if one.path not in paths), *found]


def _checked(value: Any, annotation: Any) -> Any:
    """Convert a part of a given value, as the conversion of the whole does."""
    check_decimals(annotation, value)
    return converted(value, annotation)


def _faults_of(error: Exception, path: str, attribute: Attribute, value: Any) -> list[Fault]:
    if attribute.kind is not Kind.JSON:
        return [fault_of(error, path, attribute.type)]
    found = faults_within(error, path, attribute.type, value, _checked)
    if len(found) == 1:  # perhaps that of its bounds, which only the conversion of the whole finds
        return [fault_within(error, path, attribute.type, value, partial(typed, attribute))]
    return found


def forbidden_faults(meta: StoreMeta[Any], given: Iterable[str], path: str, flag: str, may: May) -> list[Fault]:
    """Return a fault for each given attribute that the caller may not set. `flag`: `creatable` or `updatable`."""
    settable = {name: may(meta.attributes[name]) for name in given if name in meta.attributes}
    return [
        _unknown(meta, name, path, may)
        if allowed is None
        else Fault(path + pointer(name), f"Not {flag}{_by(meta.attributes[name], flag)}")
        for name, allowed in settable.items()
        if not allowed
    ]


def _by(attribute: Attribute, flag: str) -> str:
    """Return the reason why this caller may not set an attribute."""
    return (
        " by this caller: leave it out"
        if isinstance(getattr(attribute, flag), Rule)
        else ": leave it out, the server sets it"
    )


def _not_default(meta: StoreMeta[Any], values: Mapping[str, Any]) -> list[str]:
    """Return the attributes whose values differ from their defaults."""
    return [
        name
        for name, value in values.items()
        if meta.attributes[name].required or value != meta.attributes[name].default
    ]


def _unknown(meta: StoreMeta[Any], name: object, path: str, may: May | None) -> Fault:
    allowed = [one for one, attribute in meta.attributes.items() if may is None or may(attribute)]
    return Fault(path + pointer(name), "Unknown attribute", one_of(allowed))


def _name(value: Any) -> str:
    return "null" if value is None else type(value).__name__
