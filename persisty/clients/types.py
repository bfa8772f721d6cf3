"""The types of a client, independent of its language, read from Python annotations.

Types are data: a `Scalar`, a `Choice` of values, or something made of others. Objects become `Record`s by name, each once, found as msgspec
sees the type, since that is what their JSON is made by.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from inspect import cleandoc
from math import isfinite
from typing import Any, get_args, get_origin

from msgspec import NODEFAULT, UNSET, Struct, inspect

from ..model.meta import StoreMeta
from ..model.pages import ResultPage
from ..naming import pascal


class Of(enum.StrEnum):
    """The scalars, by their form in JSON."""

    STRING = "string"
    INTEGER = "integer"
    LONG = "long"
    """An integer declared to go beyond 53 bits."""
    FLOAT = "float"
    BOOLEAN = "boolean"
    NULL = "null"
    ANY = "any"
    DATETIME = "datetime"
    """Text, like all members below."""
    DATE = "date"
    TIME = "time"
    DURATION = "duration"
    UUID = "uuid"
    DECIMAL = "decimal"
    BYTES = "bytes"


class Scalar(Struct, frozen=True):
    of: Of


class Choice(Struct, frozen=True):
    """A choice of values: an enum, or literals."""

    values: tuple[str | int | float, ...]


class Listed(Struct, frozen=True):
    item: Type


class Tupled(Struct, frozen=True):
    items: tuple[Type, ...]


class Mapped(Struct, frozen=True):
    """An object with any names. `key`: the type of the names."""

    key: Type
    value: Type


class Paged(Struct, frozen=True):
    """A page of a search."""

    item: Type


class United(Struct, frozen=True):
    arms: tuple[Type, ...]


class Named(Struct, frozen=True):
    """A record, by its name in `Types`."""

    name: str


Type = Scalar | Choice | Listed | Tupled | Mapped | Paged | United | Named

NULL, ANY, STRING, INTEGER, BOOLEAN = (
    Scalar(one) for one in (Of.NULL, Of.ANY, Of.STRING, Of.INTEGER, Of.BOOLEAN)
)  # fmt: skip


class Field(Struct, frozen=True):
    """A member of a record. `name`: its name in JSON. `required`: callers have to send it. `always`: every response has it. `default`: its value
    when it is missing, UNSET if JSON cannot hold that value."""

    name: str
    type: Type
    required: bool = True
    always: bool = True
    default: Any = UNSET
    description: str | None = None


class Record(Struct):
    """An object, or an array of its members in order (`array`). `tag`: name and value of the member that identifies it in a union. `fields` are
    set after construction, so that it can contain itself."""

    name: str
    fields: tuple[Field, ...] = ()
    description: str | None = None
    tag: tuple[str, str | int] | None = None
    array: bool = False


INPUT = "Input"
"""Suffix of a record's input type, in languages where it differs from the output type."""


class Names:
    """Unique names of types."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def claim(self, wanted: str, *endings: str) -> str:
        """Claim a name and its forms with these endings. Append a number if one of them is taken."""
        name, number = wanted, 1
        while not self._taken.isdisjoint(claimed := {name, *(name + ending for ending in endings)}):
            number += 1
            name = f"{wanted}{number}"
        self._taken |= claimed
        return name


SCALARS: dict[type[inspect.Type], Of] = {
    inspect.NoneType: Of.NULL,
    inspect.BoolType: Of.BOOLEAN,
    inspect.IntType: Of.INTEGER,
    inspect.FloatType: Of.FLOAT,
    inspect.StrType: Of.STRING,
    inspect.BytesType: Of.BYTES,
    inspect.ByteArrayType: Of.BYTES,
    inspect.MemoryViewType: Of.BYTES,
    inspect.DateTimeType: Of.DATETIME,
    inspect.DateType: Of.DATE,
    inspect.TimeType: Of.TIME,
    inspect.TimeDeltaType: Of.DURATION,
    inspect.UUIDType: Of.UUID,
    inspect.DecimalType: Of.DECIMAL,
}
"""msgspec's description of a type → the scalar. A type in none of these tables is any JSON."""
_LISTS = (
    inspect.ListType,
    inspect.SetType,
    inspect.FrozenSetType,
    inspect.VarTupleType,
    inspect.CollectionType,
)
_OBJECTS = (inspect.StructType, inspect.DataclassType, inspect.TypedDictType, inspect.NamedTupleType)


