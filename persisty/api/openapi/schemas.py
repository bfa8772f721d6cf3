"""The schemas of an item in an OpenAPI document: the item, its creation and its update, filters, pages, edits of a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from ...errors import all_errors
from ...model import schema_types as forms
from ...model.declaration_checks import FLAGS
from ...model.meta import Attribute, Link, StoreMeta, per_meta
from ...model.type_descriptions import described, item_of, item_within
from ...model.types import INTEGER_MAX, INTEGER_MIN
from ...model.update_operators import change_word
from ...naming import pascal
from . import access
from .component_names import PROBLEM
from .filters import filter_parameters, filter_schema
from .type_schemas import REF, Schema, TypeSchemas

SOME = "Fields"
"""Suffix of the name of an item's schema with only some fields."""


class MentionedTypes:
    """The schemas of the types that an item or an action mentions. `names`: class → the name of its component; `meta`: the item; `items`: the classes of items whose
    components the document has. `components`: the schemas of named types, by name, as far as they have been mentioned."""

    def __init__(
        self, names: Mapping[Any, str], meta: StoreMeta[Any] | None = None, items: frozenset[Any] = frozenset()
    ) -> None:
        self.components: dict[str, Schema] = {}
        self._names, self._meta, self._items = names, meta, items
        self._known: dict[int, Schema] = {}

    def of(self, annotation: Any) -> Schema:
        """Return the schema of an annotation. It is recognized by its identity, so the item or the action must refer to it."""
        known = self._known.get(id(annotation))
        if known is None:
            found = described(annotation, self._meta)
            schemas = TypeSchemas(found, self._names.__getitem__)
            for name in found.definitions:
                component = self._names[found.classes[name]]
                if component not in self.components:
                    self.components[component] = schemas.component(forms.Named(name=name))
            known = self._known[id(annotation)] = schemas.of(found.type)
        return known

    def of_given(self, annotation: Any) -> Schema:
        """Return the schema of an argument: its items have the attributes that a caller may set on create."""
        found = described(annotation, self._meta)
        containing = {found.classes[name] for name in found.definitions if item_within(found, name)}
        if not containing:
            return self.of(annotation)
        schemas = TypeSchemas(found, lambda cls: self._given_name(cls) if cls in containing else self._names[cls])
        for name in found.definitions:
            component = self._given_name(cls) if (cls := found.classes[name]) in containing else self._names[cls]
            if component not in self.components and cls not in self._items:
                self.components[component] = _creatable(item_of(cls), schemas.component(forms.Named(name=name)))
        return schemas.of(found.type)

    def _given_name(self, cls: Any) -> str:
        """Return the name of the component of an argument's item, or of an object that contains one."""
        name = self._names[cls]
        if cls in self._items:
            return f"{name}Create"
        given, taken = f"{name}Input", self._names.values()
        numbered = (given if number == 1 else f"{given}{number}" for number in count(1))
        return next(one for one in numbered if one not in taken)


def _creatable(meta: StoreMeta[Any] | None, schema: Schema) -> Schema:
    """Return the schema of an item that has no store without the attributes that no caller may set."""
    if meta is None:
        return schema
    some = {name: one for name, one in schema["properties"].items() if meta.attributes[name].creatable is not False}
    return {**schema, "properties": some, "required": [one for one in schema["required"] if one in some]}


def classes_in(annotation: Any, meta: StoreMeta[Any] | None = None) -> tuple[Any, ...]:
    """Return the classes of the named types that an annotation mentions. `meta`: the item whose attribute has the type."""
    found = described(annotation, meta)
    return tuple(found.classes[name] for name in found.definitions)


@per_meta
def classes_of(meta: StoreMeta[Any]) -> tuple[Any, ...]:
    """Return the classes of the named types that an item's attributes mention, as far as some caller may read or set these."""
    offered = [one.type for one in meta.attributes.values() if _is_offered(one)]
    return tuple(dict.fromkeys(cls for annotation in offered for cls in classes_in(annotation, meta)))


