"""Every kind of value reads back exactly; a value that an engine cannot store is rejected with its path."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, localcontext
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persisty import Create, InvalidInput, InvalidQuery, Store, Update
from persisty.model.nesting import MAX_NESTING

from .dirty import DOMAINS, TOKYO, rows
from .fixtures import OpenStore, present
from .items import Color, Place, Shift, Specimen

EXACT_TYPES: dict[str, type] = {
    "text": str,
    "count": int,
    "ratio": float,
    "done": bool,
    "at": datetime,
    "day": date,
    "ref": UUID,
    "price": Decimal,
    "color": Color,
    "blob": bytes,
    "extra": dict,
    "place": Place,
    "size": str,
    "grade": int,
}


def same(found: Any, given: Any) -> bool:
    return bool(found == given) and type(found) is type(given)


@pytest.mark.parametrize("name", DOMAINS)
def test_values_are_read_as_they_were_written(shelf: Store[Specimen], name: str) -> None:
    values = DOMAINS[name]
    keys, missing = ([str(uuid4()) for _ in values] for _ in range(2))
    creates = [Create({"id": key, name: value}) for key, value in zip(keys, values, strict=True)]
    made = [one.item for one in shelf.edit_batch(creates)]
    shelf.edit_batch(Create({"id": key}) for key in missing)
    updates = [Update(key, {name: value}) for key, value in zip(missing, values, strict=True)]
    changed = [one.item for one in shelf.edit_batch(updates)]
    single = [shelf.read(keys[-1]), *shelf.search(Specimen.id == keys[-1])]
    assert [one and one.id for one in single] == [keys[-1]] * 2
    for found in (made, shelf.read_batch(keys), changed, shelf.read_batch(missing)):
        for item, value, first in zip(found, values, made, strict=True):
            assert item is not None
            assert same(getattr(item, name), value)
            assert repr(getattr(item, name)) == repr(getattr(first, name))
    for item in single:
        assert same(getattr(item, name), values[-1])
    cleared = shelf.update(missing[-1], {name: None})
    assert cleared is not None
    assert getattr(cleared, name) is None
    assert shelf.read(missing[-1]) == cleared


@pytest.mark.parametrize("value", [None, 0, "", "x", [], {"a": None}, [1, 2.5, [True]]], ids=repr)
def test_any_json_value_may_be_stored_and_may_be_null(shelf: Store[Specimen], value: Any) -> None:
    made = shelf.create({"anything": value})
    assert made.anything == value
    assert shelf.read(made.id) == made
    assert bool(shelf.count((Specimen.id == made.id) & Specimen.anything.is_null())) == (value is None)
    assert present(shelf.update(made.id, {"anything": None})).anything is None
    assert shelf.update(made.id, {"anything": value}) == made


def test_dirty_rows_are_read_as_they_were_written(specimens: Store[Specimen]) -> None:
    made = []
    for start in range(0, 65, 50):
        made += [present(one.item) for one in specimens.edit_batch(map(Create, rows()[start : start + 50]))]
    given = {row["id"]: row for row in rows()}
    assert len(made) == len(given)
    for item in made:
        assert item == specimens.read(item.id)
        for name, value in given[item.id].items():
            assert same(getattr(item, name), value) or getattr(item, name) == value
    assert sorted(specimens.search_all(), key=lambda one: one.id) == sorted(made, key=lambda one: one.id)


def test_values_have_their_declared_types(dirty: Store[Specimen]) -> None:
    for item in dirty.search_all():
        for name, kind in EXACT_TYPES.items():
            assert getattr(item, name) is None or type(getattr(item, name)) is kind
        assert item.at is None or item.at.tzinfo is UTC


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Decimal("1.10"), Decimal("1.1")),
        (Decimal("1E+2"), Decimal(100)),
        (Decimal("-0.00"), Decimal(0)),
        (Decimal(12345678901234567890123456789012345678), Decimal(12345678901234567890123456789012345678)),
        (Decimal("0.12345678901234567890123456789012345678"), Decimal("0.12345678901234567890123456789012345678")),
        (Decimal("1" + "0" * 60), Decimal("1E+60")),
    ],
    ids=str,
)
def test_equal_decimals_are_stored_with_the_same_digits(
    specimens: Store[Specimen], given: Decimal, expected: Decimal
) -> None:
    with localcontext(prec=5):  # the caller's decimal context must not round stored values
        made = specimens.create({"id": "one", "price": given})
        found = specimens.read("one")
    assert found is not None
    assert made.price == found.price == expected
    assert str(made.price) == str(found.price)


SHIFTS: list[dict[str, Any]] = [
    {"starts": time(8, 30, 0, 5), "length": timedelta(hours=9, microseconds=1), "people": {"ann", "bob"}},
    {"starts": time(23, 59, 59), "length": timedelta(days=-3, seconds=1), "people": set()},
    {"days": frozenset({date(2026, 1, 1), date(2026, 1, 2)}), "pair": (1, "a"), "people": {"", "Ä"}},
    {"starts": time(0, 0), "length": timedelta(0), "days": frozenset(), "people": {str(n) for n in range(40)}},
]


def test_times_durations_sets_and_tuples_are_read_with_their_types(open_store: OpenStore) -> None:
    shifts = open_store(Shift)
    for number, values in enumerate(SHIFTS):
        made = shifts.create({"id": str(number), **values})
        found = shifts.read(str(number))
        assert made == found == Shift(id=str(number), **values)
        for name in values:
            assert same(getattr(found, name), values[name])
    for values in SHIFTS:
        assert shifts.update("0", values) == shifts.read("0")
    assert present(shifts.update("0", {"starts": None, "length": None, "days": None, "people": set()})).people == set()
    assert shifts.count(Shift.starts.is_null()) == 2
    assert shifts.count(Shift.length.is_null(False)) == 2


def test_a_json_attribute_is_compared_with_null_only(open_store: OpenStore) -> None:
    shifts = open_store(Shift)
    untyped: Any = Shift  # a type checker rejects these, too
    calls: list[Callable[[], Any]] = [
        lambda: shifts.search(untyped.length > timedelta(hours=1)),
        lambda: shifts.count(untyped.starts == time(8)),
        lambda: shifts.search(untyped.people.contains("ann")),
        lambda: shifts.search(order=untyped.length),
        lambda: shifts.aggregate(untyped.length.max()),
    ]
    for ask in calls:
        with pytest.raises(InvalidQuery) as caught:
            ask()
        assert "attributes stored as JSON" in caught.value.faults[0].message


def test_the_sign_of_zero_is_not_stored(specimens: Store[Specimen]) -> None:
    made = specimens.create({"id": "one", "ratio": -0.0})
    found = specimens.read("one")
    assert found is not None
    assert str(made.ratio) == str(found.ratio) == "0.0"


def test_a_datetime_is_stored_in_utc(specimens: Store[Specimen]) -> None:
    made = specimens.create({"id": "one", "at": datetime(2026, 1, 1, 9, tzinfo=TOKYO)})
    assert made.at == datetime(2026, 1, 1, tzinfo=UTC)
    assert made.at.tzinfo is UTC
    assert specimens.read("one") == made


def test_create_returns_nested_values_as_read_does(specimens: Store[Specimen]) -> None:
    made = specimens.create(
        {
            "id": "one",
            "extra": {
                "tuple": (1, 2),
                "when": datetime(2026, 1, 1, tzinfo=TOKYO),
                "price": Decimal("1.10"),
                "nan": float("nan"),
            },
            "place": {"city": "Bern", "height": 540},
        }
    )
    assert made.extra == {"tuple": [1, 2], "when": "2026-01-01T00:00:00+09:00", "price": "1.10", "nan": None}
    assert made.place == Place("Bern", 540.0)
    assert specimens.read("one") == made
    changed = specimens.update("one", {"extra": {"tuple": (3,)}})
    assert changed is not None
    assert changed.extra == {"tuple": [3]}
    assert specimens.read("one") == changed


def nested(levels: int) -> dict[str, Any]:
    """Return a dict that is nested `levels` levels deep."""
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


def test_a_value_of_the_greatest_nesting_is_read_as_it_was_written(specimens: Store[Specimen]) -> None:
    made = specimens.create({"id": "one", "extra": nested(MAX_NESTING)})
    assert made.extra == nested(MAX_NESTING)
    assert list(specimens.search()) == list(specimens.search(order="-id")) == [made]


circular: dict[str, Any] = {}
circular["self"] = circular

REFUSED: dict[str, list[Any]] = {
    "text": [5, b"x", "\ud800", "a\udfffb", ["x"]],
    "count": ["5", 1.5, True, 2**63, -(2**63) - 1, 10**400, Decimal(1)],
    "ratio": ["1.5", float("nan"), float("inf"), -float("inf"), 1e-131, 1e126, True, 10**400],
    "done": [1, "true", 0.0],
    "at": [datetime(2026, 1, 1), date(2026, 1, 1), "yesterday", "2026-01-01", 0, datetime(1, 1, 1, tzinfo=TOKYO)],
    "day": [datetime(2026, 1, 1, tzinfo=UTC), "2026-02-30", 0],
    "ref": ["x", 5, "6ba7b810-9dad-11d1-80b4"],
    "price": ["x", Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("1E+126"), Decimal("1E-131"), Decimal("1" * 39)],
    "color": ["purple", "RED", 1],
    "level": [0, "LOW", 2.5],
    "blob": [5, "not base64!", ["x"]],
    "tags": ["x", [1], [None], {"a": 1}, ["\ud800"], None],
    "extra": [[], "x", {1: 2}, {"a": object()}, {"a": "\ud800"}, circular, nested(MAX_NESTING + 1), nested(5_000)],
    "place": [{"city": 5}, {}, {"city": "x", "height": "high"}, "Bern"],
    "size": ["xl", "S", "", 1],
    "grade": [0, "1", True],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, id=f"{name}-{at}")
        for name, values in REFUSED.items()
        for at, value in enumerate(values)
    ],
)
def test_a_value_that_no_engine_can_store_is_rejected_with_its_path(
    shelf: Store[Specimen], name: str, value: Any
) -> None:
    existing, bad = shelf.create({}), str(uuid4())
    writes: list[Callable[[], object]] = [
        lambda: shelf.create({"id": bad, name: value}),
        lambda: shelf.update(existing.id, {name: value}),
    ]
    for write in writes:
        with pytest.raises(InvalidInput) as caught:
            write()
        [fault] = caught.value.faults
        assert fault.path == f"/{name}" or fault.path.startswith(f"/{name}/")
        assert fault.message
    assert shelf.read_batch([existing.id, bad]) == [existing, None]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
ROW = st.fixed_dictionaries(
    {},
    optional={
        "text": st.none() | TEXT,
        "count": st.none() | st.integers(-(2**63), 2**63 - 1),
        "ratio": st.none() | st.floats(-1e125, 1e125).filter(lambda one: one == 0 or abs(one) >= 1e-130),
        "done": st.none() | st.booleans(),
        "at": st.none() | st.datetimes(timezones=st.just(UTC)),
        "day": st.none() | st.dates(),
        "ref": st.none() | st.uuids(),
        "price": st.none()
        | st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**20), max_value=10**20),
        "color": st.none() | st.sampled_from(Color),
        "blob": st.none() | st.binary(max_size=30),
        "tags": st.lists(TEXT, max_size=3),
        "extra": st.none()
        | st.dictionaries(TEXT, st.recursive(st.none() | st.booleans() | TEXT, st.lists), max_size=3),
    },
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(row=ROW, changes=ROW)
def test_generated_items_round_trip(specimens: Store[Specimen], row: dict[str, Any], changes: dict[str, Any]) -> None:
    specimens.delete("one")
    made = specimens.create({"id": "one", **row})
    assert specimens.read("one") == made
    assert all(getattr(made, name) == value for name, value in row.items())
    changed = specimens.update("one", changes)
    assert specimens.read("one") == changed
    assert all(getattr(changed, name) == value for name, value in {**row, **changes}.items())
