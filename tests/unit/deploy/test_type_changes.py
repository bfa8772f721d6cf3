"""Attributes whose type changes: each value is converted exactly, or the migration lists it and changes nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from msgspec import Struct

from persisty import Attr, Index, SchemaMismatch, stored
from persisty.deploy.migration import Migration

from .cars import ROWS, Car, Color, Red, faults, kinds
from .conftest import Place


def retyped(before: Any, after: Any) -> tuple[type[Any], type[Any]]:
    def of(type_: Any) -> type[Any]:
        return stored(name="thing", indexes=[Index("value")])(
            type("Thing", (), {"__annotations__": {"id": str, "value": type_}, "__module__": __name__})
        )

    return of(before), of(after)


MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678900, UTC)
U = UUID("12345678-1234-5678-1234-567812345678")
CONVERTED: list[tuple[Any, Any, list[tuple[Any, Any]], list[Any]]] = [
    (str, int, [("5", 5), ("-7", -7), (str(2**62), 2**62)], ["", "x", "1.5", " 5", "05", str(2**63)]),
    (str, float, [("5", 5.0), ("1.5", 1.5), ("-1e3", -1000.0)], ["", "x", "nan", "1e200"]),
    (str, Decimal, [("5", Decimal(5)), ("1.50", Decimal("1.5"))], ["", "x", "NaN", "1" * 39]),
    (str, bool, [("true", True), ("False", False), ("1", True)], ["", "yes", "2"]),
    (
        str,
        datetime,
        [("2026-01-02T03:04:05.6789Z", MOMENT)],
        ["", "now", "2026-01-02", "2026-01-02T03:04:05", "infinity"],
    ),
    (str, date, [("2026-01-02", date(2026, 1, 2))], ["", "today", "2026-02-31"]),
    (str, UUID, [(str(U), U)], ["", "x"]),
    (int, str, [(5, "5"), (-7, "-7")], []),
    (int, float, [(5, 5.0)], [2**60 + 1]),
    (int, Decimal, [(5, Decimal(5)), (2**62, Decimal(2**62))], []),
    (int, bool, [(0, False), (1, True)], [2]),
    (float, str, [(1.0, "1"), (1.5, "1.5")], []),
    (float, int, [(1.0, 1)], [1.5, 1e30]),
    (float, Decimal, [(0.1, Decimal("0.1"))], []),
    (Decimal, str, [(Decimal("1.50"), "1.5")], []),
    (Decimal, int, [(Decimal(2), 2)], [Decimal("2.5"), Decimal(10) ** 30]),
    (Decimal, float, [(Decimal("0.1"), 0.1)], [Decimal("0.1234567890123456789012345678")]),
    (bool, str, [(True, "true")], []),
    (bool, int, [(True, 1), (False, 0)], []),
    (datetime, str, [(MOMENT, "2026-01-02T03:04:05.678900Z")], []),
    (datetime, date, [(datetime(2026, 1, 2, tzinfo=UTC), date(2026, 1, 2))], [MOMENT]),
    (date, str, [(date(2026, 1, 2), "2026-01-02")], []),
    (date, datetime, [(date(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC))], []),
    (UUID, str, [(U, str(U))], []),
    # forms that Python or a database accepts, but persisty does not
    (
        str,
        float,
        [("-0", 0.0), ("1e125", 1e125), ("-1.50E-3", -0.0015)],
        ["1_0", "1e-400", " 1", "٣", "007", "5e125", "1" * 30],
    ),
    (str, float, [("0", 0.0)], ["0x10", "inf", "1e400", "1e0001", "9" * 300, "0.12345678901234567", ".5", "5."]),
    (
        str,
        Decimal,
        [("-0", Decimal(0)), ("9.95e125", Decimal("9.95e125"))],
        ["1_0", " 1", "٣", "00", "1e126", "1e-131", "1e999"],
    ),
    (str, int, [(str(-(2**63)), -(2**63)), ("-0", 0)], ["1_0", "٣", "-00", "-01", "+5", "5\n"]),
    (str, bool, [("TRUE", True), ("0", False)], ["t", "on", " true", "\u0661"]),
    (
        str,
        datetime,
        [
            ("2026-01-02 05:04+0200", datetime(2026, 1, 2, 3, 4, tzinfo=UTC)),
            ("2026-01-02T03:04:05.6Z", MOMENT.replace(microsecond=600000)),
        ],
        ["2026-01-01T00:00:00.1234567Z", "20260101T000000Z", "2026-01-01T00:00:00,5Z", "2026-01-01T24:00:00Z"],
    ),
    (
        str,
        datetime,
        [("2026-01-02T01:04:05.678900-02:00", MOMENT)],
        ["0001-01-01T00:00:00+01:00", "9999-12-31T23:00:00-01:00", "2026-02-30T00:00:00Z", "0000-01-01T00:00:00Z"],
    ),
    (str, date, [("0001-01-01", date(1, 1, 1))], ["20260101", "2026-W01-1", "0000-01-01", "2026-1-1", "2026-01-0٣"]),
    (
        str,
        UUID,
        [(U.hex, U), (str(U).upper(), U)],
        [f"{{{U}}}", f"urn:uuid:{U}", f"{U.hex[:8]}-{U.hex[8:]}", f"{str(U)[:-1]}٣"],
    ),
    (float, int, [(-float(2**63), -(2**63))], [float(2**63)]),
]


@pytest.mark.parametrize(
    ("before", "after", "good", "bad"), CONVERTED, ids=[f"{a.__name__}-{b.__name__}" for a, b, *_ in CONVERTED]
)
def test_values_are_converted_exactly_or_the_migration_lists_them_and_changes_nothing(
    place: Place, before: Any, after: Any, good: list[tuple[Any, Any]], bad: list[Any]
) -> None:
    old, new = retyped(before, after)
    place.filled(old, *({"id": f"g{n}", "value": value} for n, (value, _) in enumerate(good)))
    assert place.opened is not None
    for n, value in enumerate(bad):
        place.opened.store(old).create({"id": f"b{n}", "value": value})
    if bad:
        with pytest.raises(SchemaMismatch) as caught:
            place.migrated(new)
        [fault] = caught.value.faults
        assert fault.path == "/thing/value"
        assert [one.split()[0] for one in str(fault.found).split("), ")] == [f"b{n}" for n in range(len(bad))]
        app = place.app(old)
        app.prepare()
        assert app.store(old).read("b0").value == bad[0]
        app.store(old).delete_all(old.id.startswith("b"))
    app, _ = place.migrated(new)
    assert [app.store(new).read(f"g{n}").value for n in range(len(good))] == [value for _, value in good]
    assert app.store(new).count(new.value == good[0][1]) >= 1


def test_a_type_that_cannot_be_converted_is_refused_and_names_the_items(place: Place) -> None:
    @stored(name="car")
    class Listed:
        id: str
        price: list[str]

    @stored(name="car")
    class Numbered:
        id: str
        price: int

    place.filled(Listed, {"id": "a", "price": []})
    with pytest.raises(SchemaMismatch, match="list cannot be converted to integer") as caught:
        place.migrated(Numbered)
    assert faults(caught) == {"/car/price": "a"}


def test_a_removed_member_of_an_enum_is_refused_while_items_have_it(place: Place) -> None:
    @stored(name="car", indexes=[Index("odometer")])
    class AllRed:
        id: str
        odometer: int
        color: Red = Red.RED
        note: str | None = None
        price: str = "1"

    place.filled(Car, *ROWS)
    with pytest.raises(SchemaMismatch, match="no longer declared") as caught:
        place.migrated(AllRed)
    assert faults(caught) == {"/car/color": "b ('green')"}
    place.app(Car).store(Car).update("b", {"color": "red"})
    app, _ = place.migrated(AllRed)
    assert [one.color for one in app.store(AllRed).search_all()] == [Red.RED, Red.RED]


@stored(name="car", indexes=[Index("odometer"), Index("price")])
class Tagged:
    id: str
    odometer: int
    color: Color = Color.RED
    note: list[str] = Attr(factory=list)
    price: str = "1"


def test_values_without_a_conversion_are_deleted_only_if_allowed(place: Place) -> None:
    place.filled(Car, *ROWS)
    with pytest.raises(SchemaMismatch, match=r"To delete them: --allow drop:car\.note"):
        place.migrated(Tagged)
    app, _ = place.migrated(Tagged, allow=("drop:car.note",))
    assert [(one.note, one.price) for one in app.store(Tagged).search_all()] == [([], "10"), ([], "11")]
    assert kinds(app) == set()


class Narrow(Struct):
    size: int


class Wide(Struct):
    size: int | str


@stored(name="box")
class Box:
    id: str
    color: Color = Color.RED
    inner: Wide | None = None


@stored(name="box")
class RedBox:
    id: str
    color: Red = Red.RED
    inner: Narrow | None = None


def test_a_start_does_not_hide_a_change_that_stored_items_may_not_fit(place: Place) -> None:
    wanted = {"members_removed color", "nested_narrowed inner"}
    place.filled(Box, {"id": "a", "color": "green"}, {"id": "b", "inner": {"size": "s"}})
    for _ in range(2):
        app = place.app(RedBox)
        app.prepare()
        assert kinds(app) == wanted
    with pytest.raises(SchemaMismatch):
        Migration(app).apply()
    assert kinds(app) == wanted
    app = place.app(Box)
    app.prepare()
    app.store(Box).update("a", {"color": "red"})
    app.store(Box).update("b", {"inner": None})
    app, _ = place.migrated(RedBox)
    assert kinds(app) == set()
