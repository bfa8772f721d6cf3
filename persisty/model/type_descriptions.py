"""Types as data: the one reader of annotations. All other modules read the descriptions made here.

`described` returns the description of an annotation for surfaces, with the classes behind it. `Describer` makes the types of a schema, which
is stored and compared: there a class is described if its description can be turned into an equal class: a Struct or a dataclass. A class that runs code
of its own is described and named (`Definition.python`). Any other type is only named (`Python`), so that the hash of a stored schema does not change.
`type_construction` is the inverse.
"""

from __future__ import annotations

import collections.abc
import enum
import types
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from inspect import cleandoc
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin
from uuid import UUID

import msgspec
from msgspec import NODEFAULT, Struct, UnsetType

from . import schema_types as forms
from .meta import StoreMeta, per_meta
from .qualified_names import Names, runs_code
from .schema import Default, Definition, Enumeration, Field, Function, Object, Value
from .schema_types import Named, Type
from .struct_fields import StructField, declared_fields, declares_fields, is_named_tuple, struct_fields
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
BUFFERS = (bytearray, memoryview)
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
    "extra_json_schema",
)
"""Members of `msgspec.Meta` that a type has, too."""

BASES: dict[str, type[enum.Enum]] = {"IntEnum": enum.IntEnum, "StrEnum": enum.StrEnum, "Enum": enum.Enum}


