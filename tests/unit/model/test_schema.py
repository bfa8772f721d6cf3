"""Schemas as data: made from a class, converted to and from JSON, hashed, and compiled without the class."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict
from uuid import UUID

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct, field

from persisty import (
    Access,
    App,
    Attr,
    BelongsTo,
    Cache,
    Caller,
    Generator,
    HasMany,
    Index,
    InvalidDeclaration,
    InvalidInput,
    Unique,
    claim,
    custom,
    link,
    linked,
    member,
    meta_of,
    owned,
    public,
    scope,
    stored,
    where,
)
from persisty.model.compilation import Bindings, compile_schema, compile_schemas
from persisty.model.relations import resolved_schema
from persisty.model.rules import CustomFunction
from persisty.model.schema import Schema
from persisty.model.schema_changes import changes_of
from persisty.model.schema_differences import differences
from persisty.model.schema_json import (
    document_from_json,
    document_of,
    json_schema,
    schema_from_json,
    schema_to_json,
)

ROOT = Path(__file__).parents[3]


class Color(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


class Line(Struct, rename="camel", omit_defaults=True):
    """A class that refers to itself, with other names in JSON and defaults of many types."""

    next_line: Line | None = None
    drawn_at: datetime | None = None
    tags: list[str] = field(default_factory=list)
    color: Color = Color.RED
    width: Decimal = Decimal("1.5")
    corners: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class Point:
    x: int
    y: float = 1.0


class Loose(TypedDict):
    a: int


def five() -> int:
    return 5


def decide(caller: Caller) -> bool:
    return caller.has("x")


SHOUT = Generator("shout", create=lambda: "HEY")
MORNING = datetime(2026, 1, 1, tzinfo=UTC)


@stored(
    key="name",
    indexes=[Index("rank"), Unique("name", "rank")],
    access=Access(
        read=where(at__ge=MORNING, price=Decimal("1.5"), rank__oneof=[1, 2], color=Color.RED)
        | where(owner_id=UUID(int=7), blob=b"x")
        | custom(decide),
        create=owned("owner_id"),
        update=(claim("group", ["a"]) | member("name", "names")) & ~scope("guest"),
        delete=linked("owner", owned("id")),
    ),
    cache=Cache(seconds=5),
    conditional_writes=True,
    former_names="trinket",
)
class Thing:
    """An item with every member of a schema."""

    name: Annotated[str, Meta(max_length=10, pattern="^[a-z]+$", description="Its name", examples=["a"])]
    rank: Annotated[int, Meta(ge=1, le=9)] = Attr(default=3, readable=scope("x"), former_names=("place", "position"))
    later: int = Attr(factory=five)
    said: str = Attr(generator=SHOUT)
    at: datetime = MORNING
    day: date | None = None
    price: Decimal = Decimal("1.10")
    ratio: float | None = None
    blob: bytes = b"xyz"
    color: Color = Color.RED
    size: Literal["s", "m"] | None = None
    line: Line | None = None
    points: dict[str, list[Point | None]] = Attr(factory=dict)
    corners: tuple[int, ...] = Attr(factory=tuple)
    flags: frozenset[str] = Attr(factory=frozenset)
    loose: Loose | None = None
    times: list[time] = Attr(factory=list)
    anything: Any
    owner_id: UUID
    owner: BelongsTo[Owner] = link(on_delete="cascade")
    hidden: str = Attr(default="", readable=False, updatable=False)


@stored(access=public)
class Owner:
    id: UUID
    things: HasMany[Thing] = link()


META = meta_of(Thing)
SUPPLIED = {
    f"{__name__}.decide": decide,
    f"{__name__}.five": five,
    f"{__name__}.Loose": Loose,
    "shout": SHOUT,
}


def compiled() -> dict[str, Any]:
    text = schema_to_json(document_of(resolved_schema(meta_of(one)) for one in (Thing, Owner)))
    return compile_schemas(document_from_json(text).schemas, SUPPLIED)


def test_a_schema_is_read_as_it_was_written_and_has_the_same_hash() -> None:
    text = schema_to_json(META.schema)
    again = schema_from_json(text)
    assert schema_to_json(again) == text
    assert (again, hash(again), again.hash) == (META.schema, hash(META.schema), META.schema.hash)
    assert len({again, META.schema}) == 1


def test_a_schema_compiles_to_the_same_meta_as_its_class() -> None:
    made = compiled()["thing"]
    assert made.item is not Thing
    assert made.item.__name__ == "Thing"
    for flag in ("name", "kind", "optional", "required", "creatable", "updatable", "generator", "description", "path"):
        assert [getattr(one, flag) for one in made.attributes.values()] == [
            getattr(one, flag) for one in META.attributes.values()
        ], flag
    assert made.nested.keys() == META.nested.keys()
    assert {one.path for one in made.nested.values()} == {one.path for one in META.nested.values()}
    assert (made.key, made.indexes, made.cache, made.description) == (
        META.key,
        META.indexes,
        META.cache,
        META.description,
    )
    assert made.conditional_writes is True
    assert (made.links["owner"].ends.target.name, made.links["owner"].on_delete) == ("owner", "cascade")
    assert made.schema == resolved_schema(META)


def test_items_of_a_compiled_schema_have_the_same_defaults_and_json() -> None:
    given = {"name": "a", "anything": [1], "owner_id": UUID(int=1)}
    line = {"nextLine": {"color": "blue", "width": "2.5"}, "drawnAt": "2026-01-01T00:00:00Z", "corners": [[1, 2]]}
    wire = msgspec.json.encode(
        {**msgspec.to_builtins(given), "line": line, "points": {"a": [{"x": 1, "y": 2.0}, None]}}
    )
    ours = msgspec.json.encode(msgspec.json.decode(wire, type=Thing))
    assert msgspec.json.encode(msgspec.json.decode(wire, type=compiled()["thing"].item)) == ours


def test_a_store_of_a_compiled_schema_decides_by_the_same_rules() -> None:
    metas = compiled()
    app = App("shop", items=[one.item for one in metas.values()], url="memory://")
    ann = Caller("00000000-0000-0000-0000-000000000001", frozenset({"x"}))
    app.store("owner").create({"id": UUID(int=1)})
    store = app.store("thing").on_behalf_of(ann)
    made: Any = store.create({"name": "a", "anything": 1, "owner_id": UUID(int=1)})
    assert made.said == "HEY"
    assert made.later == 5
    assert app.can(Caller("b"), "read", made) is False
    seen: Any = store.read("a")
    assert seen.name == "a"
    assert isinstance(metas["thing"].access.read.parts[-1], CustomFunction)


def test_equal_types_of_several_schemas_are_one_type() -> None:
    @stored(name="other")
    class Other:
        id: UUID
        color: Color = Color.BLUE

    metas = compile_schemas((resolved_schema(META), meta_of(Other).schema, meta_of(Owner).schema), SUPPLIED)
    assert metas["other"].attributes["color"].type is metas["thing"].attributes["color"].type


def test_documentation_is_not_part_of_the_hash_and_everything_else_is() -> None:
    schema = META.schema
    assert msgspec.structs.replace(schema, description="Other words") == schema
    first, *others = schema.attributes
    described = msgspec.structs.replace(
        first, description="x", type=msgspec.structs.replace(first.type, examples=("b",))
    )
    assert msgspec.structs.replace(schema, attributes=(described, *others)) == schema
    for change in (
        {"name": "thing2"},
        {"attributes": (msgspec.structs.replace(first, id="other"), *others)},
        {"conditional_writes": False},
        {"indexes": ()},
        {"access": None},
        {"former_names": ()},
        {"cache": Cache(seconds=6)},
    ):
        assert msgspec.structs.replace(schema, **change) != schema, change


def test_the_hash_does_not_depend_on_the_order_of_members() -> None:
    def backwards(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: backwards(value[name]) for name in reversed(value)}
        return [backwards(one) for one in value] if isinstance(value, list) else value

    text = json.dumps(backwards(json.loads(schema_to_json(META.schema))))
    assert schema_from_json(text).hash == META.schema.hash


def test_a_renamed_attribute_has_the_same_id() -> None:
    @stored
    class Renamed:
        id: UUID
        rank: int = Attr(default=0, former_names=("place", "position"))
        place: str = ""

    assert [one.id for one in meta_of(Renamed).schema.attributes] == ["id", "place", "place#2"]


def test_two_functions_of_one_name_get_different_names() -> None:
    @stored
    class Twice:
        id: UUID
        a: int = Attr(factory=lambda: 1)
        b: int = Attr(factory=lambda: 2)

    made: Any = App("shop", items=[Twice], url="memory://").store("twice").create({})
    assert (made.a, made.b) == (1, 2)


def test_objects_that_a_schema_only_names_must_be_supplied() -> None:
    with pytest.raises(InvalidDeclaration) as refused:
        compile_schema(META.schema)
    assert [(fault.path, fault.found) for fault in refused.value.faults] == [
        ("/thing/access/read/any/2/custom", f"{__name__}.decide"),
        ("/later/default", f"{__name__}.five"),
        ("/said", "shout"),
        ("/loose/type", f"{__name__}.Loose"),
    ]
    compile_schema(META.schema, Bindings(named=SUPPLIED))


def broken(change: Callable[[Any], Any]) -> str:
    document = json.loads(schema_to_json(META.schema))
    change(document)
    return json.dumps(document)


def several(document: Any) -> None:
    document["persisty"] = 2
    document["key"] = "name"
    document["nope"] = 1
    del document["attributes"][0]["name"]
    document["attributes"][0]["type"]["max_length"] = "ten"
    document["attributes"][1]["type"]["kind"] = "number"
    document["attributes"][2]["default"] = 5
    document["access"]["read"] = {"kind": "nobody"}
    document["access"]["create"] = {"kind": "owned", "attribute": 5}
    document["types"]["Line"]["fields"][0]["type"] = {"kind": "list", "items": []}


def test_every_fault_of_a_document_is_reported_with_its_path() -> None:
    with pytest.raises(InvalidDeclaration) as refused:
        schema_from_json(broken(several))
    assert [(fault.path, fault.found) for fault in refused.value.faults] == [
        ("/persisty", "2"),
        ("/attributes/0/type/max_length", '"ten"'),
        ("/attributes/0/name", "nothing"),
        ("/attributes/1/type/kind", '"number"'),
        ("/attributes/2/default", "5"),
        ("/key", '"name"'),
        ("/access/read/kind", '"nobody"'),
        ("/access/create/attribute", "5"),
        ("/types/Line/fields/0/type/items", "an array"),
        ("/nope", None),
    ]
    lines = str(refused.value).splitlines()
    assert len(lines) == 11
    assert '  /attributes/0/type/max_length: Expected int or null (found "ten")' in lines


@pytest.mark.parametrize("text", ["", "nope", "[]", "5", b"\xff", "[" * 100_000, '{"persisty": 1}'])
def test_an_invalid_schema_is_rejected(text: str | bytes) -> None:
    with pytest.raises(InvalidDeclaration) as refused:
        schema_from_json(text)
    assert refused.value.faults


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Draw the document with one value at a random place replaced or left out."""
    document = json.loads(schema_to_json(META.schema))
    at: Any = document
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        key = draw(st.sampled_from(keys))
        if isinstance(at[key], dict | list) and at[key] and draw(st.integers(0, 3)):
            at = at[key]
            continue
        if draw(st.booleans()) and isinstance(at, dict):
            del at[key]
        else:
            plain = st.one_of(st.none(), st.booleans(), st.integers(-3, 2**70), st.floats(), st.text(max_size=3))
            known = st.sampled_from(
                ["id", "name", "string", "any", "a b", "class", "(", "or", "x", {"kind": "any"}, [], {}]
            )
            at[key] = draw(st.one_of(plain, known))
        return json.dumps(document)


