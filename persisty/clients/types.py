"""The types of a client, independent of its language, made from the descriptions of annotations.

Types are data: a `Scalar`, a `Choice` of values, or a type made of others. Each object becomes a `Record` with a name, once.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, get_args, get_origin

from msgspec import UNSET, Struct

from ..model import schema_types as forms
from ..model.meta import StoreMeta, meta_of
from ..model.pages import ResultPage
from ..model.schema import Enumeration, Function, Value
from ..model.schema import Field as FieldType
from ..model.type_descriptions import Described, class_name, described, item_of, item_within
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
    if it is missing, UNSET if JSON cannot represent that value."""

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


GIVEN = "Given"
"""Suffix of the record of an argument that contains items: these have other attributes than those of a response."""


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


SCALARS: dict[type[forms.Type], Of] = {
    forms.Anything: Of.ANY,
    forms.Python: Of.ANY,
    forms.Null: Of.NULL,
    forms.Boolean: Of.BOOLEAN,
    forms.Integer: Of.INTEGER,
    forms.Float: Of.FLOAT,
    forms.String: Of.STRING,
    forms.Binary: Of.BYTES,
    forms.Datetime: Of.DATETIME,
    forms.Date: Of.DATE,
    forms.Time: Of.TIME,
    forms.Duration: Of.DURATION,
    forms.Uuid: Of.UUID,
    forms.Number: Of.DECIMAL,
}
"""Record of a type → the scalar."""


class Types:
    """Makes the types of annotations, and collects the records in the order in which they appear."""

    def __init__(self, names: Names, items: Mapping[str, str], created: Mapping[str, str]) -> None:
        """`items`: store → the name of its items' record, `created`: that of a create. Both are described elsewhere."""
        self.records: list[Record] = []
        self._names, self._items, self._created = names, items, created
        self._known: dict[Any, Record] = {}

    def of(self, annotation: Any, meta: StoreMeta[Any] | None = None) -> Type:
        """Return the type of an annotation. `meta`: the item whose attribute has it."""
        found = described(annotation, meta)
        return self._type(found, found.type)

    def of_given(self, annotation: Any) -> Type:
        """Return the type of an argument: its items have the attributes that a caller may set on create."""
        found = described(annotation)
        return self._type(found, found.type, given=True)

    def _type(self, found: Described, one: forms.Type, *, given: bool = False) -> Type:
        match one:
            case forms.OneOf(types=arms):
                return united(self._type(found, arm, given=given) for arm in arms)
            case forms.Choice(values=values):
                return choice(values)
            case forms.Tuple(items=items) if items is not None:
                return Tupled(tuple(self._type(found, item, given=given) for item in items))
            case forms.Tuple(every=item) | forms.List(items=item) | forms.Set(items=item):
                return Listed(self._type(found, item or forms.Anything(), given=given))
            case forms.Dict(keys=key, values=value):
                return Mapped(self._type(found, key), self._type(found, value, given=given))
            case forms.Named():
                return self._named(found, one, given=given and item_within(found, one.name) is not None)
        return Scalar(SCALARS[type(one)])

    def _named(self, found: Described, named: forms.Named, *, given: bool) -> Type:
        definition, cls = found.definition(named), found.cls(named)
        if isinstance(definition, Enumeration):
            return choice(definition.values)
        item = item_of(cls)
        if item is not None and item.name in self._items:
            return Named((self._created if given else self._items)[item.name])
        if get_origin(cls) is ResultPage:
            return Paged(self.of(get_args(cls)[0]))
        return Named(self._record(found, cls, definition, given=given).name)

    def _record(self, found: Described, cls: Any, definition: Any, *, given: bool) -> Record:
        if (cls, given) not in self._known:
            record = self._known[cls, given] = Record(
                self._names.claim(pascal(class_name(cls)) + GIVEN * given, INPUT),
                description=definition.description,
                tag=None if definition.tag is None else (definition.tag_field, definition.tag),
                array=definition.array_like,
            )
            fields = definition.fields if item_of(cls) is None or not given else _creatable(cls, definition.fields)
            record.fields = tuple(self._field(found, one, given=given) for one in fields)
            self.records.append(record)
        return self._known[cls, given]

    def _field(self, found: Described, field: FieldType, *, given: bool) -> Field:
        type_ = self._type(found, field.type, given=given)
        return Field(field.key, type_, field.required, not field.omittable, _default(field), field.type.description)


def _creatable(cls: Any, fields: Iterable[FieldType]) -> list[FieldType]:
    """Return the fields of an item that a caller may set on create."""
    return [one for one in fields if meta_of(cls).attributes[one.name].creatable is not False]


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


EMPTY: dict[str, Any] = {"builtins.list": [], "builtins.dict": {}}
"""Function that makes a default → the default as JSON."""


def _default(field: FieldType) -> Any:
    """Return a default as JSON: a value, or an empty list or object. UNSET if it has no form in JSON."""
    if isinstance(field.default, Function):
        return EMPTY.get(field.default.function, UNSET)
    value = field.default.value if isinstance(field.default, Value) else UNSET
    plain = (
        type(value) in (str, int, bool, type(None)) or value in ([], {}) or (type(value) is float and isfinite(value))
    )
    return value if plain else UNSET
