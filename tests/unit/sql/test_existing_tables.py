"""A table that does not fit its declaration stops the start: the error names the column, both types and the remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from persisty import App, SchemaMismatch, Unique, stored

Prepare = Callable[..., App]


@pytest.fixture(params=["sqlite", "postgresql"])
def prepared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Prepare]:
    """Return a function that prepares an app with one item, in one database for the whole test."""
    url = f"sqlite:///{tmp_path}/shop.db" if request.param == "sqlite" else request.getfixturevalue("schema")
    opened: list[App] = []

    def prepare(item: type[Any]) -> App:
        app = App("shop", items=[item], url=url)
        opened.append(app)
        app.prepare()
        return app

    yield prepare
    for app in opened:
        app.close()


@stored(name="thing")
class Plain:
    id: str
    size: int
    note: str | None = None


@stored(name="thing")
class TextSize:
    id: str
    size: str
    note: str | None = None


@stored(name="thing")
class RequiredNote:
    id: str
    size: int
    note: str


@stored(name="thing")
class OptionalSize:
    id: str
    size: int | None = None
    note: str | None = None


@stored(name="thing")
class WithoutSize:
    id: str
    note: str | None = None


@stored(name="thing")
class LengthForSize:
    id: str
    length: int
    note: str | None = None


@stored(name="thing")
class WithoutNote:
    id: str
    size: int


@stored(name="thing", key="note")
class OtherKey:
    id: str
    size: int
    note: str


@stored(name="thing")
class UuidKey:
    id: UUID
    size: int
    note: str | None = None


@stored(name="thing", indexes=[Unique("size")])
class UniqueSize:
    id: str
    size: int


def mistakes(prepare: Prepare, item: type[Any]) -> list[tuple[str, str | None, str | None]]:
    with pytest.raises(SchemaMismatch, match="The tables do not fit the declarations") as caught:
        prepare(item)
    return [(fault.path, fault.expected, fault.found) for fault in caught.value.faults]


def test_a_changed_type_names_column_stored_and_declared(prepared: Prepare) -> None:
    prepared(Plain)
    assert mistakes(prepared, TextSize) == [("/thing/size", "TEXT", "BIGINT" if sqlite(prepared) else "bigint")]


@pytest.mark.parametrize("item", ["TextSize", "OptionalSize", "WithoutSize", "OtherKey"])
def test_each_fault_names_the_command_that_makes_the_change(prepared: Prepare, item: str) -> None:
    prepared(Plain)
    with pytest.raises(SchemaMismatch) as caught:
        prepared(globals()[item])
    for fault in caught.value.faults:
        assert "`persisty migrate`" in fault.message
        assert " USING " not in fault.message, "the command converts values in another way"


@stored(name="thing")
class DefaultNote:
    id: str
    size: int
    note: str = "none"


def test_a_null_in_an_attribute_with_a_default_names_the_command(prepared: Prepare) -> None:
    prepared(Plain).store(Plain).create({"id": "b", "size": 1})
    with pytest.raises(SchemaMismatch) as caught:
        prepared(DefaultNote)
    assert [fault.message for fault in caught.value.faults] == [
        "The attribute is required, but the item b has no value. `persisty migrate` gives it the default"
    ]


def test_a_null_in_a_required_attribute_names_the_item_and_stops_the_start(prepared: Prepare) -> None:
    things = prepared(Plain).store(Plain)
    things.create({"id": "a", "size": 1, "note": "here"})
    prepared(RequiredNote)  # harmless: no item has a null
    things.create({"id": "b", "size": 1})
    with pytest.raises(SchemaMismatch, match="the item b has no value") as caught:
        prepared(RequiredNote)
    assert [fault.path for fault in caught.value.faults] == ["/thing/note"]
    assert "then run `persisty migrate`, or declare a default" in caught.value.faults[0].message


def test_a_column_that_does_not_allow_null_is_named_if_the_attribute_is_optional_now(prepared: Prepare) -> None:
    prepared(Plain)
    assert [path for path, *_ in mistakes(prepared, OptionalSize)] == ["/thing/size"]


def test_a_required_column_whose_attribute_was_removed_stops_the_start_instead_of_every_create(
    prepared: Prepare,
) -> None:
    prepared(Plain)
    assert [path for path, *_ in mistakes(prepared, WithoutSize)] == ["/thing/size"]


def test_a_required_column_without_an_attribute_offers_the_former_name_of_a_new_one(prepared: Prepare) -> None:
    prepared(Plain)
    with pytest.raises(SchemaMismatch, match='If length is its new name, declare former_names="size" there'):
        prepared(LengthForSize)


def test_a_nullable_column_whose_attribute_was_removed_is_harmless(prepared: Prepare) -> None:
    prepared(Plain)
    store = prepared(WithoutNote).store(WithoutNote)
    store.create({"id": "a", "size": 1})
    assert store.count() == 1


def test_another_key_stops_the_start(prepared: Prepare) -> None:
    prepared(Plain)
    assert ("/thing", "note", "id") in mistakes(prepared, OtherKey)
    prepared(Plain)


def test_a_unique_index_that_is_not_declared_any_more_is_named(prepared: Prepare) -> None:
    prepared(UniqueSize)
    with pytest.raises(SchemaMismatch, match=r'DROP INDEX (".+"\.)?"thing-unique-size"'):
        prepared(WithoutNote)


def sqlite(prepare: Prepare) -> bool:
    return prepare(Plain).url.startswith("sqlite")
