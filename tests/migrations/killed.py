"""A migration in a process of its own, which ends itself with SIGKILL: `python -m tests.migrations.killed URL STAGE [SURVIVED ...]`.

It prints each point that it passes, and ends at the first one that is not in `SURVIVED`. Points are the begin of a step, its first report, and the answer
of UpdateTable: the index is being built then. Exit code 0: there was none.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from persisty.deploy.migration import Migration

from .shop import Newer, app


def main(url: str, stage: str, *survived: str) -> None:
    opened = app(Newer, url, stage)
    transport: Any = opened.engine.transport  # type: ignore[attr-defined]
    call = transport.call

    def passed(point: str) -> None:
        if point not in survived:
            print(point, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

    def watched(operation: str, payload: dict[str, Any], *arguments: Any, **named: Any) -> Any:
        answer = call(operation, payload, *arguments, **named)
        if operation == "UpdateTable":
            passed(payload["GlobalSecondaryIndexUpdates"][0]["Create"]["IndexName"])
        return answer

    transport.call = watched
    Migration(opened).apply(lambda step, items: passed(f"{step.title} {'goes on' if items else 'begins'}"))
    opened.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
