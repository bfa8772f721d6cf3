"""The filters of an item in the OpenAPI document: as parameters of a URL, and as JSON in the edits of a batch.

Both come from the tables that filters are parsed by (`persisty.query.filter_parsing`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...model.meta import Attribute, StoreMeta
from ...model.types import OPERATORS
from ...query.filter_parsing import CONNECTIVES, QUERY, fields_of, has_text, spellings

Schema = dict[str, Any]
SchemaOf = Callable[[Any], Schema]

WORDS: Schema = {
    "type": "string",
    "description": "Words. Each of them occurs in a text of the item, in any case",
}

OPERANDS: dict[str, Callable[[Schema], Schema]] = {
    "oneof": lambda plain: {"type": "array", "items": plain},
    "null": lambda plain: {"type": "boolean"},
    "contains": lambda plain: {"type": "string"},
    "startswith": lambda plain: {"type": "string"},
    "endswith": lambda plain: {"type": "string"},
    "icontains": lambda plain: {"type": "string"},
}
"""Operator → the schema of its operand, if that is not the attribute's own."""
NULLABLE = frozenset({"eq", "ne", "oneof"})
"""Operators whose operand can be null in JSON. A URL has no null."""


def filter_parameters(meta: StoreMeta[Any], of: SchemaOf) -> list[dict[str, Any]]:
    """Return a parameter for each attribute and operator, such as `author_id`, `created_at__gt` and `place.city`, and `query`."""
    parameters: list[dict[str, Any]] = []
    for spelled, attribute in spellings(meta).items():
        plain = of(attribute.operand)
        for operator in _operators(attribute):
            name = spelled if operator == "eq" else f"{spelled}__{operator}"
            parameters.append({"name": name, "in": "query", "schema": _operand(operator, plain)})
    if has_text(meta):
        parameters.append({"name": QUERY, "in": "query", "schema": WORDS})
    return parameters


def filter_schema(meta: StoreMeta[Any], of: SchemaOf, reference: Schema, links: Mapping[str, Schema]) -> Schema:
    """Return the schema of a filter as JSON: attribute → operator → operand, and the connectives. `reference` refers to this schema, `links` to
    those of linked items."""
    properties = {
        **{name: {"type": "array", "items": reference} for name in CONNECTIVES},
        "not": reference,
        **({QUERY: WORDS} if has_text(meta) else {}),
        **links,
        **{
            name: _comparisons(meta, name, one, of)
            for name, one in meta.attributes.items()
            if one.readable is not False
        },
    }
    return {
        "type": "object",
        "description": "All members have to match",
        "properties": properties,
        "additionalProperties": False,
    }


def _comparisons(meta: StoreMeta[Any], name: str, attribute: Attribute, of: SchemaOf) -> Schema:
    plain = of(attribute.operand)
    properties = {one: _operand(one, _or_null(plain) if one in NULLABLE else plain) for one in _operators(attribute)}
    for field, inner in fields_of(meta, name).items():
        below = _comparisons(meta, f"{name}.{field}", inner, of)
        properties[field] = {"anyOf": [properties[field], below]} if field in properties else below
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _operators(attribute: Attribute) -> list[str]:
    return [operator for operator, kinds in OPERATORS.items() if attribute.kind in kinds]


def _operand(operator: str, plain: Schema) -> Schema:
    operand = OPERANDS.get(operator)
    return operand(plain) if operand else plain


def _or_null(plain: Schema) -> Schema:
    return {"anyOf": [plain, {"type": "null"}]}
