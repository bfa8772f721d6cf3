"""Build Python types from the descriptions in a schema: `annotation_of` a type, `types_of` the definitions. The inverse of `type_descriptions`.

An `Object` becomes a Struct, and an `Enumeration` an enum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Union

import msgspec
from msgspec import UNSET, Struct, UnsetType

from . import schema_types as forms
from .schema import Definition, Enumeration, Field, Function, Object
from .schema_types import Type
from .type_descriptions import BASES, CONSTRAINTS, SCALARS

FACTORIES: dict[str, Callable[[], Any]] = {
    f"builtins.{made.__name__}": made for made in (list, dict, set, frozenset, tuple, str, int, float, bool, bytes)
}
"""Functions that a schema may name without the app supplying them."""
Lookup = Callable[[str], Any]
"""A name → the type that has it; `LookupError` for an unknown name."""


def annotation_of(described: Type, named: Lookup, python: Lookup) -> Any:
    """Return the annotation of a description. `named` finds the types of the schema, `python` those that it only names."""

    def build(one: Type) -> Any:
        return annotation_of(one, named, python)

    match described:
        case forms.Named(name=name):
            base = named(name)
        case forms.Python(name=name):
            base = python(name)
        case forms.Choice(values=values):
            base = Literal[values]
        case forms.List(items=items):
            base = list[build(items)]  # type: ignore[misc]
        case forms.Set(items=items, frozen=frozen):
            base = frozenset[build(items)] if frozen else set[build(items)]  # type: ignore[misc]
        case forms.Dict(keys=keys, values=values):
            base = dict[build(keys), build(values)]  # type: ignore[misc]
        case forms.Tuple(items=None, every=every):
            base = tuple[build(every or forms.Anything()), ...]  # type: ignore[misc]
        case forms.Tuple(items=items):
            base = tuple[tuple(build(one) for one in items or ())]  # type: ignore[misc]  # built at run time
        case forms.OneOf(types=arms):
            base = Union[tuple(build(one) for one in arms)]  # noqa: UP007 - built at run time
        case _:
            base = ANNOTATIONS[type(described)]
    fields = described.__struct_fields__
    given = {name: value for name in CONSTRAINTS if name in fields and (value := getattr(described, name)) is not None}
    if "examples" in given:
        given["examples"] = list(given["examples"])
    return Annotated[base, msgspec.Meta(**given)] if given else base


ANNOTATIONS: dict[type[Type], Any] = {form: annotation for annotation, form in reversed(SCALARS.items())}


def types_of(definitions: Mapping[str, Definition], made_before: dict[str, Any], python: Lookup) -> dict[str, Any]:
    """Return the Python type of each definition. Types in `made_before`, by their definitions, are reused; new ones are added to it."""
    made: dict[str, Any] = {}
    fresh: list[tuple[Any, Object]] = []
    for name, definition in sorted(definitions.items(), key=lambda one: isinstance(one[1], Object)):
        if definition.python is not None:
            made[name] = python(definition.python)
            continue
        identity = f"{name} {_reachable(name, definitions)!r}"
        if identity not in made_before:
            if isinstance(definition, Enumeration):
                make: Callable[..., Any] = BASES[definition.base]
                made_before[identity] = make(name, definition.members)
                made_before[identity].__doc__ = definition.description
            elif isinstance(definition, Object):
                made_before[identity] = _struct(name, definition, made, python)
                fresh.append((made_before[identity], definition))
        made[name] = made_before[identity]
    for struct, definition in fresh:  # each name has its type by now
        struct.__annotations__.update(
            {one.name: _annotation(one, made.__getitem__, python) for one in definition.fields}
        )
    return made


def _annotation(field: Field, named: Lookup, python: Lookup) -> Any:
    annotation = annotation_of(field.type, named, python)
    return annotation | UnsetType if field.omittable else annotation


def _reachable(name: str, definitions: Mapping[str, Definition]) -> dict[str, Definition]:
    """Return a definition and those that it refers to."""
    found: dict[str, Definition] = {}
    pending = [name]
    while pending:
        if (one := pending.pop()) not in found and one in definitions:
            found[one] = definition = definitions[one]
            fields = definition.fields if isinstance(definition, Object) else ()
            pending += [
                one.name for field in fields for one in forms.parts_of(field.type) if isinstance(one, forms.Named)
            ]
    return found


def _struct(name: str, definition: Object, enumerations: Mapping[str, Any], python: Lookup) -> type[Struct]:
    """Return the Struct of an object, whose annotations are set later. `enumerations`: name → Python type."""
    made: list[type[Struct]] = []
    struct = msgspec.defstruct(
        name,
        [
            (one.name, Any, msgspec.field(name=one.json, **_field_default(one, made, enumerations, python)))
            for one in definition.fields
        ],
        module=__name__,
        namespace={"__doc__": definition.description} if definition.description else None,
        frozen=definition.frozen,
        forbid_unknown_fields=definition.closed,
        omit_defaults=definition.omit_defaults,
        array_like=definition.array_like,
        tag_field=definition.tag_field,
        tag=definition.tag,
    )
    made.append(struct)
    return struct


def _field_default(
    field: Field, made: list[type[Struct]], enumerations: Mapping[str, Any], python: Lookup
) -> dict[str, Any]:
    """Return the arguments of `msgspec.field` for a default. A list or an object is a new one for each value."""
    if field.default is None:
        return {"default": UNSET} if field.omittable else {}
    if isinstance(field.default, Function):
        return {"default_factory": python(field.default.function)}
    value = field.default.value  # type: ignore[attr-defined]
    if value is None:
        return {"default": None}
    if not isinstance(value, list | dict):
        return {"default": msgspec.convert(value, annotation_of(field.type, enumerations.__getitem__, python))}
    return {"default_factory": lambda: msgspec.convert(value, made[0].__annotations__[field.name])}
