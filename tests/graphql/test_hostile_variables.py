"""Variables that are made to cost time: their check is linear and stops at the limit of errors."""

from __future__ import annotations

import json
from time import process_time
from typing import Any

import pytest

from persisty import App
from persisty.api.graphql.hosted.documents import MAX_ERRORS
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.messages import Request

from . import town
from .asking import JSON

SEARCH = "query ($where: PersonWhere) { personSearch(where: $where) { cursor } }"
KEYS = "query ($keys: [ID!]!) { personReadBatch(keys: $keys) { name } }"


@pytest.fixture
def endpoint() -> GraphqlEndpoint:
    return GraphqlEndpoint(App("town", items=[meta.item for meta in town.app.metas.values()], url="memory://"))


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        (SEARCH, {"where": {f"unknown_{i}": 1 for i in range(40_000)}}),
        (SEARCH, {"where": {"or": [{f"unknown_{i}": 1} for i in range(20_000)]}}),
        (KEYS, {"keys": [{}] * 40_000}),
    ],
)
def test_checks_of_variables_stop_at_the_limit_of_errors(
    endpoint: GraphqlEndpoint, text: str, variables: dict[str, Any]
) -> None:
    body = json.dumps({"query": text, "variables": variables}).encode()
    begun = process_time()
    response = endpoint.handle(Request("POST", "/graphql", headers=JSON, body=body))
    spent = process_time() - begun
    answer = json.loads(response.body)
    assert len(answer["errors"]) == MAX_ERRORS
    assert "Did you mean" not in str(answer)
    assert len(response.body) < 50_000
    assert spent < 2


@pytest.mark.parametrize(
    ("text", "variables"), [(SEARCH, {"where": {"or": [{}] * 250_000}}), (KEYS, {"keys": [{}] * 200_000})]
)
def test_variables_with_too_many_values_are_rejected_before_they_are_coerced(
    endpoint: GraphqlEndpoint, text: str, variables: dict[str, Any]
) -> None:
    body = json.dumps({"query": text, "variables": variables}).encode()
    begun = process_time()
    response = endpoint.handle(Request("POST", "/graphql", headers=JSON, body=body))
    spent = process_time() - begun
    [error] = json.loads(response.body)["errors"]
    assert error["extensions"]["code"] == "malformed_graphql"
    assert "50000 values" in error["message"]
    assert spent < 0.5
