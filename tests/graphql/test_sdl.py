"""The schema text: complete, valid, without clashes, and with only the scalars of AppSync."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    build_schema,
    parse,
    validate_schema,
)
from msgspec import Meta, Struct
from servey.action.action import action
from servey.trigger.web_trigger import WEB_GET, WEB_POST

from persisty import SEQUENCE, VERSION, Access, App, Attr, InvalidDeclaration, everyone, nobody, public, stored
from persisty.api.actions import operations
from persisty.api.graphql.sdl import sdl
from persisty.model.types import OPERATORS

from . import gallery

APPSYNC_SCALARS = {
    "ID", "String", "Int", "Float", "Boolean", "AWSDate", "AWSTime", "AWSDateTime", "AWSTimestamp", "AWSEmail", "AWSJSON",
    "AWSURL", "AWSPhone", "AWSIPAddress",
}  # fmt: skip


class Clashing(enum.Enum):
    A = "a"


class NotePage(enum.Enum):
    A = "a"


class Dashes(Struct, rename="kebab"):
    town: str
    post_code: str


@dataclass
class AWSThing:
    a: int


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema(sdl(operations(gallery.app).values()))


def arguments_of(field: object) -> dict[str, str]:
    return {name: str(argument.type) for name, argument in getattr(field, "args", {}).items()}


def faults_of(app: App) -> list[str]:
    with pytest.raises(InvalidDeclaration) as raised:
        sdl(operations(app).values())
    return [fault.path for fault in raised.value.faults]


def test_every_operation_is_a_root_field_of_the_right_kind(schema: GraphQLSchema) -> None:
    assert validate_schema(schema) == []
    offered = operations(gallery.app)
    assert schema.query_type is not None
    assert schema.mutation_type is not None
    assert set(schema.query_type.fields) == {one.field for one in offered.values() if not one.mutation}
    assert set(schema.mutation_type.fields) == {one.field for one in offered.values() if one.mutation}
    for one in offered.values():
        root = schema.mutation_type if one.mutation else schema.query_type
        left_out = {"changes"} if one.name == "membership_update" else set()
        assert set(root.fields[one.field].args) == {parameter.name for parameter in one.parameters} - left_out


def test_verbs_that_no_access_rule_allows_are_absent(schema: GraphQLSchema) -> None:
    assert "Secret" not in schema.type_map
    assert "notOffered" not in schema.query_type.fields  # type: ignore[union-attr]
    assert "factCreate" not in schema.mutation_type.fields  # type: ignore[union-attr]
    assert set(schema.type_map["LeavingEdit"].fields) == {"delete"}  # type: ignore[union-attr]


def test_the_attributes_have_the_types_of_their_kinds(schema: GraphQLSchema) -> None:
    item = schema.type_map["Specimen"]
    assert isinstance(item, GraphQLObjectType)
    assert {name: str(field.type) for name, field in item.fields.items()} == {
        "id": "ID!", "text": "String!", "count": "Float", "wide": "Float", "long": "String", "ratio": "Float",
        "done": "Boolean!", "at": "AWSDateTime", "day": "AWSDate", "ref": "ID", "price": "String", "status": "Status!",
        "shade": "String", "level": "Int", "blob": "String", "tags": "[String!]!", "extra": "AWSJSON",
        "anything": "AWSJSON", "size": "String", "grade": "Int", "place": "Place", "label": "String", "version": "Int!", "created_at": "AWSDateTime!", "updated_at": "AWSDateTime!",
    }  # fmt: skip


def test_inputs_have_only_attributes_that_a_caller_may_set(schema: GraphQLSchema) -> None:
    create, update = schema.type_map["SpecimenCreate"], schema.type_map["SpecimenUpdate"]
    assert isinstance(create, GraphQLInputObjectType)
    assert isinstance(update, GraphQLInputObjectType)
    assert {"version", "created_at", "updated_at"}.isdisjoint(create.fields)
    assert set(create.fields) - set(update.fields) == {"id"}
    assert [name for name, field in create.fields.items() if str(field.type).endswith("!")] == ["text"]
    assert not [name for name, field in update.fields.items() if str(field.type).endswith("!")]


def test_a_where_offers_exactly_the_operators_of_each_kind(schema: GraphQLSchema) -> None:
    where = schema.type_map["SpecimenWhere"]
    assert isinstance(where, GraphQLInputObjectType)
    assert {"and", "or", "not", "query"} == set(where.fields) - set(gallery.Specimen.__persisty__.attributes)  # type: ignore[attr-defined]
    for name, attribute in gallery.Specimen.__persisty__.attributes.items():  # type: ignore[attr-defined]
        operators = where.fields[name].type
        assert isinstance(operators, GraphQLInputObjectType)
        nested = {"city", "postCode", "shade", "seenAt", "geo", "notes"} if name == "place" else set()
        assert set(operators.fields) - nested == {one for one, kinds in OPERATORS.items() if attribute.kind in kinds}, (
            name
        )
        assert nested <= set(operators.fields)


def test_objects_are_filtered_by_their_fields(schema: GraphQLSchema) -> None:
    types = schema.type_map
    place, geo = types["SpecimenWherePlace"], types["SpecimenWherePlace_Geo"]
    assert isinstance(place, GraphQLInputObjectType)
    assert isinstance(geo, GraphQLInputObjectType)
    assert {name: str(field.type) for name, field in place.fields.items()} == {
        "null": "Boolean", "city": "StringOperators", "postCode": "StringOperators", "shade": "StringEnumOperators",
        "seenAt": "DateTimeOperators", "geo": "SpecimenWherePlace_Geo", "notes": "JsonOperators",
    }  # fmt: skip
    assert {name: str(field.type) for name, field in geo.fields.items()} == {
        "null": "Boolean", "lat": "FloatOperators", "zone": "LongOperators",
    }  # fmt: skip


def test_items_with_text_have_a_text_search(schema: GraphQLSchema) -> None:
    assert schema.query_type is not None
    for name in ("specimenSearch", "specimenCount"):
        assert str(schema.query_type.fields[name].args["query"].type) == "String"

    @stored(access=public)
    class Tally:
        id: UUID
        hits: int = 0

    without = build_schema(sdl(operations(App("tallies", items=[Tally])).values()))
    assert without.query_type is not None
    assert "query" not in without.query_type.fields["tallySearch"].args
    assert "query" not in without.type_map["TallyWhere"].fields  # type: ignore[union-attr]


def test_fields_without_a_graphql_name_are_left_out() -> None:
    @stored(access=public)
    class Dashed:
        id: UUID
        at: Dashes | None = None

    fields = build_schema(sdl(operations(App("dashed", items=[Dashed])).values())).type_map["DashedWhereAt"].fields  # type: ignore[union-attr]
    assert set(fields) == {"null", "town"}


def test_an_order_names_every_sortable_attribute_in_both_directions(schema: GraphQLSchema) -> None:
    order = schema.type_map["SpecimenOrder"]
    assert isinstance(order, GraphQLEnumType)
    names = {value.rpartition("_")[0] for value in order.values}
    assert names == set(gallery.Specimen.__persisty__.attributes) - {"tags", "extra", "anything", "place"}  # type: ignore[attr-defined]
    assert set(order.values) == {name + direction for name in names for direction in ("_asc", "_desc")}


def test_only_scalars_of_appsync_are_used(schema: GraphQLSchema) -> None:
    used = {name for name, one in schema.type_map.items() if isinstance(one, GraphQLScalarType)}
    assert used <= APPSYNC_SCALARS
    assert not [name for name, one in schema.type_map.items() if name.startswith("AWS") and name not in used]


def test_the_schema_for_appsync_has_the_same_types_and_only_syntax_that_its_parser_accepts(
    schema: GraphQLSchema,
) -> None:
    text = sdl(operations(gallery.app).values(), appsync=True)
    parse(text)
    assert "scalar " not in text, "AppSync takes a declared AWS scalar for a duplicate"
    assert '"' not in text, "quoted descriptions and default values have been refused"
    assert not re.search(r"=", text.replace("#", "")), "AppSync does not hand declared defaults to resolvers"
    for found in re.finditer(r"^enum \w+ \{\n(.*?)^\}", text, re.DOTALL | re.MULTILINE):
        assert "#" not in found[1], "a comment next to an enum value breaks the parser if it has the word null"
    scalars = "\n".join(f"scalar {name}" for name in ("AWSDate", "AWSDateTime", "AWSJSON"))
    other = build_schema(scalars + "\n" + text)
    assert set(other.type_map) == set(schema.type_map)
    for name, one in schema.type_map.items():
        fields = getattr(one, "fields", {})
        other_fields = getattr(other.type_map[name], "fields", {})
        assert {f: str(field.type) for f, field in fields.items()} == {
            f: str(field.type) for f, field in other_fields.items()
        }
        for f, field in fields.items():
            assert arguments_of(field) == arguments_of(other_fields[f])


def test_descriptions_come_from_the_docs(schema: GraphQLSchema) -> None:
    types = schema.type_map
    assert types["Specimen"].description == "One attribute of every kind."
    assert types["Specimen"].fields["text"].description == "What it says"  # type: ignore[union-attr]
    assert types["Status"].description == "How far it is."
    search = schema.query_type.fields["specimenSearch"]  # type: ignore[union-attr]
    assert search.args["limit"].description == "The most items on a page. Default: 25"
    assert schema.mutation_type.fields["echo"].description == "Return the argument."  # type: ignore[union-attr]


def test_descriptions_survive_quotes_and_odd_characters() -> None:
    @stored(access=public)
    class Quoted:
        id: UUID
        a: str = Attr(default="", description='ends with a "quote"')
        b: str = Attr(default="", description='has """ in it, and \\ at the end \\')
        c: str = Attr(default="", description="bell \x07 and\nsecond line")

    fields = build_schema(sdl(operations(App("quoted", items=[Quoted])).values())).type_map["Quoted"].fields  # type: ignore[union-attr]
    assert fields["a"].description == 'ends with a "quote"'
    assert fields["b"].description == 'has """ in it, and \\ at the end \\'
    assert fields["c"].description == "bell  and\nsecond line"


