"""Filter patterns of an event source mapping: Lambda then invokes the function of a store only for changes that an after trigger may want.

A pattern must never exclude a change that an action wants. So only comparisons are part of it whose stored form is certain; the function evaluates the whole
filter of each trigger again. A record is delivered if one of at most five patterns matches.

Source: "Control which events Lambda sends to your function" and "Using event filtering with a DynamoDB event source" in the AWS Lambda Developer Guide.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from msgspec import Struct

from ..backends.dynamodb.codec import WireCodec
from ..backends.dynamodb.stream_records import KINDS
from ..backends.dynamodb.wire_kinds import escape
from ..model.expressions import And, Compare, Filter, Or
from ..model.meta import StoreMeta
from ..model.types import Kind

MOST_PATTERNS, MOST_CHARACTERS = 5, 4096
"""Filter patterns of an event source mapping, and characters of one."""
EVENTS = {kind: event for event, kind in KINDS.items()}
"""Kind of a change → DynamoDB's name of its event."""
EXACT = frozenset({Kind.STRING, Kind.INTEGER, Kind.BOOLEAN, Kind.UUID, Kind.DATE, Kind.ENUM})
"""Kinds whose values DynamoDB returns in the form in which they were stored. It changes the spelling of other numbers."""
MOST_EXACT = 10**15
"""The first whole number that DynamoDB may spell in another way."""

Rules = tuple[tuple[str, tuple[Any, ...]], ...]
"""(attribute, alternatives), in the order of the names: an item may match only if each attribute has one of its alternatives, a JSON text of a rule."""
NONE: Rules = ()
"""The rules that every item satisfies."""


class Wanted(Struct, frozen=True):
    """Changes that a trigger may want: those of a `kind` whose item before and after matches these resolved filters. None: any item."""

    kind: str
    before: Filter | None = None
    after: Filter | None = None


class _Pattern(Struct, frozen=True):
    before: Rules
    after: Rules


def patterns_of(meta: StoreMeta[Any], wanted: Iterable[Wanted]) -> tuple[str, ...]:
    """Return the patterns, as JSON, of which each wanted change matches one. Empty: every change is wanted."""
    codec = WireCodec(meta)
    found: dict[str, set[_Pattern]] = {}
    for one in wanted:
        pairs = product(_alternatives(codec, meta, one.before), _alternatives(codec, meta, one.after))
        found.setdefault(one.kind, set()).update(_Pattern(before, after) for before, after in pairs)
    every = _Pattern(NONE, NONE)
    found = {kind: {every} if every in some else some for kind, some in found.items()}
    while (texts := _texts(codec, found)) is None:
        most, _ = Counter({kind: len(some) for kind, some in found.items() if some != {every}}).most_common(1)[0]
        found[most] = {every}
    if found.keys() == EVENTS.keys() and all(some == {every} for some in found.values()):
        return ()
    return texts


def _texts(codec: WireCodec, found: Mapping[str, set[_Pattern]]) -> tuple[str, ...] | None:
    """Return the patterns as JSON, None if there are too many or one is too long."""
    kinds: dict[_Pattern, list[str]] = {}
    for kind, some in found.items():
        for pattern in some:
            kinds.setdefault(pattern, []).append(EVENTS[kind])
    texts = sorted(_text(codec, sorted(events), pattern) for pattern, events in kinds.items())
    fits = len(texts) <= MOST_PATTERNS and all(len(one) <= MOST_CHARACTERS for one in texts)
    return tuple(texts) if fits else None


def _text(codec: WireCodec, events: Sequence[str], pattern: _Pattern) -> str:
    images = {
        name: {attribute: {codec.tag(attribute): [json.loads(one) for one in some]} for attribute, some in rules}
        for name, rules in (("NewImage", pattern.after), ("OldImage", pattern.before))
        if rules
    }
    return json.dumps({"eventName": list(events), **({"dynamodb": images} if images else {})})


def _alternatives(codec: WireCodec, meta: StoreMeta[Any], where: Filter | None) -> Sequence[Rules]:
    """Return rules of which each match of a filter satisfies one."""
    match where:
        case And(filters):
            found: Sequence[Rules] = (NONE,)
            for one in filters:
                both = [_both(*pair) for pair in product(found, _alternatives(codec, meta, one))]
                if 0 < len(both) <= MOST_PATTERNS:
                    found = both
            return found
        case Or(filters) if filters:
            return _merged([rules for one in filters for rules in _alternatives(codec, meta, one)])
        case Compare():
            rules = _compared(codec, meta, where)
            return (NONE,) if rules is None else (((where.attribute, rules),),)
    return (NONE,)


def _both(first: Rules, second: Rules) -> Rules:
    """Return rules that items with both satisfy. Of two rules for one attribute, the second is enough."""
    return tuple(sorted({**dict(first), **dict(second)}.items()))


def _merged(some: Sequence[Rules]) -> Sequence[Rules]:
    """Return as few alternatives as possible: those for one attribute become one."""
    if NONE in some:
        return (NONE,)
    merged: dict[str, tuple[Any, ...]] = {}
    rest: list[Rules] = []
    for rules in some:
        if len(rules) == 1:
            [(attribute, alternatives)] = rules
            merged[attribute] = tuple(dict.fromkeys((*merged.get(attribute, ()), *alternatives)))
        else:
            rest.append(rules)
    return [*(((attribute, one),) for attribute, one in merged.items()), *dict.fromkeys(rest)]


def _compared(codec: WireCodec, meta: StoreMeta[Any], where: Compare) -> tuple[str, ...] | None:
    """Return the alternatives of a stored value that a comparison may match, None if that is not certain."""
    attribute = meta.attributes.get(where.attribute)
    if attribute is None or attribute.kind not in EXACT or codec.stored[attribute.name] != attribute.name:
        return None
    if codec.absent_matches(where):  # an item may lack the value
        return None
    if where.operator == "startswith" and attribute.kind is Kind.STRING and where.value:
        return (json.dumps({"prefix": escape(where.value)}),) if _is_plain(where.value) else None
    if where.operator not in ("eq", "oneof"):
        return None
    values = [where.value] if where.operator == "eq" else list(where.value)
    if any(isinstance(value, int) and abs(value) >= MOST_EXACT for value in values):
        return None
    texts = [codec.value(attribute.name, value)[codec.tag(attribute.name)] for value in values]
    return tuple(dict.fromkeys(map(json.dumps, texts))) if texts and all(map(_is_plain, texts)) else None


def _is_plain(text: str) -> bool:
    return text.isprintable()
