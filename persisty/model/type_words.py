"""The declared type of an attribute in the words of a fault: `a list of string values`, where its kind alone would say JSON."""

from __future__ import annotations

from . import schema_types as forms
from .meta import Attribute
from .schema_types import Type, arms
from .type_descriptions import Described, class_name, description_of
from .types import Kind

NOUNS: dict[type[Type], str] = {forms.List: "list", forms.Set: "set", forms.Tuple: "tuple", forms.Dict: "object"}


def type_words(attribute: Attribute) -> str:
    """Return what a value of the attribute is, such as `integer`, `a list of string values` or `an object of type Place`."""
    if attribute.kind is not Kind.JSON:
        return str(attribute.kind)
    found = description_of(attribute.type)
    return " or ".join(dict.fromkeys(_one(found, type_) for type_ in arms(found.type)))


def _one(found: Described, type_: Type) -> str:
    match type_:
        case forms.List(items=inner) | forms.Set(items=inner) | forms.Tuple(every=Type() as inner):
            return f"a {NOUNS[type(type_)]} of {_many(found, inner)}"
        case forms.Dict(values=inner):
            return f"an object of {_many(found, inner)}"
        case forms.Tuple():
            return "a tuple"
        case forms.Named():
            return f"an object of type {class_name(found.cls(type_))}"
    return str(type_.__struct_config__.tag)


def _many(found: Described, type_: Type) -> str:
    return " or ".join(dict.fromkeys(_several(found, one) for one in arms(type_))) or "JSON values"


def _several(found: Described, type_: Type) -> str:
    match type_:
        case forms.Named():
            return f"{class_name(found.cls(type_))} values"
        case forms.Anything():
            return "JSON values"
    return f"{NOUNS[type(type_)]}s" if type(type_) in NOUNS else f"{type_.__struct_config__.tag} values"