def test_an_app_without_operations_has_a_schema() -> None:
    schema = build_schema(sdl(operations(App("empty", items=[])).values()))
    assert validate_schema(schema) == []
    assert schema.mutation_type is None


def test_the_type_of_integers_follows_from_their_declared_bounds() -> None:
    @stored(access=public)
    class Numbers:
        id: UUID
        plain: int
        positive: Annotated[int, Meta(ge=0)]
        fits: Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
        above: Annotated[int, Meta(ge=0, le=2**31)]
        below: Annotated[int, Meta(gt=-(2**31) - 2, lt=0)]
        exact: Annotated[int, Meta(ge=-(2**53) + 1, le=2**53 - 1)]
        beyond: Annotated[int, Meta(ge=0, lt=2**53 + 1)]
        deep: Annotated[int, Meta(ge=-(2**53))]
        whole: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
        number: int = SEQUENCE
        version: int = VERSION

    fields = build_schema(sdl(operations(App("numbers", items=[Numbers])).values())).type_map["Numbers"].fields  # type: ignore[union-attr]
    assert [str(fields[name].type) for name in Numbers.__persisty__.attributes] == [  # type: ignore[attr-defined]
        "ID!", "Float", "Float", "Int!", "Float!", "Float!", "Float!", "String!", "String!", "String!", "Float!", "Int!",
    ]  # fmt: skip


