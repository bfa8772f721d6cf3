"""GraphQL types of Python types, for the attributes of items and for the parameters and results of custom actions.

They are made from the descriptions of `persisty.model.type_descriptions`. `types.py` explains the types of integers.
"""

from __future__ import annotations

from functools import cache
from typing import Any, get_args, get_origin

from ...model import schema_types as forms
from ...model.meta import Attribute, StoreMeta, per_meta
from ...model.pages import ResultPage
from ...model.schema import Enumeration, Object
from ...model.schema import Field as Member
from ...model.schema_types import Named, Type, arms, is_nullable
from ...model.struct_fields import is_typed_dict
from ...model.type_descriptions import Described, class_name, described, description_of, item_in, item_of
from ...model.types import Kind, is_literal
from ...model.value_types import has_enum, has_fields, named_types
from ...naming import pascal
from .types import (
    ANY,
    COUNTED,
    FLOAT,
    INSTANT,
    LONG,
    SCALARS,
    STRING,
    STRUCTURE,
    UNBOUNDED,
    Field,
    Form,
    Leaf,
    ListOf,
    Record,
    Ref,
    integer_leaf,
    within_lists,
)

KINDS: dict[type[Type], Kind] = {
    forms.String: Kind.STRING,
    forms.Float: Kind.FLOAT,
    forms.Boolean: Kind.BOOLEAN,
    forms.Datetime: Kind.DATETIME,
    forms.Date: Kind.DATE,
    forms.Uuid: Kind.UUID,
    forms.Number: Kind.DECIMAL,
    forms.Binary: Kind.BYTES,
    forms.Time: Kind.STRING,
    forms.Duration: Kind.STRING,
    forms.Null: Kind.BOOLEAN,  # an action that returns None: GraphQL has no type with only null
}
"""Type → the kind whose scalar it has."""
OPAQUE = (ANY, STRUCTURE)
READ = frozenset({Kind.INTEGER, Kind.ENUM, Kind.JSON})
"""Kinds of attributes whose type depends on more than the kind."""


def leaf_of(attribute: Attribute) -> Leaf:
    """Return the scalar or the enum of an attribute, AWSJSON for one whose value is any JSON."""
    if attribute.kind not in READ and not is_literal(attribute.type):
        return SCALARS[attribute.kind]
    if isinstance(attribute.described, forms.Integer):  # the declared type: `attribute.type` adds the bounds of 64 bits
        found: Leaf | ListOf | Record = _integer(attribute.described)
    else:  # not cached, because the type may belong to a schema that is removed later
        found = _ref_of(description_of(attribute.type)).type
    if attribute.kind is Kind.JSON:
        return ANY if isinstance(found, Leaf) and found.form is not Form.STRUCTURE else STRUCTURE
    if found is UNBOUNDED and attribute.generator is not None:
        return COUNTED.get(attribute.generator.name, UNBOUNDED)
    return found if isinstance(found, Leaf) else STRUCTURE


@per_meta
def attribute_ref(meta: StoreMeta[Any], name: str) -> Ref:
    """Return the type of an attribute or a nested attribute. It is a list or an object if everything within it has a type, else a leaf."""
    attribute = meta.attribute(name)
    if attribute.kind is Kind.JSON:
        description = described(attribute.type, meta)
        found = _ref_of(description)
        typed = not isinstance(found.type, Leaf) and within_lists(found) not in OPAQUE
        if typed and named_types(description) is not None:
            return Ref(found.type, attribute.optional)
    return Ref(leaf_of(attribute), attribute.optional)


@per_meta
def item_record(meta: StoreMeta[Any]) -> Record:
    """Return the record of a stored item, with its attributes."""
    fields = tuple(
        Field(name, name, attribute_ref(meta, name), one.required, one.description, one.readable)
        for name, one in meta.attributes.items()
    )
    return Record(pascal(meta.name), fields, meta, meta.description)


def annotation_ref(annotation: Any) -> Ref:
    """Return the GraphQL type of a parameter or a result of a custom action. It is AWSJSON if no other type fits."""
    try:
        hash(annotation)
    except TypeError:
        return _annotation_ref(annotation)
    meta = item_in(annotation)
    return _known_ref(annotation) if meta is None else _ref_about(meta, annotation)


