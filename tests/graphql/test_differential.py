"""Compiled plans against graphql-core's own executor: generated documents have the same data, and the same errors by path and code.
Through AppSync they have the responses of the hosted endpoint."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from persisty.api.graphql.appsync.function import AppSync
from persisty.api.graphql.hosted.document_limits import Limits
from persisty.api.graphql.hosted.schema import GraphqlSchema
from persisty.security.caller import ANONYMOUS, Caller

from . import town
from .asking import StandIn
from .documents import Generator
from .reference import Reference

QUERIES, MUTATIONS, APPSYNC, CHUNKS = 2_400, 300, 400, 8
CALLERS = [ANONYMOUS, Caller(town.ID.format(100), frozenset({"friend"})), Caller(town.ID.format(101))]
TEXTS = ["p0", "p1", "p5", "l", "l3", "Street 0", "Street 1", "pet0", "c1", "n0", "1", ""]
IDS = [*(town.ID.format(number) for number in (0, 1, 2, 100, 101, 104, 200, 203, 300, 400, 500, 999)), "x"]
NEW = re.compile(r'"(?!00000000-)[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"')
REFUSED = re.compile("alias in a named fragment, and AppSync does not pass")
"""Message of an error for links that one result of a resolver cannot contain."""
WIDE = Limits(tokens=50_000, fields=10_000, aliases=10_000, depth=50)


@pytest.fixture(scope="module")
def reference() -> Iterator[Reference]:
    town.fill()
    yield Reference(town.app)
    town.app.close()


@pytest.fixture(scope="module")
def schema() -> GraphqlSchema:
    return GraphqlSchema(town.app, WIDE)


def differ(
    reference: Reference, schema: GraphqlSchema, generated: Generator, text: str, caller: Caller, kind: str
) -> Any:
    """Return the error codes of a document, after checking that both responses are equal. None if the document does not fit the schema."""
    if kind == "mutation":
        town.fill()
    found = schema.execute(text, generated.variables, caller=caller)
    if "data" not in found:  # it does not fit the schema: nothing was executed
        return None
    if kind == "mutation":
        town.fill()
    expected = reference(text, generated.variables, caller)
    errors = [(error["path"], error["extensions"]["code"]) for error in found.get("errors", ())]
    assert timeless(found["data"]) == timeless(expected["data"]), (text, generated.variables)
    assert sorted(errors, key=json.dumps) == sorted(expected["errors"], key=json.dumps), (text, generated.variables)
    assert all(error["message"] and error["locations"] for error in found.get("errors", ()))
    return [code for _, code in errors]


def timeless(data: Any) -> Any:
    """Return the content without generated ids."""
    return json.loads(NEW.sub('"new"', json.dumps(data)))


@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize(("kind", "count"), [("query", QUERIES), ("mutation", MUTATIONS)])
def test_generated_documents_have_the_response_of_the_reference(
    reference: Reference, schema: GraphqlSchema, kind: str, count: int, chunk: int
) -> None:
    tried, codes = 0, set()
    town.fill()
    for seed in range(chunk, count, CHUNKS):
        random = Random(f"{kind} {seed}")
        generated = Generator(schema.whole, random, TEXTS, IDS)
        text = generated.document(kind)
        seen = differ(reference, schema, generated, text, CALLERS[seed % 3], kind)
        if seen is not None:
            tried += 1
            codes.update(seen)
    assert tried > count / CHUNKS * 0.6
    assert len(codes) >= 3, codes


@pytest.mark.parametrize("chunk", range(2))
def test_generated_documents_have_the_same_response_through_appsync(schema: GraphqlSchema, chunk: int) -> None:
    town.fill()
    stand_in, same, refused, batches = StandIn(AppSync(town.app), town.app, most=3), 0, 0, 0
    for seed in range(chunk, APPSYNC, 2):
        generated = Generator(schema.whole, Random(f"appsync {seed}"), TEXTS, IDS)
        text = generated.document()
        stand_in.caller = CALLERS[seed % 3]
        found = schema.execute(text, generated.variables, caller=stand_in.caller)
        if "data" not in found:
            continue
        answer = stand_in(text, **generated.variables)
        if any(REFUSED.search(error["message"]) for error in answer.get("errors", ())):
            refused += 1  # an object of an action's own by an alias in a named fragment
            continue
        same += 1
        batches += len(stand_in.batches)
        assert answer["data"] == found["data"], (text, generated.variables)
        assert codes(answer) >= codes(found), (text, generated.variables)
    assert same > APPSYNC / 2 * 0.4
    assert refused < same / 50
    assert batches > 0  # documents with named fragments, omitted variables and repeated links need batches


def codes(answer: dict[str, Any]) -> set[str]:
    """Return the comparable errors. AppSync has no code for a value that it cannot represent, and it reports errors of links in places that it sets to null."""
    return {error["extensions"].get("code", "unsupported") for error in answer.get("errors", ())}
