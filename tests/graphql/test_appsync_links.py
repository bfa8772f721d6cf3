"""Links through AppSync's events: what is selected is answered in one call of the function, as the hosted endpoint answers it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persisty.api.graphql.appsync import AppSync
from persisty.api.graphql.endpoint import GraphqlEndpoint
from persisty.security.caller import ANONYMOUS

from . import town
from .asking import Hosted, StandIn
from .calls import Calls
from .test_links import FRIEND, NESTED

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


def test_without_a_selection_an_action_shows_no_more_than_its_caller_may_see(filled: None) -> None:
    event = {"fieldName": "somebody", "arguments": {"name": "p1"}}
    answers = [AppSync(town.app).handle(event, caller)["data"] for caller in (ANONYMOUS, FRIEND)]
    assert [answer.get("diary") for answer in answers] == [None, "dear 1"]
    assert all("secret" not in answer for answer in answers)
    assert answers[0]["name"] == "p1"
