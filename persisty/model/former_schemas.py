"""Compile a schema of the past, whose functions and Python types may no longer exist.

It is compiled from its stored form, which needs no objects of an app: nested values have their form, enums their values. Rules,
links and functions are left out, because they do not affect stored values. The compiled item has the exact schema.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import structs

from .compilation import compile_schema
from .generators import GENERATORS
from .meta import Attribute, StoreMeta
from .schema import AttributeSchema, Default, Definition, Enumeration, Function, Object, Schema, Value
from .schema_changes import members
from .schema_differences import form
from .schema_types import (
    Anything,
    Choice,
    Dict,
    Integer,
    List,
    Named,
    OneOf,
    Python,
    Set,
    String,
    Tuple,
    Type,
    parts_of,
)
from .stored_names import stored_names
from .type_construction import FACTORIES, annotation_of, types_of

MEMBERS = Dict(keys=String(), values=Anything())
"""An object of any members."""
NESTED: dict[type[Type], Type] = {Dict: MEMBERS, List: List(), Tuple: List(), OneOf: Anything(), Python: Anything()}
"""Type of a nested value → the type of its stored form, which needs no class of an app."""


def compile_stored(schema: Schema) -> StoreMeta[Any]:
    """Return the item of a schema of the past. It has the exact schema, to be compared and recorded."""
    return compile_schema(stored_form(schema)).altered(schema=schema)


def exact_attribute(declared: StoreMeta[Any], name: str) -> Attribute:
    """Return an attribute with the type of the schema, to decide whether a stored value is one of it. `compile_stored` leaves that of a nested
    value open. Classes and functions of the app count as the fields and the values that the schema has of them."""
    attribute, schema = declared.attributes[name], declared.schema
    type_ = next(one.type for one in schema.attributes if one.name == name)
    if attribute.described == type_ or isinstance(attribute.described, Choice):  # that of an enum has its values
        return attribute
    types = types_of({key: _without_app(one) for key, one in schema.types.items()}, {}, _supplied)
    return structs.replace(attribute, type=annotation_of(type_, types.__getitem__, _supplied), described=type_)


def _supplied(name: str) -> Any:
    """Return what an app supplies under this name, as far as it is known without the app."""
    return FACTORIES.get(name, Any)


def _without_app(definition: Definition) -> Definition:
    """Return a definition that needs no class and no function of an app. The values of its defaults are not needed to check a stored value."""
    if not isinstance(definition, Object):
        return structs.replace(definition, python=None)
    fields = tuple(
        structs.replace(one, default=Value(value=None)) if isinstance(one.default, Function) else one
        for one in definition.fields
    )
    return structs.replace(definition, python=None, fields=fields)


def stored_form(schema: Schema) -> Schema:
    """Return a schema with the same stored form that compiles without an app."""
    return structs.replace(
        schema,
        attributes=tuple(_attribute(schema, one) for one in schema.attributes),
        links=(),
        access=None,
        cache=None,
        conditional_writes=False,
        types={},
        description=None,
    )


def _attribute(schema: Schema, one: AttributeSchema) -> AttributeSchema:
    values = members(schema, one)
    type_: Type = Choice(values=values) if values else _type(schema, one.type)
    fits = one.generator in GENERATORS and form(schema, one) in GENERATORS[one.generator].fits
    if fits and isinstance(type_, Integer | String):  # bounds of former declarations may reject generated values
        type_ = type(type_)()
    unknown = isinstance(one.default, Function) and one.default.function not in FACTORIES
    return structs.replace(
        one,
        type=type_,
        default=None if unknown else _default(one, type_),
        generator=one.generator if fits else None,
        readable=True,
        creatable=None,
        updatable=None,
        description=None,
    )


def _type(schema: Schema, type_: Type) -> Type:
    """Return a type with the same stored form that needs no class of an app. Its values arrive as they are stored."""
    if isinstance(type_, Named):
        definition = schema.types.get(type_.name)
        return List() if isinstance(definition, Object) and definition.array_like else MEMBERS
    if isinstance(type_, Dict | List) or any(isinstance(one, Named | Python) for one in parts_of(type_)):
        return _members(schema, type_) if isinstance(type_, Set) else NESTED.get(type(type_), type_)
    return type_


def _members(schema: Schema, type_: Set) -> Type:
    """Return the stored form of a set of an app's values: a set of the values of an enum, or a list, because stored objects cannot be in a set."""
    named = [schema.types.get(one.name) for one in parts_of(type_.items) if isinstance(one, Named)]
    if all(isinstance(one, Enumeration) for one in named) and isinstance(type_.items, Named):
        return Set(frozen=type_.frozen)
    return List()


def _default(one: AttributeSchema, type_: Type) -> Default | None:
    """Return the default. That of an enum or of a type that is left open has its stored form too."""
    if isinstance(one.default, Function) and isinstance(type_, List):
        return Function(function="builtins.list")
    if not isinstance(one.default, Value) or type_ == one.type:
        return one.default
    return Value(value=msgspec.to_builtins(one.default.value, str_keys=True))


def reversed_names(before: Schema, after: Schema) -> Schema:
    """Return the schema `before` with the names of `after` as its last former ones, so that renamed attributes get their former names again. The names
    under which DynamoDB stores them remain the same."""
    new_names = {old: one.name for one in after.attributes for old in one.former_names}
    places = stored_names(before)
    attributes = tuple(
        structs.replace(one, id=places[one.name], former_names=(*one.former_names, new_names[one.name]))
        if one.name in new_names
        else one
        for one in before.attributes
    )
    names = (after.name,) if after.name != before.name else ()
    return structs.replace(before, attributes=attributes, former_names=names)