class Types:
    """Converts annotations into types, and collects the records in the order in which they appear."""

    def __init__(self, names: Names, items: dict[str, str]) -> None:
        """`items`: store → the name of its items' record, which is described elsewhere."""
        self.records: list[Record] = []
        self._names, self._items = names, items
        self._known: dict[Any, Record] = {}

    def of(self, annotation: Any) -> Type:
        """Return the type of an annotation."""
        try:
            return self._type(inspect.type_info(annotation))
        except (TypeError, ValueError):  # msgspec cannot describe a union of classes or a type variable
            return ANY

    def _type(self, info: Any) -> Type:
        while isinstance(info, inspect.Metadata):
            info = info.type
        match info:
            case inspect.UnionType(types=arms):
                return united(self._type(arm) for arm in arms)
            case inspect.LiteralType(values=values):
                return choice(values)
            case inspect.EnumType(cls=cls):
                return choice(member.value for member in cls)
            case inspect.TupleType(item_types=items):
                return Tupled(tuple(self._type(one) for one in items))
            case inspect.DictType(key_type=key, value_type=value):
                return Mapped(self._type(key), self._type(value))
        if isinstance(info, _LISTS):
            return Listed(self._type(info.item_type))
        if isinstance(info, _OBJECTS):
            return self._object(info)
        return Scalar(SCALARS.get(type(info), Of.ANY))

    def _object(self, info: Any) -> Type:
        cls = info.cls
        meta = getattr(cls, "__persisty__", None)
        if isinstance(meta, StoreMeta) and meta.name in self._items:
            return Named(self._items[meta.name])
        if get_origin(cls) is ResultPage:
            return Paged(self.of(get_args(cls)[0]))
        if cls not in self._known:
            array = isinstance(info, inspect.NamedTupleType) or getattr(info, "array_like", False)
            tag = getattr(info, "tag", None)
            record = self._known[cls] = Record(
                self._names.claim(_class_name(cls), INPUT),
                description=_doc(cls),
                tag=None if tag is None else (info.tag_field, tag),
                array=array,
            )
            record.fields = tuple(self._field(one, isinstance(info, inspect.TypedDictType)) for one in info.fields)
            self.records.append(record)
        return Named(self._known[cls].name)

    def _field(self, field: inspect.Field, typed_dict: bool) -> Field:
        described = field.type if isinstance(field.type, inspect.Metadata) else None
        description = (described.extra_json_schema or {}).get("description") if described else None
        missing = field.default is UNSET or (typed_dict and not field.required)
        return Field(
            field.encode_name, self._type(field.type), field.required, not missing, _default(field), description
        )


def united(arms: Iterable[Type]) -> Type:
    """Return the union of types without duplicates, any JSON if one of them is any JSON."""
    flat = [one for arm in arms for one in (arm.arms if isinstance(arm, United) else (arm,))]
    distinct = tuple(dict.fromkeys(flat))
    if ANY in distinct:
        return ANY
    return distinct[0] if len(distinct) == 1 else United(distinct)


def nullable(of: Type) -> Type:
    return united((of, NULL))


def choice(values: Iterable[Any]) -> Type:
    """Return the choice of these values. None is null."""
    found = tuple(values)
    plain = tuple(one for one in found if one is not None)
    chosen: Type = Choice(plain) if all(isinstance(one, str | int | float) for one in plain) else ANY
    return chosen if len(plain) == len(found) else nullable(chosen) if plain else NULL


def _default(field: inspect.Field) -> Any:
    """Return a default as JSON: a value, or an empty list or object. UNSET if it has no form in JSON."""
    made = field.default_factory
    value: Any = [] if made is list else {} if made is dict else field.default
    if value is NODEFAULT or field.default is UNSET:
        return UNSET
    plain = (
        type(value) in (str, int, bool, type(None)) or value in ([], {}) or (type(value) is float and isfinite(value))
    )
    return value if plain else UNSET


def _class_name(cls: Any) -> str:
    """Return the name of a class. The arguments of a generic come first: `Found[Message]` → `MessageFound`."""
    origin = get_origin(cls)
    if origin is None:
        return pascal(str(cls.__name__))
    return "".join(_class_name(one) for one in get_args(cls) if isinstance(one, type) or get_origin(one)) + pascal(
        str(origin.__name__)
    )


def _doc(cls: Any) -> str | None:
    """Return the class's own docstring. Dataclasses and named tuples generate one that repeats their signature: it is ignored."""
    cls = get_origin(cls) or cls
    text = cls.__doc__
    return None if not text or text.startswith(f"{cls.__name__}(") else cleandoc(text)
