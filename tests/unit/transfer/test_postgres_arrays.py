"""Array literals of PostgreSQL in CSV: every array that it writes is read, and any other text is left to validation."""

from __future__ import annotations

import json
import random
from typing import Any

import psycopg
import pytest

from persisty.transfer.postgres_arrays import array_of

LITERALS: list[tuple[str, Any]] = [
    ("{}", []),
    ("{red,blue}", ["red", "blue"]),
    ('{"a, b","say \\"x\\"","\\\\",""}', ["a, b", 'say "x"', "\\", ""]),
    ('{NULL,"NULL",null,nullx}', [None, "NULL", None, "nullx"]),
    ("{{1,2},{3,4}}", [["1", "2"], ["3", "4"]]),
    ("[0:1]={a,b}", ["a", "b"]),
    ('{"a\nb",é}', ["a\nb", "é"]),
]


@pytest.mark.parametrize(("text", "expected"), LITERALS)
def test_a_literal_is_read(text: str, expected: Any) -> None:
    assert array_of(text, str) == expected


@pytest.mark.parametrize(
    "text",
    ["", "{", "}", "{}}", "{}{}", "{a", "{a,}", "{,a}", "{a b}", '{"a}', '{"a"b}', "a", "[1,2]", '{"a": 1}', "{{a},b", "{a}x",
     "{a\\}", "{{}", "{" * 7 + "}" * 7, '{"a" , "b"}'],
)  # fmt: skip
def test_any_other_text_is_no_array(text: str) -> None:
    assert array_of(text, str) is None


def test_every_array_that_postgresql_writes_is_read(postgres_url: str) -> None:
    choose = random.Random(3)
    parts = ["a", " ", ",", "{", "}", '"', "\\", "NULL", "null", "", "\n", "é", "'", "=", "[", "0"]
    arrays = [[choose.choice([None, "".join(choose.choices(parts, k=choose.randrange(4)))]) for _ in range(5)] for _ in range(200)]  # fmt: skip
    with psycopg.connect(postgres_url) as connection:
        found = connection.execute(
            "SELECT (SELECT array_agg(e) FROM json_array_elements_text(one) e)::text FROM json_array_elements(%s) one",
            [json.dumps(arrays)],
        ).fetchall()
    assert [array_of(text, str) for (text,) in found] == arrays
