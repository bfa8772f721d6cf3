"""No request causes a 500, and every rejection is a problem document."""

from __future__ import annotations

import gzip
import json
from typing import Any
from urllib.parse import urlencode

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from persisty import App, InvalidQuery, Store, meta_of
from persisty.api.http.messages import Request
from persisty.api.rest.endpoint import Rest
from persisty.model.expressions import And

from ..questions import Asked, Words, as_filter, as_json, as_parameters, comparisons, in_a_url, questions
from .conftest import Thing

PATHS = [
    "/api/thing",
    "/api/thing/x",
    "/api/thing-count",
    "/api/thing-batch",
    "/api/place",
    "/api/place/a~b",
    "/actions/add",
]
NAMES = [
    "id", "name", "weight", "ratio", "price", "colour", "born", "raw", "active", "tags", "version", "created_at", "size", "grade",
    "spot", "label",
]  # fmt: skip
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just("2020-01-01T00:00:00Z")
)
JSON = st.recursive(
    VALUES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *NAMES,
                    "eq",
                    "and",
                    "or",
                    "not",
                    "create",
                    "update",
                    "delete",
                    "key",
                    "edits",
                    "query",
                    "town",
                    "geo",
                    "add",
                    "append",
                    "null",
                    "changes",
                    "when",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)
QUERIES = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *NAMES,
                "limit",
                "order",
                "cursor",
                "name__oneof",
                "weight__gt",
                "x",
                "query",
                "spot.town",
                "spot.geo.lat__lt",
                "fields",
                "include",
            ]
        ),
        st.text(max_size=6) | st.lists(st.sampled_from(NAMES), max_size=3).map(",".join),
    ),
    max_size=3,
)
FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


LISTS = st.lists(
    st.sampled_from(["*/*", "application/json;q=0.1", "application/x-ndjson", "gzip", "gzip;q=0", "*", "x"])
)
HEADERS = st.fixed_dictionaries(
    {"content-type": st.just("application/json")},
    optional={name: LISTS.map(", ".join) for name in ("accept", "accept-encoding")}
    | {"if-none-match": st.sampled_from(["*", '"a+gzip"', "+gzip"])},
)


def check(rest: Rest, request: Request) -> None:
    response = rest.handle(request)
    assert response.status < 500, (request, response)
    for line in b"".join(response.chunks or ()).splitlines() if "content-encoding" not in response.headers else ():
        assert "status" not in json.loads(line)
    if "content-encoding" in response.headers:
        assert "gzip" in request.headers["accept-encoding"] or "*" in request.headers["accept-encoding"]
        response = replace(response, body=gzip.decompress(response.body or b"".join(response.chunks or ())))
    if response.status >= 400 and request.method != "HEAD":
        assert json.loads(response.body)["status"] == response.status
        assert response.headers["content-type"] == "application/problem+json"


