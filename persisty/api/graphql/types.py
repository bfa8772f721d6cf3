"""Python types in GraphQL: the one table behind the schema text, the hosted endpoint and AppSync.

A type is a `Leaf`, a `ListOf` or a `Record`; a `Ref` adds whether null is possible. Attributes of items are always leaves
(structured ones travel as AWSJSON text); the annotations of custom actions become lists and records too. Only scalars that
AppSync has are used, so one schema fits both. Loaded at a Lambda cold start: imports nothing that msgspec has not already.

How integers travel: by their declared bounds. Within 32 bits an integer is an Int, within 53 bits a Float, which has every such value
exactly, and beyond them a String of digits. GraphQL has no wider number, and AppSync no scalars of an app's own. If a bound is not declared,
the integer is a Float that may be null: a value beyond 53 bits is never rounded but an error of its field, which leaves the rest of the page.
"""

from __future__ import annotations

import enum
import re
from functools import cache
from inspect import cleandoc
from typing import Any, get_args, get_origin

from msgspec import NODEFAULT, UNSET, Struct, inspect

from ...model.meta import Attribute, StoreMeta, per_meta
from ...model.pages import ResultPage
from ...model.schema_types import Integer
from ...model.types import Kind, bare, is_literal
from ...naming import pascal


class Form(enum.Enum):
    """The difference between the JSON of a value, as in REST, and its GraphQL spelling."""

    SAME = "same"
    WHOLE = "whole"
    """An integer that travels as Float: may arrive as 3.0."""
    UNBOUNDED = "unbounded"
    """The same without declared bounds: a value beyond 53 bits cannot be answered."""
    DIGITS = "digits"
    """An integer that travels as a String."""
    STRUCTURE = "structure"
    """An array or object: AWSJSON."""
    ANY = "any"
    """Any JSON, text included: AWSJSON."""


class Leaf(Struct, frozen=True):
    """A scalar or, where it has `values`, an enum that the schema defines."""

    name: str
    form: Form = Form.SAME
    values: tuple[str, ...] = ()
    description: str | None = None


class Ref(Struct, frozen=True):
    """A type in its place. `nullable`: Python's `| None`."""

    type: Leaf | ListOf | Record
    nullable: bool = False

    @property
    def answered(self) -> Ref:
        """The type of an answer: null stands for a value that GraphQL cannot carry."""
        return Ref(self.type, nullable=True) if self.type is UNBOUNDED else self


class ListOf(Struct, frozen=True):
    item: Ref


class Field(Struct, frozen=True):
    """A member of a record, `attribute` in Python. `required`: an input must have it. `readable`: which callers may read it: all (True), none
    (False), or those that a rule allows."""

    name: str
    attribute: str
    ref: Ref
    required: bool = True
    description: str | None = None
    readable: Any = True

    @property
    def answered(self) -> Ref:
        """The type in an answer. A member that a rule may hide may be null."""
        return self.ref.answered if self.readable is True else Ref(self.ref.type, nullable=True)


class Record(Struct, eq=False):
    """An object. `fields` are set after construction, so that a record can contain itself. `meta`: the stored item that it describes.

    The name of its input type has the suffix `Input`, because GraphQL has separate types for inputs and outputs.
    """

    name: str
    fields: tuple[Field, ...] = ()
    meta: StoreMeta[Any] | None = None
    description: str | None = None


STRING, INT, FLOAT, BOOLEAN = Leaf("String"), Leaf("Int"), Leaf("Float"), Leaf("Boolean")
ANY = Leaf("AWSJSON", Form.ANY)
STRUCTURE = Leaf("AWSJSON", Form.STRUCTURE)

SCALARS: dict[Kind, Leaf] = {
    Kind.STRING: STRING,
    Kind.INTEGER: INT,
    Kind.FLOAT: FLOAT,
    Kind.BOOLEAN: BOOLEAN,
    Kind.DATETIME: Leaf("AWSDateTime"),
    Kind.DATE: Leaf("AWSDate"),
    Kind.UUID: Leaf("ID"),
    Kind.DECIMAL: STRING,
    Kind.ENUM: STRING,
    Kind.BYTES: STRING,
    Kind.JSON: STRUCTURE,
}
"""Kind → its GraphQL type; integers and enums may take another one, see `INTEGERS` and `enum_leaf`. Bytes are base64."""

EXACT = 2**53 - 1
"""The greatest integer that, like every smaller one, a Float has exactly."""
WHOLE = Leaf("Float", Form.WHOLE)
INTEGERS: tuple[tuple[int, int, Leaf], ...] = (
    (-(2**31), 2**31 - 1, INT),
    (-EXACT, EXACT, WHOLE),
)
"""(least, greatest, type): the first row that holds the declared bounds."""
LONG = Leaf("String", Form.DIGITS)
"""Integers beyond every row."""
UNBOUNDED = Leaf("Float", Form.UNBOUNDED)
"""Integers without both bounds."""
COUNTED: dict[str, Leaf] = {"version": INT, "sequence": WHOLE}
"""Generator → the type of its integers, which count up from one."""

