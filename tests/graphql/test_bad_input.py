"""Bad input: the same code and the same paths from the hosted endpoint and from AppSync's events, and nothing written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from persisty import App
from persisty.api.graphql.appsync.function import AppSync

from .asking import Hosted, document_of
from .gallery import Specimen

BAD: list[tuple[str, str, dict[str, Any], str, list[str]]] = [
    ("unknown attribute of an item", "specimenCreate", {"item": {"text": "a", "nope": 1}}, "invalid_input", ["/item/nope"]),
    ("attribute that the server decides", "specimenCreate", {"item": {"text": "a", "version": 3}}, "invalid_input",
     ["/item/version"]),
    ("missing attribute", "specimenCreate", {"item": {"count": 1}}, "invalid_input", ["/item/text"]),
    ("missing item", "specimenCreate", {}, "invalid_input", ["/item"]),
    ("item that is a number", "specimenCreate", {"item": 3}, "invalid_input", ["/item"]),
    ("wrong type", "specimenCreate", {"item": {"text": 5}}, "invalid_input", ["/item/text"]),
    ("wrong types", "specimenCreate", {"item": {"text": [], "count": "1", "done": "yes"}}, "invalid_input",
     ["/item/count", "/item/done", "/item/text"]),
    ("integer with a fraction", "specimenCreate", {"item": {"text": "a", "wide": 1.5}}, "invalid_input", ["/item/wide"]),
    ("integer as words", "specimenCreate", {"item": {"text": "a", "long": "many"}}, "invalid_input", ["/item/long"]),
    ("no uuid", "specimenCreate", {"item": {"text": "a", "ref": "x"}}, "invalid_input", ["/item/ref"]),
    ("no date", "specimenCreate", {"item": {"text": "a", "day": "2030-02-31"}}, "invalid_input", ["/item/day"]),
    ("no time zone", "specimenCreate", {"item": {"text": "a", "at": "2030-01-01T00:00:00"}}, "invalid_input",
     ["/item/at"]),
    ("no decimal", "specimenCreate", {"item": {"text": "a", "price": "1,5"}}, "invalid_input", ["/item/price"]),
    ("no base64", "specimenCreate", {"item": {"text": "a", "blob": "?"}}, "invalid_input", ["/item/blob"]),
    ("no member", "specimenCreate", {"item": {"text": "a", "status": "lost"}}, "invalid_input", ["/item/status"]),
    ("no member of an enum without GraphQL names", "specimenCreate", {"item": {"text": "a", "shade": "lost"}},
     "invalid_input", ["/item/shade"]),
    ("constraints broken", "specimenCreate", {"item": {"text": "", "wide": 2**40 + 1}}, "invalid_input",
     ["/item/text", "/item/wide"]),
    ("wrong element of a list", "specimenCreate", {"item": {"text": "a", "tags": ["a", 1]}}, "invalid_input", ["/item/tags/1"]),
    ("change of the key", "specimenUpdate", {"key": "a", "changes": {"id": "b"}}, "invalid_input", ["/changes/id"]),
    ("constraint broken by a change", "specimenUpdate", {"key": "a", "changes": {"text": ""}}, "invalid_input",
     ["/changes/text"]),
    ("bad changes and a bad condition", "specimenUpdate",
     {"key": "a", "changes": {"text": ""}, "when": {"ref": {"eq": "x"}}}, "invalid_input", ["/changes/text", "/when/ref/eq"]),
    ("missing key", "specimenRead", {}, "invalid_input", ["/key"]),
    ("key that is an object", "specimenRead", {"key": {}}, "invalid_input", ["/key"]),
    ("missing keys", "specimenReadBatch", {}, "invalid_input", ["/keys"]),
    ("too many keys", "specimenReadBatch", {"keys": ["a"] * 101}, "batch_too_large", []),
    ("too many edits", "specimenEditBatch", {"edits": [{"delete": {"key": "a"}}] * 101}, "batch_too_large", []),
    ("edit of no kind", "specimenEditBatch", {"edits": [{}]}, "invalid_input", ["/edits/0"]),
    ("edit of an unknown kind", "specimenEditBatch", {"edits": [{"burn": {}}]}, "invalid_input", None),
    ("edit of two kinds", "specimenEditBatch", {"edits": [{"create": {"text": "a"}, "delete": {"key": "a"}}]},
     "invalid_input", ["/edits/0"]),
    ("bad condition of an edit", "specimenEditBatch", {"edits": [{"delete": {"key": "a", "when": [1]}}]},
     "invalid_input", None),
    ("edit that is not offered", "leavingEditBatch", {"edits": [{"create": {"text": "a"}}]}, None, None),
    ("unknown attribute of a filter", "specimenSearch", {"where": {"nope": {"eq": 1}}}, "invalid_query", None),
    ("unknown operator", "specimenSearch", {"where": {"text": {"like": "a"}}}, "invalid_query", ["/where/text/like"]),
    ("operator of another kind", "specimenSearch", {"where": {"status": {"lt": "open"}}}, "invalid_query",
     ["/where/status/lt"]),
    ("operator on structure", "specimenSearch", {"where": {"tags": {"eq": "[]"}}}, "invalid_query", ["/where/tags/eq"]),
    ("wrong type in a filter", "specimenSearch", {"where": {"count": {"gt": "1"}}}, "invalid_query",
     ["/where/count/gt"]),
    ("wrong text in a filter", "specimenSearch", {"where": {"ref": {"eq": "x"}}}, "invalid_query", ["/where/ref/eq"]),
    ("null where there is no comparison", "specimenSearch", {"where": {"count": {"lt": None}}}, "invalid_query",
     ["/where/count/lt"]),
    ("filter that is a text", "specimenCount", {"where": "text"}, "invalid_query", ["/where"]),
    ("filter that is a list", "specimenCount", {"where": ["ab"]}, "invalid_query", None),
    ("fault inside connectives", "specimenCount",
     {"where": {"or": [{"text": {"eq": "a"}}, {"not": {"ref": {"eq": "x"}}}]}}, "invalid_query",
     ["/where/or/1/not/ref/eq"]),
    ("filter too deep", "specimenCount", {"where": json.loads('{"not":' * 30 + "{}" + "}" * 30)}, "invalid_query", None),
    ("unknown field of an object", "specimenCount", {"where": {"place": {"town": {"eq": "a"}}}}, "invalid_query", None),
    ("wrong type in a field", "specimenCount", {"where": {"place": {"city": {"eq": 5}}}}, "invalid_query",
     ["/where/place/city/eq"]),
    ("wrong text in a nested field", "specimenCount", {"where": {"place": {"geo": {"zone": {"lt": "x"}}}}},
     "invalid_query", ["/where/place/geo/zone/lt"]),
    ("field that is null", "specimenCount", {"where": {"or": [{"place": {"city": None}}]}}, "invalid_query",
     ["/where/or/0/place/city"]),
    ("filter in a list that is null", "specimenCount", {"where": {"and": [None]}}, "invalid_query", ["/where/and/0"]),
    ("text that is a number", "specimenCount", {"query": 5}, "invalid_query", ["/query"]),
    ("text inside a filter that is a list", "specimenCount", {"where": {"not": {"query": []}}}, "invalid_query",
     ["/where/not/query"]),
    ("unknown size", "specimenCreate", {"item": {"text": "a", "size": "xl"}}, "invalid_input",
     ["/item/size"]),
    ("unknown grade", "specimenCreate", {"item": {"text": "a", "grade": 7}}, "invalid_input", ["/item/grade"]),
    ("unknown order", "specimenSearch", {"order": ["nope_asc"]}, "invalid_query", ["/order/0"]),
    ("unsortable order", "specimenSearch", {"order": ["text_asc", "tags_asc"]}, "invalid_query", ["/order/1"]),
    ("no limit", "specimenSearch", {"limit": 0}, "invalid_query", ["/limit"]),
    ("limit too large", "specimenSearch", {"limit": 1001}, "invalid_query", ["/limit"]),
    ("limit that is a text", "specimenSearch", {"limit": "ten"}, "invalid_query", ["/limit"]),
    ("foreign cursor", "specimenSearch", {"cursor": "WyJhIix7fV0"}, "invalid_cursor", []),
    ("invalid cursor", "specimenSearch", {"cursor": "?"}, "invalid_cursor", []),
    ("cursor of a wrong type", "specimenSearch", {"cursor": 5}, "invalid_cursor", None),
    ("missing argument of an action", "describe", {}, "invalid_input", ["/status"]),
    ("wrong argument of an action", "describe", {"status": "lost"}, "invalid_input", ["/status"]),
    ("wrong member of an action's argument", "describe", {"status": "open", "point": {"x": "far"}}, "invalid_input",
     ["/point/x"]),
]  # fmt: skip


def aws_json(arguments: Any) -> Any:
    """The arguments as a client sends them: JSON attributes as text."""
    if isinstance(arguments, dict):
        return {
            name: json.dumps(value) if name == "extra" and not isinstance(value, dict) else aws_json(value)
            for name, value in arguments.items()
        }
    return [aws_json(one) for one in arguments] if isinstance(arguments, list) else arguments


@pytest.mark.parametrize(("field", "arguments", "code", "paths"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_input_has_the_same_code_and_paths_everywhere(
    hosted: Hosted, appsync: AppSync, app: App, field: str, arguments: Any, code: str | None, paths: list[str] | None
) -> None:
    event = appsync.handle({"fieldName": field, "arguments": arguments})
    assert event["error"]["code"] == (code or "unauthenticated")
    schema = hosted.endpoint.schema.whole
    text = document_of(schema, field, arguments)
    answer = hosted(text, **aws_json(arguments))
    assert {error["extensions"]["code"] for error in answer["errors"]} == {code or "invalid_input"}
    assert not (answer.get("data") or {}).get(field)
    if paths is not None:
        assert sorted(fault["path"] for fault in event["error"]["info"].get("faults", ())) == paths
        found_paths = [fault["path"] for error in answer["errors"] for fault in error["extensions"].get("faults", ())]
        assert sorted(found_paths) == paths
    assert app.store(Specimen).count() == 0


def test_a_missing_argument_without_a_variable_is_a_malformed_document(hosted: Hosted) -> None:
    assert hosted.error("{ specimenRead { id } }")["code"] == "malformed_graphql"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "}",
        "{ nope }",
        "{ specimenCount",
        "{ specimenSearch }",
        "{ specimenSearch { items } }",
        "{ specimenCount { id } }",
        "mutation { specimenCount }",
        "subscription { specimenCount }",
        "{ specimenCount(nope: 1) }",
        "query A { specimenCount } query B { specimenCount }",
        "query ($a: Nope) { specimenCount }",
        "query ($a: Int = \"x\") { specimenSearch(limit: $a) { cursor } }",
        "query ($a: String) { specimenSearch(limit: $a) { cursor } }",
        "{ specimenCount @include(if: 3) }",
        "{ ...a } fragment a on Query { ...a }",
        "fragment a on Query { specimenCount }",
        "type Query { a: Int }",
        "{ specimenRead(key: \"\\uD800\") { id } }",
        "{ a" * 2000,
        "{ specimenSearch { items { id" + " { id" * 3000,
        "[" * 10000,
        "\u0000",
    ],
)  # fmt: skip
def test_a_document_that_does_not_fit_is_malformed(hosted: Hosted, text: str) -> None:
    answer = hosted(text)
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"malformed_graphql"}
    assert "data" not in answer


def test_faults_of_literals_have_their_paths(hosted: Hosted) -> None:
    answer = hosted(
        """mutation {
          specimenCreate(item: {text: 5, nope: 1}) { id }
          specimenDelete(key: "a", when: {text: {like: "a"}})
        }"""
    )
    reported = [
        (error["extensions"]["code"], error["extensions"]["faults"][0]["path"], error["locations"][0]["line"])
        for error in answer["errors"]
    ]
    assert sorted(reported) == [
        ("invalid_input", "/item/nope", 2), ("invalid_input", "/item/text", 2), ("invalid_query", "/when/text/like", 3),
    ]  # fmt: skip


def test_a_fault_of_a_variable_inside_a_literal_has_its_whole_path(hosted: Hosted) -> None:
    query = 'query ($n: Float) { specimenSearch(where: {or: [{text: {eq: "a"}}, {count: {gt: $n}}]}) { cursor } }'
    assert hosted.error(query, n="x")["faults"][0]["path"] == "/where/or/1/count/gt"


def test_an_unexpected_exception_is_reported_without_its_message(
    hosted: Hosted, appsync: AppSync, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    answer = hosted("{ breaks specimenCount }")
    assert answer["data"] == {"breaks": None, "specimenCount": 0}
    assert answer["errors"][0]["extensions"] == {"code": "internal_error", "status": 500}
    event = appsync.handle({"fieldName": "breaks", "arguments": {}})
    assert event == {"error": {"code": "internal_error", "message": "Internal error", "info": {"status": 500}}}
    assert "1234" not in json.dumps([answer, event])
    assert "1234" in caplog.text


def test_an_action_that_returns_another_type_than_declared_is_an_error_of_its_field(hosted: Hosted) -> None:
    assert hosted("{ lies }")["data"] == {"lies": None}
    assert hosted.error("{ lies }")["code"] == "unsupported"


def test_an_error_of_an_action_has_its_code_and_message(hosted: Hosted) -> None:
    [error] = hosted("{ conflicts }")["errors"]
    assert (error["message"], error["extensions"]["code"]) == ("Taken by somebody else", "conflict")
