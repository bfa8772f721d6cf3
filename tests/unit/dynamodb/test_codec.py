"""Items are decoded from DynamoDB's wire format as they were encoded, and wire values sort like items."""

from __future__ import annotations

from base64 import b64decode
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persisty.backends.dynamodb.codec import SORT, WireCodec
from persisty.model.types import NORMALISE, Kind, is_list
from persisty.model.unreadable_items import unreadable
from persisty.model.validation import new_item

from .items import CELL, READING, THING, Cell, Color, Level, Reading, Thing

things, cells = WireCodec(THING), WireCodec(CELL)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
INTEGERS = st.integers(-(2**63), 2**63 - 1)
MAGNITUDES = st.floats(1e-130, 1e125)
FLOATS = st.just(0.0) | MAGNITUDES | MAGNITUDES.map(lambda value: -value)
DECIMALS = st.builds(
    lambda digits, power: Decimal(f"{digits}E{power}"), st.integers(1 - 10**38, 10**38 - 1), st.integers(-130, 87)
)
MOMENTS = st.datetimes(timezones=st.just(UTC))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "owner": TEXTS,
    "at": MOMENTS,
    "count": INTEGERS,
    "color": st.sampled_from(Color),
    "text": st.none() | TEXTS,
    "ratio": st.none() | FLOATS,
    "done": st.none() | st.booleans(),
    "day": st.none() | st.dates(),
    "ref": st.none() | st.uuids(),
    "price": st.none() | DECIMALS,
    "level": st.none() | st.sampled_from(Level),
    "blob": st.none() | st.binary(),
    "tags": st.lists(TEXTS, max_size=3),
    "extra": st.none() | st.dictionaries(TEXTS, JSON, max_size=3),
}
KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: text not in (".", ".."))
"""Keys that can be part of a URL."""
ITEMS = st.fixed_dictionaries({"id": KEYS, **VALUES})


def over_the_wire(wire: dict[str, Any]) -> Any:
    """Encode and decode a value as JSON, as a transport does."""
    return msgspec.json.decode(msgspec.json.encode(wire))


@settings(deadline=None)
@given(ITEMS)
def test_an_item_is_decoded_as_it_was_encoded(values: dict[str, Any]) -> None:
    item = new_item(THING, values)
    assert things.read(over_the_wire(things.wire(item))) == item


@settings(deadline=None)
@given(ITEMS)
def test_every_value_with_an_order_could_be_an_index_key_and_null_is_absent(values: dict[str, Any]) -> None:
    item = new_item(THING, values)
    wire = things.wire(item)
    assert wire.keys() == {name for name in THING.attributes if THING.attributes[name].get(item) is not None}
    for name, tagged in wire.items():
        [(tag, value)] = tagged.items()
        if is_list(THING.attributes[name].type):
            assert tag == "L"
            assert [msgspec.json.decode(one["S"]) for one in value] == THING.attributes[name].get(item)
            continue
        assert tag in ("S", "N", "B")
        assert isinstance(value, str)
        assert value


def native(tagged: dict[str, str]) -> Any:
    """Return the value by which DynamoDB compares a wire value: a number, bytes, the UTF-8 of text."""
    [(tag, value)] = tagged.items()
    return {"S": str.encode, "N": Decimal, "B": b64decode}[tag](value)


SORTED = ("owner", "at", "count", "text", "ratio", "done", "day", "ref", "price", "blob")


@pytest.mark.parametrize("name", SORTED)
@settings(deadline=None)
@given(data=st.data())
def test_wire_forms_sort_as_their_values(name: str, data: st.DataObject) -> None:
    attribute = THING.attributes[name]
    normal = NORMALISE.get(attribute.kind, lambda value: value)
    one, other = (normal(data.draw(VALUES[name].filter(lambda value: value is not None))) for _ in "12")
    left, right = native(things.value(name, one)), native(things.value(name, other))
    a, b = attribute.primitive(one), attribute.primitive(other)
    assert (left < right, left == right) == (a < b, a == b)


EXACT: tuple[tuple[str, Any, dict[str, str]], ...] = (
    ("text", "", {"S": "\0"}),
    ("text", "\0", {"S": "\0\0"}),
    ("text", "a", {"S": "a"}),
    ("blob", b"", {"B": "AA=="}),
    ("blob", b"\0", {"B": "AAA="}),
    ("blob", b"a", {"B": "YQ=="}),
    ("count", 2**63 - 1, {"N": "9223372036854775807"}),
    ("ratio", 0.1, {"N": "0.1"}),
    ("ratio", 1e-130, {"N": "1e-130"}),
    ("price", Decimal("1E-20"), {"N": "1E-20"}),
    ("done", True, {"N": "1"}),
    ("done", False, {"N": "0"}),
    ("at", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), {"S": "2026-01-02T03:04:05.000000Z"}),
    ("day", date(1, 2, 3), {"S": "0001-02-03"}),
    ("ref", UUID(int=10), {"S": "00000000-0000-0000-0000-00000000000a"}),
    ("color", Color.NONE, {"S": "\0"}),
    ("color", Color.ZERO, {"S": "\0\0"}),
    ("level", Level.LOW, {"N": "-1"}),
    ("tags", ["a", "ü"], {"L": [{"S": '"a"'}, {"S": '"ü"'}]}),
    ("extra", {"a": [1]}, {"S": '{"a":[1]}'}),
)
"""The stored form is a promise to data that is stored already: changing a row here needs a migration."""


