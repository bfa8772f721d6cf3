"""Validation converts the input of a caller to the stored form, and reports every fault."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from operator import attrgetter
from typing import Annotated, Any
from uuid import UUID, uuid4

import msgspec
import pytest
from msgspec import Meta, Struct

from persisty import VERSION, Attr, Fault, Generator, InvalidInput, meta_of, stored
from persisty.model.generators import Add
from persisty.model.msgspec_faults import fault_of, pointer
from persisty.model.validation import changed, changes_of, changes_of_all, new_item, new_items
from persisty.model.value_validation import key_values, operand, typed


class Line(Struct):
    sku: Annotated[str, Meta(min_length=1)]
    count: Annotated[int, Meta(ge=1)] = 1


@stored
class Order:
    id: UUID
    email: Annotated[str, Meta(pattern="@")]
    lines: list[Line] = Attr(factory=list)
    note: Annotated[str, Meta(max_length=5)] | None = None
    total: Decimal = Decimal(0)
    rate: Annotated[float, Meta(gt=0)] = 1.0
    due: date | None = None
    secret: str = Attr(default="s", creatable=False, updatable=False)
    version: int = Attr(generator=VERSION)
    created_at: datetime
    updated_at: datetime


META = meta_of(Order)
GOOD: dict[str, Any] = {"email": "a@b"}


def faults(call: Any) -> list[Fault]:
    with pytest.raises(InvalidInput) as caught:
        call()
    return list(caught.value.faults)


def test_a_new_item_is_complete_with_equal_timestamps() -> None:
    before = datetime.now(UTC)
    item = new_item(META, GOOD)
    assert isinstance(item, Order)
    assert item.id.version == 4
    assert item.version == 1
    assert before <= item.created_at == item.updated_at <= datetime.now(UTC)
    assert (item.lines, item.note, item.total, item.secret) == ([], None, Decimal(0), "s")


def test_given_values_are_not_generated() -> None:
    key, moment = uuid4(), datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    item = new_item(META, {**GOOD, "id": str(key), "created_at": moment, "version": 7})
    assert (item.id, item.created_at, item.version) == (key, moment, 7)
    assert item.created_at.tzinfo is UTC


def test_an_item_and_a_mapping_give_the_same_item_and_the_given_item_is_not_changed() -> None:
    given = Order(email="a@b", lines=[Line("x")], total=Decimal("1.50"))
    item = new_item(META, given)
    assert item is not given
    assert item.lines == given.lines
    assert item.lines is not given.lines
    assert (str(item.total), str(given.total)) == ("1.5", "1.50")
    assert given.id is msgspec.UNSET


def test_every_fault_has_its_path_and_the_expected_and_found_values() -> None:
    found = faults(
        lambda: new_item(
            META,
            {
                "email": "nobody",
                "lines": [{"sku": "x"}, {"sku": "", "count": 1}],
                "note": "too long",
                "total": "NaN",
                "rate": "fast",
                "due": "2026-02-30",
                "a/b~c": 1,
            },
            "/items/3",
        )
    )
    assert {fault.path for fault in found} == {
        "/items/3/email",
        "/items/3/lines/1/sku",
        "/items/3/note",
        "/items/3/total",
        "/items/3/rate",
        "/items/3/due",
        "/items/3/a~1b~0c",
    }
    by_path = {fault.path: fault for fault in found}
    rate = by_path["/items/3/rate"]
    assert (rate.expected, rate.found) == ("float", "str")
    assert by_path["/items/3/a~1b~0c"].message == "Unknown attribute"
    assert "email" in str(by_path["/items/3/a~1b~0c"].expected)
    assert not any("too long" in str(fault) or "nobody" in str(fault) for fault in found)  # values stay out of faults


def test_missing_attributes_are_faults() -> None:
    assert faults(lambda: new_item(META, {})) == [Fault("/email", "Missing", "string", "nothing")]
    assert [fault.path for fault in faults(lambda: new_item(META, {"email": None}))] == ["/email"]


@pytest.mark.parametrize("given", [None, 5, "text", [GOOD], Line("x")], ids=repr)
def test_only_items_and_mappings_are_items(given: Any) -> None:
    [fault] = faults(lambda: new_item(META, given, "/item"))
    assert (fault.path, fault.expected) == ("/item", "object")


def test_a_client_may_set_only_its_own_attributes() -> None:
    given = {**GOOD, "id": str(uuid4()), "secret": "x", "version": 3, "created_at": "2026-01-01T00:00:00Z", "rate": -1}
    assert {fault.path for fault in faults(lambda: new_item(META, given, may=attrgetter("creatable")))} == {
        "/secret",
        "/version",
        "/created_at",
        "/rate",
    }
    changes = {"id": str(uuid4()), "secret": "x", "version": 3, "updated_at": None, "rate": -1, "wrong": 1}
    assert {fault.path for fault in faults(lambda: changes_of(META, changes, may=attrgetter('updatable')))} == {
        "/id", "/secret", "/version", "/updated_at", "/rate", "/wrong",
    }  # fmt: skip
    assert new_item(META, {**GOOD, "id": str(uuid4())}, may=attrgetter("creatable")).secret == "s"


def test_changes_are_typed_and_joined_with_generated_changes() -> None:
    found = changes_of(META, {"note": None, "total": "2.50", "lines": [{"sku": "x"}]})
    assert found.pop("updated_at") <= datetime.now(UTC)
    assert found == {"note": None, "total": Decimal("2.5"), "lines": [Line("x")], "version": Add(1)}
    assert set(changes_of(META, {})) == {"updated_at", "version"}
    assert changes_of(META, {"version": 9})["version"] == 9


def test_all_faults_of_changes_are_reported_at_once() -> None:
    found = faults(lambda: changes_of(META, {"id": uuid4(), "email": None, "rate": 0.0, "wrong": 1}, "/changes"))
    assert [fault.path for fault in found] == ["/changes/id", "/changes/email", "/changes/rate", "/changes/wrong"]
    [fault] = faults(lambda: changes_of(META, ["note"], "/changes"))
    assert fault.path == "/changes"


def test_typed_values_obey_constraints_and_operands_do_not() -> None:
    rate = META.attributes["rate"]
    assert typed(rate, 1) == operand(rate, 1) == 1.0
    assert operand(rate, -1) == -1.0
    with pytest.raises(msgspec.ValidationError):
        typed(rate, -1)
    assert typed(META.attributes["note"], None) is None
    with pytest.raises(ValueError, match="got null"):
        typed(rate, None)
    assert typed(META.attributes["version"], "5", strict=False) == 5
    with pytest.raises(msgspec.ValidationError):
        typed(META.attributes["version"], "5")


def test_key_values_are_checked_by_type() -> None:
    key = uuid4()
    assert key_values(META, (key,), "/key") == key_values(META, (str(key),), "/key") == (key,)
    for wrong in ((), (key, key), (5,), (None,)):
        [fault] = faults(lambda wrong=wrong: key_values(META, wrong, "/key"))
        assert (fault.path, fault.message) == ("/key", "Not a key of order")
        assert fault.expected == "text, or (id: uuid)"


def test_changed_applies_changes_to_a_copy() -> None:
    item = new_item(META, GOOD)
    new = changed(META, item, {"version": Add(2), "note": "x"})
    assert (new.version, new.note) == (3, "x")
    assert (item.version, item.note) == (1, None)


def test_generators_run_in_their_phases() -> None:
    calls: list[str] = []
    both = Generator("both", create=lambda: calls.append("create") or 1, update=lambda: calls.append("update") or 2)

    @stored
    class Thing:
        id: str
        once: int = Attr(generator=Generator("once", create=lambda: 5))
        always: int = Attr(generator=both)

    meta = meta_of(Thing)
    item = new_item(meta, Thing(id="x"))
    assert (item.once, item.always, calls) == (5, 1, ["create"])
    assert changes_of(meta, {}) == {"always": 2}
    assert calls == ["create", "update"]
    assert new_item(meta, Thing(id="x", always=9)).always == 9
    assert calls == ["create", "update"]


def test_an_invalid_generated_value_is_reported() -> None:
    @stored
    class Thing:
        id: str
        wrong: int = Attr(generator=Generator("wrong", create=lambda: "x"))

    assert [fault.path for fault in faults(lambda: new_item(meta_of(Thing), {"id": "x"}))] == ["/wrong"]


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ("Expected `int`, got `str`", Fault("/x", "Expected int, got str", "int", "str")),
        ("Expected `str` - at `$.a[2].b`", Fault("/x/a/2/b", "Expected str", "str")),
        ("Expected `int`, got `null` - at `$[...]`", Fault("/x/*", "Expected int, got null", "int", "null")),
        ("Object contains unknown field `q` - at `$.a[2]`", Fault("/x/a/2/q", "Unknown member")),
        ("Something else", Fault("/x", "Something else")),
        ("", Fault("/x", "")),
    ],
)
def test_faults_of_messages(message: str, fault: Fault) -> None:
    assert fault_of(ValueError(message), "/x") == fault


def test_pointers_escape() -> None:
    assert pointer() == ""
    assert pointer("a", 0, "b/c~d") == "/a/0/b~1c~0d"


TOGETHER: list[tuple[bool, list[dict[str, Any]]]] = [
    (True, [{"email": "a@b"}, {"email": "b@c"}]),
    (True, [{"total": "1.50", "due": "2026-01-02"}, {"total": Decimal(2), "due": date(2026, 1, 3)}]),
    (True, [{"lines": [{"sku": "x"}]}, {"lines": []}]),
    (True, [{"version": 4}, {"version": 5}]),
    (False, [{"email": "a@b"}, {"rate": 2.0}]),
    (False, [{"email": "a@b", "rate": 1.0}, {"rate": 2.0, "email": "a@b"}]),
    (False, [{"note": "n"}, {"note": None}]),
    (False, [{"version": 4}, {"version": Add(1)}]),
    (False, [{"email": "a@b"}, {"email": "no"}]),
    (False, [{"rate": 1.0}, {"rate": 0.0}]),
    (False, [{"total": Decimal(1)}, {"total": Decimal("NaN")}]),
    (False, [{"nope": 1}, {"nope": 2}]),
    (False, [{"id": uuid4()}, {"id": uuid4()}]),
    (False, [{}, {}]),
    (False, []),
]


@pytest.mark.parametrize(("together", "given"), TOGETHER)
def test_changes_of_several_items_equal_those_of_each(together: bool, given: list[dict[str, Any]]) -> None:
    found = changes_of_all(META, given)
    assert (found is not None) == together
    if found is not None:
        each = [changes_of(META, one) for one in given]
        assert [{**one, "updated_at": None} for one in found] == [{**one, "updated_at": None} for one in each]
        assert all(isinstance(one["updated_at"], datetime) for one in found)


def test_changes_of_several_items_are_those_that_the_caller_may_make() -> None:
    given = [{"secret": "x"}, {"secret": "y"}]
    assert changes_of_all(META, given) is not None
    assert changes_of_all(META, given, may=attrgetter("updatable")) is None
    assert changes_of_all(META, [{"version": {"add": 1}}] * 2, may=attrgetter("updatable")) is None


ITEMS: list[tuple[bool, list[Any]]] = [
    (True, [GOOD, {"email": "c@d"}]),
    (True, [{**GOOD, "lines": [{"sku": "x"}]}, {**GOOD, "lines": []}]),
    (True, [{**GOOD, "total": "1.50", "rate": 2}, {**GOOD, "total": 3, "rate": 0.5}]),
    (True, [{**GOOD, "due": "2026-01-01", "id": str(uuid4())}, {**GOOD, "due": None, "id": uuid4()}]),
    (False, [GOOD, {**GOOD, "note": "n"}]),
    (False, [GOOD, {"email": "no"}]),
    (False, [GOOD, new_item(META, GOOD)]),
    (False, [{**GOOD, "nope": 1}, {**GOOD, "nope": 2}]),
    (False, [{**GOOD, "total": "NaN"}, {**GOOD, "total": 1}]),
    (False, [{}, {}]),
    (False, ["x", "y"]),
]
MADE = ("id", "created_at", "updated_at")


@pytest.mark.parametrize(("together", "given"), ITEMS)
def test_several_new_items_equal_those_made_one_by_one(together: bool, given: list[Any]) -> None:
    before = [one.copy() if isinstance(one, dict) else one for one in given]
    found = new_items(META, given)
    assert given == before
    assert (found is not None) == together
    if found is not None:
        for one, item in zip(given, found, strict=True):
            generated = {name: getattr(item, name) for name in MADE}
            assert item == msgspec.structs.replace(new_item(META, one), **generated)
            assert item.created_at == item.updated_at
        assert len({one.id for one in found}) == len(found)
        assert found[0].created_at <= found[1].created_at


def test_new_items_of_instances_are_copies_with_their_own_times() -> None:
    given = [Order(email="a@b", note="n"), Order(email="c@d")]  # type: ignore[call-arg]
    found = new_items(META, given)
    assert found is not None
    assert [(one.email, one.note, one.version) for one in found] == [("a@b", "n", 1), ("c@d", None, 1)]
    assert all(isinstance(one.id, UUID) for one in found)
    assert given[0].id is msgspec.UNSET
    assert new_items(META, given, may=attrgetter("creatable")) is None


def test_new_items_are_those_that_the_caller_may_make() -> None:
    given = [{**GOOD, "secret": "x"}, {**GOOD, "secret": "y"}]
    assert new_items(META, given) is not None
    assert new_items(META, given, may=attrgetter("creatable")) is None
    assert new_items(META, [GOOD, GOOD], may=attrgetter("creatable")) is not None


class Place(Struct):
    city: str


@stored
class Words:
    id: str
    tags: list[str]
    marks: set[int]
    rows: list[list[int]]
    counts: dict[str, int]
    place: Place
    places: list[Place]
    pair: tuple[int, str]
    many: tuple[int, ...]
    mixed: list[int | str | None]
    free: list[Any]
    either: Place | list[int]
    day: date


WORDS = {
    "tags": "a list of string values",
    "marks": "a set of integer values",
    "rows": "a list of lists",
    "counts": "an object of integer values",
    "place": "an object of type Place",
    "places": "a list of Place values",
    "pair": "a tuple",
    "many": "a tuple of integer values",
    "mixed": "a list of integer values or string values",
    "free": "a list of JSON values",
    "either": "an object of type Place or a list of integer values",
    "day": "date",
}


def test_the_fault_of_a_null_or_a_missing_value_names_the_declared_type() -> None:
    meta = meta_of(Words)
    found = faults(lambda: new_item(meta, {"id": "a"} | dict.fromkeys(WORDS)))
    assert {one.path[1:]: one.message for one in found} == {
        name: f"Expected {words}, got null" for name, words in WORDS.items()
    }
    assert [one.expected for one in found] == list(WORDS.values())
    assert {one.path[1:]: one.expected for one in faults(lambda: new_item(meta, {"id": "a"}))} == WORDS
