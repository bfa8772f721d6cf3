"""Bounds of `Decimal` attributes: checked on every write, not on filters, and part of the schema."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest
from msgspec import Meta, Struct

from persisty import GENERATED, App, Attr, InvalidDeclaration, InvalidInput, meta_of, public, stored
from persisty.model.compilation import compile_schemas
from persisty.model.decimal_bounds import split_bounds
from persisty.store.edits import Create


@stored(access=public)
class Priced:
    id: Attr[UUID] = GENERATED
    price: Attr[Annotated[Decimal, Meta(ge=0, lt=1000, multiple_of=0.01, description="in euros")]]
    discount: Attr[Annotated[Decimal, Meta(gt=0, le=0.1)] | None] = Attr(default=None)


@pytest.fixture
def app() -> App:
    return App("decimals", items=[Priced], url="memory://")


BEYOND: list[tuple[str, Any, str]] = [
    ("price", "-0.01", "Expected decimal >= 0"),
    ("price", "1000", "Expected decimal < 1000"),
    ("price", "1.005", "Expected decimal that's a multiple of 0.01"),
    ("discount", "0", "Expected decimal > 0"),
    ("discount", "0.1000000000000000000001", "Expected decimal <= 0.1"),
]


@pytest.mark.parametrize(("name", "value", "message"), BEYOND)
def test_a_decimal_out_of_bounds_is_rejected_by_every_write(app: App, name: str, value: str, message: str) -> None:
    store = app.store(Priced)
    existing = store.create({"price": "1"})
    item: Any = {"price": "1", name: value}
    writes: list[tuple[Callable[[], Any], str]] = [
        (lambda: store.create(item), f"/{name}"),
        (lambda: store.update(existing.id, {name: value}), f"/{name}"),
        (lambda: store.edit_batch([Create(item)]), f"/edits/0/item/{name}"),
    ]
    for write, path in writes:
        with pytest.raises(InvalidInput) as caught:
            write()
        assert [(fault.path, fault.message) for fault in caught.value.faults] == [(path, message)]
    assert store.search().items == [existing]


def test_every_decimal_out_of_bounds_is_reported_at_once(app: App) -> None:
    with pytest.raises(InvalidInput) as caught:
        app.store(Priced).create({"price": "-1", "discount": "2"})
    assert [fault.path for fault in caught.value.faults] == ["/price", "/discount"]


@pytest.mark.parametrize("value", ["0", "0.1", "999.99", "7"])
def test_decimals_at_their_bounds_are_stored(app: App, value: str) -> None:
    item = app.store(Priced).create({"price": value, "discount": "0.1"})
    assert app.store(Priced).read(item.id) == Priced(id=item.id, price=Decimal(value), discount=Decimal("0.1"))


def test_a_filter_may_compare_with_a_decimal_out_of_bounds(app: App) -> None:
    app.store(Priced).create({"price": "1"})
    assert app.store(Priced).count(Priced.price > Decimal(-5)) == 1
    assert app.store(Priced).count(Priced.price > Decimal("1000.001")) == 0


def test_bounds_are_in_the_schema_and_apply_to_the_compiled_schema() -> None:
    schema = meta_of(Priced).schema
    [price] = [one for one in schema.attributes if one.name == "price"]
    assert (price.type.ge, price.type.lt, price.type.multiple_of) == (0, 1000, 0.01)  # type: ignore[attr-defined]
    [meta] = compile_schemas([schema]).values()
    store = App("decimals", items=[meta.item], url="memory://").store("priced")
    with pytest.raises(InvalidInput):
        store.create({"price": "-1"})


@pytest.mark.parametrize("meta", [Meta(le=1), Meta(ge=100), Meta(gt=0, lt=0.3), Meta(le=-7)])
def test_the_example_of_a_bounded_decimal_is_within_its_bounds(meta: Meta) -> None:
    annotation, bounds = split_bounds(Annotated[Decimal, meta])
    [example] = msgspec.json.schema(annotation)["examples"]

    @stored
    class Shown:
        id: UUID
        a: Annotated[Decimal, meta] = Decimal(example)

    assert str(meta_of(Shown).attributes["a"].default) == example
    assert bounds


class Bounded(Struct):
    price: Annotated[Decimal, Meta(ge=0)]


class Tree(Struct):
    below: list[Tree]
    price: Annotated[Decimal, Meta(ge=0)]


class Checked(Struct):
    price: Decimal

    def __post_init__(self) -> None:
        if self.price < 0:
            raise ValueError("Expected decimal >= 0")


@pytest.mark.parametrize(
    "inside",
    [list[Annotated[Decimal, Meta(ge=0)]], dict[str, Annotated[Decimal, Meta(gt=0)]], Bounded, list[Bounded], Tree],
)
def test_bounds_of_a_decimal_inside_a_list_or_an_object_are_rejected_with_an_alternative(inside: Any) -> None:
    item = type("Listed", (), {"__annotations__": {"id": UUID, "prices": inside}})
    with pytest.raises(InvalidDeclaration) as caught:
        stored(item)
    [fault] = caught.value.faults
    assert fault.path == "/prices"
    assert fault.message == "has bounds on a Decimal inside a list or an object, where they are not checked"
    assert "__post_init__" in str(fault.expected)


def test_a_check_in_post_init_of_a_nested_object_is_a_fault_with_its_path() -> None:
    item = stored(type("Listed", (), {"__annotations__": {"id": str, "prices": list[Checked]}}))
    app = App("shop", items=[item], url="memory://")
    with pytest.raises(InvalidInput, match="Expected decimal >= 0"):
        app.store(item).create({"id": "a", "prices": [{"price": "-1"}]})
