"""A schema that grows with its documents gives the responses of the whole one, and grows a bounded number of times."""

from __future__ import annotations

from random import Random

import pytest
from msgspec.structs import replace

from persisty import App, Attr, public, stored
from persisty.api.graphql.hosted import executable_schema
from persisty.api.graphql.hosted.executable_schema import GROWTHS, ExecutableSchema
from persisty.api.graphql.hosted.schema import GraphqlSchema
from persisty.model.meta import meta_of
from persisty.security.caller import ANONYMOUS

from . import town
from .documents import Generator
from .test_differential import IDS, TEXTS, WIDE, timeless

INTROSPECTION = '{ __schema { types { name } } __type(name: "House") { fields { name } } }'
BAD = [
    "{ nothingOfThisName { id } }",
    "mutation { nothingOfThisName { id } }",
    "{ personSearch { items { nope } } }",
    "query ($where: LetterWhere) { personSearch(where: $where) { items { id } } }",
    "query ($where: Nope) { personSearch { items { id } } }",
    "{ personSearch { ... on Letter { id } } }",
    "{ ...Missing }",
    "query ($limit: Int = 3) { personSearch(limit: $limit) { items { id } } }",
]


@pytest.fixture
def growing(monkeypatch: pytest.MonkeyPatch) -> GraphqlSchema:
    """Return the schema of the town, treated as a large one."""
    monkeypatch.setattr(executable_schema.ExecutableSchema.__init__, "__kwdefaults__", {"small": 0})
    return GraphqlSchema(town.app, WIDE)


def reached(schema: GraphqlSchema) -> set[str]:
    query = schema._executable.current.query_type
    return set(query.fields) if query else set()


def test_the_schema_has_the_root_fields_that_documents_name(growing: GraphqlSchema) -> None:
    town.fill()
    before = reached(growing)
    assert "houseCount" not in before
    assert "errors" not in growing.execute("{ houseCount }")
    assert reached(growing) == before | {"houseCount"}


def test_the_batch_of_all_stores_is_not_built_before_a_document_names_it(growing: GraphqlSchema) -> None:
    town.fill()
    assert "AnyStoreEdit" not in growing._executable.current.type_map
    answer = growing.execute("mutation { editBatch(edits: []) { code } }")
    assert answer == {"data": {"editBatch": []}}
    assert "AnyStoreEdit" in growing._executable.current.type_map


@pytest.mark.parametrize("kind", ["query", "mutation"])
def test_generated_documents_have_the_responses_of_the_whole_schema(growing: GraphqlSchema, kind: str) -> None:
    whole = ExecutableSchema(growing._operations, growing._subscriptions, growing._planner).whole
    known = GraphqlSchema(town.app, WIDE)
    for seed in range(60):
        generated = Generator(whole, Random(f"growing {kind} {seed}"), TEXTS, IDS)
        text = generated.document(kind)
        found = []
        for schema in (growing, known):
            town.fill()
            found.append(timeless(schema.execute(text, generated.variables, caller=ANONYMOUS)))
        assert found[0] == found[1], text


@pytest.mark.parametrize("text", [*BAD, INTROSPECTION])
def test_other_documents_have_the_responses_of_the_whole_schema(growing: GraphqlSchema, text: str) -> None:
    town.fill()
    assert growing.execute(text) == GraphqlSchema(town.app, WIDE).execute(text)


def test_a_schema_of_many_items_grows_a_bounded_number_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    @stored(key="id", access=public)
    class Plain:
        id: Attr[str]

    schemas = [replace(meta_of(Plain).schema, name=f"plain_{number}") for number in range(60)]
    app = App("many", items=schemas, url="memory://")
    built = []
    build = ExecutableSchema._built
    monkeypatch.setattr(
        ExecutableSchema, "_built", lambda self, fields: built.append(len(fields)) or build(self, fields)
    )
    schema = GraphqlSchema(app)
    for number in range(60):
        assert schema.execute(f"{{ plain{number}Count }}") == {"data": {f"plain{number}Count": 0}}
    assert len(built) == GROWTHS + 2  # an empty one, those that grew, and the whole


def test_added_items_and_their_fields_are_in_the_schema_of_the_next_revision() -> None:
    @stored(key="id", access=public)
    class Plain:
        id: Attr[str]

    app = App("one", items=[Plain], url="memory://")
    before = GraphqlSchema(app)
    app.add(replace(meta_of(Plain).schema, name="other"))
    assert "errors" in before.execute("{ otherCount }")
    assert GraphqlSchema(app).execute("{ otherCount plainCount }") == {"data": {"otherCount": 0, "plainCount": 0}}
