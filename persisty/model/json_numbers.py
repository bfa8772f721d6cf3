"""Decode the numbers of JSON without rounding, so that a `Decimal` attribute stores exactly the number that was sent.

JSON has one kind of number, Python has three. The decoder returns an `int` for a number without a fraction, a `float` for a number that the text of
the float equals, and an `UnroundedNumber` for any other, such as `0.29999999999999998` and `1e400`. msgspec's conversion rejects that class, so
only requests with such numbers cost more. `convert_exactly` then converts them by the attribute's type.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from decimal import Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

import msgspec

EXACT = 2**53
"""Every integer below this one is exactly a float."""
SHORT = 16
"""Characters of a number with a point that a float always represents exactly: 15 digits."""
LEAST, MOST = sys.float_info.min, sys.float_info.max
"""Magnitudes of floats."""


class UnroundedNumber(Decimal):
    """A number of a JSON text that a float would round. It never reaches a store."""

    __slots__ = ()


def number_of(text: str) -> int | float | UnroundedNumber:
    """Return a number that JSON writes with a point or an exponent.

    A number without a fraction is an integer in any notation: `3.0` is an integer in JSON Schema, too. The sign of a zero is lost, as in
    JavaScript.
    """
    value = float(text)
    if (len(text) > SHORT or "e" in text or "E" in text) and (exact := _decimal(text)) != Decimal(repr(value)):
        return UnroundedNumber(exact)
    return int(value) if value.is_integer() and abs(value) < EXACT else value


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of more than 18 digits
        return Decimal("NaN")


decode = msgspec.json.Decoder(float_hook=number_of).decode
"""JSON text → its value, with numbers as `number_of` makes them. Raises what `msgspec.json.decode` raises."""


def contains_unrounded(value: Any) -> bool:
    """Return whether a value is, or contains, an `UnroundedNumber`. A Python value may contain itself."""
    pending, seen = [value], set[int]()
    while pending:
        one = pending.pop()
        if isinstance(one, Mapping | list | tuple):
            if id(one) in seen:
                continue
            seen.add(id(one))
        if isinstance(one, UnroundedNumber):
            return True
        if isinstance(one, Mapping):
            pending += one.values()
        elif isinstance(one, list | tuple):
            pending += one
    return False


def convert_exactly(value: Any, annotation: Any) -> Any:
    """Return a value from JSON in the annotation's type: a `Decimal` exactly, a `float` as the nearest one. Raises `ValueError` for a number without a
    declared type, as in `dict[str, Any]`, that a float cannot represent, and the errors of msgspec's conversion."""
    if (found := next(_beyond_floats(value, ""), None)) is not None:
        number, place = found
        at = f" - at `${place}`" if place else ""
        raise msgspec.ValidationError(f"Expected a number between {LEAST} and {MOST}, got {str(number)[:32]}{at}")
    text = msgspec.json.encode(value, enc_hook=as_number)
    return _decoder(annotation).decode(text)


def as_number(value: Any) -> msgspec.Raw:
    """Return the JSON text of an `UnroundedNumber`, as the `enc_hook` of an encoder. One that was not finite is a text."""
    if not isinstance(value, UnroundedNumber):
        raise TypeError(f"Expected JSON, got {type(value).__name__}")
    return msgspec.Raw((str(value) if value.is_finite() else f'"{value}"').encode())


def _beyond_floats(value: Any, place: str) -> Iterator[tuple[UnroundedNumber, str]]:
    """Yield the numbers whose magnitude no float has, with their places in msgspec's notation. JSON cannot contain itself."""
    if isinstance(value, UnroundedNumber):
        if not LEAST <= abs(float(value)) <= MOST:
            yield value, place
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from _beyond_floats(one, f"{place}.{name}" if _PLAIN.fullmatch(str(name)) else f"{place}[...]")
    elif isinstance(value, list | tuple):
        for at, one in enumerate(value):
            yield from _beyond_floats(one, f"{place}[{at}]")


_PLAIN = re.compile(r"[^.\[\]`]+")
"""A name that can be a step of msgspec's notation."""


@lru_cache(maxsize=256)
def _decoder(annotation: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(annotation, float_hook=_untyped_number)


def _untyped_number(text: str) -> int | float:
    """Return a number without a declared type. A float represents it if the float, rounded to as many digits, equals it: some programs write 0.1
    as `0.10000000000000001`."""
    value, found = float(text), number_of(text)
    if not isinstance(found, UnroundedNumber):
        return found
    digits = Context(prec=max(len(found.as_tuple().digits), 1))
    if not value or digits.create_decimal(Decimal(value)) != found:
        raise ValueError(f"Expected a number that a float can represent, got {text[:32]}")
    return value
