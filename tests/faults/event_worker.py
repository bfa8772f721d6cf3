"""A worker process for `test_killed_workers`: it appends a line for each handled event to a file, and is killed at any moment.

`python -m tests.faults.event_worker URL FILE`
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from time import sleep
from typing import Any

from persisty import App, Attr, stored
from persisty.application.working import Workers
from persisty.store.trigger_registry import AfterTrigger, Handler


@stored
class Counted:
    id: Attr[str]
    number: Attr[int] = Attr(default=0)


class Log:
    """After triggers that append key and number of each change to a file."""

    stores = frozenset({"counted"})

    def __init__(self, path: str | None) -> None:
        self._file = None if path is None else os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def after(self, store: str, kind: str) -> Sequence[AfterTrigger]:
        return (AfterTrigger("log"),)

    def handler(self, action: str) -> Handler | None:
        return Handler(self.write, pause=0.05)

    def write(self, event: Any) -> None:
        if self._file is not None:
            sleep(0.001)
            os.write(self._file, f"{event.key} {event.after.number} {event.attempt}\n".encode())


def app_at(url: str, path: str | None) -> App:
    app = App("counted", items=[Counted], url=url, idempotency=None)
    app.triggers = Log(path)
    return app


if __name__ == "__main__":
    working = Workers(app_at(sys.argv[1], sys.argv[2]), 4)
    working.start()
    print("started", flush=True)
    sys.stdin.read()
