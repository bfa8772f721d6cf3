"""All faults within a value are found, with the keys of dicts in their paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta, Struct

from persisty.errors import MAX_FAULTS, Fault
from persisty.model.nested_faults import fault_within, faults_within


class Part(Struct, forbid_unknown_fields=True):
    text: str


class Whole(Struct):
    by: dict[str, Part] = {}
    lists: list[dict[str, Part]] = []
    deep: dict[str, dict[str, int]] = {}
    several: Annotated[dict[str, int], Meta(min_length=2)] | None = None


GOOD = {"text": "x"}


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"by": {"a": GOOD, "b": {"text": 1}, "c": {"text": 2}}}, "/w/by/b/text"),
        ({"by": {"a/b": {"text": 1}}}, "/w/by/a~1b/text"),
        ({"by": {**{str(one): GOOD for one in range(100)}, "x": {"text": None}}}, "/w/by/x/text"),
        ({"by": {"a": 1}}, "/w/by/a"),
        ({"by": {"a": GOOD, "b": {**GOOD, "q": 1}}}, "/w/by/b/q"),
        ({"lists": [{}, {"a": GOOD, "b": {"text": 1}}]}, "/w/lists/1/b/text"),
        ({"deep": {"a": {"b": 1}, "c": {"d": 1, "e": "x"}}}, "/w/deep/c/e"),
        ({"several": {"a": 1, "b": "x"}}, "/w/several/*"),  # a part of it is too short, so no key is certain
    ],
)
def test_the_path_of_a_fault_within_a_dict_has_its_key(value: Any, path: str) -> None:
    def convert(given: Any) -> Any:
        return msgspec.convert(given, Whole)

    with pytest.raises(msgspec.ValidationError) as caught:
        convert(value)
    assert fault_within(caught.value, "/w", Whole, value, convert).path == path


class Line(Struct):
    text: str
    price: int
    tags: list[str] = []


class Circle(Struct, tag=True):
    radius: int


class Square(Struct, tag=True):
    side: int


@dataclass
class Address:
    city: str
    zip: int = 0


class Invoice(Struct):
    lines: list[Line]
    to: Address | None = None
    by: dict[str, Line] = {}
    shape: Circle | Square | None = None
    pair: tuple[int, str] | None = None


@pytest.mark.parametrize(
    ("value", "paths"),
    [
        ([{"text": 3, "price": "abc"}, {"text": "x"}], ["/0/text", "/0/price", "/1"]),
        ([{"text": "x", "price": "abc"}, {"text": 3, "price": 1}], ["/0/price", "/1/text"]),
        ([{"text": "x", "price": 1, "tags": ["a", 1, 2]}, 5], ["/0/tags/1", "/0/tags/2", "/1"]),
        ([{}], ["/0", "/0"]),
        ([GOOD | {"price": 1}], []),
    ],
)
def test_every_fault_of_a_list_of_objects_is_found(value: Any, paths: list[str]) -> None:
    assert [one.path for one in faults_of(list[Line], value)] == paths


@pytest.mark.parametrize(
    ("value", "paths"),
    [
        (
            {"lines": [], "to": {"zip": "x"}, "by": {"a": {"text": 1, "price": 1}, "b": 2}},
            ["/to", "/to/zip", "/by/a/text", "/by/b"],
        ),
        ({"lines": 1, "shape": {"type": "Square", "side": "x"}}, ["/lines", "/shape/side"]),
        ({"lines": [], "shape": {"type": "Oval"}, "pair": ["x", 1]}, ["/shape/type", "/pair/0", "/pair/1"]),
        ({"lines": [], "pair": [1]}, ["/pair"]),
    ],
)
def test_every_fault_of_an_object_is_found(value: Any, paths: list[str]) -> None:
    assert [one.path for one in faults_of(Invoice, value)] == paths


def test_the_faults_of_a_value_are_limited() -> None:
    assert len(faults_of(list[Line], [{"text": 1, "price": "x"}] * 10_000)) == MAX_FAULTS


def faults_of(annotation: Any, value: Any) -> list[Fault]:
    try:
        msgspec.convert(value, annotation)
    except msgspec.ValidationError as error:
        return faults_within(error, "", annotation, value, msgspec.convert)
    return []
