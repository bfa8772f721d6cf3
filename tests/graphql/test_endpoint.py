"""GraphQL over HTTP: methods, media types, statuses, limits."""

from __future__ import annotations

import gzip
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from graphql import get_introspection_query
from msgspec.structs import replace

from persisty import App
from persisty.api.graphql.hosted.bounded_cache import BoundedCache
from persisty.api.graphql.hosted.document_limits import Limits
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.messages import Request, Response

from . import gallery
from .asking import JSON, Hosted

COUNT = "{ specimenCount }"


def post(endpoint: GraphqlEndpoint, body: Any, **headers: str) -> Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {**JSON, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return endpoint.handle(Request("POST", "/graphql", headers=given, body=raw))


def get(endpoint: GraphqlEndpoint, **parameters: str) -> Response:
    return endpoint.handle(Request("GET", "/graphql", query=urlencode(parameters)))


def code(response: Response) -> str:
    document = json.loads(response.body)
    assert response.headers["content-type"] == "application/problem+json"
    assert document["status"] == response.status
    return str(document["code"])


def test_a_query_by_post(endpoint: GraphqlEndpoint, app: App) -> None:
    response = post(endpoint, {"query": COUNT, "variables": None, "operationName": None, "extensions": {}})
    assert (response.status, response.headers["content-type"]) == (200, "application/json")
    assert json.loads(response.body) == {"data": {"specimenCount": 0}}


def test_a_query_by_get(endpoint: GraphqlEndpoint, app: App) -> None:
    text = "query One($limit: Int) { specimenSearch(limit: $limit) { cursor } } query Two { specimenCount }"
    response = get(endpoint, query=text, variables='{"limit": 3}', operationName="One")
    assert (response.status, json.loads(response.body)) == (200, {"data": {"specimenSearch": {"cursor": None}}})


def test_a_mutation_by_get_is_rejected(endpoint: GraphqlEndpoint, app: App) -> None:
    text = 'mutation { membershipCreate(item: {person: "a", club: 1}) { club } }'
    response = get(endpoint, query=text)
    assert (response.status, response.headers["allow"], code(response)) == (405, "POST", "method_not_allowed")
    named = get(endpoint, query=f"query A {COUNT} {text.replace('mutation', 'mutation B')}", operationName="B")
    assert named.status == 405
    assert app.store("membership").count() == 0


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE"])
def test_other_methods_are_not_allowed(endpoint: GraphqlEndpoint, app: App, method: str) -> None:
    response = endpoint.handle(Request(method, "/graphql", headers=JSON, body=b"{}"))
    assert (response.status, response.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
    assert code(response) == "method_not_allowed"


def test_options_and_head_respond_as_over_rest(endpoint: GraphqlEndpoint) -> None:
    options = endpoint.handle(Request("OPTIONS", "/graphql"))
    assert (options.status, options.headers, options.body) == (204, {"allow": "GET, HEAD, OPTIONS, POST"}, b"")
    request = Request("GET", "/graphql", urlencode({"query": COUNT}))
    whole, head = endpoint.handle(request), endpoint.handle(replace(request, method="HEAD"))
    assert head == Response(200, {**whole.headers, "content-length": str(len(whole.body))})


def test_a_large_response_is_compressed_for_clients_that_accept_gzip(endpoint: GraphqlEndpoint) -> None:
    body = json.dumps({"query": "{ __schema { types { name } } }"}).encode()
    uncompressed = endpoint.handle(Request("POST", "/graphql", "", JSON, body))
    answer = endpoint.handle(Request("POST", "/graphql", "", {**JSON, "accept-encoding": "gzip"}, body))
    assert (uncompressed.headers["vary"], answer.headers["content-encoding"]) == (
        "authorization, accept, accept-encoding",
        "gzip",
    )
    assert gzip.decompress(answer.body) == uncompressed.body


@pytest.mark.parametrize(
    ("body", "headers", "status", "expected"),
    [
        (b"{", {}, 400, "malformed_json"),
        (b"", {}, 400, "malformed_json"),
        (b"\xff", {}, 400, "malformed_json"),
        (b"[" * 100_000, {}, 400, "malformed_json"),
        ({"query": COUNT}, {"content_type": "text/plain"}, 415, "unsupported_media_type"),
        ({"query": COUNT}, {"content_type": ""}, 415, "unsupported_media_type"),
        ({"query": COUNT}, {"content_type": "application/json; charset=latin-1"}, 415, "unsupported_media_type"),
        ({"query": COUNT + " " * 2_000_000}, {}, 413, "payload_too_large"),
        ([{"query": COUNT}], {}, 400, "malformed_graphql"),
        ("query", {}, 400, "malformed_graphql"),
        ({}, {}, 400, "malformed_graphql"),
        ({"query": None}, {}, 400, "malformed_graphql"),
        ({"query": 3}, {}, 400, "malformed_graphql"),
        ({"query": COUNT, "variables": []}, {}, 400, "malformed_graphql"),
        ({"query": COUNT, "variables": "{}"}, {}, 400, "malformed_graphql"),
        ({"query": COUNT, "operationName": 3}, {}, 400, "malformed_graphql"),
    ],
)
def test_a_request_that_is_not_a_graphql_request_is_a_problem_document(
    endpoint: GraphqlEndpoint, app: App, body: Any, headers: dict[str, str], status: int, expected: str
) -> None:
    response = post(endpoint, body, **headers)
    assert (response.status, code(response)) == (status, expected)


def test_every_fault_of_a_request_is_listed(endpoint: GraphqlEndpoint) -> None:
    response = post(endpoint, {"query": 3, "variables": 3, "operationName": 3})
    faults = json.loads(response.body)["faults"]
    assert [fault["path"] for fault in faults] == ["/query", "/variables", "/operationName"]


@pytest.mark.parametrize(
    "parameters", [{}, {"query": ""}, {"query": COUNT, "variables": "{"}, {"query": COUNT, "variables": "[]"}]
)
def test_an_invalid_get_is_a_problem_document(endpoint: GraphqlEndpoint, app: App, parameters: dict[str, str]) -> None:
    response = get(endpoint, **parameters)
    assert response.status == 400
    assert code(response).startswith("malformed_")


def test_a_parameter_given_twice_is_a_problem_document(endpoint: GraphqlEndpoint) -> None:
    response = endpoint.handle(Request("GET", "/graphql", query="query=%7Ba%7D&query=%7Bb%7D"))
    assert (response.status, code(response)) == (400, "invalid_query")


def test_the_status_of_a_rejected_document_depends_on_accept(endpoint: GraphqlEndpoint, app: App) -> None:
    own = "application/graphql-response+json"
    for body, expected in (({"query": "{ nope }"}, 400), ({"query": COUNT}, 200), ({"query": "{ breaks }"}, 200)):
        response = post(endpoint, body, accept=f"{own}, application/json;q=0.9")
        assert (response.status, response.headers["content-type"]) == (expected, own)
        response = post(endpoint, body, accept="application/json")
        assert (response.status, response.headers["content-type"]) == (200, "application/json")


def test_operation_names(hosted: Hosted) -> None:
    document = f"query A {COUNT} query B {COUNT}"
    execute = hosted.endpoint.schema.execute
    assert execute(document, operation_name="B") == {"data": {"specimenCount": 0}}
    for name in (None, "C"):
        [error] = execute(document, operation_name=name)["errors"]
        assert error["extensions"]["code"] == "malformed_graphql"


def test_introspection_returns_the_schema(hosted: Hosted) -> None:
    names = {one["name"] for one in hosted.data(get_introspection_query())["__schema"]["types"]}
    assert {"Specimen", "SpecimenWhere", "AWSJSON"} <= names


# limits


SMALL = Limits(tokens=60, depth=3, fields=8, aliases=2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{ specimenSearch { items { id } } }", None),
        ("{ tree(depth: 3) { below { below { ownName } } } }", "levels"),
        ("query { ...a } fragment a on Query { tree(depth: 3) { ...b } } fragment b on Branch { below { below { notes } } }",
         "levels"),
        ("{ a: factCount b: factCount }", None),
        ("{ a: factCount b: factCount c: factCount }", "aliases"),
        ("{ ...a ...a ...a } fragment a on Query { a: factCount }", "aliases"),
        ("{ " + "factCount " * 9 + "}", "fields"),
        ("{ ...a ...a ...a } fragment a on Query { ...b ...b } fragment b on Query { factCount specimenCount }", "fields"),
        ("{ ...a } fragment a on Query { ...a ...a }", "fragment"),
        ("{ specimenSearch(where: {text: {oneof: [" + '"a" ' * 60 + "]}}) { cursor } }", "tokens"),
    ],
)  # fmt: skip
def test_a_document_that_exceeds_a_limit_is_rejected(app: App, text: str, message: str | None) -> None:
    answer = GraphqlEndpoint(gallery.app, limits=SMALL).schema.execute(text)
    if message is None:
        assert "errors" not in answer
    else:
        assert "data" not in answer
        assert {error["extensions"]["code"] for error in answer["errors"]} == {"malformed_graphql"}
        assert any(message in error["message"] for error in answer["errors"])


def test_nested_fragments_are_counted_in_linear_time(hosted: Hosted) -> None:
    fragments = [f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }}" for n in range(60)]
    text = "{ ...f0 } " + " ".join(fragments) + " fragment f60 on Query { factCount }"
    assert hosted.error(text)["code"] == "malformed_graphql"


def test_introspection_may_be_deeper_than_the_limit(app: App) -> None:
    deep = "{ __schema { types { fields { type { ofType { ofType { name } } } } } } }"
    assert "errors" not in GraphqlEndpoint(gallery.app, limits=SMALL).schema.execute(deep)


def test_a_document_is_validated_once(app: App) -> None:
    schema = GraphqlEndpoint(gallery.app).schema
    for text in (COUNT, COUNT, COUNT + " " * 20_000):
        assert "errors" not in schema.execute(text)
    assert len(schema._documents) == 2
    cached = schema._documents.get(COUNT)
    assert "errors" not in schema.execute(COUNT)
    assert schema._documents.get(COUNT) is cached


def test_documents_are_cached_by_cost_and_not_by_number(app: App) -> None:
    schema = GraphqlEndpoint(gallery.app).schema
    schema._documents = BoundedCache(1 << 20)
    for number in range(20):
        answer = schema.execute(f"{{ specimenSearch {{ items {{ a{number}: id {'text ' * 60} }} }} }}")
        assert "errors" not in answer
    assert 5 <= len(schema._documents) < 20
    assert schema._documents.cost <= 1 << 20
