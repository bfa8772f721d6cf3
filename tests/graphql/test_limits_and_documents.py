"""Complexity, the introspection switch, and persisted documents."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from persisty import App
from persisty.api.graphql.appsync.function import AppSync
from persisty.api.graphql.complexity import MOST
from persisty.api.graphql.hosted.document_limits import Limits
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.graphql.hosted.persisted_documents import REMEMBERED_LENGTH, Documents, declared_in
from persisty.api.http.messages import Request
from persisty.errors import InvalidDeclaration

from . import town
from .asking import JSON
from .gallery import Specimen, Status

TEXT = "{ personCount }"
HASH = sha256(TEXT.encode()).hexdigest()


@pytest.fixture
def app() -> App:
    return App("town", items=[meta.item for meta in town.app.metas.values()], url="memory://")


def post(endpoint: GraphqlEndpoint, body: dict[str, Any], accept: str = "*/*") -> Any:
    request = Request("POST", "/graphql", headers={**JSON, "accept": accept}, body=json.dumps(body).encode())
    response = endpoint.handle(request)
    return response.status, json.loads(response.body)


def refusals(answer: dict[str, Any]) -> list[tuple[str, str]]:
    assert "data" not in answer
    return [(one["message"], one["extensions"]["code"]) for one in answer["errors"]]


# complexity

WIDE = "query Wide($n: Int) { personSearch(limit: 100) { items { name letters(limit: $n) { items { text } } } } }"


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("{ personCount }", 1),
        ("{ personSearch { cursor } }", 2),
        ("{ personSearch { items { name id } } }", 2 + 25 * 3),
        ("{ personSearch(limit: 3) { items { name } } }", 2 + 3 * 2),
        ("{ personSearch(limit: 3) { items { house { id street } } } }", 2 + 3 * (1 + 3)),
        ("{ personSearch(limit: 3) { items { letters(limit: 7) { items { id } } } } }", 2 + 3 * (1 + 2 + 7 * 2)),
        ('{ personReadBatch(keys: ["a", "b", "c"]) { name } }', 1 + 3 * 2),
        ("{ a: personCount b: personSearch(limit: 1) { cursor } }", 1 + 2),
    ],
)
def test_complexity_is_the_largest_number_of_values_in_the_response(app: App, text: str, most: int) -> None:
    exact = GraphqlEndpoint(app, limits=Limits(complexity=most)).schema.execute(text)
    assert "data" in exact
    short = GraphqlEndpoint(app, limits=Limits(complexity=most - 1)).schema.execute(text)
    assert [code for _, code in refusals(short)] == ["too_complex"]
    assert (short["errors"][0]["extensions"]["found"], short["errors"][0]["extensions"]["limit"]) == (most, most - 1)


def test_complexity_depends_on_the_variables(app: App) -> None:
    schema = GraphqlEndpoint(app, limits=Limits(complexity=5_000)).schema
    assert "data" in schema.execute(WIDE, {"n": 10})
    assert [code for _, code in refusals(schema.execute(WIDE, {"n": None}))] == ["too_complex"]  # 25, as without
    assert [code for _, code in refusals(schema.execute(WIDE, {"n": 1000}))] == ["too_complex"]
    assert "data" in schema.execute(WIDE, {"n": 10})  # the same plan


def test_a_mutation_with_a_too_complex_response_is_not_executed(app: App) -> None:
    schema = GraphqlEndpoint(app, limits=Limits(complexity=100)).schema
    text = """mutation { houseCreate(item: {street: "x"}) { people(limit: 1000) { items { name } } } }"""
    before = app.store("house").count()
    answer = schema.execute(text)
    assert "data" not in answer
    assert app.store("house").count() == before


def test_appsync_rejects_requests_that_are_too_complex() -> None:
    nested = "{ items { letters(limit: 1000) { items { id text writer { name } } } } }"
    event = {
        "fieldName": "personSearch", "arguments": {"limit": 1000}, "variables": {},
        "selectionSetGraphQL": nested, "selectionSetList": [],
    }  # fmt: skip
    error = AppSync(town.app).handle(event)["error"]
    assert (error["code"], error["info"]["limit"]) == ("too_complex", MOST)


DEEP = "{ writer { letters { items " * 4 + "{ id }" + " } } }" * 4
SELECTIONS = {
    "levels": ("{ items " + DEEP + " }", "more than 12 levels"),
    "aliases": ("{ items { " + " ".join(f"a{one}: id" for one in range(51)) + " } }", "more than 50 aliases"),
    "fields": ("{ items { " + "id " * 1_000 + "} }", "more than 1000 fields"),
    "inline fragments": ("{ items { " + "... on Person { id } " * 1_000 + "} }", "more than 1000 fields"),
}


@pytest.mark.parametrize(("selection", "message"), SELECTIONS.values(), ids=SELECTIONS.keys())
def test_appsync_has_the_limits_of_a_document_for_each_root_field(selection: str, message: str) -> None:
    event = {"fieldName": "personSearch", "arguments": {}, "variables": {}, "selectionSetGraphQL": selection, "selectionSetList": []}  # fmt: skip
    error = AppSync(town.app).handle(event)["error"]
    assert error["code"] == "malformed_graphql"
    assert message in error["message"]


def test_appsync_and_the_server_count_levels_alike() -> None:
    schema = GraphqlEndpoint(town.app).schema
    for levels, fits in ((12, True), (13, False)):
        names = ["items", *["letters", "items", "writer"] * 4][: levels - 2]
        inner = "".join(f"{{ {name} " for name in names) + "{ id }" + " }" * len(names)
        hosted = schema.execute(f"{{ personSearch {inner} }}")
        found = [one["message"] for one in hosted.get("errors", [])]
        assert ("The document has more than 12 levels" in found) is not fits
        event = {"fieldName": "personSearch", "arguments": {}, "variables": {}, "selectionSetGraphQL": inner, "selectionSetList": []}  # fmt: skip
        message = AppSync(town.app).handle(event).get("error", {}).get("message", "")
        assert ("more than 12 levels" in message) is not fits


# introspection


@pytest.mark.parametrize("text", ["{ __schema { types { name } } }", '{ __type(name: "Person") { name } }'])
def test_introspection_can_be_switched_off(app: App, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    assert "data" in GraphqlEndpoint(app).schema.execute(text)
    monkeypatch.setenv("PERSISTY_GRAPHQL_INTROSPECTION", "off")
    closed = GraphqlEndpoint(app).schema
    assert {code for _, code in refusals(closed.execute(text))} == {"malformed_graphql"}
    assert closed.execute("{ __typename }") == {"data": {"__typename": "Query"}}


MISSPELT = [
    '{ person(key: "a") { nme } }',
    '{ personRead(ky: "a") { name } }',
    "{ personSearc { items { name } } }",
    "query ($w: PersonFilte) { personCount(where: $w) }",
    "{ personSearch { items { ... on Perso { name } } } }",
    "{ personSearch(where: { nme: { eq: 1 } }) { items { name } } }",
    "query ($w: PersonFilter) { personCount(where: $w) }",
    "subscription { personChange { nme } }",
    "mutation { personCreat { name } }",
]


@pytest.mark.parametrize("text", MISSPELT)
def test_without_introspection_no_error_suggests_a_name_of_the_schema(
    app: App, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("PERSISTY_GRAPHQL_INTROSPECTION", "off")
    answer = GraphqlEndpoint(app).schema.execute(text, {"w": {"nme": {"eq": 1}}})
    assert refusals(answer)
    assert "Did you mean" not in json.dumps(answer)


def test_with_introspection_errors_suggest_similar_names(app: App) -> None:
    assert "Did you mean" in json.dumps(GraphqlEndpoint(app).schema.execute(MISSPELT[2]))


OUTSIDE_THE_ENUM: list[tuple[str, dict[str, Any]]] = [
    ("{ specimenSearch(where: { status: { eq: lost } }) { items { text } } }", {}),
    ("{ specimenSearch(where: { status: { eq: 5 } }) { items { text } } }", {}),
    ("query ($s: Status) { specimenSearch(where: { status: { eq: $s } }) { items { text } } }", {"s": "lost"}),
    ("query ($s: Status) { specimenSearch(where: { status: { eq: $s } }) { items { text } } }", {"s": 5}),
]


@pytest.mark.parametrize(("text", "variables"), OUTSIDE_THE_ENUM)
@pytest.mark.parametrize("introspection", ["on", "off"])
def test_the_fault_of_a_value_outside_an_enum_lists_the_members_unless_introspection_is_off(
    monkeypatch: pytest.MonkeyPatch, text: str, variables: dict[str, Any], introspection: str
) -> None:
    monkeypatch.setenv("PERSISTY_GRAPHQL_INTROSPECTION", introspection)
    schema = GraphqlEndpoint(App("gallery", items=[Specimen], url="memory://")).schema
    [error] = schema.execute(text, variables)["errors"]
    [fault] = error["extensions"]["faults"]
    assert fault["path"] == "/where/status/eq"
    expected = f"one of {', '.join(str(one.value) for one in Status)}"
    assert fault.get("expected") == (expected if introspection == "on" else None)


# persisted documents


def automatic(text: str | None = None, name: str = HASH) -> dict[str, Any]:
    named = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": name}}}
    return named if text is None else {**named, "query": text}


def test_a_text_is_sent_once_and_then_named_by_its_hash(app: App) -> None:
    endpoint = GraphqlEndpoint(app)
    status, answer = post(endpoint, automatic())
    assert (status, refusals(answer)) == (200, [("PersistedQueryNotFound", "persisted_query_not_found")])
    assert post(endpoint, automatic(), "application/graphql-response+json")[0] == 400
    assert post(endpoint, automatic(TEXT)) == (200, {"data": {"personCount": app.store("person").count()}})
    assert post(endpoint, automatic()) == post(endpoint, {"query": TEXT})
    extensions = json.dumps(automatic()["extensions"])
    response = endpoint.handle(Request("GET", "/graphql", query=urlencode({"extensions": extensions})))
    assert (response.status, json.loads(response.body)) == post(endpoint, automatic())


def test_a_hash_of_another_text_is_rejected_and_not_cached(app: App) -> None:
    endpoint = GraphqlEndpoint(app)
    status, problem = post(endpoint, automatic("{ houseCount }"))
    assert (status, problem["code"]) == (400, "malformed_graphql")
    assert problem["faults"][0]["path"] == "/extensions/persistedQuery/sha256Hash"
    assert refusals(post(endpoint, automatic())[1])[0][1] == "persisted_query_not_found"


def test_long_texts_are_executed_and_not_cached(app: App) -> None:
    endpoint, text = GraphqlEndpoint(app), TEXT + " " * REMEMBERED_LENGTH
    name = sha256(text.encode()).hexdigest()
    assert "data" in post(endpoint, automatic(text, name))[1]
    assert refusals(post(endpoint, automatic(None, name))[1])[0][1] == "persisted_query_not_found"


@pytest.mark.parametrize("extensions", [{"persistedQuery": 3}, {"persistedQuery": {"sha256Hash": 3}}, {}, {"other": 1}])
def test_extensions_without_a_hash_are_ignored(app: App, extensions: dict[str, Any]) -> None:
    endpoint = GraphqlEndpoint(app)
    assert post(endpoint, {"query": TEXT, "extensions": extensions})[0] == 200
    assert post(endpoint, {"extensions": extensions})[1]["code"] == "malformed_graphql"


@pytest.mark.parametrize("manifest", [False, True])
def test_an_app_that_declares_its_documents_executes_no_other(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manifest: bool
) -> None:
    file = tmp_path / "documents.json"
    operations = [{"id": "people", "name": "People", "type": "query", "body": TEXT}]
    declared = {"format": "apollo-persisted-query-manifest", "version": 1, "operations": operations}
    file.write_text(json.dumps(declared if manifest else {"people": TEXT}))
    monkeypatch.setenv("PERSISTY_GRAPHQL_DOCUMENTS", str(file))
    endpoint = GraphqlEndpoint(app)
    expected = (200, {"data": {"personCount": app.store("person").count()}})
    for body in ({"query": TEXT}, {"documentId": "people"}, {"documentId": f"sha256:{HASH}"}, automatic()):
        assert post(endpoint, body) == expected
    other = "{ houseCount }"
    named = automatic(other, sha256(other.encode()).hexdigest())
    for body in ({"query": other}, {"documentId": "houses"}, named):
        assert refusals(post(endpoint, body)[1]) == [("Undeclared document", "undeclared_document")]


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"operations": [{"id": "a"}]}'])
def test_a_file_without_documents_stops_the_start(tmp_path: Path, content: str) -> None:
    file = tmp_path / "documents.json"
    file.write_text(content)
    with pytest.raises(InvalidDeclaration):
        declared_in(str(file))
    with pytest.raises(InvalidDeclaration):
        declared_in(str(tmp_path / "missing.json"))


def test_the_least_recently_used_texts_are_dropped() -> None:
    documents = Documents()
    texts = [f"{{ a{number} }}" for number in range(1_001)]
    for text in texts:
        documents.text(automatic(text, sha256(text.encode()).hexdigest()))
    assert documents.text(automatic(None, sha256(texts[1].encode()).hexdigest())) == texts[1]
    with pytest.raises(Exception, match="PersistedQueryNotFound"):
        documents.text(automatic(None, sha256(texts[0].encode()).hexdigest()))
