"""The differences between a stored schema and a declaration, each with its effect."""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Annotated, Any

from msgspec import Meta

from persisty import Attr, BelongsTo, Index, Unique, link, meta_of, stored
from persisty.model.schema_changes import Change, changes_of


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"


class Fewer(enum.Enum):
    RED = "red"
    BLUE = "blue"


@stored(name="car", indexes=[Index("odometer"), Unique("plate")])
class Car:
    id: str
    plate: str
    odometer: int
    color: Color
    note: str | None
    price: str
    tags: list[str]
    seats: int = 4


@stored(name="shop")
class Shop:
    id: str


@stored(name="car", key=("plate", "id"), indexes=[Index("mileage"), Index("price")])
class Changed:
    id: str
    plate: str
    mileage: int = Attr(former_names="odometer")
    color: Fewer
    note: str
    price: Decimal | None
    tags: list[int]
    seats: Annotated[int, Meta(ge=1)] = 5
    owner: str
    rank: int = 3
    shop_id: str | None = None
    shop: BelongsTo[Shop] = link()


def changes(
    engine: str = "sqlite", before: type[Any] = Car, after: type[Any] = Changed
) -> dict[tuple[str, str], Change]:
    found = changes_of(meta_of(before).schema, meta_of(after), engine)
    kinds = {(one.kind, one.name): one for one in found}
    assert len(kinds) == len(found)
    return kinds


def test_every_difference_is_a_change_with_a_path_and_an_effect() -> None:
    found = {(kind, name): one.effect.value for (kind, name), one in changes().items()}
    assert found == {
        ("attribute_renamed", "mileage"): "safe",
        ("members_removed", "color"): "slow",
        ("members_added", "color"): "safe",
        ("attribute_required", "note"): "slow",
        ("attribute_retyped", "price"): "slow",
        ("attribute_optional", "price"): "safe",
        ("nested_narrowed", "tags"): "slow",
        ("constraints_changed", "seats"): "safe",
        ("default_changed", "seats"): "safe",
        ("attribute_added", "owner"): "safe",
        ("attribute_added", "rank"): "safe",
        ("attribute_added", "shop_id"): "safe",
        ("key_changed", ""): "slow",
        ("unique_removed", "unique-plate"): "safe",
        ("index_added", "by-price"): "slow",
        ("link_added", "shop"): "safe",
    }
    assert changes()["attribute_renamed", "mileage"].path == "/car/mileage"
    assert changes()["key_changed", ""].path == "/car"


def test_an_index_over_a_renamed_attribute_is_the_same_index() -> None:
    assert ("index_added", "by-mileage") not in changes()
    assert ("index_removed", "by-odometer") not in changes()


def test_effects_on_dynamodb_differ() -> None:
    found = changes("dynamodb")
    assert found["index_added", "by-price"].effect == "waves"
    assert found["attribute_renamed", "mileage"].effect == "safe", "items keep the name under which they store it"


def test_a_removed_attribute_must_be_allowed_by_name() -> None:
    @stored(name="car", indexes=[Index("odometer"), Unique("plate")])
    class Less:
        id: str
        plate: str
        odometer: int
        color: Color
        price: str
        tags: list[str]
        seats: int = 4

    [change] = changes(after=Less).values()
    assert (change.kind, change.name, change.effect, change.allow) == (
        "attribute_removed",
        "note",
        "destructive",
        "drop:car.note",
    )


def test_a_new_attribute_without_a_value_in_stored_items_is_blocked_with_a_remedy() -> None:
    found = changes()
    assert "declare a default" in (found["attribute_added", "owner"].blocked or "")
    assert found["attribute_added", "rank"].blocked is None
    assert "reads" not in found["attribute_added", "owner"].message
    assert found["attribute_added", "rank"].message == "rank is new: stored items read with 3"


def test_a_type_without_conversion_is_blocked() -> None:
    @stored(name="car")
    class Listed:
        id: str
        price: list[str]

    @stored(name="car")
    class Priced:
        id: str
        price: Decimal

    [change] = changes(before=Listed, after=Priced).values()
    assert change.kind == "attribute_retyped"
    assert "list cannot be converted to decimal" in (change.blocked or "")


def test_a_former_attribute_that_still_has_its_values_is_dropped_by_name() -> None:
    @stored(name="car")
    class Expanded:
        id: str
        odometer: int | None
        mileage: int

    @stored(name="car")
    class Contracted:
        id: str
        mileage: int = Attr(former_names="odometer")

    [change] = changes(before=Expanded, after=Contracted).values()
    assert (change.kind, change.allow) == ("attribute_removed", "drop:car.odometer")
    assert "when no older code runs" in change.message


def test_an_equal_declaration_has_no_changes() -> None:
    assert changes(after=Car) == {}
