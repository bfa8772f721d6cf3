"""Types as data, both ways: an annotation described by the records of `persisty.model.schema`, and the annotation of such a record.

A class with declared fields becomes an `Object`, whether it is a Struct or a dataclass; what is made of an `Object` is a Struct. A type
that has no description is only named (`Python`).
"""

from __future__ import annotations

import collections.abc
import enum
import types
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

import msgspec
from msgspec import NODEFAULT, Struct

from . import schema_types as forms
from .schema import Default, Definition, Enumeration, Field, Function, Object, Value
from .schema_types import Type
from .struct_fields import struct_fields
from .types import bare, metas_of

SCALARS: dict[Any, type[Type]] = {
    Any: forms.Anything,
    object: forms.Anything,
    None: forms.Null,
    type(None): forms.Null,
    str: forms.String,
    int: forms.Integer,
    float: forms.Float,
    bool: forms.Boolean,
    datetime: forms.Datetime,
    date: forms.Date,
    time: forms.Time,
    timedelta: forms.Duration,
    UUID: forms.Uuid,
    Decimal: forms.Number,
    bytes: forms.Binary,
}
LISTS = (list, collections.abc.Sequence, collections.abc.MutableSequence, collections.abc.Collection)
SETS = (set, frozenset, collections.abc.Set, collections.abc.MutableSet)
DICTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
FROZEN = (frozenset, collections.abc.Set)
CONSTRAINTS = (
    "ge",
    "gt",
    "le",
    "lt",
    "multiple_of",
    "min_length",
    "max_length",
    "pattern",
    "tz",
    "title",
    "description",
    "examples",
)
"""Members of `msgspec.Meta` that a type has, too."""

FACTORIES: dict[str, Callable[[], Any]] = {
    f"builtins.{made.__name__}": made for made in (list, dict, set, frozenset, tuple, str, int, float, bool, bytes)
}
"""Functions that a schema may name without the app supplying them."""
BASES: dict[str, type[enum.Enum]] = {"IntEnum": enum.IntEnum, "StrEnum": enum.StrEnum, "Enum": enum.Enum}


def qualified_name(thing: Any) -> str:
    """Return `module.name` of a class or a function."""
    cls = type(thing)
    module = getattr(thing, "__module__", None) or cls.__module__
    return f"{module}.{getattr(thing, '__qualname__', cls.__qualname__)}"


class Names:
    """The names under which a schema refers to what runs: functions, generators and types that it cannot describe."""

    def __init__(self) -> None:
        self.things: dict[str, Any] = {}

    def name(self, thing: Any, wanted: str | None = None) -> str:
        """Return the name of a thing. A second thing of the same name gets a number."""
        first = name = wanted or qualified_name(thing)
        number = 1
        while self.things.setdefault(name, thing) is not thing:
            number += 1
            name = f"{first}#{number}"
        return name


class Describer:
    """Describe annotations. `definitions`: the named types that the descriptions refer to; `names`: the things they name."""

    def __init__(self) -> None:
        self.definitions: dict[str, Definition] = {}
        self.names = Names()
        self._known: dict[Any, str] = {}

    def describe(self, annotation: Any) -> Type:
        """Return the description of an annotation."""
        metas = metas_of(annotation)
        found = self._describe(bare(annotation))
        given: dict[str, Any] = {}
        for meta in metas:
            for name in CONSTRAINTS:
                if (value := getattr(meta, name)) is not None and name in found.__struct_fields__:
                    given[name] = tuple(value) if isinstance(value, list) else value
        return msgspec.structs.replace(found, **given) if given else found

    def _describe(self, target: Any) -> Type:
        try:
            scalar = SCALARS.get(target)
        except TypeError:
            scalar = None
        if scalar is not None:
            return scalar()
        origin, arguments = get_origin(target) or target, get_args(target)
        if origin in (Union, types.UnionType):
            return forms.OneOf(types=tuple(self.describe(one) for one in arguments))
        if origin is Literal:
            return forms.Choice(values=arguments)
        if origin in LISTS:
            return forms.List(items=self._item(arguments, 0))
        if origin in SETS:
            return forms.Set(items=self._item(arguments, 0), frozen=origin in FROZEN)
        if origin in DICTS:
            return forms.Dict(keys=self._item(arguments, 0), values=self._item(arguments, 1))
        if origin is tuple:
            return self._tuple(target, arguments)
        if isinstance(target, type) and issubclass(target, enum.Enum) and not issubclass(target, enum.Flag):
            return forms.Named(name=self._definition(target, self._enumeration))
        if isinstance(target, type) and self._declares_fields(target):
            return forms.Named(name=self._definition(target, self._object))
        return forms.Python(name=self.names.name(target, None if isinstance(target, type) else str(target)))

    def _item(self, arguments: tuple[Any, ...], place: int) -> Type:
        return self.describe(arguments[place]) if arguments else forms.Anything()

    def _tuple(self, target: Any, arguments: tuple[Any, ...]) -> Type:
        if target is tuple:
            return forms.Tuple(every=forms.Anything())
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return forms.Tuple(every=self.describe(arguments[0]))
        return forms.Tuple(items=tuple(self.describe(one) for one in arguments))

    def _declares_fields(self, cls: type) -> bool:
        generic = bool(getattr(cls, "__parameters__", ()))
        return not generic and (issubclass(cls, Struct) or hasattr(cls, "__dataclass_fields__"))

    def _definition(self, cls: type, define: Callable[[Any], Definition]) -> str:
        name = self._known.get(cls)
        if name is None:
            first, number, name = cls.__name__, 1, cls.__name__
            while name in self.definitions:
                number += 1
                name = f"{first}{number}"
            self._known[cls] = name
            self.definitions[name] = Enumeration(members={})  # its place, for a class that contains itself
            self.definitions[name] = define(cls)
        return name

    def _enumeration(self, cls: type[enum.Enum]) -> Enumeration:
        base = next(name for name, one in BASES.items() if issubclass(cls, one))
        return Enumeration(members={name: one.value for name, one in cls.__members__.items()}, base=base)  # type: ignore[arg-type]

    def _object(self, cls: Any) -> Object:
        fields = tuple(
            Field(
                name=one.name,
                type=self.describe(one.annotation),
                json=None if one.json == one.name else one.json,
                default=self._default(one.default, one.default_factory),
            )
            for one in struct_fields(cls)
        )
        config = getattr(cls, "__struct_config__", None)
        if config is None:
            return Object(fields=fields, frozen=cls.__dataclass_params__.frozen)
        return Object(
            fields=fields,
            array_like=config.array_like,
            frozen=config.frozen,
            closed=config.forbid_unknown_fields,
            omit_defaults=config.omit_defaults,
            tag_field=config.tag_field,
            tag=config.tag,
        )

    def _default(self, value: Any, factory: Any) -> Default | None:
        if factory is not NODEFAULT:
            return Function(self.names.name(factory))
        return None if value is NODEFAULT else Value(value)


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
    said = {name: value for name in CONSTRAINTS if name in fields and (value := getattr(described, name)) is not None}
    if "examples" in said:
        said["examples"] = list(said["examples"])
    return Annotated[base, msgspec.Meta(**said)] if said else base


