"""JSON Schemas of types are equivalent to those of msgspec, which validates with the same types."""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, Generic, Literal, NamedTuple, NewType, NotRequired, TypedDict, TypeVar
from uuid import UUID

import msgspec
import pytest
from msgspec import UNSET, Meta, Struct, UnsetType, field

from persisty import App, Attr, public, stored
from persisty.api.http.messages import encode
from persisty.api.openapi.component_names import component_names
from persisty.api.openapi.document import document
from persisty.api.openapi.schemas import classes_in
from persisty.api.openapi.type_schemas import DECIMAL, NUMBERS, REF, TYPES, TypeSchemas
from persisty.model import schema_types
from persisty.model.meta import meta_of
from persisty.model.schema_json import schema_from_json, schema_to_json
from persisty.model.schema_types import Named
from persisty.model.type_descriptions import described
from persisty.model.types import INTEGER_MAX, INTEGER_MIN

T = TypeVar("T")


class Colour(enum.Enum):
    """Colours of things."""

    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    HIGH = 2
    LOW = 1


class Right(enum.IntFlag):
    READ = 1
    WRITE = 2


class Plain(Struct):
    """A thing."""

    a: int
    b: Annotated[str, Meta(max_length=3, description="The second", title="B")] = "x"
    listed: list[int] = []
    mapped: dict[str, int] = field(default_factory=dict)
    numbers: set[int] = field(default_factory=set)
    buffer: bytearray = field(default_factory=bytearray)
    missing: int | UnsetType = UNSET
    none: int | None = None
    colour: Colour = Colour.RED
    at: datetime = datetime(2020, 1, 1)
    unknown: str = field(default_factory=lambda: "made")


class Closed(Struct, forbid_unknown_fields=True, rename="camel"):
    some_name: int
    me: Closed | None = None


class Cat(Struct, tag=True):
    name: str


class Dog(Struct, tag=True):
    name: str


class First(Struct, tag=3, tag_field="kind"):
    a: int


class Second(Struct, tag=4, tag_field="kind"):
    a: int


class Row(Struct, array_like=True):
    a: int
    b: str = "x"
    c: int = 1


class ClosedRow(Struct, array_like=True, forbid_unknown_fields=True, tag=True):
    a: int
    b: str = "x"


class Found(Struct, Generic[T]):
    values: list[T]
    next: T | None = None


@dataclasses.dataclass
class Data:
    a: int
    colour: Colour = Colour.BLUE


class Total(TypedDict):
    z: int
    a: NotRequired[str]


class Pair(NamedTuple):
    x: int
    y: float = 2.0


UserId = NewType("UserId", int)

CASES: tuple[Any, ...] = (
    Any, None, bool, int, float, str, bytes, bytearray, datetime, date, time, timedelta, UUID, Decimal,
    Annotated[int, Meta(ge=1, lt=9, multiple_of=2)],
    Annotated[float, Meta(gt=0, le=1.5, description="A number", title="Number", examples=[1.0])],
    Annotated[str, Meta(min_length=1, max_length=5, pattern="^a")],
    Annotated[str, Meta(extra_json_schema={"format": "email"}, description="An address")],
    Annotated[bytes, Meta(max_length=10, min_length=1)],
    Annotated[datetime, Meta(tz=True)], Annotated[datetime, Meta(tz=False)],
    Annotated[time, Meta(tz=True)], Annotated[time, Meta(tz=False)],
    Literal["b", "a"], Literal[2, 1, None], Literal["b", 1, None, "a"],
    Colour, Level, Right, Colour | None, Annotated[Colour, Meta(description="A colour")],
    list, list[int], list[Any], list[Annotated[Any, Meta(title="any")]], list[int | None], Sequence[int], Collection[int],
    Annotated[list[Annotated[str, Meta(max_length=3)]], Meta(max_length=3, min_length=1)],
    set[int], frozenset[str], AbstractSet[int],
    tuple, tuple[int, ...], tuple[int, str], tuple[()], Annotated[tuple[int, ...], Meta(max_length=2)],
    dict, dict[str, Any], dict[str, int], dict[int, str], dict[UUID, int], dict[Colour, int], dict[Literal["a"], int],
    Mapping[str, int], Annotated[dict[str, int], Meta(max_length=3, min_length=1)],
    dict[Annotated[str, Meta(pattern="^x", description="A key")], int],
    int | str | None, int | str | list[int], Annotated[int | None, Meta(description="Perhaps")],
    Annotated[Annotated[int, Meta(ge=0, description="inner")], Meta(le=5, description="outer")],
    Plain, Plain | None, Annotated[Plain, Meta(extra_json_schema={"x-order": 1}, description="Plain")], list[Closed],
    Cat | Dog, Cat | Dog | None, Cat | Dog | int, Cat | int | None, First | Second, Row, ClosedRow, Row | int,
    Found, Found[int], Found[Plain], dict[str, Found[Colour]], Data, Data | int, Total, Total | str, Pair, Pair | int,
    UserId, list[UserId], Final[int],
    list[Decimal], Decimal | None, Annotated[Decimal, Meta(description="A price")], dict[str, Decimal],
)  # fmt: skip