class Describer:
    """Describe annotations for a schema. `definitions`: the named types that the descriptions refer to; `names`: the things they name;
    `classes`: the class behind each of these names."""

    def __init__(self) -> None:
        self.definitions: dict[str, Definition] = {}
        self.classes: dict[str, Any] = {}
        self.names = Names()
        self._names: dict[str, str] = {}

    def describe(self, annotation: Any) -> Type:
        """Return the description of an annotation."""
        metas = metas_of(annotation)
        found = self._describe(bare(annotation))
        given: dict[str, Any] = {}
        for meta in metas:
            for name in CONSTRAINTS:
                if (value := getattr(meta, name)) is not None and name in found.__struct_fields__:
                    if isinstance(value, dict):
                        value = {**given.get(name, {}), **value}
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
            arms = [one for one in arguments if one is not UnsetType]
            return self.describe(arms[0]) if len(arms) == 1 else forms.OneOf(types=tuple(map(self.describe, arms)))
        if origin is Literal:
            return forms.Choice(values=self._values(arguments))
        if origin in LISTS:
            return forms.List(items=self._item(arguments, 0))
        if origin in SETS:
            return forms.Set(items=self._item(arguments, 0), frozen=origin in FROZEN)
        if origin in DICTS:
            return forms.Dict(keys=self._item(arguments, 0), values=self._item(arguments, 1))
        if origin is tuple:
            return self._tuple(target, arguments)
        if isinstance(target, type) and self._is_enum(target):
            return Named(name=self._definition(target, self._enumeration))
        if self._has_fields(target):
            return Named(name=self._definition(target, self._object))
        return self._other(target)

    def _item(self, arguments: tuple[Any, ...], place: int) -> Type:
        return self.describe(arguments[place]) if arguments else forms.Anything()

    def _tuple(self, target: Any, arguments: tuple[Any, ...]) -> Type:
        if target is tuple:
            return forms.Tuple(every=forms.Anything())
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return forms.Tuple(every=self.describe(arguments[0]))
        return forms.Tuple(items=tuple(self.describe(one) for one in arguments))

    def _definition(self, cls: Any, define: Callable[[Any], Definition]) -> str:
        if get_args(cls) == getattr(get_origin(cls), "__parameters__", None):
            cls = get_origin(cls)
        identity = f"{id(get_origin(cls) or cls)} {cls!r}"  # arguments of a generic cannot always be hashed
        name = self._names.get(identity)
        if name is None:
            first = name = class_name(cls)
            number = 1
            while name in self.definitions:
                number += 1
                name = f"{first}{number}"
            self._names[identity], self.classes[name] = name, cls
            self.definitions[name] = Enumeration(members={})  # placeholder, for a class that contains itself
            self.definitions[name] = msgspec.structs.replace(define(cls), python=self._supplied(cls))
        return name

    def _enumeration(self, cls: type[enum.Enum]) -> Enumeration:
        base = next(name for name, one in BASES.items() if issubclass(cls, one))
        members: dict[str, Any] = {name: one.value for name, one in cls.__members__.items()}
        return Enumeration(members=members, base=base, description=documentation(cls))  # type: ignore[arg-type]

    def _object(self, cls: Any) -> Object:
        origin = get_origin(cls) or cls
        fields = tuple(
            Field(
                name=one.name,
                type=self.describe(one.annotation),
                json=None if one.json == one.name else one.json,
                default=self._default(one.default, one.default_factory),
                omittable=one.omittable,
            )
            for one in self._fields(cls)
        )
        config = getattr(cls, "__struct_config__", None)
        if config is None:
            frozen = getattr(getattr(origin, "__dataclass_params__", None), "frozen", False)
            array = is_named_tuple(origin)
            return Object(
                fields=fields, frozen=frozen, array_like=array, closed=array, description=documentation(origin)
            )
        return Object(
            fields=fields,
            array_like=config.array_like,
            frozen=config.frozen,
            closed=config.forbid_unknown_fields,
            omit_defaults=config.omit_defaults,
            tag_field=config.tag_field,
            tag=config.tag,
            description=documentation(origin),
        )

    def _default(self, value: Any, factory: Any) -> Default | None:
        if factory is not NODEFAULT:
            return Function(self.names.name(factory))
        return None if value is NODEFAULT else Value(value)

    # the types that a schema describes

    def _is_enum(self, cls: type) -> bool:
        return issubclass(cls, enum.Enum) and not issubclass(cls, enum.Flag)

    def _has_fields(self, cls: Any) -> bool:
        generic = bool(getattr(cls, "__parameters__", ()))
        return (
            isinstance(cls, type) and not generic and (issubclass(cls, Struct) or hasattr(cls, "__dataclass_fields__"))
        )

    def _fields(self, cls: Any) -> tuple[StructField, ...]:
        return struct_fields(cls)

    def _supplied(self, cls: Any) -> str | None:
        """Return the name of a class that the app must supply because its code decides which values are valid. None for any other class."""
        return self.names.name(cls) if runs_code(cls) else None

    def _values(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        return values

    def _other(self, target: Any) -> Type:
        return forms.Python(name=self.names.name(target, None if isinstance(target, type) else str(target)))


class _Complete(Describer):
    """Describe annotations for surfaces: every type that msgspec converts to."""

    def _is_enum(self, cls: type) -> bool:
        return issubclass(cls, enum.Enum)

    def _has_fields(self, cls: Any) -> bool:
        return declares_fields(cls)

    def _fields(self, cls: Any) -> tuple[StructField, ...]:
        return declared_fields(cls)

    def _supplied(self, cls: Any) -> str | None:
        return None

    def _values(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(sorted(values, key=lambda one: (type(one).__name__, one)))

    def _other(self, target: Any) -> Type:
        if target in BUFFERS:
            return forms.Binary()
        if isinstance(target, TypeVar):
            return forms.Anything() if target.__bound__ is None else self.describe(target.__bound__)
        alias = get_origin(target) or target
        if alias is Final:
            return self._item(get_args(target), 0)
        if (supertype := getattr(target, "__supertype__", None)) is not None:  # a NewType
            return self.describe(supertype)
        if type(alias).__name__ == "TypeAliasType":
            return self.describe(alias.__value__[get_args(target)] if get_args(target) else alias.__value__)
        return super()._other(target)


class Described(Struct, frozen=True, eq=False):
    """The description of an annotation. `definitions`: each `Named` in it. `classes`: the class of each `Named`, a generic with its arguments, and
    the type of each `Python`."""

    type: Type
    definitions: Mapping[str, Definition]
    classes: Mapping[str, Any]

    def definition(self, named: Named) -> Definition:
        return self.definitions[named.name]

    def cls(self, named: Named) -> Any:
        return self.classes[named.name]

    def parts(self) -> Iterator[Type]:
        """Yield the type and every type in it, those of each definition once."""
        objects = (one for one in self.definitions.values() if isinstance(one, Object))
        for type_ in (self.type, *(field.type for one in objects for field in one.fields)):
            yield from forms.parts_of(type_)


def item_within(found: Described, name: str) -> StoreMeta[Any] | None:
    """Return the first stored item within the definition of this name. None if it contains none."""
    seen, pending = set[str](), [name]
    while pending:
        if (one := pending.pop()) in seen:
            continue
        seen.add(one)
        if (meta := item_of(found.classes[one])) is not None:
            return meta
        definition = found.definitions[one]
        for field in definition.fields if isinstance(definition, Object) else ():
            pending += [part.name for part in forms.parts_of(field.type) if isinstance(part, Named)]
    return None


def described(annotation: Any, meta: StoreMeta[Any] | None = None) -> Described:
    """Return the description of an annotation, None included. An annotation that msgspec rejects is described as `Python`.

    The description is cached in `meta`, or in the stored item that the annotation names, and freed with it.
    """
    try:
        hash(annotation)
    except TypeError:
        return description_of(annotation)
    owner = item_in(annotation) if meta is None else meta
    written = str(annotation)  # unions of the same types in another order are equal
    return (
        _cached_description(annotation, written) if owner is None else _description_in_item(owner, annotation, written)
    )


def description_of(annotation: Any, written: str = "") -> Described:
    """Return the description of an annotation as `described` does, without caching it."""
    describer = _Complete()
    try:
        msgspec.msgpack.Decoder(tuple[annotation])
        found = describer.describe(annotation)
    except (TypeError, ValueError):
        describer = _Complete()
        found = forms.Python(name=describer.names.name(annotation, str(annotation)))
    return Described(found, describer.definitions, {**describer.names.things, **describer.classes})


_cached_description = cache(description_of)


@per_meta
def _description_in_item(meta: StoreMeta[Any], annotation: Any, written: str) -> Described:
    return description_of(annotation)


def item_of(cls: Any) -> StoreMeta[Any] | None:
    """Return the meta of a stored item's class, None for any other class."""
    meta = getattr(cls, "__persisty__", None)
    return meta if isinstance(meta, StoreMeta) else None


def item_in(annotation: Any) -> StoreMeta[Any] | None:
    """Return the meta of the first stored item that the annotation names, such as `Message` in `list[Message]`. None if it names none."""
    own = item_of(annotation)
    return own or next((found for one in get_args(annotation) if (found := item_in(one)) is not None), None)


def class_name(cls: Any) -> str:
    """Return the name of a class. The arguments of a generic come first: `Found[Message]` → `MessageFound`."""
    origin = get_origin(cls)
    if origin is None:
        return str(getattr(cls, "__name__", cls))
    named = (bare(one) for one in get_args(cls) if isinstance(one, type) or get_origin(one))
    return "".join(map(class_name, named)) + str(getattr(origin, "__name__", origin))


def documentation(cls: Any) -> str | None:
    """Return the docstring of a class. The generated docstring of a dataclass or a named tuple, which repeats the signature, is ignored."""
    text = cls.__doc__
    return None if not text or text.startswith(f"{cls.__name__}(") else cleandoc(text)
