"""The OpenAPI document is valid and describes what the server does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from persisty import App
from persisty.api.openapi.document import document
from persisty.errors import all_errors

from .conftest import Caller
from .library import ANN, BEN, Served, library
from .test_rest import BAD


@pytest.fixture
def openapi(app: App, call: Caller) -> dict[str, Any]:
    status, found = call("GET", "/openapi.json")
    assert (status, found) == (200, json.loads(json.dumps(document(app))))
    described: dict[str, Any] = found
    return described


def validator(openapi: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": openapi["components"]})


def test_the_document_is_valid(openapi: dict[str, Any]) -> None:
    validate(openapi)


def test_every_route_is_described_and_nothing_else(openapi: dict[str, Any]) -> None:
    assert set(openapi["paths"]) == {
        "/health",
        "/api/",
        "/api/-batch",
        *(
            f"/api/{store}{rest}"
            for store in ("thing", "place", "tally")
            for rest in ("", "/{key}", "-count", "-batch")
        ),
        *("/api/rule", "/api/rule/{key}", "/api/rule-count", "/api/rule-batch"),
        *("/actions/add", "/actions/repeat", "/actions/forbidden", "/actions/broken"),
    }
    assert set(openapi["paths"]["/api/rule"]) == {"get"}


def test_every_error_code_is_in_the_problem_schema(openapi: dict[str, Any]) -> None:
    codes = openapi["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]
    assert set(codes) == {error.code for error in all_errors()}


def test_responses_fit_their_schemas(openapi: dict[str, Any], call: Caller) -> None:
    _, item = call(
        "POST", "/api/thing", {"name": "x", "price": "2.50", "ratio": 1.5, "born": "2020-01-01", "colour": "red"}
    )
    for method, path, body in (
        ("POST", "/api/thing", {"name": "y"}),
        ("GET", f"/api/thing/{item['id']}", None),
        ("PATCH", f"/api/thing/{item['id']}", {"raw": "AA=="}),
        ("GET", "/api/thing", None),
        ("GET", "/api/thing-count", None),
        ("GET", "/api/thing-batch", None),
        ("POST", "/api/thing-batch", {"edits": [{"create": {"name": "z"}}, {"delete": {"key": "nothing"}}]}),
    ):
        status, answer = call(method, path, body)
        described = openapi["paths"][path.replace(item["id"], "{key}")][method.lower()]
        schema = described["responses"][str(status)]["content"]["application/json"]["schema"]
        validator(openapi, schema).validate(answer)


@pytest.fixture
def described() -> Iterator[tuple[dict[str, Any], Served]]:
    """Return an app with links, and its document."""
    with library() as served:
        yield json.loads(json.dumps(document(served.app))), served


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/writer/ann", ""),
        ("/api/writer/ann", "fields=born"),
        ("/api/writer/ann", "fields=mail,post_count&include=posts"),
        ("/api/writer", "fields=posts.title,latest"),
        ("/api/writer", "include=latest,posts"),
        ("/api/post", "fields=writer.born,raw"),
        ("/api/post-batch", "key=nothing&fields=writer"),
    ],
)
def test_responses_with_fields_and_include_fit_their_schemas(
    described: tuple[dict[str, Any], Served], path: str, query: str
) -> None:
    openapi, served = described
    template = path.replace("/ann", "/{key}")
    done = openapi["paths"][template]["get"]["responses"]["200"]["content"]
    check = validator(openapi, done["application/json"]["schema"])
    for caller in (ANN, BEN):
        status, answer = served.get(path, query, caller)
        assert status == 200
        check.validate(answer)
    assert not check.is_valid({"nothing": 1})
    if path.endswith("writer"):
        exported = served.ask(path, query, accept="application/x-ndjson")
        assert exported.headers["content-type"] in done
        assert not check.is_valid({"items": [{"digest": "x"}], "cursor": None})


def test_fields_lists_the_names_that_callers_may_read_and_each_is_accepted(
    described: tuple[dict[str, Any], Served],
) -> None:
    openapi, served = described
    offered = {}
    for path in openapi["paths"]:
        for method, operation in openapi["paths"][path].items():
            found = [one for one in operation.get("parameters", ()) if one["name"] == "fields"]
            if found:
                offered[method, path] = found[0]["schema"]["items"]["enum"]
    assert set(offered) == {
        ("get", f"/api/{store}{rest}") for store in ("writer", "post", "note") for rest in ("", "/{key}", "-batch")
    }
    assert offered["get", "/api/post"] == [
        "id", "title", "price", "raw", "tags", "writer_name", "version", "writer",
    ]  # fmt: skip
    assert "digest" not in offered["get", "/api/writer"]
    assert "secrets" not in offered["get", "/api/writer"]
    for path, key in (("/api/writer", "ann"), ("/api/post", "nothing")):
        names = offered["get", path]
        query = f"fields={','.join(names)}"
        assert served.get(path, query)[0] == 200
        assert served.get(f"{path}-batch", f"{query}&key={key}")[0] == 200


def test_every_operation_lists_the_errors_that_any_request_can_get(openapi: dict[str, Any]) -> None:
    for path, operations in openapi["paths"].items():
        for method, operation in operations.items():
            responses = operation["responses"]
            assert ("406" in responses) == (method != "delete" or "actions" in path), (method, path)
            assert "rate_limited" in responses["429"]["description"]
            for status in ("429", "503"):
                assert responses[status]["headers"].keys() == {"Retry-After"}
    assert "answer_too_large" in openapi["paths"]["/api/thing"]["get"]["responses"]["422"]["description"]
    assert "answer_too_large" not in openapi["paths"]["/api/thing/{key}"]["patch"]["responses"]["422"]["description"]


def test_a_page_has_the_header_that_is_described(openapi: dict[str, Any], call: Caller) -> None:
    for name in "xyz":
        call("POST", "/api/thing", {"name": name})
    call("GET", "/api/thing", None, "limit=2")
    assert call.last is not None
    assert "link" in call.last.headers
    assert "Link" in openapi["paths"]["/api/thing"]["get"]["responses"]["200"]["headers"]
    linked = [
        path for path, one in openapi["paths"].items()
        if "Link" in one.get("get", {}).get("responses", {}).get("200", {}).get("headers", {})
    ]  # fmt: skip
    assert set(linked) == {"/api/thing", "/api/place", "/api/rule", "/api/tally"}


@pytest.mark.parametrize(
    "case", [case for case in BAD if case[4] not in (404, 405)], ids=lambda case: f"{case[5]} {case[1]}"
)
def test_errors_are_described_with_their_status_and_fit_the_problem_schema(
    openapi: dict[str, Any], call: Caller, case: tuple[Any, ...]
) -> None:
    method, path, body, query, status, code, _ = case
    _, problem = call(method, path, body, query)
    template = path if path in openapi["paths"] else "/api/thing/{key}"
    described = openapi["paths"][template][method.lower()]["responses"][str(status)]
    assert code in described["description"]
    validator(openapi, described["content"]["application/problem+json"]["schema"]).validate(problem)


def test_the_create_schema_accepts_exactly_the_items_that_a_create_accepts(
    openapi: dict[str, Any], call: Caller
) -> None:
    schema = openapi["paths"]["/api/thing"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    check = validator(openapi, schema)
    for body in ({"name": "x"}, {"name": "x", "tags": []}, {"name": ""}, {}, {"name": "x", "version": 1}, {"name": 1}):
        status, _ = call("POST", "/api/thing", body)
        assert (status == 201) == check.is_valid(body), body


def test_a_parameter_is_described_for_each_attribute_nested_ones_too(openapi: dict[str, Any]) -> None:
    for path, method in (("/api/thing", "get"), ("/api/thing-count", "get"), ("/api/thing/{key}", "delete")):
        names = [one["name"] for one in openapi["paths"][path][method]["parameters"]]
        assert len(names) == len(set(names))
        assert {"query", "spot__null", "spot.town", "spot.postCode__oneof", "spot.geo.lat__lt", "size__gt"} <= set(
            names
        )
        assert not {"spot", "spot.post_code", "spot.geo", "spot.geo.lat__contains", "tags"} & set(names)
    assert "query" not in [one["name"] for one in openapi["paths"]["/api/tally"]["get"]["parameters"]]


FILTERS: list[Any] = [
    {},
    {"spot": {"town": {"eq": "Rome"}, "null": False}},
    {"spot": {"geo": {"lat": {"gt": 1.5}}}, "query": "a b"},
    {"or": [{"weight": {"oneof": [1, 2000]}}, {"not": {"size": {"eq": "xl"}}}], "ratio": {"eq": None}},
    {"grade": {"oneof": [1, None]}, "and": []},
    {"not": None},
    {"query": None},
    {"spot": {"town": "Rome"}},
    {"spot": {"post_code": {"eq": "1"}}},
    {"spot.town": {"eq": "Rome"}},
    {"spot": {"geo": {"lat": {"contains": "1"}}}},
    {"weight": {"lt": None}},
    *({"price": {"oneof": [sign * value]}} for sign in (1, -1) for value in (9.9951e125, 1e126, 1e-130, 9.9e-131)),
    {"tags": {"eq": []}},
    {"nope": {"eq": 1}},
]


@pytest.mark.parametrize("where", FILTERS, ids=str)
def test_the_schema_of_a_condition_accepts_valid_conditions_and_nothing_else(
    openapi: dict[str, Any], call: Caller, where: Any
) -> None:
    schema = openapi["components"]["schemas"]["ThingWhere"]
    status, _ = call("POST", "/api/thing-batch", {"edits": [{"delete": {"key": "x", "when": where}}]})
    assert (status == 200) == validator(openapi, schema).is_valid(where)


@pytest.mark.parametrize(
    "changes",
    [
        {"weight": {"add": 1}, "tags": {"append": ["a"]}},
        {"weight": 1, "tags": []},
        {"weight": {"add": "1"}},
        {"weight": {"add": 1, "more": 1}},
        {"tags": {"append": [1]}},
        {"ratio": {"add": 1}},
        {"grade": {"add": 1}},
    ],
    ids=str,
)
def test_the_update_schema_accepts_valid_changes_and_nothing_else(
    openapi: dict[str, Any], call: Caller, changes: Any
) -> None:
    key = call("POST", "/api/thing", {"name": "x"})[1]["id"]
    status, _ = call("PATCH", f"/api/thing/{key}", changes)
    assert (status == 200) == validator(openapi, openapi["components"]["schemas"]["ThingUpdate"]).is_valid(changes)
