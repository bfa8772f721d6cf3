"""Generated requests that fit the schema: no internal errors, and the same response hosted and through AppSync."""

from __future__ import annotations

import json
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    build_schema,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persisty import App, meta_of
from persisty.api.actions import operations
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.graphql.sdl import sdl
from persisty.api.http.messages import Request

from ..questions import as_filter, as_json, questions
from . import gallery
from .asking import JSON, Hosted, StandIn, document_of
from .test_appsync import ID, errors_of, fill

SCHEMA: GraphQLSchema = build_schema(sdl(operations(gallery.app).values()))
KEYS = [ID.format(number) for number in range(4)]
FLOATS = st.floats(allow_nan=False, allow_infinity=False).map(lambda one: one + 0.0)
"""Without -0.0: JSON over HTTP loses the sign of a zero, as what JavaScript writes does."""
NUMBERS = [0, 1, -1, 2**31 - 1, -(2**31), 7]
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "ID": st.sampled_from([*KEYS, "ann~7", "ann%7E~7", "~", "%", ""]) | st.text(max_size=6),
    "String": st.sampled_from(["a", "b", "", "dark-red", "1.50", "1e400", "NaN", "AA==", "A", str(2**61), str(2**80), "-0"])
    | st.text(max_size=25),
    "Int": st.sampled_from(NUMBERS) | st.integers(-(2**31), 2**31 - 1),
    "Float": st.sampled_from([*NUMBERS, 0.5, 1e-200, 1e300, 2**53, 2**63]) | FLOATS,
    "Boolean": st.booleans(),
    "AWSDate": st.dates().map(str),
    "AWSDateTime": st.sampled_from(["2030-01-02T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
    | st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    "AWSJSON": st.recursive(
        st.none() | st.booleans() | st.integers() | FLOATS | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=5,
    ).map(json.dumps),
}  # fmt: skip


def values_of(type_: Any, depth: int = 4) -> st.SearchStrategy[Any]:
    """Generate values of an input type, with most members absent."""
    if isinstance(type_, GraphQLNonNull):
        return _present(type_.of_type, depth)
    return st.none() | _present(type_, depth)


def _present(type_: Any, depth: int) -> st.SearchStrategy[Any]:
    if isinstance(type_, GraphQLList):
        return st.lists(values_of(type_.of_type, depth), max_size=3)
    if isinstance(type_, GraphQLEnumType):
        return st.sampled_from(sorted(type_.values))
    if not isinstance(type_, GraphQLInputObjectType):
        return SCALARS[type_.name]
    needed = {name: field for name, field in type_.fields.items() if isinstance(field.type, GraphQLNonNull)}
    optional = sorted(set(type_.fields) - set(needed))

    @st.composite
    def record(draw: st.DrawFn) -> dict[str, Any]:
        chosen = draw(st.lists(st.sampled_from(optional), max_size=3, unique=True)) if optional and depth else []
        return {name: draw(values_of(type_.fields[name].type, depth - 1)) for name in [*needed, *chosen]}

    return record()


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Generate a document that selects everything of one root field, and its variables."""
    roots = [root for root in (SCHEMA.query_type, SCHEMA.mutation_type) if root]
    fields = {
        name: field for root in roots for name, field in root.fields.items() if name not in {"breaks", "tree", "echo"}
    }
    name = draw(st.sampled_from(sorted(fields)))
    arguments = {
        argument: draw(values_of(one.type))
        for argument, one in fields[name].args.items()
        if isinstance(one.type, GraphQLNonNull) or draw(st.booleans())
    }
    return document_of(SCHEMA, name, arguments), arguments


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(request=requests())
def test_a_valid_request_has_a_response_without_internal_errors(
    hosted: Hosted, stand_in: StandIn, app: App, request: tuple[str, dict[str, Any]]
) -> None:
    text, variables = request
    answers = []
    for ask in (hosted, stand_in):
        fill(app)
        answers.append(ask(text, **variables))
    assert errors_of(answers[0]) == errors_of(answers[1])
    assert not [error for error in errors_of(answers[0]) if error[1] == "internal_error"], answers[0]
    assert timeless(answers[0].get("data")) == timeless(answers[1].get("data"))


def timeless(data: Any) -> Any:
    """Return the content without times and generated values, which differ in each run."""
    if isinstance(data, dict):
        changing = {"created_at", "updated_at", "id", "cursor"}
        return {name: timeless(value) for name, value in data.items() if name not in changing}
    return [timeless(one) for one in data] if isinstance(data, list) else data


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(alphabet='{}()[]:$!@.#"\\, \n_aqueryfragmentmonstru0-9\u00e9\ud800', max_size=60)
    | st.binary(max_size=40).map(lambda raw: raw.decode("latin-1")),
    variables=st.none() | st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3), max_size=2),
)
def test_any_text_is_executed_as_a_document_or_rejected(
    endpoint: GraphqlEndpoint, app: App, text: str, variables: Any
) -> None:
    body = json.dumps({"query": text, "variables": variables}).encode()
    response = endpoint.handle(Request("POST", "/graphql", headers=JSON, body=body))
    answer = json.loads(response.body)
    assert response.status in (200, 400)
    assert "internal_error" not in response.body.decode()
    if response.status == 200:
        assert {error["extensions"]["code"] for error in answer.get("errors", ())} <= {"malformed_graphql"}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=60),
    content=st.sampled_from(["application/json", "text/plain", ""]),
    query=st.text(max_size=30),
)
def test_any_request_has_a_response(endpoint: GraphqlEndpoint, app: App, body: bytes, content: str, query: str) -> None:
    for method in ("GET", "POST", "PUT", "HEAD", ""):
        response = endpoint.handle(Request(method, "/graphql", query, {"content-type": content}, body))
        assert 400 <= response.status < 500 or (response.status == 200 and json.loads(response.body))


DOMAINS: dict[str, list[Any]] = {
    "text": ["a", "B", "Apple", ""],
    "count": [0, 1, -1, 7],
    "ratio": [0.5, -1, 0],
    "done": [True, False],
    "day": ["2030-01-01", "2031-01-01"],
    "status": ["open", "done"],
    "shade": ["dark-red", "blue"],
    "level": [-1, 10],
    "price": ["1.50", "2"],
    "size": ["s", "m", "xl"],
    "grade": [1, 3, 9],
    "tags": [],
    "place": [],
    "place.city": ["Rome", "ro", ""],
    "place.postCode": ["1"],
    "place.shade": ["dark-red"],
    "place.geo.lat": [41.5, 0],
}
ITEMS: list[dict[str, Any]] = [
    {
        "text": "a",
        "count": 1,
        "ratio": 0.5,
        "status": "done",
        "size": "s",
        "place": {"city": "Rome", "geo": {"lat": 41.5}},
    },
    {"text": "B", "day": "2030-01-01", "shade": "dark-red", "grade": 3, "place": {"city": "romford", "postCode": "1"}},
    {"text": "Apple", "count": 7, "level": 10, "price": "1.5", "done": True, "label": "b"},
    {
        "text": "apple",
        "count": -1,
        "grade": 1,
        "size": "m",
        "place": {"city": "", "shade": "dark-red", "geo": {"lat": -1}},
    },
]
WORDS = ["a", "APPLE", "b", "ro", "m"]
FOUND = """query ($where: SpecimenWhere, $query: String) {
    specimenCount(where: $where, query: $query)
    specimenSearch(where: $where, query: $query, order: [text_desc], limit: 100) { items { text } } }"""


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(question=questions(meta_of(gallery.Specimen), DOMAINS, WORDS), words=st.none() | st.sampled_from(WORDS))
def test_a_filter_matches_the_same_items_as_in_python(
    hosted: Hosted, stand_in: StandIn, app: App, question: Any, words: str | None
) -> None:
    store = app.store(gallery.Specimen)
    store.delete_all()
    for item in ITEMS:
        store.create(item)
    expected = [one.text for one in store.search_all(as_filter(question), query=words, order="-text")]
    for ask in (hosted, stand_in):
        assert ask(FOUND, where=as_json(question), query=words) == {
            "data": {"specimenCount": len(expected), "specimenSearch": {"items": [{"text": one} for one in expected]}}
        }
