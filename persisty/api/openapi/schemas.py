"""The schemas of an OpenAPI document: items, what may be given and changed of them, filters, pages, problems.

Those of values are msgspec's, which validates with the same types.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import count
from typing import Any

import msgspec

from ...errors import all_errors
from ...model.declaration_checks import FLAGS
from ...model.derived_names import TYPES
from ...model.meta import Attribute, Link, StoreMeta
from ...model.types import INTEGER_MAX, INTEGER_MIN
from ...model.update_operators import change_word
from ...naming import pascal
from ...query.filter_parsing import spellings
from ..operations import ActionOperation, Operation, StoreOperation
from . import access
from .filters import filter_schema

Schema = dict[str, Any]
REF = "#/components/schemas/{name}"
SOME = "Fields"
"""Suffix of the name of an item's schema with only some fields."""


class Schemas:
    """The schemas of every type that the operations mention, each once, by reference."""

    def __init__(self, offered: Iterable[Operation]) -> None:
        metas = {one.meta.name: one.meta for one in offered if isinstance(one, StoreOperation)}
        self.links = {meta.name: access.open_links(meta, metas) for meta in metas.values()}
        told = [one for meta in metas.values() for one in meta.attributes.values() if _told(one)]
        types = [attribute.type for attribute in told]
        operands = [attribute.operand for meta in metas.values() for attribute in spellings(meta).values()]
        mentioned = [shape for one in offered if isinstance(one, ActionOperation) for shape in _annotations(one)]
        every = [*types, *operands, *mentioned]
        found, self.components = components_of(every, metas.values())
        _spell_decimals([found, self.components])
        self._found = list(zip(every, found, strict=True))
        self._by_identity = {id(annotation): schema for annotation, schema in self._found}
        self.components["Problem"] = problem()
        for meta in metas.values():
            self._item(meta)

    def of(self, annotation: Any) -> Schema:
        """Return the schema of a type among those given."""
        identical = self._by_identity.get(id(annotation))  # equality alone would compare each with each
        return (
            identical
            if identical is not None
            else next(schema for known, schema in self._found if known is annotation or known == annotation)
        )

    def attribute(self, attribute: Attribute, *, optional: bool | None = None) -> Schema:
        schema = dict(self.of(attribute.type))
        if attribute.description:
            schema["description"] = attribute.description
        if attribute.optional if optional is None else optional:
            return {"anyOf": [schema, {"type": "null"}]}
        return schema

    def _item(self, meta: StoreMeta[Any]) -> None:
        name, attributes = pascal(meta.name), meta.attributes.values()
        creatable = [one for one in attributes if one.creatable is not False]
        seen = {one.name: self.attribute(one) for one in access.visible(meta)}
        for some, required in (("", access.always_there(meta)), (SOME, None)):
            included = {link.name: access.link_schema(link, REF, some) for link in self.links[meta.name]}
            self.components[name + some] = object_of(seen | included, required=required)
            self.components[f"{name}{some}Page"] = object_of(
                {
                    "items": {"type": "array", "items": ref(name + some)},
                    "cursor": {"type": ["string", "null"]},
                    "errors": ERRORS,
                },
                required=["items", "cursor"],
            )
        self.components[name + SOME]["description"] = "What `fields` names of an item"
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
            {link.name: ref(f"{_target(link)}Where") for link in self.links[meta.name]},
        )
        if meta.access is not None and meta.access.allows("edit_batch"):
            self._edits(meta, name)

    def _change(self, attribute: Attribute) -> Schema:
        """A new value, or a change of the one that is stored."""
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
            "anyOf": [{"type": "object", "properties": done, "required": ["code"]}, ref("Problem")]
        }


def components_of(types: list[Any], metas: Collection[StoreMeta[Any]]) -> tuple[tuple[Schema, ...], dict[str, Schema]]:
    """Return the schemas of types, and those that they refer to by name. No name is one of an item's own schemas, unless it stands for the item."""
    own = {pascal(meta.name): meta for meta in metas}
    found, components = msgspec.json.schema_components(types, ref_template=REF)
    if twins := [
        own[name].item for name in components if name in own
    ]:  # the item, or a class of the same name: msgspec tells them apart
        found, components = msgspec.json.schema_components([*types, *twins], ref_template=REF)
        found = found[: len(types)]
    taken = {name + suffix for name in own for suffix in TYPES} | {"Problem"}
    renamed = {name: _unused(name, taken | {*components}) for name in components if name in taken}
    if renamed:
        _refer([found, components], {REF.format(name=old): REF.format(name=new) for old, new in renamed.items()})
    return found, {renamed.get(name, name): schema for name, schema in components.items()}


