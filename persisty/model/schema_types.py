"""Types of a `Schema`, as data: one record for each kind of value, distinguished by the member `kind` of their JSON.

`persisty.model.type_descriptions` converts annotations to them, `persisty.model.type_construction` converts them to annotations. `parts_of`, `arms` and `is_nullable` answer questions about a type.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from .set_order import sets_within_sets


class Part(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a schema. Members that have their default are not written."""


class Type(Part, frozen=True, tag_field="kind", kw_only=True):
    """The type of a value. None is not part of it: see `optional`, and `Null` within a `OneOf`. `extra_json_schema`: further members of its JSON
    Schema, such as `format`, which nothing checks."""

    title: str | None = None
    description: str | None = None
    examples: tuple[Any, ...] | None = None
    extra_json_schema: dict[str, Any] | None = None


class Anything(Type, frozen=True, tag="any"):
    """Any JSON value."""


class Null(Type, frozen=True, tag="null"):
    """null, as one type of a `OneOf`."""


class String(Type, frozen=True, tag="string", kw_only=True):
    """Text. Lengths count code points."""

    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None


class Integer(Type, frozen=True, tag="integer", kw_only=True):
    """A whole number of 64 bits."""

    ge: int | float | None = None
    gt: int | float | None = None
    le: int | float | None = None
    lt: int | float | None = None
    multiple_of: int | float | None = None


class Float(Type, frozen=True, tag="float", kw_only=True):
    """A floating point number."""

    ge: int | float | None = None
    gt: int | float | None = None
    le: int | float | None = None
    lt: int | float | None = None
    multiple_of: int | float | None = None


class Boolean(Type, frozen=True, tag="boolean"):
    """true or false."""


class Datetime(Type, frozen=True, tag="datetime", kw_only=True):
    """A point in time. `tz`: whether a value must have a UTC offset; None leaves it open within an object."""

    tz: bool | None = None


class Date(Type, frozen=True, tag="date"):
    """A date."""


class Time(Type, frozen=True, tag="time", kw_only=True):
    """A time of day, within JSON only."""

    tz: bool | None = None


class Duration(Type, frozen=True, tag="duration"):
    """A duration, within JSON only."""


class Uuid(Type, frozen=True, tag="uuid"):
    """A UUID."""


class Number(Type, frozen=True, tag="decimal", kw_only=True):
    """An exact decimal number of at most 38 digits."""

    ge: int | float | None = None
    gt: int | float | None = None
    le: int | float | None = None
    lt: int | float | None = None
    multiple_of: int | float | None = None


class Binary(Type, frozen=True, tag="bytes", kw_only=True):
    """Bytes, in JSON as base64."""

    min_length: int | None = None
    max_length: int | None = None


class Choice(Type, frozen=True, tag="literal", kw_only=True):
    """One of some texts or whole numbers."""

    values: tuple[str | int | None, ...]


class Named(Type, frozen=True, tag="named", kw_only=True):
    """The type of this name in the `types` of the schema."""

    name: str


class Python(Type, frozen=True, tag="python", kw_only=True):
    """A Python type that a schema can only name, as `module.class`. It compiles where the app supplies the type."""

    name: str


class List(Type, frozen=True, tag="list", kw_only=True):
    """A list."""

    items: Type = Anything()
    min_length: int | None = None
    max_length: int | None = None


class Set(Type, frozen=True, tag="set", kw_only=True):
    """A set, in JSON an array. `frozen`: Python's `frozenset`."""

    items: Type = Anything()
    frozen: bool = False
    min_length: int | None = None
    max_length: int | None = None

    def __post_init__(self) -> None:
        if any(isinstance(one, Set) for one in parts_of(self.items)):
            sets_within_sets.declare()


class Tuple(Type, frozen=True, tag="tuple", kw_only=True):
    """A tuple, in JSON an array: with a type for each of its `items`, or with `every` item of one type."""

    items: tuple[Type, ...] | None = None
    every: Type | None = None
    min_length: int | None = None
    max_length: int | None = None


class Dict(Type, frozen=True, tag="dict", kw_only=True):
    """An object whose members have any names."""

    keys: Type = Anything()
    values: Type = Anything()
    min_length: int | None = None
    max_length: int | None = None


class OneOf(Type, frozen=True, tag="union", kw_only=True):
    """A value of one of several types."""

    types: tuple[Type, ...]


def parts_of(type_: Type) -> Iterator[Type]:
    """Yield the type and every type in it. A `Named` is not followed."""
    pending: list[Any] = [type_]
    while pending:
        one = pending.pop()
        if isinstance(one, tuple):
            pending += one
        elif isinstance(one, Type):
            yield one
            pending += [getattr(one, name) for name in one.__struct_fields__]


def arms(type_: Type) -> tuple[Type, ...]:
    """Return the alternatives of a type without null. A type that is not a union is the only one."""
    if isinstance(type_, OneOf):
        return tuple(arm for one in type_.types for arm in arms(one))
    return () if isinstance(type_, Null) else (type_,)


def is_nullable(type_: Type) -> bool:
    """Return whether null is a value of the type."""
    match type_:
        case OneOf(types=types):
            return any(is_nullable(one) for one in types)
        case Choice(values=values):
            return None in values
    return isinstance(type_, Null | Anything)


TYPES: tuple[type[Type], ...] = (
    Anything, Null, String, Integer, Float, Boolean, Datetime, Date, Time, Duration, Uuid, Number, Binary, Choice, Named, Python, List,
    Set, Tuple, Dict, OneOf,
)  # fmt: skip
