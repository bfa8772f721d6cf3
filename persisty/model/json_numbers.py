"""Numbers of JSON texts, none of them rounded: what a `Decimal` attribute stores is the number that was written.

JSON has one kind of number, Python has three. The decoder here makes an `int` of a number without a fraction, a `float` of one that the float's
text says exactly, and an `UnroundedNumber` of any other, such as `0.29999999999999998` and `1e400`. Conversion by msgspec refuses that class, so
requests without such numbers cost nothing more. `settled` then converts it by the attribute's type.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from decimal import Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

import msgspec

EXACT = 2**53
"""Integers below it are floats, too."""
SHORT = 16
"""Characters of a number with a point that a float always holds: 15 digits."""
LEAST, MOST = sys.float_info.min, sys.float_info.max
"""Magnitudes of floats."""


class UnroundedNumber(Decimal):
    """A number of a JSON text that a float would round. It never reaches a store."""

    __slots__ = ()


def number_of(text: str) -> int | float | UnroundedNumber:
    """Return a number that JSON writes with a point or an exponent.

    A number without a fraction is an integer, however it is written: `3.0` is an integer to a JSON Schema, too. The sign of a zero is lost, as in
    what JavaScript writes.
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


def holds_unrounded(value: Any) -> bool:
    """Return whether a value is, or contains, an `UnroundedNumber`. A value of Python may contain itself."""
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


def settled(value: Any, annotation: Any) -> Any:
    """Return a value from JSON in the annotation's type: a `Decimal` exactly, a `float` as the nearest one. `ValueError` for a number without a
    declared type, as in `dict[str, Any]`, that a float does not hold. Raises what msgspec's conversion raises."""
    text = msgspec.json.encode(value, enc_hook=_written)
    return _decoder(annotation).decode(text)


def _written(value: Any) -> msgspec.Raw:
    if not isinstance(value, UnroundedNumber):
        raise TypeError(f"Expected JSON, got {type(value).__name__}")
    if not LEAST <= abs(float(value)) <= MOST:
        raise ValueError(f"Expected a number between {LEAST} and {MOST}, got {str(value)[:32]}")
    return msgspec.Raw(str(value).encode())


@lru_cache(maxsize=256)
def _decoder(annotation: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(annotation, float_hook=_held)


def _held(text: str) -> int | float:
    """Return a number without a declared type. A float holds it if the float, rounded to as many digits, is the number: `0.10000000000000001`
    is how some programs write 0.1."""
    value, found = float(text), number_of(text)
    if not isinstance(found, UnroundedNumber):
        return found
    digits = Context(prec=max(len(found.as_tuple().digits), 1))
    if not value or digits.create_decimal(Decimal(value)) != found:
        raise ValueError(f"Expected a number that a float holds, got {text[:32]}")
    return value
