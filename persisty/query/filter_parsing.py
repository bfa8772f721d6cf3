"""Parse filters from outside: the JSON form of GraphQL and batches, and the parameters of a URL.

| | JSON | URL |
|---|---|---|
| several comparisons, all must match | `{"author_id": {"eq": "…"}, "n": {"oneof": [1, 2]}}` | `author_id=…&n__oneof=1&n__oneof=2` |
| connectives | `{"or": [{"text": {"contains": "a"}}, {"text": {"null": true}}], "not": {…}}` | |
| nested attributes | `{"place": {"city": {"eq": "Rome"}}}` | `place.city=Rome` |
| links | `{"author": {"username": {"eq": "ann"}}}` | `author.username=ann` |
| text search | `{"query": "words"}` | `query=words` |

A URL parameter without an operator means `eq`. Nested attributes have the names of the item's JSON. Both forms give filters in
normal form, or raise `InvalidQuery` with every fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from ..errors import Fault, InvalidQuery
from ..model.expressions import ALL, NOTHING, And, Filter, Linked, Not, Or
from ..model.meta import Attribute, StoreMeta, per_meta
from ..model.msgspec_faults import pointer
from ..model.types import OPERATORS, Kind
from .filter_algebra import combine
from .resolution import compare, mentions, resolved_leaves
from .unknown_names import unknown_name
from .visibility import View, unrestricted

CONNECTIVES: dict[str, type[And | Or]] = {"and": And, "or": Or}
QUERY = "query"
"""Name of the text search, in JSON objects and in URL parameters."""
MAX_DEPTH = 20
"""Most levels of and/or/not in a filter from outside."""
MAX_PARSED = 256
"""Names of parameters that are cached for a view."""
MAX_FILTERS = 1_000
"""Most filters in the `and` and `or` arrays of a JSON filter, counted before any of them is parsed."""


@per_meta
def spellings(meta: StoreMeta[Any]) -> Mapping[str, Attribute]:
    """Return every comparable attribute by its outside name: `text`, and `place.city` with the names of the item's JSON.

    Attributes that no caller may read are left out.
    """
    nested = {".".join((one.root, *one.path)): one for one in meta.nested.values()}
    known = {**meta.attributes, **nested}
    return MappingProxyType(
        {name: one for name, one in known.items() if meta.attributes[one.root].readable is not False}
    )


def spelled(view: View, name: str) -> Attribute | None:
    """Return the attribute with this outside name, or None if the view does not see it."""
    found = spellings(view.meta).get(name)
    return None if found is None or found.root in view.hidden else found


def fields_of(meta: StoreMeta[Any], name: str) -> Mapping[str, Attribute]:
    """Return the fields of an object attribute by their JSON names."""
    return {
        spelled.rpartition(".")[2]: one
        for spelled, one in spellings(meta).items()
        if spelled.rpartition(".")[0] == name
    }


def has_text(meta: StoreMeta[Any]) -> bool:
    """Return whether the item has text attributes that `query` can search."""
    return any(attribute.kind is Kind.STRING for attribute in meta.attributes.values())


def filter_of_json(meta: StoreMeta[Any], given: Any, path: str = "/where", view: View | None = None) -> Filter:
    """Return the resolved filter of a JSON value. None and `{}` match every item. `view`: the attributes that the filter may name.

    With a `view` the filter is `Resolved`, and a query of the same view does not check it again."""
    if given is None:
        return ALL
    if _has_too_many(given):
        raise InvalidQuery(faults=[Fault(path, "Too many filters in and, or", f"at most {MAX_FILTERS}")])
    faults: list[Fault] = []
    found = _of_json(view or unrestricted(meta), given, path, faults, MAX_DEPTH)
    if faults:
        raise InvalidQuery(faults=faults)
    return _resolved(meta, found, path, view)


def _resolved(meta: StoreMeta[Any], found: Filter, path: str, view: View | None) -> Filter:
    resolved = resolved_leaves(view or unrestricted(meta), found, path)
    return resolved.where if view is None or resolved.where == ALL else resolved


def _has_too_many(given: Any) -> bool:
    """Return whether the arrays of `and` and `or`, at all levels together, have more than `MAX_FILTERS` filters."""
    left, count = [given], 0
    while left:
        one = left.pop()
        if not isinstance(one, Mapping):
            continue
        for name, value in one.items():
            if name in CONNECTIVES and isinstance(value, list):
                count += len(value)
                if count > MAX_FILTERS:
                    return True
                left.extend(value)
            elif isinstance(value, Mapping):
                left.append(value)
    return False


def _of_json(view: View, given: Any, path: str, faults: list[Fault], depth: int) -> Filter:
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
            inner = [_of_json(view, one, at + pointer(i), faults, depth - 1) for i, one in enumerate(listed or ())]
            parts.append(combine(CONNECTIVES[name], inner))
        elif name == "not":
            parts.append(Not(_of_json(view, value, at, faults, depth - 1)))
        elif name == QUERY:
            parts.append(mentions(view, value, at, faults))
        elif name in view.meta.links and (behind := view.link(name)):
            parts.append(Linked(name, _of_json(behind[1], value, at, faults, depth - 1)))
        else:
            known = None if "." in name else spelled(view, name)
            parts += _of_attribute(view, known, name, value, at, faults)
    return combine(And, parts)


def _of_attribute(
    view: View, attribute: Attribute | None, name: str, value: Any, path: str, faults: list[Fault]
) -> list[Filter]:
    """Return the filter of one attribute's object: its operators, and the fields of an object attribute."""
    if attribute is None:
        faults.append(unknown_name(view, name, path, spellings))
        return []
    if not isinstance(value, Mapping):
        faults.append(Fault(path, "Expected an object of operators", 'such as {"eq": …}', _type(value)))
        return []
    parts: list[Filter] = []
    for member, one in value.items():
        at, below = path + pointer(member), f"{name}.{member}"
        field = spelled(view, below)
        # operators of an object attribute never take an object, so a field may have the name of an operator
        if attribute.kind is Kind.JSON and (isinstance(one, Mapping) or (field and member not in OPERATORS)):
            parts += _of_attribute(view, field, below, one, at, faults)
        else:
            parts.append(compare(attribute, member, one, at, faults))
    return parts


