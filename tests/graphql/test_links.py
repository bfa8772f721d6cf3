"""Links as fields: one call of a backend for each link and level, however many items have it; rules of whoever asks; errors that
stay where they are."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from graphql import GraphQLInputObjectType, GraphQLObjectType, GraphQLSchema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persisty.api.graphql import links
from persisty.api.graphql.appsync import AppSync
from persisty.api.graphql.endpoint import GraphqlEndpoint
from persisty.api.graphql.schema import GraphqlSchema
from persisty.security.caller import Caller

from . import town
from .asking import Hosted, StandIn

ENGINES = ["memory://", "sqlite:///{path}"]
FRIEND = Caller(town.ID.format(100), frozenset({"friend"}))


class Calls:
    """Counts the calls of the backends, by item and method."""

    METHODS = ("read", "query", "query_each", "count", "aggregate", "write")

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counted: Counter[str] = Counter()
        for name in town.app.metas:
            backend = town.app.store(name).backend
            for method in self.METHODS:
                monkeypatch.setattr(
                    backend, method, self._counting(f"{name} {method}", getattr(backend, method)), raising=False
                )

    def _counting(self, what: str, call: Any) -> Any:
        def counted(*arguments: Any, **options: Any) -> Any:
            self.counted[what] += 1
            return call(*arguments, **options)

        return counted


@pytest.fixture(params=ENGINES, ids=["memory", "sqlite"])
def filled(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[None]:
    town.fill(url=request.param.format(path=tmp_path / "town.db"))
    yield
    town.app.close()


@pytest.fixture(scope="session")
def town_schema() -> GraphqlSchema:
    return GraphqlSchema(town.app)


@pytest.fixture
def calls(filled: None, monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


@pytest.fixture
def asked(filled: None) -> Hosted:
    return Hosted(GraphqlEndpoint(town.app))


@pytest.fixture
def appsync_asked(filled: None) -> StandIn:
    return StandIn(AppSync(town.app), town.app)


def test_the_fields_that_the_schema_has(town_schema: GraphqlSchema) -> None:
    schema: GraphQLSchema = town_schema._schema
    person = schema.type_map["Person"]
    assert isinstance(person, GraphQLObjectType)
    told = {name: (str(one.type), sorted(one.args)) for name, one in person.fields.items()}
    of_many = ["cursor", "limit", "order", "where"]
    assert {name: told[name] for name in ("house", "letters", "letter_count", "pet", "clubs", "notes")} == {
        "house": ("House", []),
        "letters": ("LetterPage", of_many),
        "letter_count": ("Int", ["where"]),
        "pet": ("Pet", []),
        "clubs": ("ClubPage", of_many),
        "notes": ("NotePage", of_many),
    }
    assert person.fields["letters"].description == "What they wrote"
    assert "vault" not in told, "nobody may read what it leads to"
    assert "Vault" not in schema.type_map


def test_attributes_that_nobody_may_read_are_nowhere_in_the_schema_and_those_with_a_rule_may_be_null(
    town_schema: GraphqlSchema,
) -> None:
    types = town_schema._schema.type_map
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
        """query ($low: Int) { personSearch(order: [name_asc], limit: 2) { items {
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


def test_a_link_through_an_item_between_is_two_calls(calls: Calls, town_schema: GraphqlSchema) -> None:
    answer = town_schema.execute(
        "{ clubSearch(order: [name_asc]) { items { name people(order: [name_desc]) { items { name } } } } }"
    )
    assert sum(calls.counted.values()) == 3
    assert [
        (club["name"], [one["name"] for one in club["people"]["items"]])
        for club in answer["data"]["clubSearch"]["items"]
    ] == [("c0", ["p0"]), ("c1", ["p1", "p0"]), ("c2", ["p2", "p1", "p0"])]


def test_nothing_is_loaded_of_nothing_and_a_target_is_asked_for_even_if_only_its_key_is_wanted(
    calls: Calls, town_schema: GraphqlSchema
) -> None:
    town_schema.execute('{ personRead(key: "none") { house { id } letters { items { id } } } }')
    assert calls.counted == {}
    answer = town_schema.execute(f'{{ personRead(key: "{town.ID.format(100)}") {{ house {{ id }} }} }}')
    assert answer == {"data": {"personRead": {"house": {"id": town.ID.format(0)}}}}
    assert calls.counted == {"person read": 1, "house read": 1}


def test_links_below_what_was_written_and_what_an_action_answers(asked: Hosted) -> None:
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


def test_what_is_behind_a_link_can_be_asked_about(asked: Hosted) -> None:
    query = "query ($where: LetterWhere) { letterSearch(where: $where, order: [text_asc]) { items { text } } letterCount(where: $where) }"
    for where, wanted in (
        ({"writer": {"name": {"eq": "p0"}}}, ["l0", "l4", "l8"]),
        ({"writer": {"house": {"street": {"eq": "Street 1"}}}, "rank": {"ge": 0}}, ["l1", "l5", "l9"]),
        ({"not": {"writer": {"name": {"lt": "p3"}}}}, ["l11", "l3", "l7"]),
        ({"writer": {"pet": {"name": {"oneof": ["pet2"]}}}}, ["l10", "l2", "l6"]),
    ):
        found = asked.data(query, where=where)
        assert [one["text"] for one in found["letterSearch"]["items"]] == wanted
        assert found["letterCount"] == len(wanted)


def test_an_error_of_a_link_takes_neither_the_item_nor_its_neighbours(asked: Hosted) -> None:
    answer = asked(
        "{ personSearch(order: [name_asc], limit: 2) { items { name letters(limit: 0) { cursor } pet { name } } } }"
    )
    assert answer["data"]["personSearch"]["items"] == [
        {"name": "p0", "letters": None, "pet": {"name": "pet0"}},
        {"name": "p1", "letters": None, "pet": {"name": "pet1"}},
    ]
    told = [(error["path"], error["extensions"]["code"], error["locations"]) for error in answer["errors"]]
    where = [{"line": 1, "column": 60}]
    assert told == [(["personSearch", "items", position, "letters"], "invalid_query", where) for position in (0, 1)]
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
def test_a_wrong_argument_of_a_link_is_told_as_one_of_a_search(
    asked: Hosted, arguments: str, variables: dict[str, Any], path: str
) -> None:
    head = "query ($n: Int)" if variables else ""
    error = asked.error(f"{head} {{ personSearch {{ items {{ letters({arguments}) {{ cursor }} }} }} }}", **variables)
    assert (error["code"], [fault["path"] for fault in error["faults"]]) == ("invalid_query", [path])


def test_a_page_below_one_item_goes_on_by_its_cursor(asked: Hosted) -> None:
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


def test_a_link_leads_to_what_the_caller_may_read(filled: None) -> None:
    query = "{ personSearch(order: [name_asc], limit: 2) { items { diary notes { items { text } } } } }"
    endpoint = GraphqlEndpoint(town.app)
    assert Hosted(endpoint, FRIEND).data(query)["personSearch"]["items"] == [
        {"diary": "dear 0", "notes": {"items": [{"text": "n0"}]}},
        {"diary": "dear 1", "notes": {"items": []}},
    ]
    stranger = Hosted(endpoint)(query)
    assert stranger["data"]["personSearch"]["items"] == [{"diary": None, "notes": None}] * 2
    assert {error["extensions"]["code"] for error in stranger["errors"]} == {"unauthenticated"}


def test_what_an_action_answers_is_shown_as_its_caller_may_see_it(filled: None) -> None:
    endpoint, query = GraphqlEndpoint(town.app), '{ somebody(name: "p1") { name diary } }'
    assert Hosted(endpoint).data(query)["somebody"] == {"name": "p1", "diary": None}
    assert Hosted(endpoint, FRIEND).data(query)["somebody"] == {"name": "p1", "diary": "dear 1"}


def test_an_owner_need_not_be_given_and_what_may_not_be_read_after_it_was_written_is_refused_by_name(
    filled: None,
) -> None:
    endpoint = GraphqlEndpoint(town.app)
    mutation = 'mutation { noteCreate(item: {text: "mine"}) { id text owner } }'
    assert Hosted(endpoint, FRIEND).data(mutation)["noteCreate"]["owner"] == FRIEND.subject
    assert "owner: ID" in endpoint.schema.text


# AppSync

REQUESTS = [
    NESTED,
    "{ clubSearch(order: [name_asc]) { items { people(order: [name_asc], where: {name: {ne: \"p1\"}}) { items { name house { street } } } } } }",
    "query ($n: Int = 1, $w: LetterWhere) { personSearch(limit: $n, where: {letters: $w}, order: [name_asc]) { items { letters(limit: 1, where: {rank: {oneof: 1}, and: {text: {ne: \"l9\"}}}) { items { text } cursor } } } }",
    "{ personSearch { items { ... on Person { name: name house { ... { street } } } ... @include(if: false) { pet { name } } } } }",
    "{ personSearch(order: [name_asc]) { ...page } } fragment page on PersonPage { items { name house { street } } cursor: cursor }",
    "{ personSearch(order: [name_asc]) { items { house { street } ...more } } } fragment more on Person { house { id number } pet { nick: name } }",
    "{ personSearch(order: [name_asc], limit: 2) { items { notes { items { text } } letter_count pet { name } } } }",
    "{ somebody(name: \"p2\") { tags wide mood letters { items { reader { name } } } } }",
    f'mutation {{ personUpdate(key: "{town.ID.format(100)}", changes: {{age: 3}}) {{ age diary house {{ street }} }} }}',
    "{ a: personSearch(order: [name_asc], limit: 1) { items { first: name again: name } } b: personCount }",
    "{ odd(depth: 1, seed: 1) { fine inner { never } many { fine } } }",
]  # fmt: skip


@pytest.mark.parametrize("text", REQUESTS, ids=range(len(REQUESTS)))
def test_a_request_with_links_has_the_same_answer_through_appsync(filled: None, text: str) -> None:
    stand_in, answers = StandIn(AppSync(town.app), town.app), []
    for ask in (Hosted(GraphqlEndpoint(town.app)), stand_in):
        town.fill()
        answers.append(ask(text))
    hosted, by_appsync = answers
    assert hosted["data"] == by_appsync["data"]
    assert sorted((e["path"], e["extensions"].get("code", "unsupported")) for e in hosted.get("errors", ())) == sorted(
        (e["path"], e["extensions"].get("code", "unsupported")) for e in by_appsync.get("errors", ())
    )


def test_appsync_makes_no_more_calls_than_the_hosted_endpoint(calls: Calls) -> None:
    StandIn(AppSync(town.app), town.app)(NESTED)
    assert calls.counted == {"person query": 1, "house read": 1, "letter query_each": 1}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{ personSearch { items { a: letters(limit: 1) { cursor } b: letters(limit: 2) { cursor } } } }", "twice"),
        (
            "{ personSearch { items { a: house { people(limit: 1) { cursor } } b: house { people { cursor } } } } }",
            "twice",
        ),
        ("{ personSearch { items { ...f } } } fragment f on Person { letters(limit: 1) { cursor } }", "inline"),
        ("{ personSearch { items { ...f } } } fragment f on Person { home: house { street } }", "alias"),
        ("{ personSearch { items { ...f } } } fragment f on Person { written: letter_count }", "alias"),
        ("query ($n: Int = 1) { personSearch { items { letters(limit: $n) { cursor } } } }", "default"),
    ],
)
def test_what_one_result_cannot_answer_is_refused(appsync_asked: StandIn, text: str, word: str) -> None:
    [error] = appsync_asked(text)["errors"]
    assert error["extensions"]["code"] == "unsupported"
    assert word in error["message"]


def test_the_same_link_twice_with_the_same_arguments_is_one(appsync_asked: StandIn) -> None:
    text = """query ($n: Int) { personSearch(limit: 1, order: [name_asc]) { items {
        a: letters(limit: 1, order: [text_asc]) { items { text } } b: letters(limit: $n, order: [text_asc]) { items { rank } } } } }"""
    answer = appsync_asked(text, n=1)
    assert answer["data"]["personSearch"]["items"] == [
        {"a": {"items": [{"text": "l0"}]}, "b": {"items": [{"rank": 0}]}}
    ]
    [event] = appsync_asked.events
    assert event["variables"] == {"n": 1}


WRONG = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=5)
    | st.sampled_from(["text_asc", "x", town.ID.format(100)]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["rank", "text", "eq", "lt", "oneof", "and", "or", "not", "writer", "query"]), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_=st.fixed_dictionaries({}, optional=dict.fromkeys(["where", "order", "limit", "cursor", "nope"], WRONG)))
