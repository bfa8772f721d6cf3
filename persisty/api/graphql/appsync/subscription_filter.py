"""A filter in the form in which AppSync applies it to the events of a subscription; what cannot be said there is `Unsupported`.

AppSync's form is an `or` of groups, and a group an `and` of comparisons, each of another field. The filter becomes a disjunction of
groups whose comparisons of one field are drawn together (`a >= 1 and a < 5` becomes `between [1, 4]`). Nothing is ever widened: AppSync
delivers every event that passes its filter, and no further check follows.

A field that is null, or not there, passes no comparison; that holds for `ne`, `notIn` and `notContains` is nowhere said, so those are
used on fields that are never null only. Datetimes are compared as text, which is right because what is published has them at one
width (`publishing.py`).

Sources: "Extensions" and "Defining enhanced subscriptions filters" in the AWS AppSync Developer Guide. That a group takes a field once,
and all groups together five fields, is what AppSync answers to more: "filter uses same fieldName multiple time", "Filters exceed
maximum attributes limit 5".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import product
from typing import Any

import msgspec

from ....errors import Fault, Unsupported
from ....model.expressions import And, Compare, Filter, Not, Or
from ....model.meta import Attribute, StoreMeta
from ....model.msgspec_faults import pointer
from ....model.types import Kind, datetime_text
from ....query.filter_algebra import combine
from ....query.filter_parsing import QUERY
from ..described_types import leaf_of
from ..types import Form
from .filter_comparisons import (
    LEAST,
    ORDERED,
    Bound,
    Inexpressible,
    Others,
    Span,
    Test,
    Values,
    Words,
    closed,
    drawn,
    field_test,
)

MOST_GROUPS, MOST_FIELDS, MOST_VALUES = 10, 5, 5
"""Groups of a filter, fields that it names, and values of `in` and `notIn`."""
MOST_BETWEEN = 500
"""Groups that a filter may have on the way."""
FilterGroup = dict[str, Any]
"""The argument of AppSync's `extensions.setSubscriptionFilter`."""
Group = dict[str, Test]
"""Attribute → its test. The empty group is always true."""


def subscription_filter(meta: StoreMeta[Any], rule: Filter, where: Filter, given: Any = None) -> FilterGroup:
    """Return the filter that passes what both pass. `rule`: the row filter of the caller; `where`: the filter of the subscription, which `given` is the JSON
    of; both in normal form. Raise `Unsupported` if AppSync cannot express it, with the path in `given` that causes it."""
    try:
        _emitted(meta, _groups(meta, rule))
    except Inexpressible:
        message = f"AppSync's subscription filters cannot express the rule for reading {meta.name} for this caller"
        raise Unsupported(message) from None
    try:
        return {"filterGroup": _emitted(meta, _groups(meta, combine(And, [rule, where])))}
    except Inexpressible as error:
        fault = Fault(_mention(meta, given, error.name.partition(".")[0]) or "/where", str(error))
        raise Unsupported("AppSync's subscription filters cannot say this", faults=[fault]) from None


# groups


def _groups(meta: StoreMeta[Any], where: Filter) -> list[Group]:
    """Return the groups, of which one must match. None of them: nothing matches."""
    match where:
        case And(filters):
            found: list[Group] = [{}]
            for one in filters:
                pairs = product(found, _groups(meta, one))
                found = _few(both for left, right in pairs if (both := _both(meta, left, right)) is not None)
            return found
        case Or(filters):
            return _few(group for one in filters for group in _groups(meta, one))
        case Not(Compare(name, operator, value)):
            return _of_one(name, field_test(meta.attribute(name), operator, value, negated=True))
        case Compare(name, operator, value):
            return _of_one(name, field_test(meta.attribute(name), operator, value))
    raise Inexpressible("What is behind a link is not in the event")


def _of_one(name: str, test: Test | bool) -> list[Group]:
    if isinstance(test, bool):
        return [{}] if test else []
    return [{name: test}]


def _few(groups: Iterable[Group]) -> list[Group]:
    found: list[Group] = []
    for group in groups:
        if group not in found:
            found.append(group)
        if len(found) > MOST_BETWEEN:
            raise _too_many()
    return [{}] if {} in found else found


def _too_many() -> Inexpressible:
    return Inexpressible(f"More than {MOST_GROUPS} alternatives")


