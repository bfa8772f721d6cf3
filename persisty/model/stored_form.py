"""The stored form of a schema: what its items look like in an engine, without anything that an app has to supply.

A revision file keeps schemas of the past, whose functions and Python types may be gone. They compile all the same: of a nested value only its form
counts, of an enum its values, and rules, links and functions leave no trace in what is stored.
"""

from __future__ import annotations

from msgspec import structs

from .generators import GENERATORS
from .schema import AttributeSchema, Function, Schema
from .schema_changes import members
from .schema_differences import form
from .schema_types import Anything, Choice, Dict, List, String, Type
from .type_construction import FACTORIES

NESTED: dict[str, Type] = {
    "object": Dict(keys=String(), values=Anything()),
    "list": List(),
    "any": Anything(),
}
"""Form of a nested value → a type that is stored in this form."""


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
    unknown = isinstance(one.default, Function) and one.default.function not in FACTORIES
    return structs.replace(
        one,
        type=type_,
        default=None if unknown else one.default,
        generator=one.generator if one.generator in GENERATORS else None,
        readable=True,
        creatable=None,
        updatable=None,
        description=None,
    )


def reversed_names(before: Schema, after: Schema) -> Schema:
    """Return the schema `before` with the names of `after` as its former ones, so that what was renamed is renamed back."""
    heirs = {old: one.name for one in after.attributes for old in one.former_names}
    attributes = tuple(
        structs.replace(one, former_names=(heirs[one.name],)) if one.name in heirs else one for one in before.attributes
    )
    names = (after.name,) if after.name != before.name else ()
    return structs.replace(before, attributes=attributes, former_names=names)
