"""Types of clients, made from the descriptions of annotations."""

from __future__ import annotations

from enum import Enum
from typing import Any, Generic, TypeVar

from msgspec import UNSET, Struct, UnsetType

from persisty.clients.types import (
    ANY,
    INTEGER,
    SCALARS,
    STRING,
    Choice,
    Field,
    Listed,
    Named,
    Names,
    Record,
    Types,
    nullable,
)
from persisty.model import schema_types as forms

T = TypeVar("T")
COMPOSED = {forms.OneOf, forms.Choice, forms.Tuple, forms.List, forms.Set, forms.Dict, forms.Named}


class Found(Struct, Generic[T]):
    """Results of a search."""

    values: list[T]
    next: Found[T] | None = None


class Partial(Struct, tag="some"):
    number: int | UnsetType = UNSET
    text: str = "x"


class Stranger(Struct):
    number: int


def made(annotation: Any) -> tuple[Any, list[Record]]:
    types = Types(Names(), {}, {})
    return types.of(annotation), types.records


def test_every_record_of_a_type_has_a_row() -> None:
    assert {*SCALARS, *COMPOSED} == {*forms.TYPES}


def test_a_generic_is_a_record_that_can_contain_itself() -> None:
    found, records = made(list[Found[int]])
    assert found == Listed(Named("IntFound"))
    [record] = records
    assert record == Record(
        "IntFound",
        (Field("values", Listed(INTEGER)), Field("next", nullable(Named("IntFound")), False, True, None)),
        "Results of a search.",
    )


def test_a_field_that_is_unset_by_default_need_not_be_in_a_response() -> None:
    _, [record] = made(Partial)
    assert record.tag == ("type", "some")
    assert record.fields == (
        Field("number", INTEGER, required=False, always=False),
        Field("text", STRING, required=False, default="x"),
    )


def test_a_type_that_msgspec_does_not_support_is_any_json() -> None:
    assert made(Partial | Stranger) == (ANY, [])
    assert made(list[complex]) == (Listed(ANY), [])
    assert made(int | Any) == (ANY, [])


def test_a_choice_has_the_values_of_the_enum() -> None:
    kind = Enum("Kind", {"ONE": "one", "TWO": "two", "ALIAS": "one"})
    assert made(kind) == (Choice(("one", "two")), [])
