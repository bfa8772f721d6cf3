"""The declared fields of a class: of a msgspec Struct, a dataclass, an attrs class, a TypedDict or a NamedTuple.

The type variables of a generic are replaced by its arguments: `Found[Message]` has a `list[Message]` if `Found` has a `list[T]`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, NotRequired, Required, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import NODEFAULT, UNSET, Struct


class StructField(Struct, frozen=True):
    """A field: its name, its name in JSON, its annotation, and its default, `NODEFAULT` without one. `omittable`: an object may lack it."""

    name: str
    json: str
    annotation: Any
    default: Any
    default_factory: Any
    omittable: bool = False


def struct_fields(cls: Any) -> tuple[StructField, ...]:
    """Return the fields of a Struct or a dataclass in order, none for any other class."""
    return declared_fields(cls) if isinstance(cls, type) and (_is_struct(cls) or _is_dataclass(cls)) else ()


def declared_fields(cls: Any) -> tuple[StructField, ...]:
    """Return the fields of a class or of a generic with its arguments, none for a class that declares none."""
    origin = get_origin(cls) or cls
    if not isinstance(origin, type):
        return ()
    read = next((read for is_one, read in READERS if is_one(origin)), None)
    return () if read is None else tuple(read(cls, origin))


def declares_fields(cls: Any) -> bool:
    """Return whether the class or generic declares fields."""
    origin = get_origin(cls) or cls
    return isinstance(origin, type) and any(is_one(origin) for is_one, _ in READERS)


def is_named_tuple(cls: type) -> bool:
    return issubclass(cls, tuple) and hasattr(cls, "_fields")


def _is_struct(cls: type) -> bool:
    return issubclass(cls, Struct)


def _is_dataclass(cls: type) -> bool:
    return hasattr(cls, "__dataclass_fields__")


def _is_attrs(cls: type) -> bool:
    return hasattr(cls, "__attrs_attrs__")


def is_typed_dict(cls: type) -> bool:
    return issubclass(cls, dict) and hasattr(cls, "__total__")


def _of_struct(cls: Any, origin: Any) -> list[StructField]:
    return [
        _field(one.name, one.type, one.default, one.default_factory, one.encode_name)
        for one in msgspec.structs.fields(cls)
    ]


def _of_dataclass(cls: Any, origin: Any) -> list[StructField]:
    hints = _hints(cls, origin)
    dataclasses = sys.modules["dataclasses"]  # the class has imported it; an import here would slow down a cold start
    return [
        _field(one.name, hints[one.name], *_without(dataclasses.MISSING, one.default, one.default_factory))
        for one in dataclasses.fields(origin)
    ]


def _of_attrs(cls: Any, origin: Any) -> list[StructField]:
    hints = _hints(cls, origin)
    missing = sys.modules["attrs"].NOTHING
    made = [(one.name, one.default, getattr(one.default, "factory", missing)) for one in origin.__attrs_attrs__]
    return [
        _field(name, hints[name], *_without(missing, missing if factory is not missing else default, factory))
        for name, default, factory in made
    ]


def _of_typed_dict(cls: Any, origin: Any) -> list[StructField]:
    """Return the members sorted by name, the order of msgspec."""
    found: list[StructField] = []
    for name, hint in sorted(_hints(cls, origin).items()):
        # `__required_keys__` is wrong where annotations are text, so the wrapper decides
        wrapper = get_origin(hint)
        wrapped = wrapper in (Required, NotRequired)
        required = wrapper is Required if wrapped else name in origin.__required_keys__
        inner = get_args(hint)[0] if wrapped else hint
        found.append(StructField(name, name, inner, NODEFAULT, NODEFAULT, omittable=not required))
    return found


def _of_named_tuple(cls: Any, origin: Any) -> list[StructField]:
    hints, defaults = _hints(cls, origin), origin._field_defaults
    return [_field(name, hints.get(name, Any), defaults.get(name, NODEFAULT)) for name in origin._fields]


READERS = (
    (_is_struct, _of_struct),
    (_is_dataclass, _of_dataclass),
    (_is_attrs, _of_attrs),
    (is_typed_dict, _of_typed_dict),
    (is_named_tuple, _of_named_tuple),
)
"""(whether a class is one of the kind, function that returns its fields): the first row that fits."""


def _field(
    name: str, annotation: Any, default: Any = NODEFAULT, factory: Any = NODEFAULT, json: str | None = None
) -> StructField:
    omittable = default is UNSET
    return StructField(name, json or name, annotation, NODEFAULT if omittable else default, factory, omittable)


def _without(missing: Any, default: Any, factory: Any) -> tuple[Any, Any]:
    return (NODEFAULT if default is missing else default, NODEFAULT if factory is missing else factory)


def _hints(cls: Any, origin: type) -> dict[str, Any]:
    """Return the annotations of a class, with the arguments of generics instead of type variables."""
    hints = get_type_hints(origin, include_extras=True)
    arguments = _type_arguments(cls)
    if not any(arguments.values()):
        return hints
    owners = {name: one for one in reversed(origin.__mro__) for name in getattr(one, "__annotations__", ())}
    return {name: substituted(hint, arguments.get(owners.get(name, origin), {})) for name, hint in hints.items()}


def _type_arguments(cls: Any) -> dict[Any, dict[Any, Any]]:
    """Return class → its type variables, each with its argument, for a class and its bases."""
    found: dict[Any, dict[Any, Any]] = {}
    pending: list[tuple[Any, dict[Any, Any]]] = [(cls, {})]
    while pending:
        one, outer = pending.pop()
        origin = get_origin(one) or one
        if not isinstance(origin, type) or origin in found:
            continue
        arguments = [substituted(argument, outer) for argument in get_args(one)]
        own = found[origin] = dict(zip(getattr(origin, "__parameters__", ()), arguments, strict=False))
        pending += [(base, own) for base in vars(origin).get("__orig_bases__", origin.__bases__)]
    return found


def substituted(annotation: Any, arguments: Mapping[Any, Any]) -> Any:
    """Return the annotation with arguments instead of type variables."""
    if isinstance(annotation, TypeVar):
        return arguments.get(annotation, annotation)
    inner = () if isinstance(annotation, type) else getattr(annotation, "__parameters__", ())
    return annotation[tuple(arguments.get(one, one) for one in inner)] if inner else annotation
