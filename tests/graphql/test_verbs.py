"""Every verb through the hosted endpoint, with complete responses."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from persisty import App

from .asking import Hosted
from .gallery import Fact, Level, Shade, Specimen, Status

ALL = """id text count wide long ratio done at day ref price status shade level blob tags extra anything version
         created_at updated_at"""
CREATE = f"mutation ($item: SpecimenCreate!) {{ specimenCreate(item: $item) {{ {ALL} }} }}"
FULL: dict[str, Any] = {
    "id": "11111111-1111-4111-8111-111111111111",
    "text": "hello",
    "count": -7,
    "wide": 2**40,
    "long": str(2**62),
    "ratio": 0.1,
    "done": True,
    "at": "2030-01-31T12:00:00.000001Z",
    "day": "2030-01-31",
    "ref": "22222222-2222-4222-8222-222222222222",
    "price": "12345678901234567890.12",
    "status": "done",
    "shade": "dark-red",
    "level": 10,
    "blob": "AP8=",
    "tags": ["a", "b"],
    "extra": '{"deep":{"er":[1,null]}}',
    "anything": '"text"',
}


def made(hosted: Hosted, **item: Any) -> dict[str, Any]:
    return hosted.data(CREATE, item={"text": "x", **item})["specimenCreate"]


def texts(hosted: Hosted, **arguments: Any) -> list[str]:
    query = """query ($where: SpecimenWhere, $order: [SpecimenOrder!]) {
        specimenSearch(where: $where, order: $order) { items { text } } }"""
    return [item["text"] for item in hosted.data(query, **arguments)["specimenSearch"]["items"]]


def test_an_item_with_every_kind_of_attribute_is_returned_unchanged(hosted: Hosted, app: App) -> None:
    answer = made(hosted, **FULL)
    assert {name: answer[name] for name in FULL} == FULL
    assert answer["version"] == 1
    item = app.store(Specimen).read(FULL["id"])
    assert item is not None
    assert (item.long, item.wide, item.status, item.shade, item.level, item.blob, item.tags, item.anything) == (
        2**62, 2**40, Status.DONE, Shade.DARK_RED, Level.HIGH, b"\x00\xff", ["a", "b"], "text",
    )  # fmt: skip
    assert hosted.data(f'{{ specimenRead(key: "{FULL["id"]}") {{ {ALL} }} }}')["specimenRead"] == answer


def test_absent_values_have_their_defaults_and_null_is_none(hosted: Hosted) -> None:
    answer = made(hosted, id=None, done=None, status=None, tags=None, count=None)
    assert UUID(answer["id"])
    assert (answer["done"], answer["status"], answer["tags"], answer["count"]) == (False, "open", [], None)


def test_literals_and_variables_have_the_same_effect(hosted: Hosted) -> None:
    mutation = """mutation { specimenCreate(item: {
        text: "a", count: 5, wide: 3000000000, long: "12", status: done, tags: [1], extra: "{}", at: "2030-01-31T12:00:00+02:00"
    }) { count wide long status tags extra at } }"""
    error = hosted.error(mutation)
    assert (error["code"], [fault["path"] for fault in error["faults"]]) == ("invalid_input", ["/item/tags/0"])
    assert hosted.data(mutation.replace("[1]", "[]"))["specimenCreate"] == {
        "count": 5, "wide": 3000000000, "long": "12", "status": "done", "tags": [], "extra": "{}",
        "at": "2030-01-31T10:00:00Z",
    }  # fmt: skip


def test_read_of_a_missing_item_is_null(hosted: Hosted) -> None:
    assert hosted.data('{ specimenRead(key: "none") { id } }') == {"specimenRead": None}


def test_update_changes_the_given_attributes_and_null_sets_null(hosted: Hosted) -> None:
    key = made(hosted, count=1, ratio=0.5)["id"]
    mutation = """mutation ($key: ID!, $changes: SpecimenUpdate!, $when: SpecimenWhere) {
        specimenUpdate(key: $key, changes: $changes, when: $when) { text count ratio version } }"""
    answer = hosted.data(mutation, key=key, changes={"count": None, "text": "new"})["specimenUpdate"]
    assert answer == {"text": "new", "count": None, "ratio": 0.5, "version": 2}
    assert hosted.data(mutation, key="none", changes={"count": 1})["specimenUpdate"] is None
    answer = hosted.data(mutation, key=key, changes={"count": 3}, when={"version": {"eq": 2}})["specimenUpdate"]
    assert answer["count"] == 3
    error = hosted.error(mutation, key=key, changes={"count": 4}, when={"version": {"eq": 2}})
    assert error["code"] == "precondition_failed"
    assert (error["item"]["count"], error["item"]["version"]) == (3, 3)


def test_null_for_an_attribute_that_has_no_null_is_a_fault(hosted: Hosted) -> None:
    key = made(hosted)["id"]
    error = hosted.error(
        "mutation ($k: ID!) { specimenUpdate(key: $k, changes: {text: null, done: null}) { id } }", k=key
    )
    assert error["code"] == "invalid_input"
    assert [fault["path"] for fault in error["faults"]] == ["/changes/text", "/changes/done"]


def test_an_update_of_an_item_without_updatable_attributes_needs_no_changes(hosted: Hosted) -> None:
    hosted.data('mutation { membershipCreate(item: {person: "ann", club: 7}) { club } }')
    assert hosted.data('mutation { membershipUpdate(key: "ann~7") { person club } }') == {
        "membershipUpdate": {"person": "ann", "club": 7}
    }


def test_delete_returns_whether_the_item_existed(hosted: Hosted) -> None:
    key = made(hosted, text="a")["id"]
    mutation = """mutation ($key: ID!, $when: SpecimenWhere) { specimenDelete(key: $key, when: $when) }"""
    assert hosted.error(mutation, key=key, when={"text": {"eq": "b"}})["code"] == "precondition_failed"
    assert hosted.data(mutation, key=key, when={"text": {"eq": "a"}}) == {"specimenDelete": True}
    assert hosted.data(mutation, key=key) == {"specimenDelete": False}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (None, "abcd"),
        ({}, "abcd"),
        ({"text": {"eq": "a"}}, "a"),
        ({"text": {"ne": "a"}}, "bcd"),
        ({"text": {"ge": "b", "lt": "d"}}, "bc"),
        ({"text": {"oneof": ["a", "d", "x"]}}, "ad"),
        ({"count": {"null": True}}, "d"),
        ({"count": {"eq": None}}, "d"),
        ({"count": {"oneof": [1, None]}}, "ad"),
        ({"count": {"gt": 1}}, "bc"),
        ({"wide": {"eq": 2**33}}, "b"),
        ({"long": {"eq": str(2**60)}}, "b"),
        ({"long": {"oneof": [str(2**60), str(2**61)]}}, "bc"),
        ({"long": {"lt": "0"}}, "a"),
        ({"status": {"eq": "done"}}, "b"),
        ({"shade": {"oneof": ["dark-red"]}}, "c"),
        ({"level": {"ne": 10}}, "abd"),
        ({"price": {"gt": "1.5"}}, "c"),
        ({"day": {"le": "2030-01-01"}}, "a"),
        ({"at": {"ge": "2030-01-01T02:00:00+02:00"}}, "a"),
        ({"blob": {"eq": "AA=="}}, "a"),
        ({"tags": {"null": False}}, "abcd"),
        ({"extra": {"null": False}}, "a"),
        ({"or": [{"text": {"eq": "a"}}, {"count": {"eq": 2}}]}, "ab"),
        ({"and": [{"text": {"gt": "a"}}, {"not": {"text": {"eq": "c"}}}]}, "bd"),
        ({"not": {"or": [{"text": {"eq": "a"}}, {"text": {"startswith": "b"}}]}}, "cd"),
        ({"or": None, "and": None, "not": None, "text": {"icontains": "A"}}, "a"),
        ({"or": []}, ""),
        ({"place": {"city": {"eq": "Rome"}}}, "a"),
        ({"place": {"city": {"startswith": "Ro"}, "postCode": {"null": True}}}, "b"),
        ({"place": {"null": True}}, "cd"),
        ({"place": {"shade": {"oneof": ["dark-red", None]}, "null": False}}, "ab"),
        ({"place": {"seenAt": {"lt": "2030-01-01T00:00:00Z"}}}, "b"),
        ({"place": {"geo": {"lat": {"gt": 41}, "zone": {"eq": str(2**61)}}}}, "a"),
        ({"not": {"place": {"geo": {"null": True}}}}, "a"),
        ({"place": {"notes": {"null": False}}}, "ab"),
        ({"size": {"oneof": ["s", "xl"]}}, "c"),
        ({"size": {"gt": "m"}}, "c"),
        ({"grade": {"ge": 2}}, "d"),
        ({"query": "ROMAN"}, "c"),
        ({"or": [{"query": "roman road"}, {"query": "nothing"}, {"text": {"eq": "d"}}]}, "cd"),
        ({"query": None, "grade": {"null": False}}, "d"),
    ],
)
def test_search_returns_the_matches_of_the_filter(hosted: Hosted, where: Any, expected: str) -> None:
    made(hosted, text="a", count=1, long="-5", price="1.5", day="2030-01-01", at="2030-01-01T00:00:00Z", blob="AA==",
         extra='{"a":1}', place={"city": "Rome", "geo": {"lat": 41.9, "zone": str(2**61)}, "postCode": "1"})  # fmt: skip
    rome = {"city": "Romford", "shade": "dark-red", "seenAt": "2029-12-31T23:59:59Z"}
    made(hosted, text="b", count=2, wide=2**33, long=str(2**60), status="done", place=rome)
    made(
        hosted, text="c", count=3, long=str(2**61), shade="dark-red", level=10, price="2", label="A Roman Road", size="s"
    )  # fmt: skip
    made(hosted, text="d", grade=3)
    assert "".join(texts(hosted, where=where, order=["text_asc"])) == expected
    count = hosted.data("query ($where: SpecimenWhere) { specimenCount(where: $where) }", where=where)
    assert count == {"specimenCount": len(expected)}


def test_search_and_count_accept_text_and_a_filter(hosted: Hosted) -> None:
    for text, label in (("one apple", None), ("two", "APPLE tree"), ("apple", None)):
        made(hosted, text=text, label=label)
    query = """query ($query: String, $where: SpecimenWhere, $cursor: String) {
        specimenCount(query: $query, where: $where)
        specimenSearch(query: $query, where: $where, order: [text_asc], limit: 1, cursor: $cursor) { cursor items { text } } }"""
    first = hosted.data(query, query="Apple", where={"text": {"ne": "apple"}})
    assert (first["specimenCount"], first["specimenSearch"]["items"]) == (2, [{"text": "one apple"}])
    cursor = first["specimenSearch"]["cursor"]
    second = hosted.data(query, query="Apple", where={"text": {"ne": "apple"}}, cursor=cursor)["specimenSearch"]
    assert second == {"cursor": None, "items": [{"text": "two"}]}
    assert hosted.data(query, query=None)["specimenCount"] == hosted.data(query, query=" ")["specimenCount"] == 3
    assert hosted.data(query, query="apple tree")["specimenCount"] == 1


def test_a_list_is_appended_to_where_it_is_stored(hosted: Hosted) -> None:
    key = made(hosted, tags=["a"])["id"]
    mutation = 'mutation ($k: ID!) { specimenUpdate(key: $k, changes: {tags_append: ["b"]}) { tags } }'
    assert hosted.data(mutation, k=key)["specimenUpdate"] == {"tags": ["a", "b"]}


def test_a_conflict_names_the_attributes_whose_values_are_taken(hosted: Hosted) -> None:
    key = made(hosted, label="mine")["id"]
    error = hosted.error(CREATE, item={"text": "x", "label": "mine"})
    assert error == {"code": "conflict", "status": 409, "attributes": ["label"]}
    batch = """mutation ($edits: [SpecimenEdit!]!) { specimenEditBatch(edits: $edits) { code attributes } }"""
    edits = [
        {"create": {"text": "x", "label": "mine"}},
        {"create": {"text": "x", "id": key}},
        {"create": {"text": "y"}},
    ]
    assert hosted.data(batch, edits=edits)["specimenEditBatch"] == [
        {"code": "conflict", "attributes": ["label"]},
        {"code": "conflict", "attributes": ["id"]},
        {"code": "ok", "attributes": None},
    ]


def test_search_in_an_order_a_page_at_a_time(hosted: Hosted) -> None:
    for text, count in (("a", 2), ("b", 1), ("c", None), ("d", 2)):
        made(hosted, text=text, count=count)
    assert texts(hosted, order=["count_desc", "text_desc"]) == ["d", "a", "b", "c"]
    assert texts(hosted, order="text_desc") == ["d", "c", "b", "a"]
    query = """query ($cursor: String) {
        specimenSearch(order: [count_asc, text_asc], limit: 3, cursor: $cursor) { cursor items { text } } }"""
    first = hosted.data(query)["specimenSearch"]
    second = hosted.data(query, cursor=first["cursor"])["specimenSearch"]
    assert [item["text"] for item in (*first["items"], *second["items"])] == ["b", "a", "d", "c"]
    assert second["cursor"] is None
    assert hosted.error('{ specimenSearch(order: [text_asc], cursor: "' + first["cursor"] + '") { cursor } }') == {
        "code": "invalid_cursor",
        "status": 400,
    }


def test_read_batch_keeps_positions(hosted: Hosted) -> None:
    a, b = made(hosted, text="a")["id"], made(hosted, text="b")["id"]
    query = "query ($keys: [ID!]!) { specimenReadBatch(keys: $keys) { text } }"
    assert hosted.data(query, keys=[b, "none", a, b])["specimenReadBatch"] == [
        {"text": "b"}, None, {"text": "a"}, {"text": "b"},
    ]  # fmt: skip
    assert hosted.error(query, keys=["x"] * 101)["code"] == "batch_too_large"


BATCH = """mutation ($edits: [SpecimenEdit!]!, $atomic: Boolean) {
    specimenEditBatch(edits: $edits, atomic: $atomic) { code message item { text version } faults { path } } }"""


def test_edit_batch_answers_each_edit_in_its_position(hosted: Hosted) -> None:
    a, b = made(hosted, text="a")["id"], made(hosted, text="b")["id"]
    results = hosted.data(
        BATCH,
        edits=[
            {"create": {"text": "c", "tags": '["x"]'}},
            {"create": {"id": a, "text": "taken"}},
            {"update": {"key": a, "changes": {"text": "A", "extra": "{}"}}},
            {"update": {"key": b, "changes": {"text": "B"}, "when": {"version": {"eq": 9}}}},
            {"delete": {"key": b, "when": {"long": {"null": True}}}},
            {"delete": {"key": "none"}},
        ],
    )["specimenEditBatch"]
    assert [result["code"] for result in results] == ["ok", "conflict", "ok", "precondition_failed", "ok", "not_found"]
    assert [result["item"] for result in results] == [
        {"text": "c", "version": 1}, None, {"text": "A", "version": 2}, {"text": "b", "version": 1}, None, None,
    ]  # fmt: skip
    assert results[0]["message"] is None
    assert results[1]["message"] == "id is already taken"
    assert sorted(texts(hosted)) == ["A", "c"]


def test_an_atomic_edit_batch_does_all_or_nothing(hosted: Hosted) -> None:
    a = made(hosted, text="a")["id"]
    edits = [{"create": {"text": "b"}}, {"create": {"id": a, "text": "taken"}}]
    results = hosted.data(BATCH, edits=edits, atomic=True)["specimenEditBatch"]
    assert [result["code"] for result in results] == ["aborted", "conflict"]
    assert texts(hosted) == ["a"]


def test_faults_of_all_edits_are_reported_with_their_paths(hosted: Hosted) -> None:
    edits = [{"create": {"text": ""}}, {}, {"create": {"text": "a"}, "delete": {"key": "b"}}, {"delete": {"key": "c"}}]
    error = hosted.error(BATCH, edits=edits)
    assert error["code"] == "invalid_input"
    assert [fault["path"] for fault in error["faults"]] == ["/edits/0/create/text", "/edits/1", "/edits/2"]
    assert texts(hosted) == []


def test_an_edit_without_changes_where_nothing_can_change(hosted: Hosted) -> None:
    hosted.data('mutation { membershipCreate(item: {person: "ann", club: 7}) { club } }')
    query = 'mutation { membershipEditBatch(edits: [{update: {key: "ann~7"}}, {delete: {key: "ann~7"}}]) { code } }'
    assert hosted.data(query)["membershipEditBatch"] == [{"code": "ok"}, {"code": "ok"}]


def test_fields_fail_one_by_one(hosted: Hosted, app: App) -> None:
    app.store(Fact).create(Fact(text="so it is"))
    answer = hosted("{ factCount specimenSearch(limit: 0) { cursor } again: factSearch { items { text } } }")
    assert answer["data"] == {
        "factCount": 1, "specimenSearch": None, "again": {"items": [{"text": "so it is"}]},
    }  # fmt: skip
    [error] = answer["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["specimenSearch"], "invalid_query")


def test_fragments_variables_aliases_and_directives(hosted: Hosted) -> None:
    key = made(hosted, text="a", tags="[]")["id"]
    query = """
        query One($key: ID!, $more: Boolean = false) { it: specimenRead(key: $key) { ...words tags @include(if: $more) } }
        query Two { specimenCount }
        fragment words on Specimen { __typename said: text }"""
    body = {"query": query, "variables": {"key": key}, "operationName": "One"}
    answer = hosted.endpoint.schema.execute(query, body["variables"], "One")
    assert json.loads(json.dumps(answer)) == {"data": {"it": {"__typename": "Specimen", "said": "a"}}}


def test_an_integer_that_graphql_cannot_carry_is_an_error_of_its_field_and_never_another_number(
    hosted: Hosted, app: App
) -> None:
    item = app.store(Specimen).create(Specimen(text="big", count=2**53))
    answer = hosted(f'{{ specimenRead(key: "{item.id}") {{ text count }} }}')
    assert answer["data"] == {"specimenRead": {"text": "big", "count": None}}
    [error] = answer["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["specimenRead", "count"], "unsupported")
    assert str(2**53) in error["message"]
