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
from ....store.outbox import NewEvent
from ..outbox import SqlOutbox
from ..outbox_dialect import NEW
from .outbox import ROW
from .session import Statement
from .steps import EXISTS, Step

MOST_EVENTS = 8
"""Most events of one statement."""


def creating_with(step: Step, outbox: SqlOutbox, events: Sequence[NewEvent]) -> Step:
    """Return the step of a plain create that also appends events."""
    plain = step.statement
    text = _text(plain.text, len(plain.arguments), outbox.events_table, len(events))
    done = WriteResult(Outcome.DONE, step.write.item)  # type: ignore[union-attr]  # a Put
    arguments = [*plain.arguments, *outbox.values(events)]
    return Step(step.write, Statement(text, arguments), lambda answer: done if answer.changed else EXISTS)


@lru_cache(1_000)
def _text(insert: str, arguments: int, table: str, events: int) -> str:
    first, *rest = ", ".join([ROW] * events).split("?")
    rows = first + "".join(f"${place}{part}" for place, part in enumerate(rest, arguments + 1))
    columns = ", ".join(f"v.{name}" for name in NEW.split(", "))
    return (
        f"WITH written AS ({insert} RETURNING 1) INSERT INTO {table} ({NEW}) "
        f"SELECT {columns} FROM written, (VALUES {rows}) AS v({NEW})"
    )
