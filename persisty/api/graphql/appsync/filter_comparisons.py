"""Comparisons of a subscription filter: read from a filter, and merged with others of the same field.

AppSync accepts one comparison for each field in a group (`subscription_filter.py`), so two must become one: a set of values, a set of excluded
values, a range, or a piece of text. A comparison without such a form is `Inexpressible`. So is one that AppSync could evaluate differently: it
orders text, and its treatment of nulls is unspecified.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from msgspec import Struct

from ....model.meta import Attribute
from ....model.types import FLOAT_MAX, Kind
from ....query.evaluation import COMPARISONS
from ..described_types import leaf_of
from ..types import EXACT, UNBOUNDED, Form


class Values(Struct, frozen=True):
    """The field has one of these values."""

    among: tuple[Any, ...]


class Others(Struct, frozen=True):
    """The field has none of these values."""

    but: tuple[Any, ...]


class Words(Struct, frozen=True):
    """Text: `operator` is AppSync's."""

    operator: str
    text: str


class Bound(Struct, frozen=True):
    value: Any
    inclusive: bool


class Span(Struct, frozen=True):
    low: Bound | None = None
    high: Bound | None = None


Test = Values | Others | Words | Span


class Inexpressible(Exception):
    """AppSync cannot express a comparison. `name` is its attribute."""

    def __init__(self, message: str, name: str = "") -> None:
        self.name = name
        super().__init__(message)


def merged(attribute: Attribute, left: Test, right: Test) -> Test | None:
    """Return one test that passes the values which pass both tests of a field. None if no value does."""
    for one, other in ((left, right), (right, left)):
        match one, other:
            case Values(among), _:
                common = tuple(value for value in among if _passes(attribute, other, value))
                return Values(common) if common else None
            case Others(but), Others(more):
                return Others(tuple(dict.fromkeys((*but, *more))))
            case Others(but), _ if not any(_passes(attribute, other, value) for value in but):
                return other
    if isinstance(left, Span) and isinstance(right, Span):
        return Span(_narrower(left.low, right.low, max), _narrower(left.high, right.high, min))
    if left == right:
        return left
    raise Inexpressible("AppSync accepts one comparison for each field", attribute.name)


def _narrower(left: Bound | None, right: Bound | None, pick: Callable[..., Any]) -> Bound | None:
    if left is None or right is None:
        return left or right
    if left.value == right.value:
        return Bound(left.value, left.inclusive and right.inclusive)
    return left if pick(left.value, right.value) == left.value else right


def _passes(attribute: Attribute, test: Test, value: Any) -> bool:
    match test:
        case Values(among):
            return value in among
        case Others(but):
            return value not in but
        case Words(operator, text):
            return WORDS[operator](value, text)
        case Span(low, high):
            of = attribute.primitive
            above = low is None or COMPARISONS["ge" if low.inclusive else "gt"](of(value), of(low.value))
            return above and (high is None or COMPARISONS["le" if high.inclusive else "lt"](of(value), of(high.value)))


WORDS: Mapping[str, Callable[[str, str], bool]] = {
    "contains": lambda value, text: text in value,
    "notContains": lambda value, text: text not in value,
    "beginsWith": str.startswith,
}


# comparisons


def field_test(attribute: Attribute, operator: str, value: Any, *, negated: bool = False) -> Test | bool:
    """Return the test of a comparison, or True or False if it is the same for every item. `negated`: test that it does not match."""
    read = (NEGATED if negated else TESTS).get(operator)
    if attribute.path or attribute.readable is False:
        raise Inexpressible("Not a field of the event", attribute.name)
    if read is None:
        message = f"AppSync cannot negate {operator}" if negated else f"AppSync has no {operator}"
        raise Inexpressible(message, attribute.name)
    if leaf_of(attribute) is UNBOUNDED and any(one is not None and abs(one) > EXACT for one in _integers(value)):
        raise Inexpressible("An event cannot represent this integer", attribute.name)
    return read(attribute, value)


def _integers(value: Any) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else () if value is None else (value,)


_Read = Callable[[Attribute, Any], Test | bool]
"""(attribute, value) → the test, or True or False if it is the same for every item."""