def compiles(text: str) -> bool:
    try:
        compile_schema(schema_from_json(text), Bindings(named=SUPPLIED))
    except InvalidDeclaration as error:
        if not error.faults:
            raise
        return False
    return True


@given(mutated())
def test_a_mutated_document_compiles_or_is_rejected_with_faults(text: str) -> None:
    assert compiles(text) in (True, False)  # no other error is raised


def test_a_name_that_would_be_code_is_rejected() -> None:
    text = json.dumps(
        {
            "persisty": 1,
            "name": "x",
            "attributes": [{"id": "id", "name": "id, x=__import__('os')", "type": {"kind": "uuid"}}],
        }
    )
    with pytest.raises(InvalidDeclaration, match="not a Python identifier"):
        compile_schema(schema_from_json(text))


def test_each_item_has_its_own_copy_of_a_default_list() -> None:
    attribute = {"id": "tags", "name": "tags", "type": {"kind": "list"}, "default": {"kind": "value", "value": ["a"]}}
    key = {"id": "id", "name": "id", "type": {"kind": "string"}}
    schema = schema_from_json(json.dumps({"persisty": 1, "name": "x", "attributes": [key, attribute]}))
    item: Any = compile_schema(schema).item
    first, second = item(id="a"), item(id="b")
    first.tags.append("b")
    assert second.tags == ["a"]