def _both(meta: StoreMeta[Any], left: Group, right: Group) -> Group | None:
    """Return the group that matches what both match, None if nothing does."""
    found = dict(left)
    for name, test in right.items():
        one = drawn(meta.attribute(name), found[name], test) if name in found else test
        if one is None:
            return None
        found[name] = one
    return found


# what AppSync is given


def _emitted(meta: StoreMeta[Any], groups: list[Group]) -> list[dict[str, Any]]:
    """The groups as AppSync takes them."""
    if groups == [{}]:
        return _certain(meta)
    found: list[dict[str, Any]] = []
    for group in groups:
        each = [list(_entries(meta.attribute(name), test)) for name, test in group.items()]
        if len(found) + math.prod(map(len, each)) > MOST_GROUPS:
            raise _too_many()
        found += [{"filters": list(entries)} for entries in product(*each)]
    if not found:
        raise Inexpressible("No item is like this")
    fields = list(dict.fromkeys(entry["fieldName"] for group in found for entry in group["filters"]))
    if len(fields) > MOST_FIELDS:
        raise Inexpressible(f"More than {MOST_FIELDS} different attributes", fields[MOST_FIELDS])
    return found


def _certain(meta: StoreMeta[Any]) -> list[dict[str, Any]]:
    """Return a filter that every event passes. Without one, AppSync would compare the subscription's arguments with fields of the event."""
    for attribute in meta.attributes.values():
        if attribute.readable is not False and not attribute.optional and attribute.kind in ORDERED:
            some = LEAST.get(attribute.kind, "0")
            return [{"filters": [_entry(attribute, operator, some)]} for operator in ("eq", "ne")]
    raise Inexpressible(f"{meta.name} has no attribute that is always there")


def _entries(attribute: Attribute, test: Test) -> Iterator[dict[str, Any]]:
    """Yield the comparisons, of which one must match."""
    entry = partial(_entry, attribute)
    match test:
        case Values(among):
            size = 1 if attribute.kind is Kind.BOOLEAN else MOST_VALUES  # `in` is not for booleans
            for start in range(0, len(among), size):
                some = among[start : start + size]
                yield entry("in", list(some)) if len(some) > 1 else entry("eq", some[0])
        case Others(but):
            if len(but) > MOST_VALUES or (len(but) > 1 and attribute.kind is Kind.BOOLEAN):
                raise Inexpressible(f"More than {MOST_VALUES} values left out", attribute.name)
            yield entry("notIn", list(but)) if len(but) > 1 else entry("ne", but[0])
        case Words(operator, text):
            yield entry(operator, text)
        case Span(Bound() as low, Bound() as high):
            first, last = closed(attribute, low, 0), closed(attribute, high, 1)
            if first is not None and last is not None and first <= last:
                yield entry("between", [first, last])
        case Span(Bound(value, inclusive), None):
            yield entry("ge" if inclusive else "gt", value)
        case Span(None, Bound(value, inclusive)):
            yield entry("le" if inclusive else "lt", value)


def _entry(attribute: Attribute, operator: str, value: Any) -> dict[str, Any]:
    spell = _spelling(attribute)
    spelled = list(map(spell, value)) if isinstance(value, list) else spell(value)
    return {"fieldName": attribute.name, "operator": operator, "value": spelled}


def _spelling(attribute: Attribute) -> Callable[[Any], Any]:
    """Value → the JSON that an event has of it."""
    if attribute.kind is Kind.DATETIME:
        return datetime_text
    return (
        (lambda value: str(msgspec.to_builtins(value)))
        if leaf_of(attribute).form is Form.DIGITS
        else msgspec.to_builtins
    )


# faults


def _mention(meta: StoreMeta[Any], given: Any, name: str, path: str = "/where") -> str | None:
    """Return the path of the first mention of the attribute, or of a text search or a link that could include it."""
    inside = enumerate(given) if isinstance(given, list) else given.items() if isinstance(given, Mapping) else ()
    for step, one in inside:
        if step in (name, QUERY) or step in meta.links:
            return path + pointer(step)
        if isinstance(given, list) or step in ("and", "or", "not"):
            found = _mention(meta, one, name, path + pointer(step))
            if found is not None:
                return found
    return None
