"""A create and its events in one statement, so that it takes one round trip like a create without events.

```
WITH written AS (INSERT INTO note … ON CONFLICT DO NOTHING RETURNING 1)
INSERT INTO persisty_event … SELECT … FROM written, (VALUES …)
```

The positions of the events are allotted after the item is inserted, and nothing is inserted if its key is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from ....store.backend import Outcome, WriteResult
from ....store.change_log import NewChange
from ....store.outbox import NewEvent
from ..outbox import SqlOutbox
from ..outbox_dialect import Inserted
from .outbox import rows_text
from .session import Statement
from .steps import EXISTS, Step

MOST_EVENTS = 8
"""Most events of one statement."""


def creating_with(step: Step, outbox: SqlOutbox, events: Sequence[NewEvent | NewChange]) -> Step:
    """Return the step of a plain create that also appends events and changes."""
    plain, rows = step.statement, outbox.rows_of(events)
    parts = tuple((one, outbox.table(one.table), len(some)) for one, some in rows)
    text = _text(plain.text, len(plain.arguments), parts)
    done = WriteResult(Outcome.DONE, step.write.item)  # type: ignore[union-attr]  # a Put
    arguments = [*plain.arguments, *(value for _, some in rows for value in outbox.values(some))]
    return Step(step.write, Statement(text, arguments), lambda answer: done if answer.changed else EXISTS)


@lru_cache(1_000)
def _text(insert: str, arguments: int, parts: tuple[tuple[Inserted, str, int], ...]) -> str:
    *others, last = [
        f"INSERT INTO {table} ({rows.columns}) SELECT v.* FROM written, (VALUES {rows_text(rows, count)}) AS v"
        for rows, table, count in parts
    ]
    named = "".join(f", part{number} AS ({other})" for number, other in enumerate(others))
    first, *rest = f"{named} {last}".split("?")
    numbered = first + "".join(f"${place}{part}" for place, part in enumerate(rest, arguments + 1))
    return f"WITH written AS ({insert} RETURNING 1){numbered}"