ANNOTATIONS: dict[type[Type], Any] = {form: annotation for annotation, form in reversed(SCALARS.items())}


def types_of(definitions: Mapping[str, Definition], known: dict[str, Any], python: Lookup) -> dict[str, Any]:
    """Return the Python type of each definition. Types in `known`, by their definitions, are used again; new ones are added to it."""
    made: dict[str, Any] = {}
    fresh: list[tuple[Any, Object]] = []
    for name, definition in sorted(definitions.items(), key=lambda one: isinstance(one[1], Object)):
        identity = f"{name} {_reachable(name, definitions)!r}"
        if identity not in known:
            if isinstance(definition, Enumeration):
                make: Callable[..., Any] = BASES[definition.base]
                known[identity] = make(name, definition.members)
            elif isinstance(definition, Object):
                known[identity] = _struct(name, definition, made, python)
                fresh.append((known[identity], definition))
        made[name] = known[identity]
    for struct, definition in fresh:  # only now every name has its type
        hints = {one.name: annotation_of(one.type, made.__getitem__, python) for one in definition.fields}
        struct.__annotations__.update(hints)
    return made


def _reachable(name: str, definitions: Mapping[str, Definition]) -> dict[str, Definition]:
    """Return a definition and those that it refers to."""
    found: dict[str, Definition] = {}
    left = [name]
    while left:
        if (one := left.pop()) not in found and one in definitions:
            found[one] = definition = definitions[one]
            fields = definition.fields if isinstance(definition, Object) else ()
            left += [known for field in fields for known in _names_in(field.type)]
    return found


def _names_in(described: Any) -> list[str]:
    if isinstance(described, forms.Named):
        return [described.name]
    inner = (
        [getattr(described, name) for name in described.__struct_fields__] if isinstance(described, Type) else described
    )
    return [name for one in inner if isinstance(one, Type | tuple) for name in _names_in(one)]


def _struct(name: str, definition: Object, known: Mapping[str, Any], python: Lookup) -> type[Struct]:
    """Return the Struct of an object, with annotations that are still to be given. `known` has the enumerations."""
    made: list[type[Struct]] = []
    struct = msgspec.defstruct(
        name,
        [
            (one.name, Any, msgspec.field(name=one.json, **_field_default(one, made, known, python)))
            for one in definition.fields
        ],
        module=__name__,
        frozen=definition.frozen,
        forbid_unknown_fields=definition.closed,
        omit_defaults=definition.omit_defaults,
        array_like=definition.array_like,
        tag_field=definition.tag_field,
        tag=definition.tag,
    )
    made.append(struct)
    return struct


def _field_default(field: Field, made: list[type[Struct]], known: Mapping[str, Any], python: Lookup) -> dict[str, Any]:
    """Return the arguments of `msgspec.field` for a default. A list or an object is made anew for each value."""
    if field.default is None:
        return {}
    if isinstance(field.default, Function):
        return {"default_factory": python(field.default.function)}
    value = field.default.value  # type: ignore[attr-defined]
    if value is None:
        return {"default": None}
    if not isinstance(value, list | dict):
        return {"default": msgspec.convert(value, annotation_of(field.type, known.__getitem__, python))}
    return {"default_factory": lambda: msgspec.convert(value, made[0].__annotations__[field.name])}
