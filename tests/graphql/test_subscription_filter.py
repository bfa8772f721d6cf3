"""Filters in AppSync's form: every compiled filter passes exactly the events whose items match in Python."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Annotated, Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Meta

from persisty import App, Attr, BelongsTo, Filter, Unsupported, link, meta_of, public, stored
from persisty.api.graphql.appsync.change_publisher import published
from persisty.api.graphql.appsync.subscription_filter import subscription_filter
from persisty.model.expressions import ALL, Compare, Not
from persisty.model.types import OPERATORS, Kind
from persisty.query.evaluation import matcher
from persisty.query.filter_parsing import filter_of_json
from persisty.query.resolution import resolve_filter

from ..appsync_filter import check, lets_through


class Mood(enum.Enum):
    GLAD = "glad"
    SAD = "sad"


@stored(access=public)
class Room:
    id: UUID
    name: str = ""


@stored(access=public)
class Event:
    """An item with every kind that can be compared, required and optional."""

    id: UUID
    text: str
    number: int
    wide: Annotated[int, Meta(ge=0, le=2**40)]
    long: Annotated[int, Meta(ge=-(2**62), le=2**62)]
    ratio: float
    done: bool
    at: datetime
    day: date
    price: Decimal
    mood: Mood
    blob: bytes
    note: str | None = None
    rank: int | None = None
    seen: bool | None = None
    until: datetime | None = None
    hidden: str = Attr(default="", readable=False)
    room_id: UUID | None = None
    tags: list[str] | None = None
    room: BelongsTo[Room] = link()


App("events", items=[Room, Event])
META = meta_of(Event)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DOMAINS: dict[str, Sequence[Any]] = {
    "id": [UUID(int=1), UUID(int=2**127), UUID(int=2**128 - 1)],
    "text": ["a", "ab", "abc", "b", "", "ﬀ", "\U0001f600", "\ud7ff"],
    "number": [0, 1, 2, 3, 2**31 - 1, -(2**31)],
    "wide": [0, 1, 2**40],
    "long": [-(2**62), 9, 10, 2**62],
    "ratio": [0.0, 0.1, 0.30000000000000004, 1e125, -1e125, 3.0],
    "done": [True, False],
    "at": [
        NOON,
        NOON + timedelta(microseconds=1),
        NOON + timedelta(microseconds=999_999),
        NOON + timedelta(seconds=1),
        datetime.min.replace(tzinfo=UTC),
    ],
    "day": [date(2026, 3, 1), date(2026, 3, 2), date.min, date.max],
    "price": [Decimal("1.5"), Decimal(10), Decimal(9)],
    "mood": list(Mood),
    "blob": [b"", b"a", b"\xff"],
    "note": ["a", "ab", None],
    "rank": [1, 2, None],
    "seen": [True, False, None],
    "until": [NOON, NOON + timedelta(microseconds=1), None],
}
PAIRS = [(name, one) for name in DOMAINS for one, kinds in OPERATORS.items() if META.attribute(name).kind in kinds]
ITEMS = st.builds(Event, **{name: st.sampled_from(domain) for name, domain in DOMAINS.items()})


def _comparison(name: str, operator: str) -> st.SearchStrategy[Filter]:
    values = st.sampled_from([one for one in DOMAINS[name] if one is not None])
    strategies: dict[str, st.SearchStrategy[Any]] = {
        "null": st.booleans(),
        "oneof": st.lists(values, min_size=1, max_size=6).map(tuple),
    }
    return strategies.get(operator, values).map(lambda value: Compare(name, operator, value))


def _filters(names: Sequence[str]) -> st.SearchStrategy[Filter]:
    pairs = [pair for pair in PAIRS if pair[0] in names]
    return st.recursive(
        st.sampled_from(pairs).flatmap(lambda pair: _comparison(*pair)),
        lambda inner: (
            st.tuples(inner, inner).map(lambda pair: pair[0] & pair[1])
            | st.tuples(inner, inner).map(lambda pair: pair[0] | pair[1])
            | inner.map(Not)
        ),
        max_leaves=5,
    )


FEW = st.lists(st.sampled_from(sorted(DOMAINS)), min_size=1, max_size=3, unique=True).flatmap(_filters)
"""Filters of few attributes: several comparisons of one are what has to be drawn together."""
compiled = 0


@settings(max_examples=700, deadline=None, suppress_health_check=list(HealthCheck))
@given(where=FEW, rule=st.just(ALL) | FEW, items=st.lists(ITEMS, min_size=1, max_size=6))
def test_a_compiled_filter_passes_exactly_the_matching_events(where: Filter, rule: Filter, items: list[Event]) -> None:
    where_, ruled = resolve_filter(META, where), resolve_filter(META, rule)
    try:
        found = subscription_filter(META, ruled, where_)
    except Unsupported:
        return
    global compiled  # noqa: PLW0603 - a count for the test below
    compiled += 1
    check(found)
    expected, allowed = matcher(META, where_), matcher(META, ruled)
    for item in items:
        assert lets_through(found, published(item)) is (expected(item) and allowed(item)), (found, item)


def test_most_of_the_generated_filters_compile() -> None:
    assert compiled > 200


SOME: dict[str, Any] = {name: next(one for one in domain if one is not None) for name, domain in DOMAINS.items()}


@pytest.mark.parametrize("name", DOMAINS)
def test_every_pair_of_comparisons_of_one_attribute_is_merged_or_rejected(name: str) -> None:
    domain = [one for one in DOMAINS[name] if one is not None]
    attribute = META.attribute(name)
    single = [op for op in ("eq", "ne", "lt", "le", "gt", "ge") if attribute.kind in OPERATORS[op]]
    comparisons = [Compare(name, op, value) for op in single for value in domain] + [
        Compare(name, "oneof", tuple(domain[:2]))
    ]
    items = [Event(**{**SOME, name: value}) for value in DOMAINS[name]]
    events = [published(item) for item in items]
    drawn = 0
    for left, right in product(comparisons, repeat=2):
        where = resolve_filter(META, left & right)
        expected = list(map(matcher(META, where), items))
        try:
            found = subscription_filter(META, ALL, where)
        except Unsupported:
            continue
        check(found)
        drawn += 1
        assert [lets_through(found, event) for event in events] == expected, (left, right, found)
    assert drawn


def _filter(where: dict[str, Any], rule: Filter = ALL) -> list[list[tuple[str, str, Any]]]:
    resolved = filter_of_json(META, where)
    found = subscription_filter(META, rule, resolved, where)
    check(found)
    return [
        [(one["fieldName"], one["operator"], one["value"]) for one in group["filters"]]
        for group in found["filterGroup"]
    ]


@pytest.mark.parametrize(
    ("where", "groups"),
    [
        ({"text": {"eq": "a"}}, [[("text", "eq", "a")]]),
        ({"text": {"oneof": ["a", "b"]}}, [[("text", "in", ["a", "b"])]]),
        ({"number": {"ge": 1, "lt": 5}}, [[("number", "between", [1, 4])]]),
        ({"number": {"gt": 1}, "done": {"eq": True}}, [[("number", "gt", 1), ("done", "eq", True)]]),
        ({"or": [{"number": {"lt": 1}}, {"text": {"ne": "a"}}]}, [[("number", "lt", 1)], [("text", "ne", "a")]]),
        ({"not": {"text": {"oneof": ["a", "b"]}}}, [[("text", "notIn", ["a", "b"])]]),
        ({"not": {"text": {"contains": "a"}}}, [[("text", "notContains", "a")]]),
        ({"text": {"startswith": "a"}}, [[("text", "beginsWith", "a")]]),
        ({"long": {"eq": 2**62}}, [[("long", "eq", str(2**62))]]),
        ({"at": {"le": "2026-03-01T12:00:00Z"}}, [[("at", "le", "2026-03-01T12:00:00.000000Z")]]),
        ({"rank": {"null": False}}, [[("rank", "ge", 1 - 2**53)]]),
        ({"seen": {"null": False}}, [[("seen", "eq", True)], [("seen", "eq", False)]]),
        ({"text": {"oneof": list("abcdefg")}}, [[("text", "in", list("abcde"))], [("text", "in", list("fg"))]]),
        ({"text": {"oneof": ["a", "b"], "ne": "a"}}, [[("text", "eq", "b")]]),
    ],
)
def test_the_form_of_a_compiled_filter(where: dict[str, Any], groups: list[list[tuple[str, str, Any]]]) -> None:
    assert _filter(where) == groups


def test_a_rule_and_a_where_are_one_filter() -> None:
    rule = resolve_filter(META, Compare("text", "eq", "mine"))
    assert _filter({"or": [{"number": {"eq": 1}}, {"done": {"eq": True}}]}, rule) == [
        [("text", "eq", "mine"), ("number", "eq", 1)],
        [("text", "eq", "mine"), ("done", "eq", True)],
    ]


def test_a_filter_without_conditions_passes_every_event() -> None:
    found = _filter({})
    assert found == [[("id", "eq", str(UUID(int=0)))], [("id", "ne", str(UUID(int=0)))]]


@pytest.mark.parametrize(
    ("where", "path", "message"),
    [
        ({"text": {"icontains": "a"}}, "/where/text", "AppSync has no icontains"),
        ({"or": [{"done": {"eq": True}}, {"not": {"text": {"endswith": "a"}}}]}, "/where/or/1/not/text", "negate endswith"),
        ({"query": "words"}, "/where/query", "AppSync has no icontains"),
        ({"note": {"ne": "a"}}, "/where/note", "for null"),
        ({"not": {"note": {"oneof": ["a", "b"]}}}, "/where/not/note", "for null"),
        ({"not": {"rank": {"lt": 3}}}, "/where/not/rank", "with null"),
        ({"note": {"null": True}}, "/where/note", "with null"),
        ({"long": {"lt": 3}}, "/where/long", "differently"),
        ({"price": {"gt": "3"}}, "/where/price", "differently"),
        ({"blob": {"ge": "YQ=="}}, "/where/blob", "differently"),
        ({"text": {"gt": "\U0001f600"}}, "/where/text", "these characters"),
        ({"text": {"gt": "a", "lt": "b"}}, "/where/text", "excludes its ends"),
        ({"text": {"contains": "a", "startswith": "b"}}, "/where/text", "one comparison for each field"),
        ({"number": {"gt": 1, "ne": 3}}, "/where/number", "one comparison for each field"),
        ({"text": {"oneof": []}}, "/where", "No item"),
        ({"room": {"name": {"eq": "a"}}}, "/where/room", "no linked items"),
        ({"not": {"text": {"oneof": list("abcdef")}}}, "/where/not/text", "More than 5 values"),
        ({"or": [{"number": {"eq": n}} for n in range(11)]}, "/where", "More than 10 alternatives"),
        (
            {name: {"eq": 0} for name in ("number", "wide", "ratio")} | {"text": {"eq": ""}, "done": {"eq": True}, "mood": {"eq": "sad"}},
            "/where/mood",
            "More than 5 different",
        ),
    ],
)  # fmt: skip
def test_an_inexpressible_filter_is_rejected_with_its_path(where: dict[str, Any], path: str, message: str) -> None:
    with pytest.raises(Unsupported) as refused:
        _filter(where)
    [fault] = refused.value.faults
    assert fault.path == path
    assert message in fault.message


@pytest.mark.parametrize(
    "rule", [Compare("hidden", "eq", "x"), Compare("text", "endswith", "x"), Compare("note", "null", True)]
)
def test_an_inexpressible_rule_is_rejected_without_revealing_it(rule: Filter) -> None:
    with pytest.raises(Unsupported) as refused:
        _filter({"text": {"eq": "a"}}, resolve_filter(META, rule))
    assert refused.value.faults == ()
    assert "hidden" not in str(refused.value)


OPPOSITE: dict[str, Callable[[dict[str, Any]], bool]] = {
    "more than five values": lambda found: found["filterGroup"][0]["filters"][0].update(value=list("abcdef"), operator="in"),
    "eleven groups": lambda found: found.update(filterGroup=found["filterGroup"] * 11),
    "a field twice": lambda found: found["filterGroup"][0].update(filters=found["filterGroup"][0]["filters"] * 2),
}  # fmt: skip


@pytest.mark.parametrize("broken", OPPOSITE)
def test_the_checks_of_appsyncs_limits_can_fail(broken: str) -> None:
    found = subscription_filter(META, ALL, filter_of_json(META, {"text": {"eq": "a"}}))
    OPPOSITE[broken](found)
    with pytest.raises(AssertionError):
        check(found)


def test_every_kind_of_filters_is_in_the_domains() -> None:
    assert {META.attribute(name).kind for name in DOMAINS} == set(Kind) - {Kind.JSON}
