"""The declared fields of a class: of a msgspec Struct, or of a dataclass."""

from __future__ import annotations

import sys
from typing import Any, get_type_hints

import msgspec
from msgspec import NODEFAULT, Struct


class StructField(Struct, frozen=True):
    """A field: its name, its name in JSON, its annotation, and its default, `NODEFAULT` without one."""

    name: str
    json: str
    annotation: Any
    default: Any = NODEFAULT
    default_factory: Any = NODEFAULT


def struct_fields(cls: Any) -> tuple[StructField, ...]:
    """Return the fields of a class in order, none for a class that declares none."""
    if not isinstance(cls, type):
        return ()
    if issubclass(cls, Struct):
        hints = get_type_hints(cls, include_extras=True)
        return tuple(
            StructField(one.name, one.encode_name, hints[one.name], one.default, one.default_factory)
            for one in msgspec.structs.fields(cls)
        )
    if hasattr(cls, "__dataclass_fields__"):
        hints, dataclasses = get_type_hints(cls, include_extras=True), sys.modules["dataclasses"]
        return tuple(
            StructField(one.name, one.name, hints[one.name], *_defaults(one, dataclasses.MISSING))
            for one in dataclasses.fields(cls)
        )
    return ()


def _defaults(field: Any, missing: Any) -> tuple[Any, Any]:
    given = (field.default, field.default_factory)
    return (NODEFAULT if given[0] is missing else given[0], NODEFAULT if given[1] is missing else given[1])