def _unused(name: str, taken: Collection[str]) -> str:
    return next(other for number in count(2) if (other := f"{name}{number}") not in taken)


def _refer(schema: Any, renamed: Mapping[str, str]) -> None:
    """Change the references in a schema."""
    inside = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list | tuple) else ()
    for one in inside:
        _refer(one, renamed)
    if isinstance(schema, dict) and schema.get("$ref") in renamed:
        schema["$ref"] = renamed[schema["$ref"]]


def object_of(properties: Mapping[str, Schema], required: list[str] | None = None) -> Schema:
    schema: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return {**schema, "required": required} if required else schema


CHANGES: dict[str, Callable[[Schema], Schema]] = {
    "add": lambda number: {"type": "integer", "minimum": INTEGER_MIN, "maximum": INTEGER_MAX},
    "append": lambda listed: {"type": "array", "items": listed.get("items", {})},
}
"""A change of what is stored as JSON spells it → the schema of its operand."""


_FEW_DIGITS = r"(?=[0.]*([0-9]\.?){0,38}([eE]|$))"
_NEAR_EXPONENT = r"[eE][+-]?([0-7]?[0-9]|80)"
_FAR_EXPONENT = r"[eE](-(8[1-9]|9[0-9]|1[0-2][0-9]|130)|\+?(8[1-9]|9[0-9]|1[01][0-9]|12[0-5]))"
DECIMAL = (
    rf"^-?({_FEW_DIGITS}[0-9]{{1,38}}(\.[0-9]{{1,44}})?({_NEAR_EXPONENT})?|[1-9](\.[0-9]{{1,37}})?{_FAR_EXPONENT})$"
)
"""At most 38 digits after leading zeros. With an exponent near the limits one digit before the point, as responses have it."""


NUMBERS: tuple[Schema, ...] = (
    {"const": 0},
    {"type": "number", "minimum": 1e-130, "maximum": 9.999999999999998e125},
    {"type": "number", "minimum": -9.999999999999998e125, "maximum": -1e-130},
)
"""The JSON numbers that may stand for a decimal, to the last float below the limit of `DECIMAL_MOST`."""


def _spell_decimals(schema: Any) -> None:
    """Say of each decimal how it is spelled: to msgspec's schemas any text is one. Numbers are taken, too; answers have text."""
    inside = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list | tuple) else ()
    for one in inside:
        _spell_decimals(one)
    if isinstance(schema, dict) and schema.get("format") == "decimal" and schema.get("type") == "string":
        spelled = {"type": schema.pop("type"), "format": schema.pop("format"), "pattern": DECIMAL}
        schema["anyOf"] = [spelled, *NUMBERS]


def _told(attribute: Attribute) -> bool:
    """Return whether some caller may read or set the attribute."""
    return any(getattr(attribute, flag) is not False for flag in FLAGS)


def _target(link: Link) -> str:
    return pascal(link.ends.target.name)


def _annotations(operation: Operation) -> list[Any]:
    return [*(one.shape for one in operation.parameters), operation.result]


def ref(name: str) -> Schema:
    return {"$ref": REF.format(name=name)}


ERRORS: Schema = {
    "type": "array",
    "items": ref("Problem"),
    "description": "The items that cannot be read, because what is stored does not fit the declaration",
}


def shown(name: str, more: str = "") -> Schema:
    """An item, or what is made of its schema: whole, or with what `fields` names of it."""
    return {"anyOf": [ref(name + more), ref(name + SOME + more)]}


def problem() -> Schema:
    fault = {
        "path": {"type": "string", "description": "JSON pointer into what was sent"},
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
    described = "A problem document (RFC 9457); a code may add members of its own"
    return {
        "type": "object",
        "description": described,
        "properties": properties,
        "required": ["title", "status", "code"],
    }
