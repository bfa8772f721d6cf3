"""Write stored items in batches, by their key, while others write. Each batch checks its condition again, so a backfill that was stopped continues where it was."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep
from typing import Any

from ....store.migration import Report, Step
from ..stored_values import StoredValues

BATCH = 1_000
"""Items of one statement of a backfill."""
REST = 0.25
"""Pause after a batch of a backfill, as a share of the batch's time."""
Rows = Callable[..., list[tuple[Any, ...]]]


def backfill(
    rows: Rows, values: StoredValues, place: str, title: str, *, assignment: str, missing: str, items: int | None
) -> Step:
    """Return the step that assigns a value in the items of a condition. `place`: the table in SQL. `missing`: the condition."""
    key = ", ".join(map(values.quoted, values.stored.key))
    places = ", ".join(f"${number}" for number in range(1, len(values.stored.key) + 1))
    first = f"SELECT {key} FROM {place} WHERE {missing}"
    update = f"UPDATE {place} SET {assignment} WHERE {missing} AND ({key}) IN"

    def run(report: Report) -> None:
        position: list[Any] = report.position or []
        done = report.done
        some = f"ORDER BY {key} LIMIT {report.batch(BATCH)}"
        while True:
            started = monotonic()
            beyond = f" AND ({key}) > ({places})" if position else ""
            arguments = list(position)
            found = rows(f"{first}{beyond} {some}", arguments)
            if not found:
                return
            rows(f"{update} ({first}{beyond} {some})", arguments)
            position, done = list(map(str, found[-1])), done + len(found)
            sleep((monotonic() - started) * REST)
            report.reached(done, position)

    shown = f"{update} ({first} ORDER BY {key} LIMIT {BATCH})"
    return Step(title=title, statements=(shown,), run=run, items=items)
