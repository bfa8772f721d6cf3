"""The limit of introspection: it allows the standard queries and rejects larger ones."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import get_introspection_query, parse

from persisty import App, Attr, public, stored
from persisty.api.graphql.hosted.document_plans import GraphqlRequest
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.graphql.hosted.introspection_size import IntrospectionSize
from persisty.store.wait_limits import WouldWait, attempting

from . import gallery

FULL = get_introspection_query(
    specified_by_url=True, directive_is_repeatable=True, schema_description=True, input_value_deprecation=True, one_of=True
)  # fmt: skip
MANY = " ".join(f"a{n}: __schema {{ ...A }}" for n in range(50))
TYPES = "fragment T on __Type { name fields { name args { type { name fields { name } } } type { name fields { name args { name } type { name } } } } }"
NESTED = "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }"


@pytest.fixture
def schema() -> Any:
    return GraphqlEndpoint(gallery.app).schema


@pytest.mark.parametrize("text", [FULL, get_introspection_query(), get_introspection_query(type_depth=4)])
def test_the_standard_queries_are_answered(schema: Any, text: str) -> None:
    assert schema.execute(text)["data"]["__schema"]["types"]


@pytest.mark.parametrize("text", ["{ __schema { types { name fields { name type { name } } } } }", '{ __type(name: "Specimen") { name fields { name args { name } type { ofType { name fields { name } } } } } }'])  # fmt: skip
def test_small_queries_for_the_schema_are_answered(schema: Any, text: str) -> None:
    assert "errors" not in schema.execute(text)


@pytest.mark.parametrize(
    "text",
    [
        f"{{ {MANY} }} fragment A on __Schema {{ types {{ ...T }} }} {TYPES}",
        f"{{ a: __schema {{ types {{ ...T }} }} b: __schema {{ types {{ ...T }} }} }} {TYPES}",
        NESTED,
        FULL.replace("__schema {", "a: __schema {", 1).replace("types {", "types { fields { type { fields { name args { name } } } }", 1),
    ],
)  # fmt: skip
def test_a_query_larger_than_the_standard_ones_is_rejected(schema: Any, text: str) -> None:
    answer = schema.execute(text)
    assert "data" not in answer
    assert [one["extensions"]["code"] for one in answer["errors"]] == ["too_complex"]


def test_the_size_is_at_least_the_number_of_values_in_the_response(schema: Any) -> None:
    def values(part: Any) -> int:
        if isinstance(part, dict):
            return 1 + sum(map(values, part.values()))
        return sum(map(values, part)) if isinstance(part, list) else 1

    size = IntrospectionSize(schema.whole)
    for text in (FULL, "{ __schema { types { name fields { name args { name } } } } }"):
        assert values(schema.execute(text)["data"]) < 2 * size.of(parse(text))


def test_a_response_to_introspection_is_cached_for_every_caller(schema: Any) -> None:
    assert schema.answer(GraphqlRequest(FULL)) is schema.answer(GraphqlRequest(FULL))
    text = "query A($all: Boolean) { __schema { types { fields(includeDeprecated: $all) { name } } } }"
    assert schema.answer(GraphqlRequest(text, {"all": True})) is not schema.answer(GraphqlRequest(text, {"all": True}))


def test_a_large_response_is_not_made_in_the_event_loop(schema: Any) -> None:
    with pytest.raises(WouldWait):
        attempting(schema.answer, GraphqlRequest(FULL))
    made = schema.answer(GraphqlRequest(FULL))
    assert attempting(schema.answer, GraphqlRequest(FULL)) is made


def test_a_mutation_in_a_document_with_introspection_is_a_mutation() -> None:
    item = stored(access=public)(type("Note", (), {"__annotations__": {"id": Attr[str]}, "__module__": __name__}))
    schema = GraphqlEndpoint(App("notes", items=[item], url="memory://")).schema
    text = 'mutation M { noteCreate(item: {id: "1"}) { id } } query Q { __schema { types { name } } noteCount }'
    assert len(schema.prepare(GraphqlRequest(text, {}, "M")).mutations) == 1
    assert schema.execute(text, operation_name="Q")["data"]["noteCount"] == 0
    schema.execute(text, operation_name="M")
    assert schema.execute(text, operation_name="Q")["data"]["noteCount"] == 1
