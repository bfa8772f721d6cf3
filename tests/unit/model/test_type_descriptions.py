"""The descriptions of annotations."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence
from typing import (
    Annotated,
    Any,
    Final,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Optional,
    TypedDict,
    TypeVar,
)

import msgspec
import pytest
from msgspec import UNSET, Meta, Struct, UnsetType

from persisty import stored
from persisty.model import schema_types as forms
from persisty.model.compilation import compile_schema
from persisty.model.pages import ResultPage
from persisty.model.schema import Enumeration, Field, Function, Object, Schema, Value
from persisty.model.schema_json import schema_from_json, schema_to_json
from persisty.model.schema_types import arms, is_nullable
from persisty.model.type_descriptions import described, item_of

T = TypeVar("T")
UserName = NewType("UserName", Annotated[str, Meta(max_length=3)])


class Colour(enum.Enum):
    """The colours."""

    RED = "red"
    CRIMSON = RED
    BLUE = "blue"


class Rights(enum.IntFlag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: int
    y: int = 3


class Member(TypedDict):
    name: str
    age: NotRequired[int]


class Person(Struct, rename="camel"):
    """A person.

    With a name."""

    first_name: Annotated[str, Meta(description="As on the passport")]
    age: int | UnsetType = UNSET
    friends: list[Person] = []
    colour: Colour = Colour.RED


@dataclasses.dataclass
class Place:
    city: str
    zip: str | None = None


class Found(Struct, Generic[T]):
    one: T
    every: list[T] | None = None
    further: Optional[Found[T]] = None  # noqa: UP045 - a forward reference has no |


class Persons(Found[Person]):
    more: int = 0


class Note(Struct):
    text: str


@stored
class Letter:
    id: str
    to: Person


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (Any, forms.Anything()),
        (object, forms.Anything()),
        (T, forms.Anything()),
        (None, forms.Null()),
        (bytearray, forms.Binary()),
        (memoryview, forms.Binary()),
        (UserName, forms.String(max_length=3)),
        (Final[int], forms.Integer()),
        (int | UnsetType, forms.Integer()),
        (int | None | UnsetType, forms.OneOf(types=(forms.Integer(), forms.Null()))),
        (Literal["b", None, "a"], forms.Choice(values=(None, "a", "b"))),
        (Sequence[int], forms.List(items=forms.Integer())),
        (frozenset[str], forms.Set(items=forms.String(), frozen=True)),
        (tuple[int, ...], forms.Tuple(every=forms.Integer())),
        (tuple[int, str], forms.Tuple(items=(forms.Integer(), forms.String()))),
        (dict[str, int], forms.Dict(keys=forms.String(), values=forms.Integer())),
        (Annotated[int, Meta(ge=1, description="D")], forms.Integer(ge=1, description="D")),
        (msgspec.Raw, forms.Python(name="msgspec.Raw")),
    ],
)
def test_the_description_of_a_type(annotation: Any, expected: forms.Type) -> None:
    assert described(annotation).type == expected


def test_an_object_has_its_fields_with_their_names_in_json_and_its_docstring() -> None:
    found = described(Person)
    assert found.type == forms.Named(name="Person")
    assert found.cls(found.type) is Person
    definition = found.definition(found.type)
    assert definition == Object(
        fields=(
            Field(name="first_name", json="firstName", type=forms.String(description="As on the passport")),
            Field(name="age", type=forms.Integer(), omittable=True),
            Field(name="friends", type=forms.List(items=forms.Named(name="Person")), default=Function("builtins.list")),
            Field(name="colour", type=forms.Named(name="Colour"), default=Value(Colour.RED)),
        ),
        description="A person.\n\nWith a name.",
    )
    assert isinstance(definition, Object)
    assert [one.key for one in definition.fields if one.required] == ["firstName"]


def test_an_enum_has_its_values_once_and_its_docstring() -> None:
    found = described(Colour).definitions["Colour"]
    assert isinstance(found, Enumeration)
    assert (found.values, found.description) == (("red", "blue"), "The colours.")
    assert described(Rights).definitions["Rights"] == Enumeration(members={"READ": 1, "WRITE": 2})


def test_typed_dicts_named_tuples_and_dataclasses_are_objects_without_generated_docs() -> None:
    assert described(Member).definitions["Member"] == Object(
        fields=(Field(name="age", type=forms.Integer(), omittable=True), Field(name="name", type=forms.String()))
    )
    assert described(Point).definitions["Point"] == Object(
        fields=(Field(name="x", type=forms.Integer()), Field(name="y", type=forms.Integer(), default=Value(3))),
        array_like=True,
        closed=True,
    )
    assert described(Place).definitions["Place"] == Object(
        fields=(
            Field(name="city", type=forms.String()),
            Field(name="zip", type=forms.OneOf(types=(forms.String(), forms.Null())), default=Value(None)),
        )
    )


def test_a_generic_has_the_fields_of_its_arguments_and_its_subclasses_too() -> None:
    found = described(Found[Place])
    assert set(found.definitions) == {"PlaceFound", "Place"}
    assert found.classes["PlaceFound"] == Found[Place]
    definition = found.definitions["PlaceFound"]
    assert isinstance(definition, Object)
    assert [one.type for one in definition.fields] == [
        forms.Named(name="Place"),
        forms.OneOf(types=(forms.List(items=forms.Named(name="Place")), forms.Null())),
        forms.OneOf(types=(forms.Named(name="PlaceFound"), forms.Null())),
    ]
    inherited = described(Persons).definitions["Persons"]
    assert isinstance(inherited, Object)
    assert [one.type for one in inherited.fields][:1] == [forms.Named(name="Person")]


def test_a_stored_item_is_recognised_by_its_class() -> None:
    found = described(ResultPage[Letter])
    assert item_of(found.classes["Letter"]) is Letter.__persisty__  # type: ignore[attr-defined]
    assert item_of(found.classes["LetterResultPage"]) is None


def test_a_description_is_freed_with_the_item_that_its_annotation_names() -> None:
    @stored
    class Passing:
        id: str

    annotation = list[Passing]
    assert described(annotation) is described(list[Passing])
    compiled = Passing.__persisty__.compiled  # type: ignore[attr-defined]
    assert any(described(annotation) is one for one in compiled.values())


def test_an_annotation_that_msgspec_rejects_is_only_named() -> None:
    assert isinstance(described(list[Person | Note]).type, forms.Python)


def test_alternatives_are_flat_and_without_null() -> None:
    type_ = described(Annotated[int | str, Meta(description="D")] | None).type
    assert (arms(type_), is_nullable(type_)) == ((forms.Integer(), forms.String()), True)
    assert (arms(forms.Null()), is_nullable(forms.Integer())) == ((), False)


def test_a_schema_only_names_the_classes_that_it_cannot_rebuild() -> None:
    @stored
    class Mixed:
        id: str
        member: Member
        point: Point
        person: Person

    schema: Schema = Mixed.__persisty__.schema  # type: ignore[attr-defined]
    kinds = [type(one.type) for one in schema.attributes]
    assert kinds == [forms.String, forms.Python, forms.Python, forms.Named]


def test_docs_and_omittable_fields_survive_a_json_round_trip() -> None:
    schema = schema_from_json(schema_to_json(Letter.__persisty__.schema))  # type: ignore[attr-defined]
    made = compile_schema(schema)
    found = described(made.attributes["to"].type, made)
    person = found.definitions["Person"]
    assert isinstance(person, Object)
    assert person.description == "A person.\n\nWith a name."
    assert person.fields[1] == Field(name="age", type=forms.Integer(), omittable=True)
    assert found.definitions["Colour"].description == "The colours."  # type: ignore[attr-defined]