@FUZZ
@given(
    method=st.sampled_from(["GET", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS"]),
    path=st.sampled_from(PATHS),
    body=JSON,
    query=QUERIES,
    headers=HEADERS,
)
def test_json_of_any_shape(
    rest: Rest, method: str, path: str, body: Any, query: list[tuple[str, str]], headers: dict[str, str]
) -> None:
    try:
        text = urlencode(query)
    except UnicodeEncodeError:
        text = ""
    check(rest, Request(method, path, text, headers, json.dumps(body).encode()))


@FUZZ
@given(path=st.text(), query=st.text(alphabet=st.characters(max_codepoint=127)), body=st.binary())
def test_bytes_of_any_kind(rest: Rest, path: str, query: str, body: bytes) -> None:
    for place in (path, f"/api/thing/{path}"):
        for method in ("GET", "POST", "PATCH"):
            check(rest, Request(method, place, query, {"content-type": "application/json"}, body))


STOCK: list[dict[str, Any]] = [
    {"name": "apple", "weight": 5, "colour": "red", "size": "s", "spot": {"town": "Rome", "geo": {"lat": 41.9}}},
    {"name": "Banana", "weight": 7, "ratio": -0.5, "grade": 2, "spot": {"town": "romford", "postCode": "RM1"}},
    {"name": "cherry pie", "price": "1.50", "born": "2020-02-29", "label": "APPLE", "active": False},
    {"name": "ß", "colour": "green", "size": "m", "grade": 1, "spot": {"town": ""}, "tags": ["apple"]},
    {"name": "x", "weight": 1000, "ratio": 1e100, "price": "-3", "spot": {"town": "Rome", "geo": {"lat": -0.0}}},
]
DOMAINS: dict[str, list[Any]] = {
    "name": ["apple", "Banana", "a", "SS", ""],
    "weight": [0, 5, 7, -1, 1001],
    "ratio": [-0.5, 0, 1e100, 2],
    "price": ["1.5", "0", "-3.000", "1E+3"],
    "colour": ["red", "green"],
    "born": ["2020-02-29", "1999-01-01"],
    "active": [True, False],
    "size": ["s", "m", "xl"],
    "grade": [1, 2, 0],
    "tags": [],
    "spot": [],
    "spot.town": ["Rome", "rom", ""],
    "spot.postCode": ["RM1", "1"],
    "spot.geo": [],
    "spot.geo.lat": [41.9, 0.0, 50],
    "label": ["APPLE", "app"],
}
WORDS = ["apple", "APP", "ss", "pie", "rome", "e", "x"]
META = meta_of(Thing)
QUESTIONS = questions(META, DOMAINS, WORDS)
CONJUNCTIONS = st.lists(
    comparisons(META, DOMAINS) | st.sampled_from(WORDS).map(Words), max_size=3
)  # fmt: skip


def stocked(rest: Rest, app: App) -> Store[Thing]:
    store = app.store(Thing)
    store.delete_all()
    for number, row in enumerate(STOCK):
        assert rest.handle(posted("/api/thing", {"id": KEYS[number], **row})).status == 201
    return store


def posted(path: str, body: Any) -> Request:
    return Request("POST", path, "", {"content-type": "application/json"}, json.dumps(body).encode())


KEYS = [f"00000000-0000-4000-8000-{number:012}" for number in range(len(STOCK))]


@FUZZ
@given(question=QUESTIONS)
def test_a_filter_in_json_matches_the_same_items_as_in_python(rest: Rest, app: App, question: Any) -> None:
    store = stocked(rest, app)
    try:
        expected = {str(one.id) for one in store.search_all(as_filter(question))}
    except InvalidQuery:
        expected = None
    edits = [{"update": {"key": key, "changes": {}, "when": as_json(question)}} for key in KEYS]
    response = rest.handle(posted("/api/thing-batch", {"edits": edits}))
    answer = json.loads(response.body)
    if expected is None:
        assert answer["code"] == "invalid_input"
        assert {fault["path"].split("/when")[0] for fault in answer["faults"]} == {
            f"/edits/{number}/update" for number in range(len(KEYS))
        }
    else:
        codes = [result["code"] for result in answer["results"]]
        assert [key in expected for key in KEYS] == [code == "ok" for code in codes]
        assert set(codes) <= {"ok", "precondition_failed"}


@FUZZ
@given(conjunction=CONJUNCTIONS)
def test_a_filter_in_a_url_matches_the_same_items_as_in_python(rest: Rest, app: App, conjunction: list[Any]) -> None:
    store = stocked(rest, app)
    spelled = [one for one in conjunction if in_a_url(one)]
    sets = [one.name for one in spelled if isinstance(one, Asked) and one.operator == "oneof"]
    assume(len(set(sets)) == len(sets))  # a set that is spelled twice is one
    try:
        expected = [str(one.id) for one in store.search_all(And(tuple(map(as_filter, spelled))), order="-name")]
    except InvalidQuery:
        expected = None
    query = urlencode(as_parameters(spelled))
    found = rest.handle(Request("GET", "/api/thing", f"{query}&order=-name&limit=100"))
    count = rest.handle(Request("GET", "/api/thing-count", query))
    if expected is None:
        assert (found.status, count.status) == (400, 400)
    else:
        assert [one["id"] for one in json.loads(found.body)["items"]] == expected
        assert json.loads(count.body) == {"count": len(expected)}
