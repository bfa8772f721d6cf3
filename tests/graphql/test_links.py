"""Links as fields: one call of a backend for each link and level, for any number of items; the rules of the caller; errors of only their place."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import GraphQLInputObjectType, GraphQLObjectType, GraphQLSchema

from persisty.api.graphql import links
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.graphql.hosted.schema import GraphqlSchema
from persisty.security.caller import Caller

from . import town
from .asking import Hosted
from .calls import Calls

FRIEND = Caller(town.ID.format(100), frozenset({"friend"}))


def test_the_schema_has_a_field_for_each_link(town_schema: GraphqlSchema) -> None:
    schema: GraphQLSchema = town_schema.whole
    person = schema.type_map["Person"]
    assert isinstance(person, GraphQLObjectType)
    fields = {name: (str(one.type), sorted(one.args)) for name, one in person.fields.items()}
    of_many = ["cursor", "limit", "order", "where"]
    assert {name: fields[name] for name in ("house", "letters", "letter_count", "pet", "clubs", "notes")} == {
        "house": ("House", []),
        "letters": ("LetterPage", of_many),
        "letter_count": ("Int", ["where"]),
        "pet": ("Pet", []),
        "clubs": ("ClubPage", of_many),
        "notes": ("NotePage", of_many),
    }
    assert person.fields["letters"].description == "What they wrote"
    assert "vault" not in fields, "no caller may read its items"
    assert "Vault" not in schema.type_map


def test_unreadable_attributes_are_absent_from_the_schema_and_those_with_a_rule_are_nullable(
    town_schema: GraphqlSchema,
) -> None:
    types = town_schema.whole.type_map
    person, where, create = (types[name] for name in ("Person", "PersonWhere", "PersonCreate"))
    assert isinstance(person, GraphQLObjectType)
    assert isinstance(where, GraphQLInputObjectType)
    assert isinstance(create, GraphQLInputObjectType)
    assert "secret" not in person.fields
    assert "secret" not in where.fields
    assert "secret_asc" not in types["PersonOrder"].values  # type: ignore[union-attr]
    assert "secret" in create.fields, "it can be given, which is another matter"
    assert str(person.fields["diary"].type) == "String"
    assert {"house", "letters", "pet", "clubs"} <= set(where.fields)
    assert {"vault", "letter_count"}.isdisjoint(where.fields)


NESTED = """{ personSearch(limit: 50, order: [name_asc]) { items {
    name house { street } letters(limit: 2, order: [rank_asc]) { items { rank } } } } }"""


def test_a_list_with_two_nested_links_costs_three_calls(calls: Calls, town_schema: GraphqlSchema) -> None:
    answer = town_schema.execute(NESTED)
    assert calls.counted == {"person query": 1, "house read": 1, "letter query_each": 1}
    assert answer["data"]["personSearch"]["items"][:2] == [
        {"name": "p0", "house": {"street": "Street 0"}, "letters": {"items": [{"rank": 0}, {"rank": 0}]}},
        {"name": "p1", "house": {"street": "Street 1"}, "letters": {"items": [{"rank": 1}, {"rank": 1}]}},
    ]
    assert answer["data"]["personSearch"]["items"][4] == {"name": "p4", "house": None, "letters": {"items": []}}


def test_every_level_is_one_call_for_each_link(calls: Calls, town_schema: GraphqlSchema) -> None:
    town_schema.execute(
        """{ houseSearch { items { people { items { pet { name } letters { items { reader { name house { street } } } } } } } } }"""
    )
    assert calls.counted == {
        "house query": 1, "person query_each": 1, "pet query_each": 1, "letter query_each": 1, "person read": 1, "house read": 1,
    }  # fmt: skip


def test_the_same_link_twice_with_different_arguments_is_one_call_each(
    calls: Calls, town_schema: GraphqlSchema
) -> None:
    answer = town_schema.execute(
        """query ($low: Float) { personSearch(order: [name_asc], limit: 2) { items {
            low: letters(where: {rank: {lt: $low}}) { items { text } } high: letters(where: {rank: {ge: 1}}) { items { text } }
            letters(where: {rank: {lt: $low}}) { cursor } letters(where: {rank: {lt: $low}}) { items { rank } }
            letter_count some: letter_count(where: {text: {eq: "l4"}}) } } }""",
        {"low": 1},
    )
    assert calls.counted == {"person query": 1, "letter query_each": 3, "letter aggregate": 2}
    assert answer["data"]["personSearch"]["items"] == [
        {
            "low": {"items": [{"text": "l0"}, {"text": "l4"}, {"text": "l8"}]}, "high": {"items": []},
            "letters": {"cursor": None, "items": [{"rank": 0}] * 3}, "letter_count": 3, "some": 1,
        },
        {
            "low": {"items": []}, "high": {"items": [{"text": "l1"}, {"text": "l5"}, {"text": "l9"}]},
            "letters": {"cursor": None, "items": []}, "letter_count": 3, "some": 0,
        },
    ]  # fmt: skip


def test_a_link_through_a_join_item_is_two_calls(calls: Calls, town_schema: GraphqlSchema) -> None:
    answer = town_schema.execute(
        "{ clubSearch(order: [name_asc]) { items { name people(order: [name_desc]) { items { name } } } } }"
    )
    assert sum(calls.counted.values()) == 3
    assert [
        (club["name"], [one["name"] for one in club["people"]["items"]])
        for club in answer["data"]["clubSearch"]["items"]
    ] == [("c0", ["p0"]), ("c1", ["p1", "p0"]), ("c2", ["p2", "p1", "p0"])]


def test_null_links_load_nothing_and_a_target_is_read_even_for_its_key_only(
    calls: Calls, town_schema: GraphqlSchema
) -> None:
    town_schema.execute('{ personRead(key: "none") { house { id } letters { items { id } } } }')
    assert calls.counted == {}
    answer = town_schema.execute(f'{{ personRead(key: "{town.ID.format(100)}") {{ house {{ id }} }} }}')
    assert answer == {"data": {"personRead": {"house": {"id": town.ID.format(0)}}}}
    assert calls.counted == {"person read": 1, "house read": 1}


def test_links_of_written_items_and_of_results_of_actions(asked: Hosted) -> None:
    made = asked.data(
        """mutation ($letter: LetterCreate!, $writer: ID!) { letterCreate(item: $letter) { text writer { name letter_count } reader { name } }
            letterEditBatch(edits: [{create: {text: "b", writer_id: $writer}}]) { code item { writer { letter_count } } } }""",
        writer=town.ID.format(105),
        letter={"text": "a", "writer_id": town.ID.format(105)},
    )
    assert made == {
        "letterCreate": {"text": "a", "writer": {"name": "p5", "letter_count": 1}, "reader": None},
        "letterEditBatch": [{"code": "ok", "item": {"writer": {"letter_count": 2}}}],
    }
    found = asked.data(
        '{ somebody(name: "p1") { pet { name } } neighbours(first: 2) { items { name house { number } } } }'
    )
    assert found == {
        "somebody": {"pet": {"name": "pet1"}},
        "neighbours": {"items": [{"name": "p0", "house": {"number": 0}}, {"name": "p1", "house": {"number": 0}}]},
    }


def test_a_filter_follows_links(asked: Hosted) -> None:
    query = "query ($where: LetterWhere) { letterSearch(where: $where, order: [text_asc]) { items { text } } letterCount(where: $where) }"
    for where, expected in (
        ({"writer": {"name": {"eq": "p0"}}}, ["l0", "l4", "l8"]),
        ({"writer": {"house": {"street": {"eq": "Street 1"}}}, "rank": {"ge": 0}}, ["l1", "l5", "l9"]),
        ({"not": {"writer": {"name": {"lt": "p3"}}}}, ["l11", "l3", "l7"]),
        ({"writer": {"pet": {"name": {"oneof": ["pet2"]}}}}, ["l10", "l2", "l6"]),
    ):
        found = asked.data(query, where=where)
        assert [one["text"] for one in found["letterSearch"]["items"]] == expected
        assert found["letterCount"] == len(expected)


def test_an_error_of_a_link_affects_neither_its_item_nor_other_fields(asked: Hosted) -> None:
    answer = asked(
        "{ personSearch(order: [name_asc], limit: 2) { items { name letters(limit: 0) { cursor } pet { name } } } }"
    )
    assert answer["data"]["personSearch"]["items"] == [
        {"name": "p0", "letters": None, "pet": {"name": "pet0"}},
        {"name": "p1", "letters": None, "pet": {"name": "pet1"}},
    ]
    errors = [(error["path"], error["extensions"]["code"], error["locations"]) for error in answer["errors"]]
    where = [{"line": 1, "column": 60}]
    assert errors == [(["personSearch", "items", position, "letters"], "invalid_query", where) for position in (0, 1)]
    assert answer["errors"][0]["extensions"]["faults"][0]["path"] == "/limit"


@pytest.mark.parametrize(
    ("arguments", "variables", "path"),
    [
        ('where: {rank: {lt: "a"}}', {}, "/where/rank/lt"),
        ("order: [nope_asc]", {}, "/order/0"),
        ("where: {rank: {lt: $n}}", {"n": "a"}, "/where/rank/lt"),
        ("limit: $n", {"n": "many"}, "/limit"),
    ],
)
def test_an_invalid_argument_of_a_link_has_the_error_of_a_search(
    asked: Hosted, arguments: str, variables: dict[str, Any], path: str
) -> None:
    head = f"query ($n: {'Int' if path == '/limit' else 'Float'})" if variables else ""
    error = asked.error(f"{head} {{ personSearch {{ items {{ letters({arguments}) {{ cursor }} }} }} }}", **variables)
    assert (error["code"], [fault["path"] for fault in error["faults"]]) == ("invalid_query", [path])


def test_a_page_of_a_link_continues_by_its_cursor(asked: Hosted) -> None:
    query = """query ($key: ID!, $cursor: String) {
        personRead(key: $key) { letters(limit: 2, order: [text_desc], cursor: $cursor) { items { text } cursor } } }"""
    first = asked.data(query, key=town.ID.format(101))["personRead"]["letters"]
    second = asked.data(query, key=town.ID.format(101), cursor=first["cursor"])["personRead"]["letters"]
    assert [one["text"] for one in (*first["items"], *second["items"])] == ["l9", "l5", "l1"]
    assert second["cursor"] is None
    answer = asked(
        "query ($c: String) { personSearch { items { letters(cursor: $c) { cursor } } } }", c=first["cursor"]
    )
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"invalid_query"}


# rules


def test_a_link_returns_only_items_that_the_caller_may_read(filled: None) -> None:
    query = "{ personSearch(order: [name_asc], limit: 2) { items { diary notes { items { text } } } } }"
    endpoint = GraphqlEndpoint(town.app)
    assert Hosted(endpoint, FRIEND).data(query)["personSearch"]["items"] == [
        {"diary": "dear 0", "notes": {"items": [{"text": "n0"}]}},
        {"diary": "dear 1", "notes": {"items": []}},
    ]
    stranger = Hosted(endpoint)(query)
    assert stranger["data"]["personSearch"]["items"] == [{"diary": None, "notes": None}] * 2
    assert {error["extensions"]["code"] for error in stranger["errors"]} == {"unauthenticated"}


def test_the_result_of_an_action_is_redacted_for_its_caller(filled: None) -> None:
    endpoint, query = GraphqlEndpoint(town.app), '{ somebody(name: "p1") { name diary } }'
    assert Hosted(endpoint).data(query)["somebody"] == {"name": "p1", "diary": None}
    assert Hosted(endpoint, FRIEND).data(query)["somebody"] == {"name": "p1", "diary": "dear 1"}


def test_an_owner_attribute_is_optional_in_a_create(filled: None) -> None:
    endpoint = GraphqlEndpoint(town.app)
    mutation = 'mutation { noteCreate(item: {text: "mine"}) { id text owner } }'
    assert Hosted(endpoint, FRIEND).data(mutation)["noteCreate"]["owner"] == FRIEND.subject
    create = endpoint.schema.whole.type_map["NoteCreate"]
    assert isinstance(create, GraphQLInputObjectType)
    assert str(create.fields["owner"].type) == "ID"


def test_a_caller_that_may_write_but_not_read_gets_the_key_and_forbidden_for_the_rest(filled: None) -> None:
    ask = Hosted(GraphqlEndpoint(town.app))
    made = ask('mutation { slipCreate(item: {text: "psst", note: "n"}) { id note } }')
    assert "errors" not in made
    assert made["data"]["slipCreate"]["note"] is None
    answer = ask('mutation { slipCreate(item: {text: "psst"}) { id text } }')
    assert answer["data"] == {"slipCreate": None}
    [error] = answer["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["slipCreate", "text"], "forbidden")
    assert town.app.store(town.Slip).count() == 2


# bounds


def test_a_link_that_requests_too_many_items_is_rejected(asked: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    query = "{ personSearch { items { letters(limit: 3) { items { text } } received(limit: 1) { cursor } } } }"
    monkeypatch.setattr(links, "MOST_AT_ONCE", 17)
    errors = asked(query)["errors"]
    assert {(error["path"][3], error["extensions"]["code"]) for error in errors} == {("letters", "invalid_query")}
    assert errors[0]["extensions"]["faults"][0]["path"] == "/limit"
    monkeypatch.setattr(links, "MOST_AT_ONCE", 18)
    asked.data(query)
    monkeypatch.setattr(links, "MOST_IN_ALL", 13)
    assert {error["path"][3] for error in asked(query)["errors"]} == {"received"}


def test_a_filter_of_a_link_that_is_nested_too_deeply_is_rejected(asked: Hosted) -> None:
    for depth in (30, 400, 1200):
        where = "{not: " * depth + "{}" + "}" * depth
        answer = asked(f"{{ personSearch {{ items {{ letters(where: {where}) {{ cursor }} }} }} }}")
        assert {error["extensions"]["code"] for error in answer["errors"]} <= {"invalid_query", "malformed_graphql"}
