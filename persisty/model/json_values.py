"""Values of attributes that are stored as JSON: check that the type has a JSON form, and convert values to the stored form."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from .dataclass_defaults import completed, has_dataclasses
from .nested_integers import check_integers, has_integers
from .nesting import MAX_NESTING, TooDeep, surely_shallow, too_deep
from .schema_types import Boolean, Datetime, Dict, Number, Python, Set, arms, parts_of
from .set_order import with_sets
from .type_descriptions import description_of
from .types import NORMALISE, Kind, exact, unicode, utc


def unstorable(annotation: Any) -> list[str]:
    """Return the parts of the annotation that have no JSON form: classes that msgspec cannot encode, and keys that cannot be text."""
    found = description_of(annotation)
    things = [found.classes[part.name] for part in found.parts() if isinstance(part, Python)]
    keys = [arm for part in found.parts() if isinstance(part, Dict) for arm in arms(part.keys)]
    foreign = [getattr(thing, "__name__", str(thing)) for thing in things]
    return [*foreign, "a dict whose keys are bool"] if any(isinstance(key, Boolean) for key in keys) else foreign


def normaliser(kind: Kind, annotation: Any) -> Callable[[Any], Any] | None:
    """Return the function that normalises values of the type, None if no value needs it.

    A JSON value is encoded and decoded, so that a create returns the same value as a later read: a tuple in `dict[str, Any]` becomes a list, and NaN
    becomes null.
    """
    if kind is not Kind.JSON:
        return NORMALISE.get(kind)
    decode = msgspec.json.Decoder(annotation).decode
    description = description_of(annotation)
    bounded = any(isinstance(part, Number | Datetime) for part in description.parts())
    incomplete = has_dataclasses(description)
    counted = has_integers(description)
    moments = any(isinstance(part, Set) and _has_datetimes(part) for part in description.parts())

    def through_json(value: Any) -> Any:
        try:
            text = msgspec.json.encode(completed(value) if incomplete else value)
            if not surely_shallow(text) and too_deep(msgspec.json.decode(text)):
                raise TooDeep(MAX_NESTING)
            found = decode(text)
            if moments:
                found = with_sets(found, _in_utc)
            if bounded:
                _check_nested(found)
            if counted:
                check_integers(found, text, description)
            return found
        except RecursionError:  # also a value that contains itself
            raise TooDeep(MAX_NESTING) from None
        except UnicodeEncodeError as error:
            raise ValueError(next(_faults(value, "", _lone_surrogates), str(error))) from None
        except msgspec.ValidationError as error:
            raise _of_infinite(value, error) or error from None

    return through_json


def _has_datetimes(type_: Set) -> bool:
    return any(isinstance(one, Datetime) for one in parts_of(type_.items))


def _in_utc(members: Any) -> Any:
    """Return the set with UTC for each datetime without a zone: 00:00 and 00:00Z are one member."""
    return type(members)(
        one.replace(tzinfo=UTC) if isinstance(one, datetime) and one.tzinfo is None else one for one in members
    )


def _check_nested(value: Any) -> None:
    """Raise `ValueError` for a decimal or a datetime in a value that an attribute of that type would reject, with its place in msgspec's notation."""
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            pending += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple | set | frozenset):
            pending += one
        elif isinstance(one, msgspec.Struct):
            pending += [getattr(one, name) for name in one.__struct_fields__]
        elif (fault := _fault(one)) is None:  # a dataclass; importing `dataclasses` would slow down a cold start
            pending += [getattr(one, name, None) for name in getattr(type(one), "__dataclass_fields__", ())]
        else:
            raise ValueError(next(_faults(value, "", _fault), fault))


def _fault(value: Any) -> str | None:
    """Return the message about a decimal or a datetime that no attribute accepts."""
    try:
        if isinstance(value, Decimal):
            exact(value)
        elif isinstance(value, datetime) and value.tzinfo is not None:
            utc(value)
    except ValueError as error:
        return str(error)
    return None


def _of_infinite(value: Any, error: msgspec.ValidationError) -> ValueError | None:
    """Return the error of a number that is not finite, which JSON makes null. None if the message is not about the place of such a number."""
    _, at, place = str(error).partition(" - at ")
    return next((ValueError(fault) for fault in _faults(value, "", _infinite) if fault.endswith(at + place)), None)


def _infinite(value: Any) -> str | None:
    return "Expected a finite number" if isinstance(value, float) and not math.isfinite(value) else None


def _lone_surrogates(value: Any) -> str | None:
    """Return the message about a text that UTF-8 cannot encode."""
    try:
        if isinstance(value, str):
            unicode(value)
    except ValueError as error:
        return str(error)
    return None


def _faults(value: Any, place: str, fault_of: Callable[[Any], str | None]) -> Iterator[str]:
    """Yield the messages about a value and its parts, with their places."""
    if (fault := fault_of(value)) is not None:
        yield f"{fault} - at `${place}`"
    for step, part in _parts(value):
        yield from _faults(part, place + step, fault_of)


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the parts of a value with their places in it, in msgspec's notation. A key that is text has the place of its dict."""
    if isinstance(value, dict):
        yield from (("" if isinstance(key, str) else "[...]", key) for key in value)
        yield from (("[...]", part) for part in value.values())
    elif isinstance(value, list | tuple):
        yield from ((f"[{at}]", part) for at, part in enumerate(value))
    elif isinstance(value, set | frozenset):
        yield from (("[...]", part) for part in value)
    elif isinstance(value, msgspec.Struct):
        names = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
        yield from ((f".{json}", getattr(value, name)) for json, name in names)
    else:
        yield from (
            (f".{name}", getattr(value, name, None)) for name in getattr(type(value), "__dataclass_fields__", ())
        )
