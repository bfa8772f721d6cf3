"""Faults list the allowed values, the place in a row, and the store that blocks a delete."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest
from msgspec import Meta, Struct

from persisty import ANONYMOUS, App, Attr, BelongsTo, Create, InvalidDeclaration, Update, link, public, stored
from persisty.errors import Conflict, Fault, InvalidInput, InvalidQuery
from persisty.model.msgspec_faults import EXAMPLES
from persisty.transfer.load import load
from persisty.transfer.rows import Row


class State(Enum):
    PARKED = "parked"
    RIDING = "riding"


class Trip(Struct):
    states: list[State]


@stored(access=public)
class Station:
    id: str


@stored(access=public)
class Bike:
    id: str
    state: State = State.PARKED
    size: Literal["s", "l"] | None = None
    many: Literal[tuple(range(30))] = 0  # type: ignore[valid-type]
    trips: list[Trip] = Attr(factory=list)
    station_id: str | None = None
    station: BelongsTo[Station] = link(by="station_id", on_delete="block")


@stored
class Repair:
    id: str
    station_id: str
    station: BelongsTo[Station] = link(by="station_id", on_delete="block")


@pytest.fixture(params=["memory://", "sqlite:///:memory:"])
def app(request: pytest.FixtureRequest) -> App:
    return App("bikes", items=[Station, Bike, Repair], url=request.param)


@pytest.mark.parametrize(
    ("given", "path", "expected"),
    [
        ({"state": "PARKED"}, "/state", "one of parked, riding"),
        ({"size": "m"}, "/size", "one of l, s"),
        ({"many": 99}, "/many", "one of " + ", ".join(map(str, range(20))) + ", …"),
        ({"trips": [{"states": ["parked", "x"]}]}, "/trips/0/states/1", "one of parked, riding"),
    ],
)
def test_an_invalid_enum_value_lists_the_allowed_ones(
    app: App, given: Mapping[str, Any], path: str, expected: str
) -> None:
    with pytest.raises(InvalidInput) as raised:
        app.store(Bike).create({"id": "1", **given})
    assert [(one.path, one.expected) for one in raised.value.faults] == [(path, expected)]
    with pytest.raises(InvalidInput) as raised:
        app.store(Bike).update("1", given)
    assert [(one.path, one.expected) for one in raised.value.faults] == [(path, expected)]


def test_a_filter_with_an_invalid_enum_value_lists_the_allowed_ones(app: App) -> None:
    with pytest.raises(InvalidQuery) as raised:
        app.store(Bike).search(Bike.state == "PARKED")
    assert [one.expected for one in raised.value.faults] == ["one of parked, riding"]


def test_the_faults_of_a_rejected_row_have_paths_into_the_row(app: App) -> None:
    rows = [Row(1, {"id": "1"}), Row(2, {"id": "2", "station_id": "missing"}), Row(3, {"id": "3", "state": "X"})]
    for some in ([rows[0], rows[1]], rows[2:]):
        [settled] = load(app.store(Bike), some, lambda given: given)
        [rejected] = settled.rejected
        [fault] = rejected.faults
        assert fault.path == ("/station_id" if rejected.line == 2 else "/state")


def test_the_fault_of_a_create_in_a_batch_is_in_its_item_and_that_of_an_update_in_its_changes(app: App) -> None:
    app.store(Bike).create({"id": "0"})
    edits = [Create({"id": "1", "station_id": "missing"}), Update("0", {"station_id": "missing"})]
    errors = [one.error for one in app.store(Bike).edit_batch(edits)]
    assert [one.faults[0].path for one in errors if one] == ["/edits/0/item/station_id", "/edits/1/changes/station_id"]
    assert "/edits/0/item/station_id: No item has this key" in repr(errors[0])


def test_the_repr_of_an_error_shows_its_first_faults() -> None:
    assert repr(InvalidInput("no")) == "InvalidInput('no')"
    shown = repr(InvalidInput("no", faults=[Fault(f"/{number}", "wrong") for number in range(5)]))
    assert shown == "InvalidInput('no', faults=[/0: wrong; /1: wrong; /2: wrong; and 2 more])"


@pytest.mark.parametrize("blocking", [Bike, Repair])
def test_a_blocked_delete_names_the_store_that_blocks_it_to_a_caller_that_may_read_it(
    app: App, blocking: type[Any]
) -> None:
    name = blocking.__name__.lower()
    app.store(Station).create({"id": "s"})
    app.store(blocking).create({"id": "1", "station_id": "s"})
    for caller, named in ((None, True), (ANONYMOUS, blocking is Bike)):
        store = app.store(Station) if caller is None else app.store(Station).on_behalf_of(caller)
        with pytest.raises(Conflict) as raised:
            store.delete("s")
        assert raised.value.details == {"attributes": [], **({"store": name} if named else {})}
        assert (name in str(raised.value)) is named


def test_the_fault_of_an_edit_without_a_store_shows_how_to_name_one(app: App) -> None:
    with pytest.raises(InvalidInput, match=r"Update\(key, \{\.\.\.\}, store=User\)"):
        app.edit_batch([Update("1", {"state": "riding"})])


def test_a_link_to_an_item_of_another_app_is_reported_with_its_name() -> None:
    with pytest.raises(InvalidDeclaration, match="links to station, which the app does not declare"):
        App("bikes", items=[Bike], url="memory://").store(Bike).read("1")


def test_a_filter_in_the_place_of_the_changes_shows_the_order_of_the_arguments(app: App) -> None:
    bikes, parked = app.store(Bike), Bike.state == State.PARKED
    calls: list[Callable[[], Any]] = [
        lambda: bikes.update_all(parked, {"state": "riding"}),  # type: ignore[arg-type]
        lambda: bikes.update("1", parked),  # type: ignore[arg-type]
        lambda: bikes.edit_batch([Update("1", parked)]),  # type: ignore[arg-type]
    ]
    for call in calls:
        with pytest.raises(InvalidInput, match=r"The changes come before the filter: `update_all\(changes, where\)`"):
            call()
    for verb in (lambda: bikes.update(parked, {"state": "riding"}), lambda: bikes.delete(parked)):
        with pytest.raises(InvalidInput, match=r"/key: Not a key. `update_all\(changes, where\)` and `delete_all"):
            verb()
    with pytest.raises(InvalidQuery, match=r"/where: Not a filter \(expected a filter such as Bike.id == value"):
        bikes.search({"state": "parked"})  # type: ignore[arg-type]


@stored
class Patient:
    id: str
    phone: Annotated[str, Meta(pattern=r"^\+[0-9]+`?$")] = "+1"
    born: date | None = None
    seen: datetime | None = None
    dose: Decimal | None = None
    ref: UUID | None = None
    scan: bytes | None = None
    visits: list[date] = Attr(factory=list)
    by_ref: dict[UUID, int] = Attr(factory=dict)


@pytest.mark.parametrize(
    ("given", "path", "expected"),
    [
        ({"phone": "1"}, "/phone", r"str matching regex '^\+[0-9]+`?$'"),
        ({"born": "01/06/2027"}, "/born", "a date such as 2027-06-30"),
        ({"seen": "01/06/2027"}, "/seen", "a datetime such as 2027-06-30T08:00:00Z"),
        ({"dose": "0,20"}, "/dose", "a decimal such as 12.50"),
        ({"ref": "x"}, "/ref", "a UUID such as 123e4567-e89b-12d3-a456-426614174000"),
        ({"scan": "?"}, "/scan", "base64 such as aGVsbG8="),
        ({"visits": ["x"]}, "/visits/0", "a date such as 2027-06-30"),
        ({"by_ref": {"x": 1}}, "/by_ref/*", "a UUID such as 123e4567-e89b-12d3-a456-426614174000"),
    ],
)
def test_the_fault_of_text_in_another_form_has_an_example_or_the_pattern_as_declared(
    given: Mapping[str, Any], path: str, expected: str
) -> None:
    with pytest.raises(InvalidInput) as raised:
        App("clinic", items=[Patient], url="memory://").store(Patient).create({"id": "1", **given})
    [fault] = raised.value.faults
    assert (fault.path, fault.expected) == (path, expected)


def test_the_examples_are_valid() -> None:
    types = (date, datetime, time, timedelta, UUID, Decimal, bytes)
    for type_, (message, expected) in zip(types, EXAMPLES.items(), strict=True):
        msgspec.convert(expected.split()[-1], type_)
        with pytest.raises(msgspec.ValidationError, match=f"^{message}$"):
            msgspec.convert("?", type_)
