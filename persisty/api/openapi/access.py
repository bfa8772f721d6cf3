"""Access rules and links in the OpenAPI document: what a caller may read, how it authenticates, and which links a response can include."""

from __future__ import annotations

from typing import Any

from ...model.meta import Attribute, Link, StoreMeta
from ...model.rules import AnyOf, Rule, authenticated, everyone, nobody
from ...model.verbs import VERBS, carried_out
from ...naming import pascal
from ...security.access_matrix import simplified
from ...security.caller import ANONYMOUS
from ..operations import ActionOperation, MultiStoreOperation, Operation, StoreOperation
from ..rest.fieldsets import FIELDS
from ..rest.include import INCLUDE, MAX_LEVELS, MAX_LINKS

Schema = dict[str, Any]

SCHEMES: Schema = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
"""Security schemes: how callers authenticate."""


def visible(meta: StoreMeta[Any]) -> list[Attribute]:
    """Return the attributes that some caller may read."""
    return [one for one in meta.attributes.values() if one.readable is not False]


def always_present(meta: StoreMeta[Any]) -> list[str]:
    """Return the attributes that every response with the item has. A caller that creates an item without the right to read it gets only the key."""
    if _creators_read(meta):
        return [one.name for one in meta.attributes.values() if one.readable is True]
    return list(meta.key.attributes)


def _creators_read(meta: StoreMeta[Any]) -> bool:
    """Return whether every caller who may create an item may also read it."""
    read, create = _rule(meta, "read"), _rule(meta, "create")
    if create.constant is False or read in (everyone, create):
        return True
    if read == authenticated:
        return simplified(create, ANONYMOUS).constant is False
    return isinstance(read, AnyOf) and create in read.parts


def _rule(meta: StoreMeta[Any], verb: str) -> Rule:
    found: Rule = nobody if meta.access is None else meta.access.of(verb)
    return found


def security(operation: Operation) -> list[dict[str, list[str]]]:
    """Return the security requirement of an operation: none if anonymous callers may be allowed."""
    named: list[dict[str, list[str]]] = [{"bearer": []}]
    if isinstance(operation, MultiStoreOperation):
        return [{}, *named]
    rule = operation.access if isinstance(operation, ActionOperation) else _rule(operation.meta, operation.verb)
    return named if simplified(rule, ANONYMOUS).constant is False else [{}, *named]


def refusals(operation: Operation) -> tuple[str, ...]:
    """Return the error codes for callers without access."""
    if not isinstance(operation, StoreOperation):
        return ("unauthenticated", "forbidden")
    ruled = _rule(operation.meta, operation.verb).constant is not True
    given = any(VERBS[verb].sets for verb in carried_out(operation.verb))
    return ("unauthenticated", "forbidden") if ruled or given else ("unauthenticated",)


def open_links(meta: StoreMeta[Any]) -> list[Link]:
    """Return the links to stores that some caller may read."""
    return [
        link
        for link in meta.links.values()
        if _rule(link.ends.target, "read").constant is not False
        and meta.attributes[link.ends.local].readable is not False
    ]


def link_schema(link: Link, reference: str, some: str = "") -> Schema:
    """Return the schema of an included link. `some`: name of the item's schema with only some fields."""
    target = pascal(link.ends.target.name) + some
    schemas: dict[str, Schema] = {
        "has_many": {"$ref": reference.format(name=f"{target}Page")},
        "has_count": {"type": "integer", "minimum": 0},
    }
    one: Schema = {"anyOf": [{"$ref": reference.format(name=target)}, {"type": "null"}]}
    return schemas.get(link.kind, one) | ({"description": link.description} if link.description else {})


def include_parameter(links: list[Link]) -> list[Schema]:
    """Return the parameter that includes links, in a list that is empty if there are no links."""
    if not links:
        return []
    description = f"Links to include, at most {MAX_LINKS}; `a.b` is the link b of the items linked by a, at most {MAX_LEVELS} levels"
    return [_names(INCLUDE, description, [link.name for link in links])]


def fields_parameter(meta: StoreMeta[Any], links: list[Link]) -> Schema:
    """Return the parameter that selects attributes and links of items."""
    description = (
        "Attributes and links to return; `a.b` is the attribute b of the items linked by a, which are then included, "
        f"at most {MAX_LEVELS} levels"
    )
    named = [*(one.name for one in visible(meta)), *(link.name for link in links)]
    return _names(FIELDS, description, named)


def _names(parameter: str, description: str, names: list[str]) -> Schema:
    listed = {"type": "array", "items": {"enum": names}, "minItems": 1}
    return {"name": parameter, "in": "query", "explode": False, "description": description, "schema": listed}
