"""JSON Schemas of types: one row for each record of `persisty.model.schema_types`, and one for each kind of definition.

Requests are validated with the same types, so a schema accepts what msgspec accepts, without the unknown members of objects that
`model.undeclared_members` refuses. A type with a name is described once, as a component, and is referred to by the name of that component.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from ...model import schema_types as forms
from ...model.decimal_texts import DECIMAL
from ...model.schema import Definition, Enumeration, Field, Function, Object, Value
from ...model.set_order import with_ordered_sets
from ...model.type_descriptions import Described
from ...model.types import INTEGER_MAX, INTEGER_MIN
from .component_names import class_name

Schema = dict[str, Any]
REF = "#/components/schemas/{name}"

BOUNDS = {
    "ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum", "multiple_of": "multipleOf",
}  # fmt: skip
BYTES = {"max_length": "maxLength", "min_length": "minLength"}
LENGTHS = {**BYTES, "pattern": "pattern"}
COUNTS = {"max_length": "maxItems", "min_length": "minItems"}
MEMBERS = {"max_length": "maxProperties", "min_length": "minProperties"}
DOCUMENTATION = {name: name for name in ("title", "description", "examples")}

NUMBERS: tuple[Schema, ...] = (
    {"const": 0},
    {"type": "number", "minimum": 1e-130, "maximum": 9.999999999999998e125},
    {"type": "number", "minimum": -9.999999999999998e125, "maximum": -1e-130},
)
"""The JSON numbers that may stand for a decimal, to the last float below the limit of `DECIMAL_MOST`."""

TIMES = {True: "time", False: "partial-time"}


class TypeSchemas:
    """The schemas of one description. `name_of`: class → the name of its component."""

    def __init__(self, found: Described, name_of: Callable[[Any], str]) -> None:
        self._found, self._name_of = found, name_of

    def of(self, described: forms.Type) -> Schema:
        """Return the schema of a type: its documentation, and its row of `TYPES`."""
        return {
            **_constraints(described, DOCUMENTATION),
            **(described.extra_json_schema or {}),
            **TYPES[type(described)](self, described),
        }

    def component(self, named: forms.Named) -> Schema:
        """Return the schema of the type that has this name."""
        definition: Any = self._found.definition(named)
        cls = self._found.cls(named)
        schema: Schema = {"title": class_name(cls)}
        if definition.description:
            schema["description"] = definition.description
        return schema | DEFINITIONS[type(definition)](self, definition)

    def reference(self, named: forms.Named) -> str:
        return REF.format(name=self._name_of(self._found.cls(named)))

    def is_struct(self, described: forms.Type) -> bool:
        """Return whether the type is a Struct that is an object in JSON. msgspec distinguishes several of them by their tags."""
        if not isinstance(described, forms.Named):
            return False
        definition, cls = self._found.definition(described), self._found.cls(described)
        cls = getattr(cls, "__origin__", cls)
        return isinstance(definition, Object) and not definition.array_like and issubclass(cls, Struct)

    def tag(self, named: Any) -> tuple[str | None, str | int | None]:
        definition: Any = self._found.definition(named)
        return definition.tag_field, definition.tag


def _constraints(described: Any, words: Mapping[str, str]) -> Schema:
    """Return the members of a type that are set, by the words that JSON Schema has for them."""
    return {word: value for name, word in words.items() if (value := getattr(described, name)) is not None}


def _number(kind: str) -> Row:
    return lambda schemas, described: {"type": kind, **_constraints(described, BOUNDS)}


def _integer(schemas: TypeSchemas, described: Any) -> Schema:
    """An integer has 64 bits, within lists and objects too."""
    found = _constraints(described, BOUNDS)
    least = {} if {"minimum", "exclusiveMinimum"} & {*found} else {"minimum": INTEGER_MIN}
    greatest = {} if {"maximum", "exclusiveMaximum"} & {*found} else {"maximum": INTEGER_MAX}
    return {"type": "integer", **least, **greatest, **found}


def _plain(**schema: Any) -> Row:
    return lambda schemas, described: dict(schema)


def _text(schemas: TypeSchemas, described: Any) -> Schema:
    return {"type": "string", **_constraints(described, LENGTHS)}


def _binary(schemas: TypeSchemas, described: Any) -> Schema:
    """base64 writes three bytes as four characters."""
    lengths = {word: 4 * ((length + 2) // 3) for word, length in _constraints(described, BYTES).items()}
    return {"type": "string", "contentEncoding": "base64", **lengths}


def _datetime(schemas: TypeSchemas, described: Any) -> Schema:
    return {"type": "string", **({"format": "date-time"} if described.tz else {})}


def _time(schemas: TypeSchemas, described: Any) -> Schema:
    return {"type": "string", **({"format": TIMES[described.tz]} if described.tz is not None else {})}


def _decimal(schemas: TypeSchemas, described: Any) -> Schema:
    """Responses have text. Numbers are accepted as well."""
    return {"anyOf": [{"type": "string", "format": "decimal", "pattern": DECIMAL}, *NUMBERS]}


def _choice(schemas: TypeSchemas, described: Any) -> Schema:
    return {"enum": list(described.values)}


def _named(schemas: TypeSchemas, described: Any) -> Schema:
    return {"$ref": schemas.reference(described)}


def _items(schemas: TypeSchemas, items: forms.Type) -> Schema:
    return {} if items == forms.Anything() else {"items": schemas.of(items)}


def _list(schemas: TypeSchemas, described: Any) -> Schema:
    return {"type": "array", **_items(schemas, described.items), **_constraints(described, COUNTS)}


def _set(schemas: TypeSchemas, described: Any) -> Schema:
    return {**_list(schemas, described), "uniqueItems": True}


def _tuple(schemas: TypeSchemas, described: Any) -> Schema:
    if described.items is None:
        return {"type": "array", **_items(schemas, described.every), **_constraints(described, COUNTS)}
    count = len(described.items)
    items = [schemas.of(one) for one in described.items]
    return {
        "type": "array",
        "minItems": count,
        "maxItems": count,
        **({"prefixItems": items, "items": False} if items else {}),
    }


def _dict(schemas: TypeSchemas, described: Any) -> Schema:
    schema: Schema = {"type": "object"}
    if isinstance(described.keys, forms.String):
        names = schemas.of(described.keys)
        del names["type"]
        schema |= {"propertyNames": names} if names else {}
    if described.values != forms.Anything():
        schema["additionalProperties"] = schemas.of(described.values)
    return schema | _constraints(described, MEMBERS)


def _union(schemas: TypeSchemas, described: Any) -> Schema:
    """Structs come after other types, with the member that distinguishes them, and null comes last."""
    structs = [one for one in described.types if schemas.is_struct(one)]
    nulls = [one for one in described.types if isinstance(one, forms.Null)]
    options = [schemas.of(one) for one in described.types if one not in structs and one not in nulls]
    if len(structs) < 2:
        return {"anyOf": [*options, *map(schemas.of, structs), *map(schemas.of, nulls)]}
    tags = [schemas.tag(one) for one in structs]
    apart = {
        "anyOf": [schemas.of(one) for one in structs],
        "discriminator": {
            "propertyName": tags[0][0],
            "mapping": {str(tag): schemas.reference(one) for (_, tag), one in zip(tags, structs, strict=True)},
        },
    }
    return {"anyOf": [*options, apart, *map(schemas.of, nulls)]} if options or nulls else apart


Row = Callable[[TypeSchemas, Any], Schema]

TYPES: Mapping[type[forms.Type], Row] = {
    forms.Anything: _plain(),
    forms.Python: _plain(),
    forms.Null: _plain(type="null"),
    forms.Boolean: _plain(type="boolean"),
    forms.String: _text,
    forms.Integer: _integer,
    forms.Float: _number("number"),
    forms.Number: _decimal,
    forms.Datetime: _datetime,
    forms.Date: _plain(type="string", format="date"),
    forms.Time: _time,
    forms.Duration: _plain(type="string", format="duration"),
    forms.Uuid: _plain(type="string", format="uuid"),
    forms.Binary: _binary,
    forms.Choice: _choice,
    forms.Named: _named,
    forms.List: _list,
    forms.Set: _set,
    forms.Tuple: _tuple,
    forms.Dict: _dict,
    forms.OneOf: _union,
}
"""Record of a type → function that returns its JSON Schema."""


def _enumeration(schemas: TypeSchemas, definition: Any) -> Schema:
    return {"enum": sorted(definition.values)}


def _object(schemas: TypeSchemas, definition: Any) -> Schema:
    members = {one.key: _member(schemas, one) for one in definition.fields}
    required = [one.key for one in definition.fields if one.required]
    if definition.tag_field is not None:
        members = {definition.tag_field: {"enum": [definition.tag]}, **members}
        required.insert(0, definition.tag_field)
    if definition.array_like:
        return _array_like(definition, list(members.values()))
    return {"type": "object", "properties": members, "required": required, "additionalProperties": False}


def _array_like(definition: Object, members: list[Schema]) -> Schema:
    """Return the schema of an array of the fields in order. Those at its end that have defaults can be left out."""
    least = len(members)
    for one in reversed(definition.fields):
        if one.required:
            break
        least -= 1
    most = {"maxItems": len(members)} if definition.closed else {}
    return {"type": "array", "prefixItems": members, "minItems": least, **most}


def _member(schemas: TypeSchemas, field: Field) -> Schema:
    schema = schemas.of(field.type)
    if isinstance(field.default, Value):
        schema["default"] = msgspec.to_builtins(with_ordered_sets(field.default.value), str_keys=True)
    elif isinstance(field.default, Function) and field.default.function in EMPTY:
        schema["default"] = EMPTY[field.default.function]
    return schema


EMPTY: Mapping[str, Any] = {"builtins.list": [], "builtins.set": [], "builtins.dict": {}, "builtins.bytearray": ""}
"""Function that makes a default → the default as JSON."""

DEFINITIONS: Mapping[type[Definition], Row] = {Enumeration: _enumeration, Object: _object}
"""Record of a definition → function that returns its JSON Schema."""


def named_in(described: Any) -> Iterator[forms.Named]:
    """Yield the named types that a type mentions itself, in order."""
    if isinstance(described, forms.Named):
        yield described
    elif (inner := INNER.get(type(described))) is not None:
        for one in inner(described):
            yield from named_in(one)


INNER: Mapping[type[forms.Type], Callable[[Any], tuple[forms.Type, ...]]] = {
    forms.List: lambda one: (one.items,),
    forms.Set: lambda one: (one.items,),
    forms.Tuple: lambda one: (one.every,) if one.items is None else one.items,
    forms.Dict: lambda one: (one.keys, one.values),
    forms.OneOf: lambda one: one.types,
}
"""Record of a type → function that returns the types within it."""