AWS_SCALARS: dict[str, str] = {
    "AWSDateTime": "A date and time with its offset, ISO 8601: 2030-01-31T12:00:00.000001Z",
    "AWSDate": "A date, ISO 8601: 2030-01-31",
    "AWSJSON": "Any JSON, as text",
}
"""The scalars that AppSync brings and the hosted schema declares."""

_KINDS: dict[type[inspect.Type], Kind] = {
    inspect.StrType: Kind.STRING,
    inspect.FloatType: Kind.FLOAT,
    inspect.BoolType: Kind.BOOLEAN,
    inspect.DateTimeType: Kind.DATETIME,
    inspect.DateType: Kind.DATE,
    inspect.UUIDType: Kind.UUID,
    inspect.DecimalType: Kind.DECIMAL,
    inspect.BytesType: Kind.BYTES,
    inspect.ByteArrayType: Kind.BYTES,
    inspect.MemoryViewType: Kind.BYTES,
    inspect.TimeType: Kind.STRING,
    inspect.TimeDeltaType: Kind.STRING,
    inspect.NoneType: Kind.BOOLEAN,  # an action that answers nothing: GraphQL has no type of null alone
}
_LISTS = (
    inspect.ListType, inspect.SetType, inspect.FrozenSetType, inspect.VarTupleType, inspect.CollectionType,
)  # fmt: skip
_RECORDS = (inspect.StructType, inspect.DataclassType, inspect.TypedDictType, inspect.NamedTupleType)

_NAME = re.compile(r"(?!__)[A-Za-z_][0-9A-Za-z_]*")
_NOT_ENUM_VALUES = frozenset({"true", "false", "null"})


def is_name(text: str) -> bool:
    """Return whether GraphQL accepts the text as the name of a type, a field or an argument."""
    return _NAME.fullmatch(text) is not None


def leaf_of(attribute: Attribute) -> Leaf:
    """Return the GraphQL type of an attribute."""
    if is_literal(attribute.type) and attribute.kind is not Kind.JSON:
        return _literal(list(get_args(bare(attribute.type))))
    if attribute.kind is Kind.INTEGER:
        return _integer_attribute(attribute)
    if attribute.kind is Kind.ENUM:
        return enum_leaf(_bare(attribute.type))
    if attribute.kind is Kind.JSON:
        found = _annotation_ref(attribute.type).type  # not cached: the type may be one of a schema that is removed
        return ANY if isinstance(found, Leaf) and found.form is not Form.STRUCTURE else STRUCTURE
    return SCALARS[attribute.kind]


def _integer_attribute(attribute: Attribute) -> Leaf:
    declared = attribute.described
    found = _integer(declared if isinstance(declared, Integer) else inspect.type_info(attribute.type))
    if found is UNBOUNDED and attribute.generator is not None:
        return COUNTED.get(attribute.generator.name, found)
    return found


def enum_leaf(cls: type[enum.Enum]) -> Leaf:
    """A GraphQL enum of the members' values where all of them are names, so that GraphQL, REST and the stored item spell
    a member alike. Otherwise the values travel as String, integers as Int.
    """
    values = [member.value for member in cls]
    if values and all(isinstance(value, int) for value in values):
        return integer_leaf(min(values), max(values))
    if not values or not all(is_name(value) and value not in _NOT_ENUM_VALUES for value in map(str, values)):
        return STRING
    return Leaf(cls.__name__, values=tuple(values), description=_doc(cls))


@per_meta
def item_record(meta: StoreMeta[Any]) -> Record:
    """The record of a stored item: its attributes."""
    fields = tuple(
        Field(name, name, Ref(leaf_of(one), one.optional), one.required, one.description, one.readable)
        for name, one in meta.attributes.items()
    )
    return Record(pascal(meta.name), fields, meta, meta.description)


def annotation_ref(annotation: Any) -> Ref:
    """Return the GraphQL type of a parameter or a result of a custom action: AWSJSON if there is no better one."""
    try:
        hash(annotation)
    except TypeError:
        return _annotation_ref(annotation)
    meta = _item_in(annotation)
    return _known_ref(annotation) if meta is None else _ref_about(meta, annotation)


def _item_in(annotation: Any) -> StoreMeta[Any] | None:
    """Return the first stored item that the annotation names, as `Message` of `list[Message]`."""
    meta = getattr(annotation, "__persisty__", None)
    if isinstance(meta, StoreMeta):
        return meta
    return next((found for one in get_args(annotation) if (found := _item_in(one)) is not None), None)


