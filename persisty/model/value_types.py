"""The named types of the API within attributes: the classes of lists and objects, and enums.

An attribute has such types if a query can select all of it and an input can give all of it. Otherwise the whole attribute is JSON: if an object contains
itself or a stored item, has a name that GraphQL does not accept, or is nested too deeply.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from . import schema_types as forms
from .meta import StoreMeta, per_meta
from .schema import Definition, Enumeration, Object
from .schema_types import Named, Type, arms
from .type_descriptions import Described, class_name, described, item_of
from .types import Kind

MAX_LEVELS = 8
"""Levels of objects in an attribute that has types. A GraphQL selection has 12 levels by default."""
OF_APPSYNC = "AWS"
"""Beginning of the names of AppSync's own types."""
READ = frozenset({Kind.ENUM, Kind.JSON})
_NAME = re.compile(r"(?!__)[A-Za-z_][0-9A-Za-z_]*")
_NOT_ENUM_VALUES = frozenset({"true", "false", "null"})


def is_name(text: str) -> bool:
    """Return whether GraphQL accepts the text as the name of a type, a field or an argument."""
    return _NAME.fullmatch(text) is not None


def is_enum_value(text: str) -> bool:
    """Return whether GraphQL accepts the text as a value of an enum."""
    return is_name(text) and text not in _NOT_ENUM_VALUES


class _Json(Exception):
    """A type that has to be JSON as a whole."""


def named_types(found: Described) -> dict[str, Named] | None:
    """Return the named types of a list, an object or an enum. None if the whole has to be JSON."""
    try:
        return {one.name: one for one in _named(found, found.type, ())}
    except _Json:
        return None


def _named(found: Described, type_: Type, above: tuple[str, ...]) -> Iterator[Named]:
    alternatives = arms(type_)
    if len(alternatives) != 1:
        return
    match alternatives[0]:
        case forms.List(items=item) | forms.Set(items=item) | forms.Tuple(every=Type() as item):
            yield from _named(found, item, above)
        case Named(name=name) as named:
            definition = found.definition(named)
            if isinstance(definition, Enumeration):
                if has_enum(definition):
                    yield named
            elif isinstance(definition, Object) and has_fields(definition):
                if not _is_selectable(found.cls(named), definition) or name in above or len(above) == MAX_LEVELS:
                    raise _Json
                yield named
                for field in definition.fields:
                    yield from _named(found, field.type, (*above, name))


def _is_selectable(cls: Any, definition: Object) -> bool:
    """Return whether GraphQL accepts the names of the class and its fields, and the class is not a stored item."""
    names = (class_name(cls), *(field.key for field in definition.fields))
    return item_of(cls) is None and all(map(is_name, names)) and not names[0].startswith(OF_APPSYNC)


def has_fields(definition: Object) -> bool:
    """Return whether the fields of an object can be selected. An array of its values, and an object without fields, is JSON."""
    return bool(definition.fields) and not definition.array_like


def has_enum(definition: Enumeration) -> bool:
    """Return whether the values are those of an enum in GraphQL: all of them are names. Otherwise they travel as text, or as integers."""
    values = definition.values
    if not values or all(isinstance(one, int) for one in values):
        return False
    return all(is_enum_value(str(one)) for one in values)


class ValueType(Struct, frozen=True):
    """A named type of the API. `attribute`: the attribute that has it; `definitions`: the definition, with all that it refers to, as text."""

    name: str
    attribute: str
    definitions: str
    is_object: bool


@per_meta
def value_types(meta: StoreMeta[Any]) -> tuple[ValueType, ...]:
    """Return the named types within the attributes of an item."""
    found: dict[str, ValueType] = {}
    for name, attribute in meta.attributes.items():
        if attribute.kind in READ:
            description = described(attribute.type, meta)
            for named in (named_types(description) or {}).values():
                definition = description.definition(named)
                one = ValueType(
                    class_name(description.cls(named)),
                    name,
                    repr(_reachable(description.definitions, named.name)),
                    isinstance(definition, Object),
                )
                found.setdefault(f"{one.name} {one.definitions}", one)
    return tuple(found.values())


def _reachable(definitions: Mapping[str, Definition], name: str) -> dict[str, Definition]:
    """Return a definition and all that it refers to."""
    found: dict[str, Definition] = {}
    pending = [name]
    while pending:
        if (one := pending.pop()) not in found:
            found[one] = definition = definitions[one]
            fields = definition.fields if isinstance(definition, Object) else ()
            pending += [part.name for field in fields for part in forms.parts_of(field.type) if isinstance(part, Named)]
    return found
