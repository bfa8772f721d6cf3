"""Compile a schema of the past, whose functions and Python types may no longer exist.

It is compiled from its stored form, which needs no objects of an app: nested values have their form, enums their values. Rules,
links and functions are left out, because they do not affect stored values. The compiled item has the exact schema.
"""

from __future__ import annotations

from typing import Any

from msgspec import structs

from .compilation import compile_schema
from .generators import GENERATORS
from .meta import Attribute, StoreMeta
from .schema import AttributeSchema, Definition, Function, Object, Schema, Value
from .schema_changes import members
from .schema_differences import form
from .schema_types import Anything, Choice, Dict, Integer, List, String, Type
from .type_construction import FACTORIES, annotation_of, types_of

NESTED: dict[str, Type] = {
    "object": Dict(keys=String(), values=Anything()),
    "list": List(),
    "any": Anything(),
}
"""Form of a nested value → a type that is stored in this form."""


def compile_stored(schema: Schema) -> StoreMeta[Any]:
    """Return the item of a schema of the past. It has the exact schema, to be compared and recorded."""
    return compile_schema(stored_form(schema)).altered(schema=schema)


def exact_attribute(declared: StoreMeta[Any], name: str) -> Attribute:
    """Return an attribute with the type of the schema, to decide whether a stored value is one of it. `compile_stored` leaves that of a nested
    value open. Classes and functions of the app count as the fields and the values that the schema has of them."""
    attribute, schema = declared.attributes[name], declared.schema
    type_ = next(one.type for one in schema.attributes if one.name == name)
    if attribute.described == type_:
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
    type_: Type = Choice(values=values) if values else NESTED.get(form(schema, one), one.type)
    fits = one.generator in GENERATORS and form(schema, one) in GENERATORS[one.generator].fits
    if fits and isinstance(type_, Integer | String):  # bounds of former declarations may reject generated values
        type_ = type(type_)()
    unknown = isinstance(one.default, Function) and one.default.function not in FACTORIES
    return structs.replace(
        one,
        type=type_,
        default=None if unknown else one.default,
        generator=one.generator if fits else None,
        readable=True,
        creatable=None,
        updatable=None,
        description=None,
    )


def reversed_names(before: Schema, after: Schema) -> Schema:
    """Return the schema `before` with the names of `after` as its former ones, so that renamed attributes get their former names again."""
    heirs = {old: one.name for one in after.attributes for old in one.former_names}
    attributes = tuple(
        structs.replace(one, former_names=(heirs[one.name],)) if one.name in heirs else one for one in before.attributes
    )
    names = (after.name,) if after.name != before.name else ()
    return structs.replace(before, attributes=attributes, former_names=names)
