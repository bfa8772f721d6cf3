"""`aggregate` and `count_by` over dirty data: the engine's numbers equal those of a loop over plain dicts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from decimal import Context, Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persisty import COUNT, Create, Filter, InvalidQuery, Store, add

from .dirty import DOMAINS, rows
from .generated import FILTERS, SORTABLE
from .items import Color, Level, Meter, Note, Specimen
from .oracle import Row, comparable, holds, ordered

S = Specimen
U: Any = Specimen
"""For aggregates that a type checker rejects."""
ROWS = [{**dict.fromkeys(DOMAINS), **row} for row in rows()]
EXACT = Context(prec=500)
NUMBERS = ("count", "ratio", "price")
EXTREMES = ("text", "count", "ratio", "at", "day", "ref", "price", "size", "grade")
"""Attributes with a minimum and a maximum: all but booleans, enums and bytes."""
AGGREGATES = [
    COUNT,
    *(getattr(S, name).max() for name in EXTREMES),
    *(getattr(S, name).min() for name in EXTREMES),
    *(getattr(S, name).sum() for name in NUMBERS),
    *(getattr(S, name).avg() for name in NUMBERS),
]
"""Every aggregate of every attribute."""


def expected_value(function: str, name: str | None, matches: Sequence[Row]) -> Any:
    """Return the expected value, computed by a loop."""
    if name is None:
        return len(matches)
    values = [row[name] for row in matches if row[name] is not None]
    if function in ("max", "min"):
        return (max if function == "max" else min)(values, key=comparable, default=None)
    total: Any = {"price": Decimal(0), "ratio": 0.0}.get(name, 0)
    for value in values:
        total = EXACT.add(total, value) if isinstance(total, Decimal) else total + value
    if function == "sum":
        return total
    if not values:
        return None
    return Context(prec=38).divide(total, Decimal(len(values))) if name == "price" else total / len(values)


def agree(found: Any, expected: Any, matches: Sequence[Row]) -> bool:
    """Return whether two values agree. Sums of floats in another order may differ by the rounding of the largest."""
    if isinstance(expected, float) and isinstance(found, float):
        most = max((abs(row["ratio"]) for row in matches if row["ratio"] is not None), default=0.0)
        return math.isclose(found, expected, rel_tol=1e-12, abs_tol=most * 1e-12)
    return bool(found == expected) and type(found) is type(expected)


def grouped(matches: Iterable[Row], by: Sequence[str]) -> dict[tuple[Any, ...], list[Row]]:
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in ordered(matches, by, ["id"]):
        groups.setdefault(tuple(row[name] for name in by), []).append(row)
    return groups


def check(store: Store[Specimen], measures: Sequence[Any], by: Sequence[str], where: Filter | None) -> None:
    matches = [row for row in ROWS if where is None or holds(where, row)]
    expected = grouped(matches, by) if by else {(): matches}
    found = store.aggregate(*measures, where=where, by=by or ())
    assert [one.by for one in found] == list(expected)
    for group, some in zip(found, expected.values(), strict=True):
        for one, value in zip(measures, group.values, strict=True):
            answer = expected_value(one.function, one.attribute, some)
            assert agree(value, answer, some), (one, group.by, value, answer)


def test_every_aggregate_of_every_attribute_over_all_rows(dirty: Store[Specimen]) -> None:
    check(dirty, AGGREGATES, (), None)


@pytest.mark.parametrize("by", [(name,) for name in SORTABLE] + [("color", "done"), ("level", "color", "done")])
def test_groups_have_equal_values_and_are_ordered_with_nulls_last(dirty: Store[Specimen], by: tuple[str, ...]) -> None:
    check(dirty, [COUNT, S.count.sum(), S.price.max(), S.ref.min()], by, None)


@pytest.mark.parametrize("by", [(), ("color",)])
def test_aggregates_of_filtered_rows(dirty: Store[Specimen], by: tuple[str, ...]) -> None:
    for where in (
        S.color == Color.RED,
        (S.level == Level.HIGH) & (S.price > Decimal(0)),
        S.text.icontains("a"),
        ~S.text.endswith("a") & (S.place.city == "Zürich"),
        S.count.is_null(),
        (S.count == 1) & (S.count == 2),
    ):
        check(dirty, AGGREGATES, by, where)


def test_no_rows_give_one_empty_group_without_by_and_no_group_with_by(notes: Store[Note]) -> None:
    [group] = notes.aggregate(COUNT, Note.rank.max(), Note.rank.min(), Note.rank.sum(), Note.rank.avg())
    assert (group.by, group.values) == ((), (0, None, None, 0, None))
    assert notes.aggregate(COUNT, by=Note.topic) == []
    assert notes.count_by(Note.topic) == {}


def test_count_by(dirty: Store[Specimen]) -> None:
    expected = {key[0]: len(some) for key, some in grouped(ROWS, ["color"]).items()}
    assert list(dirty.count_by(S.color).items()) == list(expected.items())
    assert dirty.count_by("done", S.count > 0) == {
        key[0]: len(some) for key, some in grouped([r for r in ROWS if (r["count"] or 0) > 0], ["done"]).items()
    }


def test_many_groups(notes: Store[Note]) -> None:
    for start in range(0, 300, 100):
        notes.edit_batch(Create(Note(rank=n, topic=str(n % 7))) for n in range(start, start + 100))
    assert notes.count_by(Note.rank) == dict.fromkeys(range(300), 1)
    found = notes.aggregate(COUNT, Note.rank.sum(), by=Note.topic)
    assert [(one.by[0], one.values) for one in found] == [
        (str(n), (len(range(n, 300, 7)), sum(range(n, 300, 7)))) for n in range(7)
    ]


def test_sums_are_exact_beyond_64_bits(meters: Store[Meter]) -> None:
    for number in range(4):
        meters.create(Meter(name=str(number), total=2**63 - 1 - number))
    [group] = meters.aggregate(Meter.total.sum(), Meter.total.avg(), Meter.maybe.sum())
    assert group.values == (4 * (2**63 - 1) - 6, (4 * (2**63 - 1) - 6) / 4, 0)


def test_aggregates_include_the_latest_writes(meters: Store[Meter]) -> None:
    meters.create(Meter(name="a", total=1))
    meters.create(Meter(name="b", total=2))
    meters.update("b", {"total": add(5)})
    meters.delete("a")
    [group] = meters.aggregate(COUNT, Meter.total.sum())
    assert group.values == (1, 7)


@pytest.mark.parametrize(
    ("ask", "path"),
    [
        (lambda s: s.aggregate(), "/aggregates"),
        (lambda s: s.aggregate(COUNT, U.text.sum()), "/aggregates/1"),
        (lambda s: s.aggregate(U.extra.max(), COUNT, U.color.min()), "/aggregates/0 /aggregates/2"),
        (lambda s: s.aggregate("count"), "/aggregates/0"),
        (lambda s: s.aggregate(COUNT, by="colour"), "/by/0"),
        (lambda s: s.aggregate(COUNT, by=["color", "extra"]), "/by/1"),
        (lambda s: s.count_by(S.tags), "/by/0"),
        (lambda s: s.count_by(S.color, U.count == "x"), "/where/count/eq"),
    ],
)
def test_an_invalid_aggregate_is_rejected_with_its_path(dirty: Store[Specimen], ask: Any, path: str) -> None:
    with pytest.raises(InvalidQuery) as caught:
        ask(dirty)
    assert [fault.path for fault in caught.value.faults] == path.split()


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    measures=st.lists(st.sampled_from(AGGREGATES), min_size=1, max_size=4),
    by=st.lists(st.sampled_from(SORTABLE), max_size=3, unique=True),
    where=FILTERS,
)
def test_generated_aggregates_agree_with_the_oracle(
    dirty: Store[Specimen], measures: list[Any], by: list[str], where: Filter
) -> None:
    check(dirty, measures, by, where)


@pytest.mark.parametrize("none", [(), [], {}], ids=["tuple", "list", "dict"])
def test_an_empty_by_in_any_form_is_one_group(notes: Store[Note], none: Any) -> None:
    notes.create(Note(rank=2))
    [group] = notes.aggregate(COUNT, by=none)
    assert (group.by, group.values) == ((), (1,))