@per_meta
def _ref_about(meta: StoreMeta[Any], annotation: Any) -> Ref:
    """Return the type of an annotation that names an item. It is cached with the item, so that it goes with the item."""
    return _annotation_ref(annotation)


def _annotation_ref(annotation: Any) -> Ref:
    try:
        info = inspect.type_info(annotation)
    except (TypeError, ValueError):  # msgspec cannot describe it: a union of classes, a type variable
        return Ref(ANY, nullable=True)
    return _ref(info, {})


_known_ref = cache(_annotation_ref)


def _ref(info: inspect.Type, seen: dict[Any, Record]) -> Ref:
    """`seen` holds the records on the way here: one that contains itself is made once."""
    while isinstance(info, inspect.Metadata):
        info = info.type
    if isinstance(info, inspect.UnionType):
        arms = [arm for arm in info.types if not isinstance(arm, inspect.NoneType)]
        nullable = len(arms) < len(info.types)
        if len(arms) == 1:
            return Ref(_ref(arms[0], seen).type, nullable)
        numbers = all(isinstance(arm, inspect.IntType | inspect.FloatType) for arm in arms)
        return Ref(FLOAT if numbers else ANY, nullable)
    if isinstance(info, inspect.AnyType):
        return Ref(ANY, nullable=True)
    if isinstance(info, inspect.LiteralType):
        return Ref(_literal([value for value in info.values if value is not None]), None in info.values)
    return Ref(_type(info, seen), isinstance(info, inspect.NoneType))


def _type(info: inspect.Type, seen: dict[Any, Record]) -> Leaf | ListOf | Record:
    if isinstance(info, inspect.IntType):
        return _integer(info)
    if isinstance(info, inspect.EnumType):
        return enum_leaf(info.cls)
    if isinstance(info, _LISTS):
        return ListOf(_ref(info.item_type, seen))
    if isinstance(info, _RECORDS):
        return _record(info, seen)
    if isinstance(info, inspect.DictType | inspect.TupleType):
        return STRUCTURE
    kind = _KINDS.get(type(info))
    return ANY if kind is None else SCALARS[kind]


def _record(info: Any, seen: dict[Any, Record]) -> Leaf | Record:
    cls = info.cls
    meta = getattr(cls, "__persisty__", None)
    if isinstance(meta, StoreMeta):
        return item_record(meta)
    if cls in seen:
        return seen[cls]
    if not info.fields or getattr(info, "array_like", False):
        return STRUCTURE
    record = seen[cls] = Record(_class_name(cls), description=_doc(cls))
    record.fields = tuple(_field(field, seen) for field in info.fields)
    return record


def _field(field: inspect.Field, seen: dict[Any, Record]) -> Field:
    described = field.type if isinstance(field.type, inspect.Metadata) else None
    description = (described.extra_json_schema or {}).get("description") if described else None
    ref = _ref(field.type, seen)
    if not field.required and field.default in (NODEFAULT, UNSET) and field.default_factory is NODEFAULT:
        ref = Ref(ref.type, nullable=True)  # it need not be there: a TypedDict's, or UNSET
    return Field(field.encode_name, field.name, ref, field.required, description)


def _class_name(cls: Any) -> str:
    """`Statistics`; for a generic its arguments first: `ResultPage[Message]` → `MessagePage`, as the stores' own pages."""
    origin = get_origin(cls)
    if origin is None:
        return str(cls.__name__)
    arguments = "".join(
        pascal(meta.name) if isinstance(meta := getattr(one, "__persisty__", None), StoreMeta) else _class_name(one)
        for one in get_args(cls)
        if isinstance(one, type) or get_origin(one)
    )
    return arguments + ("Page" if origin is ResultPage else str(origin.__name__))


def _literal(values: list[Any]) -> Leaf:
    if all(isinstance(value, str) for value in values):
        return STRING
    if all(isinstance(value, int) for value in values):
        return integer_leaf(min(values), max(values))
    return ANY


def _integer(info: Any) -> Leaf:
    """The type of integers with these declared bounds."""
    while isinstance(info, inspect.Metadata):
        info = info.type
    low = info.ge if info.ge is not None else None if info.gt is None else info.gt + 1
    high = info.le if info.le is not None else None if info.lt is None else info.lt - 1
    found = integer_leaf(low or 0, high or 0)
    return UNBOUNDED if found is not LONG and None in (low, high) else found


def integer_leaf(low: int, high: int) -> Leaf:
    return next((leaf for least, greatest, leaf in INTEGERS if least <= low and high <= greatest), LONG)


def _bare(annotation: Any) -> Any:
    return getattr(annotation, "__origin__", annotation)


def _doc(cls: Any) -> str | None:
    """Return the class's own docstring. Dataclasses generate one that repeats their signature: it is ignored."""
    cls = get_origin(cls) or cls
    text = cls.__doc__
    return None if not text or text.startswith(f"{cls.__name__}(") else cleandoc(text)
