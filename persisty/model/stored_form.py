"""Compile a schema of the past, whose functions and Python types may no longer exist.

It is compiled from its stored form, which needs no objects of an app: nested values have their form, enums their values. Rules,
links and functions are left out, because they do not affect stored values. The compiled item has the exact schema.
"""

from __future__ import annotations

from typing import Any

from msgspec import structs

from .compilation import compile_schema
from .generators import GENERATORS
from .meta import StoreMeta
from .schema import AttributeSchema, Function, Schema
from .schema_changes import members
from .schema_differences import form
from .schema_types import Anything, Choice, Dict, Integer, List, String, Type
from .type_construction import FACTORIES

NESTED: dict[str, Type] = {
    "object": Dict(keys=String(), values=Anything()),
    "list": List(),
    "any": Anything(),
}
"""Form of a nested value → a type that is stored in this form."""


def compile_stored(schema: Schema) -> StoreMeta[Any]:
    """Return the item of a schema of the past. It has the exact schema, to be compared and recorded."""
    return compile_schema(stored_form(schema)).altered(schema=schema)


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
