"""Items of several keys on SQLite are in the positions of their keys: repeated and missing ones, and keys of every kind."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from persisty import App, public, stored

VALUES: dict[type, list[Any]] = {
    str: ["a", "A", "é", "a b"],
    int: [1, -5, 2**62],
    date: [date(2026, 1, 1), date(1999, 12, 31)],
    datetime: [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 0, 5, tzinfo=UTC)],
    UUID: [UUID(int=1), UUID(int=2)],
}


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
def test_repeated_and_missing_keys_have_their_positions(kind: type, tmp_path: Path) -> None:
    class Thing:
        code: Any
        place: int
        name: str | None = None

    Thing.__annotations__["code"] = kind
    thing = stored(key=("code", "place"), access=public)(Thing)
    things = App("things", items=[thing], url=f"sqlite:///{tmp_path}/things.db").store(thing)
    first, *later = VALUES[kind]
    for value in (first, *later):
        things.create({"code": value, "place": 1})
    keys = [(first, 1), (later[0], 2), *((one, 1) for one in later), (first, 1)]
    found = things.read_batch(keys)
    assert [None if one is None else (one.code, one.place) for one in found] == [
        None if place == 2 else (code, place) for code, place in keys
    ]
    assert things.read_batch([(first, 7), (later[0], 8)]) == [None, None]