def test_the_published_json_schema_is_current_and_accepts_every_document() -> None:
    published = json.loads((ROOT / "docs" / "schema.json").read_text())
    assert published == json.loads(msgspec.json.encode(json_schema()))
    jsonschema.Draft202012Validator.check_schema(published)
    validator = jsonschema.Draft202012Validator(published)
    document = json.loads(schema_to_json(document_of((META.schema, resolved_schema(meta_of(Owner))))))
    validator.validate(document)
    several(document["schemas"][0])
    assert len(list(validator.iter_errors(document))) > 0


def test_a_link_names_the_store_of_a_class_that_is_declared_later() -> None:
    app = App("shop", items=[Thing, Owner], url="memory://")
    assert [one.target for one in resolved_schema(app.metas["thing"]).links] == ["owner"]
    assert isinstance(META.schema, Schema)


class Mood(enum.Enum):
    CALM = "calm"

    @classmethod
    def _missing_(cls, value: object) -> Mood:
        return cls.CALM


class Positive(Struct):
    amount: int

    def __post_init__(self) -> None:
        if self.amount < 0:
            raise ValueError("Expected a positive amount")


class Doubled(Positive):
    times: int = 2


@dataclass
class Span:
    start: int
    end: int

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError("Expected an end after the start")


@stored
class Checked:
    id: str
    mood: Mood | None = None
    amounts: list[Positive] = Attr(factory=list)
    doubled: Doubled | None = None
    span: Span | None = None
    color: Color | None = None