@per_meta
def _ref_about(meta: StoreMeta[Any], annotation: Any) -> Ref:
    """Return the type of an annotation that names an item. It is cached with the item, so that both are released together."""
    return _annotation_ref(annotation)


def _annotation_ref(annotation: Any) -> Ref:
    return _ref_of(described(annotation))


_known_ref = cache(_annotation_ref)


def _ref_of(found: Described) -> Ref:
    if isinstance(found.type, forms.Python):  # msgspec does not convert to it
        return Ref(ANY, nullable=True)
    return _Reader(found).ref(found.type)


class _Reader:
    """Makes the types of one description. Each object becomes one record, even if it contains itself."""

    def __init__(self, described: Described) -> None:
        self._described = described
        self._records: dict[str, Record] = {}

    def ref(self, type_: Type) -> Ref:
        if isinstance(type_, forms.Choice):
            return Ref(_literal([one for one in type_.values if one is not None]), is_nullable(type_))
        if not isinstance(type_, forms.OneOf):
            return Ref(self._type(type_), is_nullable(type_))
        alternatives = arms(type_)
        if len(alternatives) == 1:
            return Ref(self.ref(alternatives[0]).type, is_nullable(type_))
        numbers = all(isinstance(one, forms.Integer | forms.Float) for one in alternatives)
        return Ref(FLOAT if numbers else ANY, is_nullable(type_))

    def _type(self, type_: Type) -> Leaf | ListOf | Record:
        match type_:
            case forms.Integer():
                return _integer(type_)
            case forms.Datetime(tz=tz) if not tz:
                return INSTANT
            case Named():
                return self._named(type_)
            case forms.List(items=item) | forms.Set(items=item) | forms.Tuple(every=Type() as item):
                return ListOf(self.ref(item))
            case forms.Dict() | forms.Tuple():
                return STRUCTURE
        kind = KINDS.get(type(type_))
        return ANY if kind is None else SCALARS[kind]

    def _named(self, named: Named) -> Leaf | Record:
        definition, cls = self._described.definition(named), self._described.cls(named)
        if isinstance(definition, Enumeration):
            return _enum(cls.__name__, definition)
        meta = item_of(cls)
        if meta is not None:
            return item_record(meta)
        if not isinstance(definition, Object) or not has_fields(definition):
            return STRUCTURE
        known = self._records.get(named.name)
        if known is None:
            known = self._records[named.name] = Record(
                _object_name(cls), description=definition.description, keyed=is_typed_dict(get_origin(cls) or cls)
            )
            known.fields = tuple(map(self._field, definition.fields))
        return known

    def _field(self, field: Member) -> Field:
        ref = self.ref(field.type)
        return Field(field.key, field.name, ref, field.required, field.type.description, omittable=field.omittable)


def _object_name(cls: Any) -> str:
    """Return the name of a class, such as `Statistics`. The arguments of a generic come first: `ResultPage[Message]` → `MessagePage`."""
    origin = get_origin(cls)
    if origin is None:
        return class_name(cls)
    named = (one for one in get_args(cls) if isinstance(one, type) or get_origin(one))
    arguments = (pascal(meta.name) if (meta := item_of(one)) else _object_name(one) for one in named)
    return "".join(arguments) + ("Page" if origin is ResultPage else class_name(origin))


def _enum(name: str, definition: Enumeration) -> Leaf:
    """Return a GraphQL enum of the members' values if all of them are valid names. Otherwise return String, or the type of their integers.

    A member then has the same value in GraphQL, in REST and in the stored item.
    """
    values = definition.values
    integers = [one for one in values if isinstance(one, int)]
    if integers and len(integers) == len(values):
        return integer_leaf(min(integers), max(integers))
    if not has_enum(definition):
        return STRING
    return Leaf(name, values=tuple(map(str, values)), description=definition.description)


def _literal(values: list[Any]) -> Leaf:
    if all(isinstance(value, str) for value in values):
        return STRING
    if all(isinstance(value, int) for value in values):
        return integer_leaf(min(values), max(values))
    return ANY


def _integer(declared: forms.Integer) -> Leaf:
    """Return the type of integers with these declared bounds."""
    low = declared.ge if declared.ge is not None else None if declared.gt is None else declared.gt + 1
    high = declared.le if declared.le is not None else None if declared.lt is None else declared.lt - 1
    found = integer_leaf(low or 0, high or 0)
    return UNBOUNDED if found is not LONG and None in (low, high) else found