@pytest.mark.parametrize(("name", "value", "wire"), EXACT)
def test_values_have_their_documented_stored_form(name: str, value: Any, wire: dict[str, str]) -> None:
    assert things.value(name, value) == wire
    item = new_item(THING, {"id": "1", "owner": "me", "at": datetime.now(UTC), name: value})
    assert things.wire(item)[name] == wire
    assert getattr(things.read(things.wire(item)), name) == value


REWRITTEN: tuple[tuple[str, str, Any], ...] = (
    ("count", "1E+2", 100),
    ("count", "100.0", 100),
    ("count", "9.223372036854775807E18", 2**63 - 1),
    ("ratio", "1E-130", 1e-130),
    ("price", "100", Decimal(100)),
    ("price", "1E+2", Decimal(100)),
    ("price", "0.10", Decimal("0.1")),
    ("price", "-1" + "0" * 100, Decimal("-1E+100")),
    ("price", "9" * 38, Decimal("9" * 38)),
    ("level", "10", Level.HIGH),
)


@pytest.mark.parametrize(("name", "stored", "value"), REWRITTEN)
def test_numbers_are_read_in_every_notation_of_the_engine(name: str, stored: str, value: Any) -> None:
    wire = things.wire(new_item(THING, {"id": "1", "owner": "me", "at": datetime.now(UTC)}))
    found = getattr(things.read({**wire, name: {"N": stored}}), name)
    assert (type(found), found) == (type(value), value)
    if isinstance(value, Decimal):
        assert found.as_tuple() == value.as_tuple()


@pytest.mark.parametrize("stored", ["1.5", "-0.1", "15e-1"])
def test_a_number_with_a_fraction_is_no_integer(stored: str) -> None:
    wire = things.wire(Thing(id="1", owner="me", at=datetime(2026, 1, 1, tzinfo=UTC)))
    assert unreadable(things.read({**wire, "count": {"N": stored}})) == ("count",)


def test_an_undeclared_attribute_is_ignored() -> None:
    wire = things.wire(Thing(id="1", owner="me", at=datetime(2026, 1, 1, tzinfo=UTC)))
    assert things.read({**wire, "from_a_later_version": {"S": "x"}}) == things.read(wire)


def test_a_key_of_two_parts_is_partition_and_sort_key() -> None:
    codec = WireCodec(READING)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert codec.schema == ("device", "at")
    assert codec.key(("d", moment)) == {"device": {"S": "d"}, "at": {"S": "2026-01-01T00:00:00.000000Z"}}
    assert codec.wire(Reading(device="d", at=moment)).keys() == {"device", "at", "value"}


@settings(deadline=None)
@given(st.tuples(TEXTS, INTEGERS, TEXTS), st.tuples(TEXTS, INTEGERS, TEXTS))
def test_a_key_of_three_parts_has_one_sort_key_for_the_last_two(
    one: tuple[str, int, str], other: tuple[str, int, str]
) -> None:
    assert cells.schema == ("sheet", SORT)
    assert (cells.key(one) == cells.key(other)) is (one == other)
    item = Cell(sheet=one[0], row=one[1], column=one[2])
    wire = cells.wire(item)
    assert {name: wire[name] for name in cells.schema} == cells.key(one)
    assert cells.read(over_the_wire(wire)) == item


KEYS: tuple[tuple[WireCodec, tuple[Any, ...], bool], ...] = (
    (things, ("x" * 2048,), True),
    (things, ("x" * 2049,), False),
    (things, ("ü" * 1025,), False),
    (things, ("\0" + "x" * 2047,), False),
    (cells, ("x" * 2048, 1, "x" * 1022), True),
    (cells, ("x", 1, "x" * 1023), False),
    (cells, ("x", 1, "%" * 400), False),
    (cells, ("x", 1, "ü" * 200), False),
)


@pytest.mark.parametrize(("codec", "key", "possible"), KEYS)
def test_a_key_beyond_the_limits_is_an_error(codec: WireCodec, key: tuple[Any, ...], possible: bool) -> None:
    assert codec.storable(key) is possible


def test_bytes_are_the_only_kind_that_is_binary() -> None:
    assert [name for name, one in THING.attributes.items() if things.tag(name) == "B"] == ["blob"]
    assert {one.kind for one in THING.attributes.values()} == set(Kind)


@given(st.lists(ITEMS, min_size=1, max_size=3))
@settings(max_examples=100, deadline=None)
def test_columns_have_the_values_of_each_item(values: list[dict[str, Any]]) -> None:
    items = [new_item(THING, one) for one in values]
    wires, columns = [things.wire(one) for one in items], things.columns(items)
    if columns is None:
        assert len({tuple(one) for one in wires}) > 1
    else:
        assert [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)] == wires
