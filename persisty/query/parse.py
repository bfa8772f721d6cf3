"""Read filters from outside: the JSON form that GraphQL and batches use, and the parameters of a URL.

JSON: `{"author_id": {"eq": "…"}, "or": [{"text": {"contains": "a"}}, {"text": {"null": true}}], "not": {…}, "query": "words"}`;
everything beside each other is joined by and. An attribute that is an object takes an object of its fields,
`{"place": {"city": {"eq": "Rome"}}}`. URL: `author_id=…&text__contains=a&n__oneof=1&n__oneof=2&place.city=Rome&query=words`; a
parameter without an operator means `eq`. Nested attributes are named as the item's JSON names them. Both give filters in
normal form, or `InvalidQuery` with every fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from ..errors import Fault, InvalidQuery
from ..model.expressions import ALL, NOTHING, And, Filter, Not, Or
from ..model.meta import Attribute, StoreMeta
from ..model.types import OPERATORS, Kind
from ..model.validation import pointer
from .resolve import combine, compare, mentions, resolve_filter

CONNECTIVES: dict[str, type[And | Or]] = {"and": And, "or": Or}
QUERY = "query"
"""What stands beside the connectives, and among parameters, for text to search."""
MAX_DEPTH = 20
"""Levels of and/or/not a filter from outside may have."""


@cache
def spellings(meta: StoreMeta[Any]) -> Mapping[str, Attribute]:
    """Every attribute that can be compared by its name outside: `text`, and `place.city` as the item's JSON spells it."""
    nested = {".".join((one.root, *one.path)): one for one in meta.nested.values()}
    return MappingProxyType({**meta.attributes, **nested})


def fields_of(meta: StoreMeta[Any], name: str) -> Mapping[str, Attribute]:
    """The fields of an attribute that is an object, by the names that its JSON gives them."""
    return {
        spelled.rpartition(".")[2]: one
        for spelled, one in spellings(meta).items()
        if spelled.rpartition(".")[0] == name
    }


def has_text(meta: StoreMeta[Any]) -> bool:
    """Whether there is any text that a `query` could look through."""
    return any(attribute.kind is Kind.STRING for attribute in meta.attributes.values())


def filter_of_json(meta: StoreMeta[Any], given: Any, path: str = "/where") -> Filter:
    """The filter a JSON value spells. None and `{}` match every item."""
    faults: list[Fault] = []
    found = ALL if given is None else _of_json(meta, given, path, faults, MAX_DEPTH)
    if faults:
        raise InvalidQuery(faults=faults)
    return resolve_filter(meta, found, path)


def _of_json(meta: StoreMeta[Any], given: Any, path: str, faults: list[Fault], depth: int) -> Filter:
    if not isinstance(given, Mapping) or depth == 0:
        what = "Expected an object" if depth else f"Nested more than {MAX_DEPTH} levels deep"
        faults.append(Fault(path, what, "object", _type(given)))
        return NOTHING
    parts: list[Filter] = []
    for name, value in given.items():
        at = path + pointer(name)
        if name in CONNECTIVES:
            listed = value if isinstance(value, list) else None
            if listed is None:
                faults.append(Fault(at, "Expected an array", "array of filters", _type(value)))
            inner = [_of_json(meta, one, at + pointer(i), faults, depth - 1) for i, one in enumerate(listed or ())]
            parts.append(combine(CONNECTIVES[name], inner))
        elif name == "not":
            parts.append(Not(_of_json(meta, value, at, faults, depth - 1)))
        elif name == QUERY:
            parts.append(mentions(meta, value, at, faults))
        else:
            parts += _of_attribute(meta, meta.attributes.get(name), name, value, at, faults)
    return combine(And, parts)


def _of_attribute(
    meta: StoreMeta[Any], attribute: Attribute | None, name: str, value: Any, path: str, faults: list[Fault]
) -> list[Filter]:
    """What an object says of one attribute: by operators, and where the attribute is an object itself, by its fields."""
    if attribute is None:
        faults.append(Fault(path, "Unknown attribute", found=str(name)[:64]))
        return []
    if not isinstance(value, Mapping):
        faults.append(Fault(path, "Expected an object of operators", 'such as {"eq": …}', _type(value)))
        return []
    parts: list[Filter] = []
    for member, one in value.items():
        at, below = path + pointer(member), f"{name}.{member}"
        field = spellings(meta).get(below)
        # no operator of an object takes an object, so that a field may have an operator's name
        if attribute.kind is Kind.JSON and (isinstance(one, Mapping) or (field and member not in OPERATORS)):
            parts += _of_attribute(meta, field, below, one, at, faults)
        else:
            parts.append(compare(attribute, name, member, one, at, faults))
    return parts


def filter_of_parameters(meta: StoreMeta[Any], given: Iterable[tuple[str, str]]) -> Filter:
    """The filter that URL parameters spell; paths of faults are the parameters' names."""
    faults: list[Fault] = []
    parts: list[Filter] = []
    sets: dict[str, list[str]] = {}
    known = spellings(meta)
    for parameter, value in given:
        if parameter == QUERY:
            parts.append(mentions(meta, value, pointer(parameter), faults))
            continue
        name, operator = _split(known, parameter)
        if operator == "oneof":
            sets.setdefault(parameter, []).append(value)
            continue
        attribute = known.get(name)
        read = _flag(value) if operator == "null" else value
        strict = attribute is not None and attribute.kind in (Kind.STRING, Kind.BYTES)
        parts.append(compare(attribute, name, operator, read, pointer(parameter), faults, strict=strict))
    for parameter, values in sets.items():
        name, operator = _split(known, parameter)
        parts.append(compare(known.get(name), name, operator, values, pointer(parameter), faults, strict=False))
    if faults:
        raise InvalidQuery(faults=faults)
    return combine(And, parts)


def _split(known: Mapping[str, Attribute], parameter: str) -> tuple[str, str]:
    """The attribute and the operator; fields of objects may have two underscores in their names."""
    if parameter in known:
        return parameter, "eq"
    name, _, operator = parameter.rpartition("__")
    return (name, operator) if name else (parameter, "eq")


def _flag(text: str) -> bool | str:
    return {"true": True, "false": False}.get(text.lower(), text)


def _type(value: Any) -> str:
    return "null" if value is None else type(value).__name__