def schema_of(annotation: Any) -> Any:
    found = described(annotation)
    names = component_names(classes_in(annotation), {})
    schemas = TypeSchemas(found, names.__getitem__)
    return schemas.of(found.type), {
        names[found.classes[name]]: schemas.component(Named(name=name)) for name in found.definitions
    }


def as_accepted(schema: Any) -> Any:
    """Return msgspec's schema with the texts and numbers that may be decimals, with integers of 64 bits, and without unknown members of objects: msgspec
    takes any text, any number and any member."""
    if isinstance(schema, list | tuple):
        return [as_accepted(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "decimal":
        rest = {name: value for name, value in schema.items() if name not in ("type", "format")}
        return {**rest, "anyOf": [{"type": "string", "format": "decimal", "pattern": DECIMAL}, *NUMBERS]}
    if schema.get("type") == "integer":
        least = {} if {"minimum", "exclusiveMinimum"} & {*schema} else {"minimum": INTEGER_MIN}
        greatest = {} if {"maximum", "exclusiveMaximum"} & {*schema} else {"maximum": INTEGER_MAX}
        return {**schema, **least, **greatest}
    closed = {"additionalProperties": False} if schema.get("type") == "object" and "properties" in schema else {}
    return {**{name: as_accepted(value) for name, value in schema.items()}, **closed}


@pytest.mark.parametrize("annotation", CASES, ids=str)
def test_the_schema_of_a_type_is_that_of_msgspec(annotation: Any) -> None:
    [schema], components = msgspec.json.schema_components([annotation], ref_template=REF)
    assert json.loads(encode(schema_of(annotation))) == json.loads(encode(as_accepted([schema, components])))


def test_every_record_of_a_type_has_a_row() -> None:
    assert set(TYPES) == set(schema_types.TYPES)


@dataclasses.dataclass
class Basket:
    """A basket.

    It is empty at first.
    """

    contents: list[str] = dataclasses.field(default_factory=list)


def test_defaults_of_dataclasses_and_paragraphs_of_docstrings_are_described() -> None:
    """msgspec leaves out the first, and gives the second as they are indented."""
    _, components = schema_of(Basket)
    assert components["Basket"]["properties"]["contents"]["default"] == []
    assert components["Basket"]["description"] == "A basket.\n\nIt is empty at first."


class Untagged(Struct):
    a: int


class Other(Struct):
    b: int


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [(Untagged | Other, {}), (complex, {}), (list[complex], {"type": "array", "items": {}})],
)
def test_a_type_that_msgspec_does_not_convert_is_any_json(annotation: Any, expected: Any) -> None:
    assert schema_of(annotation) == (expected, {})


@stored(name="address", key="id", access=public)
class Address:
    id: Attr[str]
    mail: Attr[Annotated[str, Meta(extra_json_schema={"format": "email"})]]
    place: Attr[Untagged]


def test_the_schemas_of_items_from_json_with_types_of_one_name_differ() -> None:
    """Each has its own `Untagged`: their classes have the same module and name."""
    first = json.loads(schema_to_json(meta_of(Address).schema))
    second = {**first, "name": "location"}
    second["types"] = json.loads(json.dumps(first["types"]).replace('"name": "a"', '"name": "z"'))
    app = App("places", items=[schema_from_json(json.dumps(one)) for one in (first, second)], url="memory://")
    components = document(app)["components"]["schemas"]
    found = {}
    for name in ("Address", "Location"):
        properties = components[name]["properties"]
        assert properties["mail"]["format"] == "email"
        found[name] = {*components[properties["place"]["$ref"].rpartition("/")[2]]["properties"]}
    assert found == {"Address": {"a"}, "Location": {"z"}}
