"""The suite's oracle, persisty's matcher and the tables of the themes agree, without any engine."""

from __future__ import annotations

from typing import Any

import pytest

from persisty import meta_of
from persisty.model.types import OPERATORS
from persisty.model.validation import new_item
from persisty.query.evaluation import matcher
from persisty.query.resolution import resolve_filter
from persisty.testing.conformance.items import Specimen
from persisty.testing.conformance.oracle import holds
from persisty.testing.conformance.test_filters import HOLDS, ROWS, expected_rows, names


def test_every_operator_is_in_the_table() -> None:
    def operators(where: Any) -> set[str]:
        parts = (
            getattr(where, "filters", None) or [where.filter]
            if hasattr(where, "filter")
            else getattr(where, "filters", ())
        )
        return {where.operator} if hasattr(where, "operator") else set().union(*map(operators, parts))

    assert set().union(*(operators(where) for where, _ in HOLDS.values())) == set(OPERATORS)


@pytest.mark.parametrize("name", HOLDS)
def test_the_oracle_and_the_matcher_agree(name: str) -> None:
    where, meta = HOLDS[name][0], meta_of(Specimen)
    assert sorted(row["id"] for row in ROWS if holds(where, row)) == expected_rows(name)
    test = matcher(meta, resolve_filter(meta, where))
    assert names(one for row in ROWS if test(one := new_item(meta, row))) == expected_rows(name)
