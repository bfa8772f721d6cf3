"""Nested attributes: `place.city` of a `place` that is a dataclass or a Struct.

The fields of such classes are declared, so their values have types and can be compared. The values in a `dict` are not declared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC
from typing import Any

from msgspec import NODEFAULT

from .absent_members import constant_default
from .expressions import Fields
from .json_values import normaliser
from .meta import Attribute
from .stored_objects import StoredObject, comparable_value, member_reader, stored_value
from .struct_fields import StructField, struct_fields
from .types import IMPLICIT, Kind, bare, comparable, constrained, kind_of, unwrap


def nested_attributes(attribute: Attribute, above: tuple[Any, ...] = ()) -> Iterator[Attribute]:
    """Yield the attributes below one that is an object. Yields none below any other attribute, and none for a class that contains itself."""
    cls = bare(attribute.type)
    if attribute.kind is not Kind.JSON or cls in above:
        return
    get = attribute.get if attribute.path else _root_getter(attribute)
    for field, (declared, default) in _fields(cls).items():
        inner, optional = unwrap(declared.annotation)
        kind = kind_of(inner)
        one = Attribute(
            name=f"{attribute.name}.{field}",
            kind=kind,
            type=inner,
            operand=constrained(comparable(inner), IMPLICIT.get(kind, {})),
            get=_getter(get, declared, kind, inner, default),
            normalise=normaliser(kind, inner),
            optional=True if attribute.optional else optional,
            path=(*attribute.path, declared.json),
            absences=(*(getattr(value, field, None) for value in attribute.absences), default),
            nulls=(*attribute.nulls, (optional, _has_default(declared) and (optional or default is not None))),
        )
        yield one
        yield from nested_attributes(one, (*above, cls))


def fields_of(name: str, nested: Mapping[str, Attribute]) -> Fields:
    """Return the names of the fields directly below an attribute, each with its own fields."""
    below = [one for one in nested if one.rpartition(".")[0] == name]
    return {one.rpartition(".")[2]: fields_of(one, nested) for one in below}


def _fields(cls: Any) -> dict[str, tuple[StructField, Any]]:
    """Return field → (its declaration, its constant default, None if it has none)."""
    if getattr(getattr(cls, "__struct_config__", None), "array_like", False):
        return {}
    return {one.name: (one, constant_default(one)) for one in struct_fields(cls)}


def _has_default(field: StructField) -> bool:
    return field.default is not NODEFAULT or field.default_factory is not NODEFAULT


def _root_getter(attribute: Attribute) -> Callable[[Any], Any]:
    get, name = attribute.get, attribute.name

    def get_object(item: Any) -> Any:
        value = get(item)
        return stored_value(item, name) if value is None else value

    return get_object


def _getter(
    outer: Callable[[Any], Any], field: StructField, kind: Kind, annotation: Any, default: Any
) -> Callable[[Any], Any]:
    name, json, read = field.name, field.json, member_reader(kind, annotation)

    def get(item: Any) -> Any:
        holder = outer(item)
        if type(holder) is StoredObject:
            return holder.get(json, read, default)
        return comparable_value(getattr(holder, name, None))  # the JSON of an object lacks an unset field

    def get_instant(item: Any) -> Any:
        value = get(item)
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)  # a field may leave its zone open

    return get_instant if kind is Kind.DATETIME else get
