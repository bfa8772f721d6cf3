"""PostgreSQL converts exactly the texts that `persisty.model.value_conversions` converts, to the same values."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from persisty.backends.sql.postgres.conversions import converting
from persisty.model.value_conversions import INEXACT, TEXT, convert

SEEDS = {
    "integer": ["0", "-7", "9223372036854775807", "-9223372036854775808", "12"],
    "float": ["0", "-1.50", "2.5e-3", "1E125", "1e-130", "0.1", "9007199254740993", "1" * 17],
    "decimal": ["0", "-1.50", "2.5e-3", "9.9E125", "1e-130", "1" * 38, "0." + "3" * 38, "1" + "0" * 60],
    "boolean": ["true", "FALSE", "1", "0"],
    "datetime": [
        "2026-01-02T03:04:05.678900Z",
        "2024-02-29 23:59:59+14:00",
        "0001-01-01T00:00Z",
        "9999-12-31T23:59:59.9-05",
    ],
    "date": ["2026-01-02", "2024-02-29", "1900-02-28", "9999-12-31", "0001-01-01"],
    "uuid": [
        "12345678-1234-5678-1234-567812345678",
        "12345678123456781234567812345678",
        "ABCDEFab-0000-0000-0000-00000000000f",
    ],
}
PARTS = [*"0123456789aefTZ.,:+-_ {}'%\\\n", "٣", "\uff10\uff10", "e5", "-00", "Z", "urn:uuid:", "infinity", "00"]


def texts(form: str) -> list[str]:
    """Return the seeds, and texts that differ from one of them in one or two places."""
    chance = random.Random(form)
    found = dict.fromkeys([*SEEDS[form], "", "now", "nan", "null"])
    while len(found) < 400:
        text = chance.choice(SEEDS[form])
        for _ in range(chance.choice((1, 1, 2))):
            start = chance.randrange(len(text) + 1)
            text = text[:start] + chance.choice([*PARTS, ""]) + text[start + chance.choice((0, 1, 1)) :]
        found[text] = None
    return list(found)


def expected(form: str, text: str) -> Any:
    try:
        return convert("string", form, text)
    except INEXACT:
        return None


@pytest.mark.parametrize("form", list(TEXT))
def test_postgresql_converts_the_same_texts_to_the_same_values(postgres_url: str, form: str) -> None:
    expression, failing = converting("string", form, "c")
    some = texts(form)
    shown = (
        f"to_char(({expression}) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US BC')"
        if form == "datetime"
        else expression
    )
    query = f"SELECT CASE WHEN {failing} THEN NULL ELSE {shown} END FROM unnest(%s::text[]) WITH ORDINALITY AS t(c, n) ORDER BY n"
    with psycopg.connect(postgres_url) as connection:
        connection.execute("SET TIME ZONE 'Asia/Kolkata'")
        found = [value for [value] in connection.execute(query.replace("%'", "%%'"), [some])]  # type: ignore[arg-type]
    if form == "datetime":
        found = [one and datetime.strptime(one, "%Y-%m-%d %H:%M:%S.%f AD").replace(tzinfo=UTC) for one in found]
    assert dict(zip(some, found, strict=True)) == {text: expected(form, text) for text in some}
    assert sum(one is not None for one in found) > len(SEEDS[form])
