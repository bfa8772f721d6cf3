"""Convert a filter to AppSync's form, which selects the events of a subscription. Raises `Unsupported` for a filter that has no such form.

AppSync's form is an `or` of groups. A group is an `and` of comparisons, each of a different field. The filter becomes a disjunction of groups whose
comparisons of one field are merged: `a >= 1 and a < 5` becomes `between [1, 4]`. The result never passes more than the filter, because AppSync
delivers every event that passes it without another check.

A field that is null or missing passes no comparison. AppSync does not document that for `ne`, `notIn` and `notContains`, so they are used only for
fields that are never null. Datetimes are compared as texts, which have the same length in published events (`change_publisher.py`).

Sources: "Extensions" and "Defining enhanced subscriptions filters" in the AWS AppSync Developer Guide. The limits of one comparison for each field of
a group, and of five fields in all groups together, are from AppSync's errors: "filter uses same fieldName multiple time", "Filters exceed maximum
attributes limit 5".
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
    field_test,
    merged,
)

MOST_GROUPS, MOST_FIELDS, MOST_VALUES = 10, 5, 5
"""The most groups of a filter, fields in it, and values of `in` and `notIn`."""
MOST_BETWEEN = 500
"""The most groups during the conversion."""
FilterGroup = dict[str, Any]
"""The argument of AppSync's `extensions.setSubscriptionFilter`."""
Group = dict[str, Test]
"""Attribute → its test. The empty group is always true."""


def subscription_filter(meta: StoreMeta[Any], rule: Filter, where: Filter, given: Any = None) -> FilterGroup:
    """Return the filter of the events that pass both `rule` and `where`, which are in normal form.

    `rule`: the row filter of the caller. `where`: the filter of the subscription; `given` is its JSON. Raises `Unsupported` if AppSync cannot express
    it, with the path in `given` of the cause.
    """
    try:
        _emitted(meta, _groups(meta, rule))
    except Inexpressible:
        message = f"AppSync's subscription filters cannot express the rule for reading {meta.name} for this caller"
        raise Unsupported(message) from None
    try:
        return {"filterGroup": _emitted(meta, _groups(meta, combine(And, [rule, where])))}
    except Inexpressible as error:
        fault = Fault(_mention(meta, given, error.name.partition(".")[0]) or "/where", str(error))
        raise Unsupported("AppSync's subscription filters cannot express this", faults=[fault]) from None


# groups


def _groups(meta: StoreMeta[Any], where: Filter) -> list[Group]:
    """Return the groups, one of which must match. An empty list matches nothing."""
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
    raise Inexpressible("An event has no linked items")


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
        one = merged(meta.attribute(name), found[name], test) if name in found else test
        if one is None:
            return None
        found[name] = one
    return found


# the form of AppSync


def _emitted(meta: StoreMeta[Any], groups: list[Group]) -> list[dict[str, Any]]:
    """Return the groups in AppSync's form."""
    if groups == [{}]:
        return _certain(meta)
    found: list[dict[str, Any]] = []
    for group in groups:
        each = [list(_entries(meta.attribute(name), test)) for name, test in group.items()]
        if len(found) + math.prod(map(len, each)) > MOST_GROUPS:
            raise _too_many()
        found += [{"filters": list(entries)} for entries in product(*each)]
    if not found:
        raise Inexpressible("No item can match this filter")
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
    raise Inexpressible(f"{meta.name} has no attribute that every event contains")


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
    """Return the function that converts a value to its JSON in an event."""
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
