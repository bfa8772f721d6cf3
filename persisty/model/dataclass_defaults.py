"""Set the defaults that msgspec leaves out of a decoded dataclass.

A dataclass stores a constant default in the class. msgspec sets no such default in the object that it decodes, and its encoder writes the members of
the object only. The JSON of a decoded object would lack the fields that its JSON did not have. Structs and classes with slots are complete.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, get_origin

import msgspec

from .set_order import LEAVES
from .type_descriptions import Described, described


def completing(annotation: Any, decode: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function that decodes a value of the type with every default set: `decode` itself if the type contains no such dataclass."""
    if not has_dataclasses(described(annotation)):
        return decode

    def decode_completely(given: Any) -> Any:
        return completed(decode(given))

    return decode_completely


def has_dataclasses(found: Described) -> bool:
    """Return whether a value of the type may contain a dataclass whose decoded objects lack defaults."""
    return any(_in_class(get_origin(one) or one) for one in found.classes.values())


def _in_class(cls: Any) -> bool:
    return hasattr(cls, "__dataclass_fields__") and hasattr(cls, "__dictoffset__") and cls.__dictoffset__ != 0


def completed(value: Any) -> Any:
    """Return the value, in which each dataclass has its constant defaults as members."""
    pending = [value]
    while pending:
        one = pending.pop()
        kind: Any = type(one)
        if kind in LEAVES:
            continue
        if isinstance(one, Mapping):
            pending += one.values()
        elif isinstance(one, list | tuple | set | frozenset):
            pending += one
        elif isinstance(one, msgspec.Struct):
            pending += [getattr(one, name) for name in kind.__struct_fields__]
        elif hasattr(kind, "__dataclass_fields__"):
            if defaults := _defaults(kind):
                members = one.__dict__
                for name, default in defaults:
                    members.setdefault(name, default)
            pending += [getattr(one, name, None) for name in kind.__dataclass_fields__]
    return value


@cache
def _defaults(cls: Any) -> tuple[tuple[str, Any], ...]:
    """Return the fields whose default is in the class, each with it. Empty for a class with slots."""
    if not _in_class(cls):
        return ()
    dataclasses = sys.modules["dataclasses"]  # the class has imported it; an import here would slow down a cold start
    missing = dataclasses.MISSING
    slots = {name for one in cls.__mro__ for name in one.__dict__.get("__slots__", ())}
    return tuple(
        (one.name, one.default)
        for one in dataclasses.fields(cls)
        if one.default is not missing and one.name not in slots
    )