class ItemSchemas:
    """The schemas of one item: `components` are its own, `types` those of the types of its attributes, by name. `filters`: the parameters of a URL
    that filter."""

    def __init__(self, meta: StoreMeta[Any], links: list[Link], names: Mapping[Any, str]) -> None:
        self.links = links
        mentioned = MentionedTypes(names, meta)
        self.of, self.types = mentioned.of, mentioned.components
        self.components: dict[str, Schema] = {}
        self._item(meta)
        self.filters = filter_parameters(meta, self.of)

    def attribute(self, attribute: Attribute) -> Schema:
        schema = dict(self.of(attribute.type))
        if attribute.description:
            schema["description"] = attribute.description
        if attribute.optional:
            return {"anyOf": [schema, {"type": "null"}]}
        return schema

    def _item(self, meta: StoreMeta[Any]) -> None:
        name, attributes = pascal(meta.name), meta.attributes.values()
        creatable = [one for one in attributes if one.creatable is not False]
        seen = {one.name: self.attribute(one) for one in access.visible(meta)}
        for some, required in (("", access.always_present(meta)), (SOME, None)):
            included = {link.name: access.link_schema(link, REF, some) for link in self.links}
            self.components[name + some] = object_of(seen | included, required=required)
            self.components[f"{name}{some}Page"] = object_of(
                {
                    "items": {"type": "array", "items": ref(name + some)},
                    "cursor": {"type": ["string", "null"]},
                    "errors": ERRORS,
                },
                required=["items", "cursor"],
            )
        self.components[name + SOME]["description"] = "The attributes and links that `fields` selects"
        if meta.description:
            self.components[name]["description"] = meta.description
        self.components[f"{name}Create"] = object_of(
            {one.name: self.attribute(one) for one in creatable},
            required=[one.name for one in creatable if one.required],
        )
        updatable = [one for one in attributes if one.updatable is not False]
        self.components[f"{name}Update"] = object_of({one.name: self._change(one) for one in updatable})
        self.components[f"{name}Where"] = filter_schema(
            meta,
            self.of,
            ref(f"{name}Where"),
            {link.name: ref(f"{_target(link)}Where") for link in self.links},
        )
        if meta.access is not None and meta.access.allows("edit_batch"):
            self._edits(meta, name)

    def _change(self, attribute: Attribute) -> Schema:
        """Return the schema of a new value, or of a change of the stored value."""
        schema, word = self.attribute(attribute), change_word(attribute)
        if word is None:
            return schema
        change = object_of({word: CHANGES[word](self.of(attribute.type))}, required=[word])
        return {"anyOf": [schema, change]}

    def _edits(self, meta: StoreMeta[Any], name: str) -> None:
        where = {"anyOf": [ref(f"{name}Where"), {"type": "null"}]}
        key = {"type": "string", "description": "The item's string key"}
        edits = {
            "create": ref(f"{name}Create"),
            "update": object_of(
                {"key": key, "changes": ref(f"{name}Update"), "when": where}, required=["key", "changes"]
            ),
            "delete": object_of({"key": key, "when": where}, required=["key"]),
        }
        offered = [
            object_of({verb: edit}, required=[verb]) for verb, edit in edits.items() if meta.rule(verb).allows(verb)
        ]
        self.components[f"{name}Edit"] = {"oneOf": offered} if offered else {"not": {}}
        done = {"code": {"const": "ok"}, "item": ref(name)}
        self.components[f"{name}EditResult"] = {
            "anyOf": [{"type": "object", "properties": done, "required": ["code"]}, ref(PROBLEM)]
        }


def object_of(properties: Mapping[str, Schema], required: list[str] | None = None) -> Schema:
    schema: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return {**schema, "required": required} if required else schema


CHANGES: dict[str, Callable[[Schema], Schema]] = {
    "add": lambda number: {"type": "integer", "minimum": INTEGER_MIN, "maximum": INTEGER_MAX},
    "append": lambda listed: {"type": "array", "items": listed.get("items", {})},
}
"""Update operator in JSON → the function that returns the schema of its operand."""


def _is_offered(attribute: Attribute) -> bool:
    """Return whether some caller may read or set the attribute."""
    return any(getattr(attribute, flag) is not False for flag in FLAGS)


def _target(link: Link) -> str:
    return pascal(link.ends.target.name)


def ref(name: str) -> Schema:
    return {"$ref": REF.format(name=name)}


ERRORS: Schema = {
    "type": "array",
    "items": ref(PROBLEM),
    "description": "The items that cannot be read because their stored values do not fit the declaration",
}


def shown(name: str, more: str = "") -> Schema:
    """Return the schema of an item in a response: whole, or with the attributes that `fields` selects. `more`: a suffix, such as `Page`."""
    return {"anyOf": [ref(name + more), ref(name + SOME + more)]}


def problem() -> Schema:
    fault = {
        "path": {"type": "string", "description": "JSON pointer into the request"},
        "message": {"type": "string"},
        "expected": {"type": "string"},
        "found": {"type": "string"},
    }
    properties = {
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"enum": [error.code for error in all_errors()]},
        "detail": {"type": "string"},
        "faults": {"type": "array", "items": {"type": "object", "properties": fault, "required": ["path", "message"]}},
    }
    described = "A problem document (RFC 9457). Some codes add members"
    return {
        "type": "object",
        "description": described,
        "properties": properties,
        "required": ["title", "status", "code"],
    }