# names that clash in one schema


def test_an_enum_that_has_the_name_of_a_stores_type_is_a_fault() -> None:
    @stored(name="note", access=public)
    class Stored:
        id: UUID
        kind: NotePage

    assert faults_of(App("clash", items=[Stored])) == ["/NotePage"]


def test_all_clashes_are_listed_together() -> None:
    @stored(name="clashing", access=public)
    class Stored:
        id: UUID
        kind: Clashing

    @stored(name="note", access=public)
    class Other:
        id: UUID
        kind: NotePage

    assert set(faults_of(App("clash", items=[Stored, Other]))) == {"/Clashing", "/NotePage"}


def test_two_operations_with_one_field_name_are_a_fault_even_if_one_is_a_mutation() -> None:
    @action(access_control=everyone, triggers=WEB_GET)
    def do_it() -> int:
        return 1

    @action(access_control=everyone, triggers=WEB_POST)
    def doIt() -> int:
        return 1

    assert set(faults_of(App("clash", items=[], actions=[do_it, doIt]))) == {"/do_it", "/doIt"}


def test_names_that_are_invalid_in_graphql_are_faults() -> None:
    @action(access_control=everyone, triggers=WEB_GET)
    def measure(größe: int) -> int:  # noqa: PLC2401 - the test needs the name
        return größe

    assert faults_of(App("odd", items=[], actions=[measure])) == ["/measure/größe"]


def test_a_type_of_an_action_must_not_begin_with_aws() -> None:
    @action(access_control=everyone, triggers=WEB_GET)
    def thing() -> AWSThing:
        return AWSThing(1)

    assert faults_of(App("aws", items=[], actions=[thing])) == ["/AWSThing"]


def test_an_item_without_settable_attributes_has_no_input() -> None:
    @stored(access=Access(create=everyone, read=everyone, search=nobody))
    class Ticket:
        id: UUID = Attr(creatable=False)

    schema = build_schema(sdl(operations(App("tickets", items=[Ticket])).values()))
    assert validate_schema(schema) == []
    assert schema.mutation_type.fields["ticketCreate"].args == {}  # type: ignore[union-attr]
