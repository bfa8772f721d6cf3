"""Documents whose validation would take time that grows with the square of their length."""

from __future__ import annotations

from time import process_time
from typing import Any

import pytest

from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint

from . import gallery

ITEMS = "{{ specimenSearch {{ items {{ {} }} }} }}"
UNKNOWN = " ".join(f"q{n}: 1" for n in range(1_200))
MOST = 0.4
"""Seconds of CPU that an answer may take here. Each takes less than 0.05 on an idle machine, and took from 0.4 to 3 before it was limited."""


@pytest.fixture(scope="module")
def schema() -> Any:
    found = GraphqlEndpoint(gallery.app).schema
    found.execute("{ specimenCount }")
    return found


def answered(schema: Any, text: str) -> Any:
    begun = process_time()
    answer = schema.execute(text)
    assert process_time() - begun < MOST
    return answer


@pytest.mark.parametrize(
    "text",
    [
        ITEMS.format("id " * 450),
        "{ " + "specimenSearch { items { id } } " * 300 + "}",
        "{ " + ("specimenCount(where: {or: [" + "{id: {null: true}} " * 12 + "]}) ") * 40 + "}",
        "{ specimenCount } fragment A on Query { " + "specimenSearch { cursor } " * 490 + "}",
        ITEMS.format(" ".join(f"...F{n}" for n in range(190)))
        + " ".join(f"fragment F{n} on Specimen {{ id }}" for n in range(190)),
        "{ ...F0 } " + " ".join(f"fragment F{n} on Query {{ ...F{(n + 1) % 30} ...F{(n + 1) % 30} }}" for n in range(30)),
    ],
    ids=["field", "root field", "arguments", "unused fragment", "fragments", "cycle"],
)  # fmt: skip
def test_repeated_fields_are_rejected_before_they_are_compared(schema: Any, text: str) -> None:
    answer = answered(schema, text)
    assert "data" not in answer
    assert [one["message"] for one in answer["errors"]] == ["The document repeats too many fields in one place"]
    assert answer["errors"][0]["extensions"]["code"] == "malformed_graphql"


@pytest.mark.parametrize("text", [ITEMS.format("id " * 100), ITEMS.format("...A " * 40) + " fragment A on Specimen { id }"])  # fmt: skip
def test_a_few_repeated_fields_are_allowed(schema: Any, text: str) -> None:
    assert "errors" not in answered(schema, text)


def test_unknown_members_of_a_literal_are_reported_in_linear_time(schema: Any) -> None:
    errors = answered(schema, f"{{ specimenCount(where: {{{UNKNOWN}}}) }}")["errors"]
    assert errors[0]["extensions"]["code"] == "invalid_query"
    [fault] = errors[0]["extensions"]["faults"]
    assert (fault["path"], fault["message"]) == ("/where/q0", "Unknown member")
    assert fault["expected"].startswith("one of and, or, not, query, id, ")
    assert len(errors) <= 51


def test_an_unknown_member_is_reported_with_the_other_faults_of_the_value(schema: Any) -> None:
    text = "{ specimenCount(where: {and: [{nothing: 1, text: {eq: 5}}, {id: {nothing: [{a: 1}]}}]}) }"
    paths = {one["extensions"]["faults"][0]["path"] for one in answered(schema, text)["errors"]}
    assert paths == {"/where/and/0/nothing", "/where/and/0/text/eq", "/where/and/1/id/nothing"}