CHECKING = {f"{__name__}.{one.__name__}": one for one in (Mood, Positive, Doubled, Span)}


def test_a_class_that_checks_its_values_by_code_must_be_supplied() -> None:
    schema = schema_from_json(schema_to_json(meta_of(Checked).schema))
    assert {one.python for one in schema.types.values()} == {*CHECKING, None}
    with pytest.raises(InvalidDeclaration) as refused:
        compile_schema(schema)
    assert ("/types", True) in {(one.path, one.found in CHECKING) for one in refused.value.faults}

    meta = compile_schema(schema, Bindings(named=CHECKING))
    assert meta.schema.hash == meta_of(Checked).schema.hash
    store = App("checked", items=[meta.item], url="memory://").store("checked")
    assert store.create({"id": "1", "mood": "wild"}).mood is Mood.CALM
    for wrong in ({"amounts": [{"amount": -1}]}, {"doubled": {"amount": -1}}, {"span": {"start": 2, "end": 1}}):
        with pytest.raises(InvalidInput):
            store.create({"id": "2", **wrong})


def test_items_that_were_stored_before_a_class_had_checks_can_be_read() -> None:
    now = meta_of(Checked).schema
    types = {name: msgspec.structs.replace(one, python=None) for name, one in now.types.items()}
    before = msgspec.structs.replace(now, types=types)
    assert before.hash != now.hash
    assert [*differences(before, meta_of(Checked))] == []
    assert changes_of(before, meta_of(Checked), "sqlite") == []
