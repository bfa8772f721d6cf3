"""A migration in a process of its own, which ends itself with SIGKILL: `python -m tests.migrations.killed URL STAGE ITEM ALLOWED [SURVIVED ...]`.

It prints each point that it passes, and ends at the first one that is not in `SURVIVED`. Points are the begin of a step, its first report, and the answer
of UpdateTable: the index is being built then, or the stream has begun or ended. Exit code 0: there was none.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from persisty.deploy.migration import Migration

from .shop import Moved, Newer, app

ITEMS = {one.__name__: one for one in (Newer, Moved)}


def main(url: str, stage: str, item: str, allowed: str, *survived: str) -> None:
    opened = app(ITEMS[item], url, stage)
    transport: Any = opened.engine.transport  # type: ignore[attr-defined]
    call = transport.call

    def passed(point: str) -> None:
        if point not in survived:
            print(point, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

    def watched(operation: str, payload: dict[str, Any], *arguments: Any, **named: Any) -> Any:
        answer = call(operation, payload, *arguments, **named)
        if operation == "UpdateTable":
            stream = payload.get("StreamSpecification")
            passed(payload["GlobalSecondaryIndexUpdates"][0]["Create"]["IndexName"] if stream is None else str(stream))
        return answer

    transport.call = watched
    Migration(opened, [allowed] if allowed else []).apply(
        lambda step, items: passed(f"{step.title} {'goes on' if items else 'begins'}")
    )
    opened.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
