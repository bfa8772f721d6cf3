"""Attributes of nested objects: their names, types and values."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec import Struct, field

from persisty import InvalidQuery, meta_of, stored
from persisty.model.expressions import Compare
from persisty.model.types import Kind
from persisty.query.evaluation import matcher
from persisty.query.resolution import resolve_filter


class Geo(Struct):
    lat: float
    seen: datetime | None = None


@dataclass
class Place:
    city: str
    name: str | None = None
    geo: Geo | None = None
    price: Decimal | None = None


class Renamed(Struct, rename="camel"):
    first_name: str
    zip: str = field(name="postal-code", default="")


class Tree(Struct):
    label: str
    child: Tree | None = None


class Pair(Struct, array_like=True):
    left: int


@stored
class Visit:
    id: str
    place: Place | None = None
    renamed: Renamed | None = None
    tree: Tree | None = None
    pair: Pair | None = None
    free: dict[str, Any] | None = None


META = meta_of(Visit)


def test_the_nested_attributes_of_a_declaration() -> None:
    assert {name: one.kind for name, one in META.nested.items() if name.startswith("place")} == {
        "place.city": Kind.STRING,
        "place.name": Kind.STRING,
        "place.geo": Kind.JSON,
        "place.geo.lat": Kind.FLOAT,
        "place.geo.seen": Kind.DATETIME,
        "place.price": Kind.DECIMAL,
    }
    assert not [name for name in META.nested if name.startswith(("pair", "free"))]


def test_a_class_within_itself_has_no_further_nested_attributes() -> None:
    assert [name for name in META.nested if name.startswith("tree")] == ["tree.label", "tree.child"]


def test_the_path_is_that_of_the_json() -> None:
    assert META.nested["place.geo.lat"].path == ("geo", "lat")
    assert META.nested["renamed.first_name"].path == ("firstName",)
    assert META.nested["renamed.zip"].path == ("postal-code",)


def test_attributes_of_the_class_build_filters_over_paths() -> None:
    assert (Visit.place.geo.lat > 3.0) == Compare("place.geo.lat", "gt", 3.0)  # type: ignore[union-attr]
    assert Visit.place["city"].startswith("R") == Compare("place.city", "startswith", "R")  # type: ignore[index]
    assert Visit.place.name.is_null() == Compare("place.name", "null", True)  # type: ignore[union-attr]


def test_an_unknown_field_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError):
        Visit.place.country  # type: ignore[union-attr]  # noqa: B018
    with pytest.raises(KeyError):
        Visit.free["x"]  # type: ignore[index]
    with pytest.raises(InvalidQuery) as caught:
        resolve_filter(META, Compare("place.country", "eq", "Italy"))
    assert caught.value.faults[0].path == "/where/place.country/eq"


def test_objects_around_a_nested_attribute_may_be_null() -> None:
    get = META.attribute("place.geo.lat").get
    assert get(Visit(id="a")) is None
    assert get(Visit(id="a", place=Place("Rome"))) is None
    assert get(Visit(id="a", place=Place("Rome", geo=Geo(41.9)))) == 41.9


def test_a_datetime_without_a_zone_is_utc() -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    naive = Visit(id="a", place=Place("Rome", geo=Geo(1.0, moment.replace(tzinfo=None))))
    where = resolve_filter(META, Compare("place.geo.seen", "ge", moment))
    assert matcher(META, where)(naive)


class Stamped(Struct):
    constant: int = field(default_factory=lambda: 3)
    another: UUID = field(default_factory=uuid4)
    fails: str = field(default_factory=lambda: os.environ["NO_SUCH_VARIABLE"])


@stored
class Letter:
    id: str
    stamped: Stamped


def test_the_default_of_a_function_is_constant_if_two_calls_return_equal_values() -> None:
    nested = meta_of(Letter).nested
    absences = {name: nested[f"stamped.{name}"].absences for name in ("constant", "another", "fails")}
    assert absences == {"constant": (3,), "another": (None,), "fails": (None,)}


def test_values_are_checked_against_the_type_of_the_field() -> None:
    with pytest.raises(InvalidQuery):
        resolve_filter(META, Compare("place.geo.lat", "eq", "north"))
    with pytest.raises(InvalidQuery):
        resolve_filter(META, Compare("place.geo", "eq", {}))


def test_a_nested_attribute_cannot_be_ordered_by_or_assigned() -> None:
    from persisty.query.order import resolve_order

    with pytest.raises(InvalidQuery):
        resolve_order(META, Visit.place.city)  # type: ignore[union-attr]