def filter_of_parameters(meta: StoreMeta[Any], given: Iterable[tuple[str, str]], view: View | None = None) -> Filter:
    """Return the filter of URL parameters. The path of a fault is the parameter's name. `view` as in `filter_of_json`."""
    seen = view or unrestricted(meta)
    faults: list[Fault] = []
    parts: list[Filter] = []
    sets: dict[str, list[str]] = {}
    for parameter, value in given:
        if parameter == QUERY:
            parts.append(mentions(seen, value, pointer(parameter), faults))
            continue
        comparison = _comparison(seen, parameter)
        if comparison.operator == "oneof":
            sets.setdefault(parameter, []).append(value)
            continue
        strict = comparison.attribute is not None and comparison.attribute.kind in (Kind.STRING, Kind.BYTES)
        parts.append(
            _compared(
                seen, comparison, _flag(value) if comparison.operator == "null" else value, parameter, faults, strict
            )
        )
    for parameter, values in sets.items():
        parts.append(_compared(seen, _comparison(seen, parameter), values, parameter, faults, False))
    if faults:
        raise InvalidQuery(faults=faults)
    found = combine(And, parts)
    return _resolved(meta, found, "/where", view)


class _Comparison(Struct, frozen=True):
    """A parameter, parsed: an attribute, the links that lead to it, and an operator."""

    name: str
    operator: str
    attribute: Attribute | None
    links: tuple[str, ...] = ()


def _comparison(view: View, parameter: str) -> _Comparison:
    """Parse a parameter's name."""
    found: _Comparison | None = view.parsed.get(parameter)
    if found is None:
        found = _parsed(view, parameter)
        if found.attribute is not None and len(view.parsed) < MAX_PARSED:
            view.parsed[parameter] = found
    return found


def _parsed(view: View, parameter: str) -> _Comparison:
    """Parse a parameter's name. Fields of objects may have two underscores in their names."""
    links, attribute = _found(view, parameter)
    if attribute is not None:
        return _Comparison(parameter, "eq", attribute, links)
    name, _, operator = parameter.rpartition("__")
    if not name:
        return _Comparison(parameter, "eq", None)
    links, attribute = _found(view, name)
    return _Comparison(name, operator, attribute, links)


def _found(view: View, name: str) -> tuple[tuple[str, ...], Attribute | None]:
    """Return the links that lead to an attribute such as `author.team.name`, and the attribute, or None if it is not visible."""
    attribute = spelled(view, name)
    step, _, rest = name.partition(".")
    if attribute is not None or not rest or step not in view.meta.links:
        return (), attribute
    behind = view.link(step)
    links, attribute = _found(behind[1], rest) if behind else ((), None)
    return (step, *links), attribute


def _compared(
    view: View, comparison: _Comparison, value: Any, parameter: str, faults: list[Fault], strict: bool
) -> Filter:
    if comparison.attribute is None:
        faults.append(unknown_name(view, comparison.name, pointer(parameter), spellings))
        return NOTHING
    found = compare(comparison.attribute, comparison.operator, value, pointer(parameter), faults, strict=strict)
    for link in reversed(comparison.links):
        found = Linked(link, found)
    return found


def _flag(text: str) -> bool | str:
    return {"true": True, "false": False}.get(text.lower(), text)


def _type(value: Any) -> str:
    return "null" if value is None else type(value).__name__
