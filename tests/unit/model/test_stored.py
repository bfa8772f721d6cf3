"""`@stored`: the item that it makes from a class, and the mistakes that it reports."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

import msgspec
import pytest
from msgspec import UNSET, Meta, Struct

from persisty import (
    CREATED,
    GENERATED,
    UPDATED,
    UUID4,
    UUID4_TEXT,
    VERSION,
    Attr,
    Generator,
    Index,
    InvalidDeclaration,
    meta_of,
    public,
    stored,
)
from persisty.model.expressions import AttributeExpression
from persisty.model.types import Kind


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


@dataclass
class Point:
    x: int
    y: int = 0


class Line(Struct):
    a: Point
    next: Line | None = None


class Stamped:
    """Attributes shared by a class that is not stored."""

    created_at: datetime
    updated_at: datetime

    def age(self, now: datetime) -> timedelta:
        return now - self.created_at


@stored(indexes=[Index("owner", "size"), Index("name")], access=public)
class GardenTool(Stamped):
    """A tool."""

    LIMIT: ClassVar[int] = 3
    id: UUID
    name: Annotated[str, Meta(max_length=20, description="what it is called")]
    owner: str | None
    size: Size = Size.SMALL
    price: Decimal = Decimal("1.50")
    tags: list[str] = Attr(factory=list, description="labels")
    version: int = Attr(generator=VERSION)
    line: Line | None = None
    anything: Any
    choice: Literal["a", None]

    @property
    def label(self) -> str:
        return f"{self.name} ({self.size.value})"


META = meta_of(GardenTool)


def test_the_meta_names_the_store_the_key_and_the_attributes_in_order() -> None:
    assert META.name == "garden_tool"
    assert META.item is GardenTool
    assert META.key.attributes == ("id",)
    assert META.indexes == (Index("owner", "size"), Index("name"))
    assert META.access == public
    assert META.description == "A tool."
    assert set(META.attributes) == {
        "created_at", "updated_at", "id", "name", "owner", "size", "price", "tags", "version", "line", "anything", "choice",
    }  # fmt: skip
    with pytest.raises(TypeError):
        META.attributes["x"] = META.attributes["id"]


@pytest.mark.parametrize(
    ("name", "kind", "optional", "required", "creatable", "updatable", "generator"),
    [
        ("id", Kind.UUID, False, False, True, False, UUID4),
        ("name", Kind.STRING, False, True, True, True, None),
        ("owner", Kind.STRING, True, False, True, True, None),
        ("size", Kind.ENUM, False, False, True, True, None),
        ("price", Kind.DECIMAL, False, False, True, True, None),
        ("tags", Kind.JSON, False, False, True, True, None),
        ("version", Kind.INTEGER, False, False, False, False, VERSION),
        ("created_at", Kind.DATETIME, False, False, False, False, CREATED),
        ("updated_at", Kind.DATETIME, False, False, False, False, UPDATED),
        ("line", Kind.JSON, True, False, True, True, None),
        ("anything", Kind.JSON, True, False, True, True, None),
        ("choice", Kind.STRING, True, False, True, True, None),
    ],
)
def test_attributes_are_inferred_from_annotations(
    name: str, kind: Kind, optional: bool, required: bool, creatable: bool, updatable: bool, generator: Generator | None
) -> None:
    one = META.attributes[name]
    assert (one.kind, one.optional, one.required) == (kind, optional, required)
    assert (one.creatable, one.updatable, one.generator) == (creatable, updatable, generator)


def test_descriptions_and_defaults_are_in_the_meta() -> None:
    assert META.attributes["name"].description == "what it is called"
    assert META.attributes["tags"].description == "labels"
    assert META.attributes["price"].default == Decimal("1.5")
    assert str(GardenTool(name="x").price) == "1.5"


def test_an_item_is_a_struct_with_the_methods_of_its_class() -> None:
    tool = GardenTool(name="rake", size=Size.LARGE)
    assert isinstance(tool, Struct)
    assert (tool.label, tool.LIMIT) == ("rake (l)", 3)
    assert tool.tags == []
    assert tool.tags is not GardenTool(name="spade").tags
    assert tool.owner is None
    assert tool.id is UNSET
    tool.created_at = datetime(2026, 1, 1, tzinfo=UTC)
    assert tool.age(datetime(2026, 1, 2, tzinfo=UTC)) == timedelta(days=1)
    tool.owner = "me"
    assert META.attributes["owner"].get(tool) == "me"
    assert tool == msgspec.structs.replace(tool)
    with pytest.raises(TypeError):
        GardenTool(nome="rake")
    with pytest.raises(TypeError):
        GardenTool()


def test_items_decode_from_json_and_absent_values_are_not_the_expressions_of_the_class() -> None:
    tool = msgspec.json.decode(b'{"name": "rake", "line": {"a": {"x": 1}}}', type=GardenTool)
    assert tool.line == Line(Point(1))
    assert tool.version is UNSET
    assert isinstance(GardenTool.version, AttributeExpression)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"name": "rake", "colour": "red"}', type=GardenTool)


def test_the_decorator_works_with_and_without_arguments() -> None:
    @stored
    class Plain:
        id: UUID

    @stored(name="other", key=("b", "a"))
    class Keyed:
        a: int
        b: str

    assert meta_of(Plain).name == "plain"
    assert (meta_of(Keyed).name, meta_of(Keyed).key.attributes) == ("other", ("b", "a"))
    assert meta_of(Keyed).key_of(Keyed(a=7, b="x")) == "x~7"


def test_generated_selects_the_generator_by_convention() -> None:
    @stored
    class Written:
        id: UUID = GENERATED
        created_at: datetime = GENERATED

    assert meta_of(Written).attributes["id"].generator is UUID4
    assert meta_of(Written).attributes["created_at"].generator is CREATED


def test_flags_can_be_declared() -> None:
    @stored
    class Said:
        id: str = Attr(generator=UUID4_TEXT, creatable=False)
        fixed: int = Attr(default=1, updatable=False)
        internal: int = Attr(default=1, creatable=False, updatable=False)

    found = meta_of(Said).attributes
    assert [(one.creatable, one.updatable) for one in found.values()] == [(False, False), (True, False), (False, False)]


@pytest.mark.parametrize("given", [int, object(), None, "text"])
def test_meta_of_anything_else_is_invalid(given: Any) -> None:
    with pytest.raises(InvalidDeclaration):
        meta_of(given)


class Foreign:
    pass


class Empty(enum.Enum):
    NOTHING = ""
    SOMETHING = "x"


class Mixed(enum.Enum):
    ONE = 1
    TWO = "two"


def declare(annotations: dict[str, Any], defaults: dict[str, Any] | None = None, **arguments: Any) -> None:
    stored(**arguments)(type("Wrong", (), {"__annotations__": annotations, **(defaults or {})}))


ID = {"id": UUID}
MISTAKES: dict[str, tuple[Any, list[tuple[str, str]]]] = {
    "no attributes": (lambda: declare({}, key=()), [("", "no annotated attributes"), ("", "names no attribute")]),
    "unresolved annotation": (lambda: declare({"id": "Nowhere"}), [("", "cannot be resolved"), ("/id", "not an attribute")]),
    "store name": (lambda: declare(ID, name="Bad Name"), [("", "not in snake case")]),
    "empty store name": (lambda: declare(ID, name=""), [("", "not in snake case")]),
    "store name type": (lambda: declare(ID, name=5), [("", "name of the wrong type")]),
    "double underscore": (lambda: declare({**ID, "a__b": int}), [("/a__b", "double underscore")]),
    "long attribute": (lambda: declare({**ID, "n" * 63: int, "m" * 64: int}), [("/" + "m" * 64, "cut off")]),
    "long store": (lambda: declare(ID, name="s" * 64), [("", "cut off")]),
    "long table": (lambda: declare(ID, table="s" * 64), [("", "cut off")]),
    "underscore": (lambda: declare({**ID, "_a": int}), [("/_a", "underscore")]),
    "reserved": (
        lambda: declare({**ID, "limit": int, "or": int, "query": str}),
        [("/limit", "queries reserve"), ("/or", "queries reserve"), ("/query", "queries reserve")],
    ),
    "literal key that may be empty": (lambda: declare({"id": Literal["", "a"]}), [("/id", "may be empty")]),
    "key missing": (lambda: declare({"name": str}), [("/id", "not an attribute")]),
    "key twice": (lambda: declare(ID, key=("id", "id")), [("", "one twice")]),
    "key of nothing": (lambda: declare(ID, key=()), [("", "names no attribute")]),
    "key type": (lambda: declare(ID, key=5), [("", "key of the wrong type")]),
    "key kind": (lambda: declare({"id": float}), [("/id", "in the key but is a float")]),
    "key json": (lambda: declare({"id": list[str]}), [("/id", "in the key but is a json")]),
    "key optional": (lambda: declare({"id": str | None}), [("/id", "may be None")]),
    "key may be empty": (lambda: declare({"id": Empty}), [("/id", "may be empty")]),
    "key changes": (
        lambda: declare({"id": datetime}, {"id": Attr(generator=UPDATED)}),
        [("/id", "changes on update")],
    ),
    "index of nothing": (lambda: declare(ID, indexes=[Index()]), [("", "1 to 5")]),
    "index of too much": (
        lambda: declare({**ID, **{f"a{n}": int for n in range(6)}}, indexes=[Index(*(f"a{n}" for n in range(6)))]),
        [("", "1 to 5")],
    ),
    "index attribute twice": (lambda: declare({**ID, "a": int}, indexes=[Index("a", "a")]), [("", "different")]),
    "index twice": (lambda: declare({**ID, "a": int}, indexes=[Index("a"), Index("a")]), [("", "same index twice")]),
    "index of unknown": (lambda: declare(ID, indexes=[Index("a")]), [("/a", "in index by-a but is not")]),
    "index of json": (lambda: declare({**ID, "a": list}, indexes=[Index("a")]), [("/a", "has no order")]),
    "index type": (lambda: declare(ID, indexes=["id"]), [("", "indexes of the wrong type")]),
    "foreign type": (lambda: declare({**ID, "a": Foreign}), [("/a", "JSON has no form for Foreign")]),
    "foreign type inside": (lambda: declare({**ID, "a": dict[str, list[Foreign]]}), [("/a", "JSON has no form for Foreign")]),
    "letters beyond ASCII": (lambda: declare({**ID, "größe": int}), [("/größe", "beyond ASCII")]),
    "mixed enum": (lambda: declare({**ID, "a": Mixed}), [("/a", "cannot be stored")]),
    "ambiguous union": (lambda: declare({**ID, "a": list[int] | set[int]}), [("/a", "cannot be stored")]),
    "default of the wrong type": (lambda: declare({**ID, "a": int}, {"a": "x"}), [("/a", "breaks its own type")]),
    "default against a constraint": (
        lambda: declare({**ID, "a": Annotated[int, Meta(ge=1)]}, {"a": 0}),
        [("/a", "breaks its own type")],
    ),
    "default that no engine stores": (lambda: declare({**ID, "a": float}, {"a": float("inf")}), [("/a", "breaks its own type")]),
    "default none": (lambda: declare({**ID, "a": int}, {"a": None}), [("/a", "not optional")]),
    "mutable default": (lambda: declare({**ID, "a": list}, {"a": []}), [("/a", "mutable default")]),
    "mutable object as default": (lambda: declare({**ID, "a": Line}, {"a": Line(Point(1))}), [("/a", "mutable default")]),
    "generator and default": (
        lambda: declare({**ID, "a": int}, {"a": Attr(generator=VERSION, default=1)}),
        [("/a", "both a generator and a default")],
    ),
    "default and factory": (
        lambda: declare({**ID, "a": int}, {"a": Attr(default=1, factory=int)}),
        [("/a", "both a default and a factory")],
    ),
    "generated by no convention": (lambda: declare({**ID, "a": int}, {"a": GENERATED}), [("/a", "no generator by convention")]),
    "conditional writes that are no bool": (
        lambda: declare(ID, {}, conditional_writes="yes"),
        [("", "conditional_writes of the wrong type")],
    ),
    "contradicting bounds of a decimal": (
        lambda: declare({**ID, "a": Annotated[Decimal, Meta(ge=1)]}, {"a": Decimal(0)}),
        [("/a", "breaks its own type: Expected decimal >= 1")],
    ),
    "generated integer": (lambda: declare({"id": int}, {"id": GENERATED}), [("/id", "write `= SEQUENCE`")]),
    "generated text": (lambda: declare({"id": str}, {"id": GENERATED}), [("/id", "write `= UUID4_TEXT`")]),
    "generated owner": (lambda: declare({"id": str, "owner": str}, {"owner": GENERATED}), [("/owner", "or `= SUBJECT` for the caller")]),
    "several": (
        lambda: declare({"a": Foreign, "limit": int, "b": int}, {"b": "x"}, name="X", key=("z",), indexes=[Index("y")]),
        [
            ("/a", "JSON has no form"),
            ("/b", "breaks its own type"),
            ("", "snake case"),
            ("/limit", "queries reserve"),
            ("/z", "not an attribute"),
            ("/y", "in index by-y"),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_every_mistake_is_reported_at_once(name: str) -> None:
    make, expected = MISTAKES[name]
    with pytest.raises(InvalidDeclaration) as caught:
        make()
    found = caught.value.faults
    assert [fault.path for fault in found] == [path for path, _ in expected], caught.value
    assert all(part in fault.message for fault, (_, part) in zip(found, expected, strict=True)), caught.value
    assert "Wrong cannot be stored" in str(caught.value)


def test_an_item_does_not_inherit_from_another() -> None:
    with pytest.raises(InvalidDeclaration, match="inherits from the stored GardenTool"):

        @stored
        class Rake(GardenTool):
            teeth: int


def test_recursive_nested_types_are_stored() -> None:
    assert META.attributes["line"].kind is Kind.JSON
    tool = GardenTool(name="x", line=Line(Point(1), Line(Point(2))))
    assert msgspec.json.decode(msgspec.json.encode(tool.line), type=Line) == tool.line


def test_literals_are_text_or_numbers_with_some_values() -> None:
    @stored(key=("size", "grade"), indexes=[Index("grade")])
    class Shirt:
        size: Literal["s", "m"]
        grade: Literal[-1, 2]
        mixed: Literal["a", 1] | None = None

    meta = meta_of(Shirt)
    assert {name: (one.kind, one.operand) for name, one in meta.attributes.items()} == {
        "size": (Kind.STRING, str),
        "grade": (Kind.INTEGER, Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]),
        "mixed": (Kind.JSON, Literal["a", 1]),
    }
    assert meta.key_of(Shirt(size="m", grade=-1)) == "m~-1"
    assert meta.key_codec.parse("m~-1") == ("m", -1)
    assert meta.key_codec.parse("l~-1") is meta.key_codec.parse("m~1") is None
