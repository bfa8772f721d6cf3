"""Generated filters in each of their forms: Python, JSON and the parameters of a URL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st
from msgspec import Struct

from persisty import Filter, StoreMeta
from persisty.model.expressions import And, Compare, Not, Or, Text
from persisty.model.types import OPERATORS
from persisty.query.filter_parsing import spellings


class Asked(Struct, frozen=True):
    """A comparison. `name`: the name in the item's JSON, such as `spot.postCode`. `value`: the value in JSON."""

    name: str
    attribute: str
    operator: str
    value: Any


class Words(Struct, frozen=True):
    text: str


class Joined(Struct, frozen=True):
    """`and`, `or` or `not` of some questions; `not` of exactly one."""

    how: str
    questions: tuple[Any, ...]


Question = Asked | Words | Joined


def comparisons(meta: StoreMeta[Any], domains: Mapping[str, Sequence[Any]]) -> st.SearchStrategy[Any]:
    """Return comparisons of the attributes, by their outside names, with values of their domains, and with null if JSON allows it."""
    return st.sampled_from(sorted(domains)).flatmap(lambda name: _comparison(meta, name, domains[name]))


def _comparison(meta: StoreMeta[Any], name: str, domain: Sequence[Any]) -> st.SearchStrategy[Any]:
    attribute = spellings(meta)[name]
    operators = [operator for operator, kinds in OPERATORS.items() if attribute.kind in kinds]
    values: dict[str, st.SearchStrategy[Any]] = {
        "null": st.booleans(),
        "oneof": st.lists(st.none() | st.sampled_from(domain), max_size=3),
        "eq": st.none() | st.sampled_from(domain),
        "ne": st.none() | st.sampled_from(domain),
    }
    return st.sampled_from(operators).flatmap(
        lambda operator: values.get(operator, st.sampled_from(domain or [None])).map(
            lambda value: Asked(name, attribute.name, operator, value)
        )
    )


def questions(
    meta: StoreMeta[Any], domains: Mapping[str, Sequence[Any]], words: Sequence[str]
) -> st.SearchStrategy[Any]:
    """Return any filter."""
    return st.recursive(
        comparisons(meta, domains)
        | st.lists(st.sampled_from(words), max_size=2).map(lambda said: Words(" ".join(said))),
        lambda inner: st.one_of(
            st.builds(Joined, st.sampled_from(["and", "or"]), st.lists(inner, max_size=3).map(tuple)),
            inner.map(lambda one: Joined("not", (one,))),
        ),
        max_leaves=6,
    )


def as_filter(question: Question) -> Filter:
    match question:
        case Asked(_, attribute, operator, value):
            return Compare(attribute, operator, value)
        case Words(text):
            return Text(text)
        case Joined("not", (inner,)):
            return Not(as_filter(inner))
        case Joined(how, inner):
            return (And if how == "and" else Or)(tuple(map(as_filter, inner)))
    raise TypeError(question)


def as_json(question: Question) -> dict[str, Any]:
    match question:
        case Asked(name, _, operator, value):
            compared: Any = {operator: value}
            for step in reversed(name.split(".")):
                compared = {step: compared}
            return dict(compared)
        case Words(text):
            return {"query": text}
        case Joined("not", (inner,)):
            return {"not": as_json(inner)}
        case Joined(how, inner):
            return {how: list(map(as_json, inner))}
    raise TypeError(question)


def as_parameters(asked: Sequence[Asked | Words]) -> list[tuple[str, str]]:
    """Return the parameters of filters that a URL can express: joined by and, with null only as an operator, without empty sets."""
    parameters: list[tuple[str, str]] = []
    for one in asked:
        if isinstance(one, Words):
            parameters.append(("query", one.text))
            continue
        name = one.name if one.operator == "eq" else f"{one.name}__{one.operator}"
        parameters += [(name, _text(value)) for value in (one.value if one.operator == "oneof" else [one.value])]
    return parameters


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def in_a_url(question: Question) -> bool:
    """Return whether a URL can express the filter."""
    if isinstance(question, Asked):
        value = question.value
        return value is not None and value != [] and (not isinstance(value, list) or None not in value)
    return isinstance(question, Words)