def _among(attribute: Attribute, value: Any) -> Test:
    return Values(value if isinstance(value, tuple) else (value,))


def _others(attribute: Attribute, value: Any) -> Test:
    _never_null(attribute)
    return Others(value if isinstance(value, tuple) else (value,))


def _below(attribute: Attribute, value: Any, *, inclusive: bool) -> Test:
    return Span(high=_bound(attribute, value, inclusive))


def _above(attribute: Attribute, value: Any, *, inclusive: bool) -> Test:
    return Span(low=_bound(attribute, value, inclusive))


def _bound(attribute: Attribute, value: Any, inclusive: bool) -> Bound:
    if attribute.kind not in ORDERED or leaf_of(attribute).form is Form.DIGITS:
        raise Inexpressible(f"AppSync orders values of {attribute.kind} differently", attribute.name)
    if attribute.kind is Kind.STRING and any(one >= SURROGATES for one in value):
        raise Inexpressible("AppSync may order these characters differently", attribute.name)
    return Bound(value, inclusive)


def _words(attribute: Attribute, value: str, *, operator: str) -> Test | bool:
    if not value:
        return _null(attribute, operator == "notContains")
    if operator == "notContains":
        _never_null(attribute)
    return Words(operator, value)


def _null(attribute: Attribute, value: bool) -> Test | bool:
    if not attribute.optional:
        return not value
    if not value and attribute.kind is Kind.BOOLEAN:
        return Values((True, False))
    if value or attribute.kind not in LEAST or leaf_of(attribute).form is Form.DIGITS:
        raise Inexpressible("AppSync cannot compare this attribute with null", attribute.name)
    return Span(low=Bound(LEAST[attribute.kind], True))


def _never_null(attribute: Attribute) -> None:
    if attribute.optional:
        raise Inexpressible(
            "AppSync does not document this comparison for null, which the attribute may be", attribute.name
        )


ORDERED: Mapping[Kind, tuple[Callable[[Any], Any], Callable[[Any], Any]] | None] = {
    Kind.INTEGER: (lambda value: value + 1, lambda value: value - 1),
    Kind.FLOAT: (lambda value: math.nextafter(value, math.inf), lambda value: math.nextafter(value, -math.inf)),
    Kind.DATE: (lambda value: value + timedelta(1), lambda value: value - timedelta(1)),
    Kind.DATETIME: (lambda value: value + timedelta(microseconds=1), lambda value: value - timedelta(microseconds=1)),
    Kind.UUID: (lambda value: UUID(int=value.int + 1), lambda value: UUID(int=value.int - 1)),
    Kind.STRING: None,
}
"""Kinds that AppSync orders like persisty → functions that return the next value and the previous one. None if there are no such values."""
SURROGATES = "\ud800"
"""From this character on, the order of UTF-16 differs from that of code points."""
LEAST: Mapping[Kind, Any] = {
    Kind.INTEGER: 1 - 2**53,
    Kind.FLOAT: -FLOAT_MAX,
    Kind.DATE: date.min,
    Kind.DATETIME: datetime.min.replace(tzinfo=UTC),
    Kind.UUID: UUID(int=0),
}
"""Kind → the least value."""

TESTS: Mapping[str, _Read] = {
    "eq": _among,
    "ne": _others,
    "oneof": _among,
    "lt": partial(_below, inclusive=False),
    "le": partial(_below, inclusive=True),
    "gt": partial(_above, inclusive=False),
    "ge": partial(_above, inclusive=True),
    "contains": partial(_words, operator="contains"),
    "startswith": partial(_words, operator="beginsWith"),
    "null": _null,
}
NEGATED: Mapping[str, _Read] = {"oneof": _others, "contains": partial(_words, operator="notContains")}
"""Operator → function that makes the test of a comparison, and of its negation."""


def closed(attribute: Attribute, bound: Bound, side: int) -> Any:
    """Return the first value of a lower bound (`side` 0) or the last value of an upper one (1). None if there is none."""
    if bound.inclusive:
        return bound.value
    steps = ORDERED[attribute.kind]
    if steps is None:
        raise Inexpressible("AppSync has no range of text that excludes its ends", attribute.name)
    try:
        return steps[side](bound.value)
    except (OverflowError, ValueError):
        return None
