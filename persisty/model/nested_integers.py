"""Check integers inside attributes that are stored as JSON: each declared `int` has 64 bits, like an attribute.

Python and JSON have integers of any length, and msgspec converts them. GraphQL and generated clients cannot represent larger ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from . import schema_types as forms
from .schema import Object
from .schema_types import Named, Type
from .type_descriptions import Described
from .types import INTEGER_MAX, INTEGER_MIN

_LONG = re.compile(rb"\d{19}")
"""Digits of an integer that may not fit into 64 bits."""


def has_integers(found: Described) -> bool:
    """Return whether a value of the type may contain a declared integer."""
    return any(isinstance(part, forms.Integer) for part in found.parts())


def check_integers(value: Any, text: bytes, found: Described) -> None:
    """Raise `ValueError` for a declared integer beyond 64 bits, with its place in msgspec's notation. `text`: the value as JSON."""
    if _LONG.search(text) is None:
        return
    for place, number in _integers(value, found.type, found):
        if not INTEGER_MIN <= number <= INTEGER_MAX:
            bound = f"<= {INTEGER_MAX}" if number > 0 else f">= {INTEGER_MIN}"
            raise ValueError(f"Expected `int` {bound} - at `${place}`")


def _integers(value: Any, type_: Type, found: Described) -> Iterator[tuple[str, int]]:
    """Yield each declared integer in a value with its place. A value in `Any` has no declared type."""
    match type_:
        case forms.Integer() if type(value) is int:
            yield "", value
        case forms.OneOf(types=arms):
            for arm in arms:
                yield from _integers(value, arm, found)
        case forms.Dict(keys=keys, values=values) if isinstance(value, Mapping):
            for key, one in value.items():
                yield from (("[...]", number) for _, number in _integers(key, keys, found))
                yield from ((f"[...]{place}", number) for place, number in _integers(one, values, found))
        case forms.List(items=item) | forms.Tuple(every=Type() as item) if isinstance(value, list | tuple):
            for at, one in enumerate(value):
                yield from ((f"[{at}]{place}", number) for place, number in _integers(one, item, found))
        case forms.Set(items=item) if isinstance(value, set | frozenset):
            for one in value:
                yield from ((f"[...]{place}", number) for place, number in _integers(one, item, found))
        case forms.Tuple(items=tuple() as items) if isinstance(value, tuple):
            for at, (one, item) in enumerate(zip(value, items, strict=False)):
                yield from ((f"[{at}]{place}", number) for place, number in _integers(one, item, found))
        case Named() if isinstance(definition := found.definition(type_), Object):
            for field in definition.fields:
                one = value.get(field.key) if isinstance(value, dict) else getattr(value, field.name, None)
                yield from ((f".{field.key}{place}", number) for place, number in _integers(one, field.type, found))
