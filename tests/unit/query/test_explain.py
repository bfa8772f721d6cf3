"""Explanations as text."""

from __future__ import annotations

from persisty import Index
from persisty.model.expressions import ALL, Compare
from persisty.query.explain import Explanation


def test_an_explanation_has_a_line_for_each_known_field() -> None:
    explanation = Explanation(
        "dynamodb", "index", "by-owner", ("owner = a", "at < b"), ALL, Compare("size", "gt", 5), "local"
    )
    assert str(explanation).splitlines() == [
        "dynamodb:       index",
        "by              by-owner",
        "keys            owner = a, at < b",
        "filtered here   size > 5",
        "sorted by       local",
    ]
    costly = Explanation("dynamodb", "scan", None, (), ALL, ALL, None, 0, 0.5, 3, Index("a", "b"), ("one", "two"))
    assert str(costly).splitlines() == [
        "dynamodb:       scan",
        "requests        0",
        "read units      0.5",
        "items           3",
        "advice          Index('a', 'b')",
        "detail          one",
        "detail          two",
    ]
