"""Links through AppSync's events: one call of the function returns everything that is selected, with the response of the hosted endpoint."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persisty.api.graphql.appsync.function import AppSync
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.security.caller import ANONYMOUS, Caller

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
def test_a_request_with_links_has_the_same_response_through_appsync(filled: None, text: str) -> None:
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


UNBATCHED: list[tuple[str, int]] = [
    ("{ personSearch { items { a: letters(limit: 1) { cursor } b: letters(limit: 2) { cursor } } } }", 1),
    ("{ personSearch { items { a: house { people(limit: 1) { cursor } } b: house { people { cursor } } } } }", 1),
    ("{ personSearch { items { ...f } } } fragment f on Person { letters(limit: 1) { cursor } }", 1),
    ("{ personSearch { items { ...f } } } fragment f on Person { home: house { street } }", 1),
    ("{ personSearch { items { ...f } } } fragment f on Person { written: letter_count }", 1),
    ("query ($n: Int = 1) { personSearch { items { letters(limit: $n) { cursor } } } }", 1),
    ("query ($n: Int = 1) { personSearch { items { letters(limit: $n) { items { text reader { name } } } } } }", 1),
    ("{ personSearch { items { letter_count(where: {rank: {ge: 1}}) all: letter_count name } } }", 1),
    # an inline selection does not answer an aliased field of a fragment, whatever the alias is
    ("{ personSearch { items { house { street } ...f } } } fragment f on Person { pet: house { number } house { id } }", 0),
    ("{ personSearch { items { house { street } ...f } } } fragment f on Person { vault: house { people(limit: 1) { cursor } } }", 1),
    ("{ personSearch { items { house { id } ...f } } } fragment f on Person { house: house { street } pet { name } }", 0),
    ("{ personSearch { items { ...f } } } fragment f on Person { house: pet { name } pet: house { id } }", 0),
    ("{ personSearch { items { letters(limit: 1) { cursor } ...f } } } fragment f on Person { x: letters(limit: 2) { cursor } }", 1),
    ("{ personSearch { items { letters(limit: 1) { cursor } ...f } } } fragment f on Person { x: letters(limit: 1) { items { text } } }", 0),
    ("{ personSearch { items { letters(limit: 1) { cursor } ...f } } } fragment f on Person { pet: letters(limit: 1) { items { reader { name } } } }", 1),
    ("{ personSearch { items { letters(limit: 1, order: [text_desc]) { items { text } } ...f } } } fragment f on Person { house: letters { cursor } }", 1),
    ("{ personSearch { items { letter_count ...f } } } fragment f on Person { name: letter_count(where: {rank: {ge: 1}}) }", 1),
    ("{ personSearch { items { letter_count ...f } } } fragment f on Person { name: letter_count }", 0),
    ("{ personSearch { ...p } } fragment p on PersonPage { all: items { name home: house { street } } cursor }", 1),
    # arguments that are equal once they are coerced
    ("query ($n: Int = 1) { personSearch { items { a: letters(limit: 1) { cursor } b: letters(limit: $n) { items { text } } } } }", 1),
    ("{ personSearch { items { a: letters(where: {rank: {oneof: 1}}) { cursor } b: letters(where: {rank: {oneof: [1]}}) { items { text } } } } }", 1),
    # links below and next to links that have their own resolvers, and next to links that fail
    ("{ personSearch { items { a: letters(limit: 1) { items { reader { x: letters(limit: 1) { cursor } y: letters { cursor } } } } b: letters { cursor } } } }", 2),
    ("{ personSearch { items { a: letters(limit: 0) { cursor } b: letters(limit: 2) { cursor } c: letters(limit: -1) { cursor } } } }", 1),
    ("{ personSearch { items { a: notes { items { text } } b: notes(limit: 1) { cursor } } } }", 1),
    ('mutation { personUpdate(key: "%", changes: {age: 3}) { a: letters(limit: 1) { cursor } b: letters { cursor } } }'.replace("%", town.ID.format(100)), 1),
    ('{ somebody(name: "p2") { a: letters(limit: 1) { cursor } b: letters { items { text } } } }', 1),
    ('{ personReadBatch(keys: ["%", "x", "%"]) { a: clubs(limit: 1) { items { name } } b: clubs { cursor } } }'.replace("%", town.ID.format(101)), 1),
]  # fmt: skip
"""A request in which links are left to their own resolvers → at most so many batches for each link and its arguments."""


def _errors(answer: dict[str, Any]) -> list[tuple[Any, str]]:
    return sorted((e["path"], e["extensions"].get("code", "unsupported")) for e in answer.get("errors", ()))


@pytest.mark.parametrize(("text", "least"), UNBATCHED, ids=range(len(UNBATCHED)))
@pytest.mark.parametrize("caller", [ANONYMOUS, FRIEND], ids=["nobody", "friend"])
def test_links_with_different_arguments_are_left_to_their_own_resolvers(
    filled: None, caller: Caller, text: str, least: int
) -> None:
    stand_in, hosted = StandIn(AppSync(town.app), town.app), Hosted(GraphqlEndpoint(town.app), caller)
    stand_in.caller = caller
    expected = hosted(text)
    town.fill()
    found = stand_in(text)
    assert found["data"] == expected["data"]
    assert {code for _, code in _errors(found)} == {code for _, code in _errors(expected)}
    assert len(stand_in.batches) >= least
    assert bool(stand_in.batches) is bool(least)


def test_a_batch_is_one_call_of_the_store_for_each_set_of_arguments(calls: Calls) -> None:
    stand_in = StandIn(AppSync(town.app), town.app)
    stand_in("{ personSearch { items { a: letters(limit: 1) { cursor } b: letters(limit: 2) { items { text } } } } }")
    [batch] = stand_in.batches
    people = calls.counted.pop("person query")
    assert (people, len(batch) % 2, dict(calls.counted)) == (1, 0, {"letter query_each": 2})


def test_batches_are_limited_in_size_and_in_order(filled: None) -> None:
    stand_in = StandIn(AppSync(town.app), town.app, most=2)
    text = "{ personSearch { items { name a: letters(limit: 1) { items { text } } b: letters { items { text } } } } }"
    assert stand_in(text) == Hosted(GraphqlEndpoint(town.app))(text)
    assert {len(batch) for batch in stand_in.batches} <= {1, 2}
    assert len(stand_in.batches) > 1


@pytest.mark.parametrize("text", REQUESTS, ids=range(len(REQUESTS)))
def test_a_plain_request_is_one_invocation_a_root_field(appsync_asked: StandIn, text: str) -> None:
    appsync_asked(text)
    assert appsync_asked.batches == []


EVENT = {
    "typeName": "Person", "fieldName": "letter_count", "source": f'"{town.ID.format(100)}"', "arguments": {},
    "selectionSetGraphQL": "", "selectionSetList": [], "variables": {},
}  # fmt: skip


def test_events_of_several_links_and_callers_are_answered_separately(filled: None) -> None:
    appsync, note = AppSync(town.app), {**EVENT, "fieldName": "notes", "selectionSetGraphQL": "{ cursor }"}
    events = [EVENT, {**EVENT, "fieldName": "nope"}, {**EVENT, "source": None}, note, {**EVENT, "typeName": "Vault"}, 7]
    found = appsync.handle_batch(events)
    assert found[0]["data"] > 0
    assert found[1]["error"]["code"] == "not_found"
    assert found[2] == {"data": 0}
    assert found[3]["error"]["code"] == "unauthenticated"
    assert found[4]["error"]["code"] == found[5]["error"]["code"] == "not_found"
    token = {"request": {"headers": {"authorization": "Bearer x"}}}
    found = appsync.handle_batch([EVENT, {**EVENT, **token}, EVENT])
    assert [one.get("error", {}).get("code") for one in found] == [None, "unauthenticated", None]


def test_a_batch_has_the_complexity_limit_of_a_request(filled: None) -> None:
    page = {"fieldName": "letters", "selectionSetGraphQL": "{ items { id text rank } }"}
    large = {**EVENT, **page, "arguments": {"limit": 1000}}
    codes = [one["error"]["code"] for one in AppSync(town.app).handle_batch([large] * 200)]
    assert codes == ["too_complex"] * 200
    assert all("data" in one for one in AppSync(town.app).handle_batch([large] * 10))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from([*EVENT, "identity"]),
        st.none()
        | st.integers()
        | st.text(max_size=5)
        | st.lists(st.text(max_size=3), max_size=2)
        | st.sampled_from(["house", "letters", "Person", '"x"', "[]", "{ items { text } }", "{ street }"]),
        max_size=4,
    )
)
def test_no_event_of_a_link_makes_an_internal_error(filled: None, wrong: dict[str, Any]) -> None:  # fmt: skip
    found = AppSync(town.app).handle_batch([{**EVENT, **wrong}])
    assert "internal_error" not in json.dumps(found), found


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


def test_without_a_selection_the_result_of_an_action_is_redacted(filled: None) -> None:
    event = {"fieldName": "somebody", "arguments": {"name": "p1"}}
    answers = [AppSync(town.app).handle(event, caller)["data"] for caller in (ANONYMOUS, FRIEND)]
    assert [answer.get("diary") for answer in answers] == [None, "dear 1"]
    assert all("secret" not in answer for answer in answers)
    assert answers[0]["name"] == "p1"