def test_no_arguments_below_a_field_make_an_internal_error(filled: None, given_: dict[str, Any]) -> None:
    passed = ", ".join(f"{name}: ${name}" for name in given_)
    text = f"{{ items {{ letters{f'({passed})' if passed else ''} {{ cursor items {{ text }} }} }} }}"
    event = {"fieldName": "personSearch", "selectionSetGraphQL": text, "variables": given_}
    envelope = AppSync(town.app).handle(event)
    json.dumps(envelope, allow_nan=False)
    assert "internal_error" not in json.dumps(envelope), envelope


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(["name", "house", "letters", "items", "cursor", "nope", "a: name", "__typename", "{", "}", "...", "...f", "on Person", "(limit: 1)", "@skip(if: true)"]), max_size=12).map(" ".join),
    st.none() | st.lists(st.sampled_from(["items", "items/name", "items/x/y", "items/house/street", "items/letters", ""]) | st.text(max_size=3)),
)  # fmt: skip
def test_no_selection_makes_an_internal_error(filled: None, inside: str, listed: Any) -> None:
    event = {
        "fieldName": "personSearch",
        "selectionSetGraphQL": f"{{ items {{ {inside} }} }}",
        "selectionSetList": listed,
    }
    assert "internal_error" not in json.dumps(AppSync(town.app).handle(event))


# bounds


def test_a_link_may_not_ask_for_more_than_a_response_can_hold(asked: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    query = "{ personSearch { items { letters(limit: 3) { items { text } } received(limit: 1) { cursor } } } }"
    monkeypatch.setattr(links, "MOST_AT_ONCE", 17)
    errors = asked(query)["errors"]
    assert {(error["path"][3], error["extensions"]["code"]) for error in errors} == {("letters", "invalid_query")}
    assert errors[0]["extensions"]["faults"][0]["path"] == "/limit"
    monkeypatch.setattr(links, "MOST_AT_ONCE", 18)
    asked.data(query)
    monkeypatch.setattr(links, "MOST_IN_ALL", 13)
    assert {error["path"][3] for error in asked(query)["errors"]} == {"received"}


def test_a_filter_of_a_link_that_is_nested_without_end_is_refused(asked: Hosted) -> None:
    for depth in (30, 400, 1200):
        where = "{not: " * depth + "{}" + "}" * depth
        answer = asked(f"{{ personSearch {{ items {{ letters(where: {where}) {{ cursor }} }} }} }}")
        assert {error["extensions"]["code"] for error in answer["errors"]} <= {"invalid_query", "malformed_graphql"}
