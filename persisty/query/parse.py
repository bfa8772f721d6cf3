"""Read filters from outside: the JSON form that GraphQL and batches use, and the parameters of a URL.

JSON: `{"author_id": {"eq": "…"}, "or": [{"text": {"contains": "a"}}, {"text": {"null": true}}], "not": {…}}`; everything
beside each other is joined by and. URL: `author_id=…&text__contains=a&n__oneof=1&n__oneof=2`; a parameter without an
operator means `eq`. Both give filters in normal form, or `InvalidQuery` with every fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import Fault, InvalidQuery
from ..model.expressions import ALL, NOTHING, And, Filter, Not, Or
from ..model.meta import StoreMeta
from ..model.types import Kind
from ..model.validation import pointer
from .resolve import combine, compare, resolve_filter

CONNECTIVES: dict[str, type[And | Or]] = {"and": And, "or": Or}
MAX_DEPTH = 20
"""Levels of and/or/not a filter from outside may have."""


def filter_of_json(meta: StoreMeta[Any], given: Any, path: str = "/where") -> Filter:
    """The filter a JSON value spells. None and `{}` match every item."""
    faults: list[Fault] = []
    found = _of_json(meta, given, path, faults, MAX_DEPTH)
    if faults:
        raise InvalidQuery(faults=faults)
    return resolve_filter(meta, found, path)


def _of_json(meta: StoreMeta[Any], given: Any, path: str, faults: list[Fault], depth: int) -> Filter:
    if given is None:
        return ALL
    if not isinstance(given, Mapping) or depth == 0:
        what = "Expected an object" if depth else f"Nested more than {MAX_DEPTH} levels deep"
        faults.append(Fault(path, what, "object", type(given).__name__))
        return NOTHING
    parts: list[Filter] = []
    for name, value in given.items():
        at = path + pointer(name)
        if name in CONNECTIVES:
            listed = value if isinstance(value, list) else None
            if listed is None:
                faults.append(Fault(at, "Expected an array", "array of filters", type(value).__name__))
            inner = [_of_json(meta, one, at + pointer(i), faults, depth - 1) for i, one in enumerate(listed or ())]
            parts.append(combine(CONNECTIVES[name], inner))
        elif name == "not":
            parts.append(Not(_of_json(meta, value, at, faults, depth - 1)))
        elif not isinstance(value, Mapping):
            faults.append(Fault(at, "Expected an object of operators", 'such as {"eq": …}', type(value).__name__))
        else:
            attribute = meta.attributes.get(name)
            parts += [compare(attribute, name, op, one, at + pointer(op), faults) for op, one in value.items()]
    return combine(And, parts)


def filter_of_parameters(meta: StoreMeta[Any], given: Iterable[tuple[str, str]]) -> Filter:
    """The filter that URL parameters spell; paths of faults are the parameters' names."""
    faults: list[Fault] = []
    parts: list[Filter] = []
    sets: dict[str, list[str]] = {}
    for parameter, value in given:
        name, _, operator = parameter.partition("__")
        if operator == "oneof":
            sets.setdefault(parameter, []).append(value)
            continue
        attribute = meta.attributes.get(name)
        read = _flag(value) if operator == "null" else value
        strict = attribute is not None and attribute.kind in (Kind.STRING, Kind.BYTES)
        parts.append(compare(attribute, name, operator or "eq", read, pointer(parameter), faults, strict=strict))
    for parameter, values in sets.items():
        name = parameter.partition("__")[0]
        parts.append(
            compare(meta.attributes.get(name), name, "oneof", values, pointer(parameter), faults, strict=False)
        )
    if faults:
        raise InvalidQuery(faults=faults)
    return combine(And, parts)


def _flag(text: str) -> bool | str:
    return {"true": True, "false": False}.get(text.lower(), text)
