"""Whatever is sent, the answer is never a 500, and every refusal is a problem document."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persisty.api.http import Request
from persisty.api.rest import Rest

PATHS = [
    "/api/thing",
    "/api/thing/x",
    "/api/thing-count",
    "/api/thing-batch",
    "/api/place",
    "/api/place/a~b",
    "/actions/add",
]
NAMES = ["id", "name", "weight", "ratio", "price", "colour", "born", "raw", "active", "tags", "version", "created_at"]
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just("2020-01-01T00:00:00Z")
)
JSON = st.recursive(
    VALUES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*NAMES, "eq", "and", "or", "not", "create", "update", "delete", "key", "edits"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)
QUERIES = st.lists(
    st.tuples(
        st.sampled_from([*NAMES, "limit", "order", "cursor", "name__oneof", "weight__gt", "x"]), st.text(max_size=6)
    ),
    max_size=3,
)
FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def check(rest: Rest, request: Request) -> None:
    response = rest.handle(request)
    assert response.status < 500, (request, response)
    if response.status >= 400 and request.method != "HEAD":
        assert json.loads(response.body)["status"] == response.status
        assert response.headers["content-type"] == "application/problem+json"


@FUZZ
@given(
    method=st.sampled_from(["GET", "POST", "PATCH", "DELETE", "HEAD"]),
    path=st.sampled_from(PATHS),
    body=JSON,
    query=QUERIES,
)
def test_json_of_any_shape(rest: Rest, method: str, path: str, body: Any, query: list[tuple[str, str]]) -> None:
    from urllib.parse import urlencode

    try:
        text = urlencode(query)
    except UnicodeEncodeError:
        text = ""
    check(rest, Request(method, path, text, {"content-type": "application/json"}, json.dumps(body).encode()))


@FUZZ
@given(path=st.text(), query=st.text(alphabet=st.characters(max_codepoint=127)), body=st.binary())
def test_bytes_of_any_kind(rest: Rest, path: str, query: str, body: bytes) -> None:
    for place in (path, f"/api/thing/{path}"):
        for method in ("GET", "POST", "PATCH"):
            check(rest, Request(method, place, query, {"content-type": "application/json"}, body))
