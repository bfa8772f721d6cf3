"""A process for `test_killed_timers`: it fires a timer of each minute with a clock that runs 600 times too fast, and is killed at any moment.

`python -m tests.faults.timer_process URL START [mutant]`. `mutant`: move the record on without the condition.
"""

from __future__ import annotations

import sys
from time import sleep, time
from typing import Any

from servey.action.action import action

from persisty import App, nobody
from persisty.application.working import timers_of
from persisty.triggers.timed import Cron

SPEED = 600.0


@action(access_control=nobody, triggers=Cron("* * * * *", catch_up="all"))
def each_minute() -> None:
    """Be called each minute. No worker calls it here."""


class Unconditional:
    """Records whose changes have no condition."""

    def __init__(self, records: Any) -> None:
        self._records = records

    def __getattr__(self, name: str) -> Any:
        return getattr(self._records, name)

    def update(self, key: str, changes: dict[str, Any], **_: Any) -> Any:
        return self._records.update(key, changes)


def app_at(url: str) -> App:
    return App("minutes", items=[], url=url, actions=[each_minute], idempotency=None)


def run(url: str, start: float, *, mutant: bool) -> None:
    timers = timers_of(app_at(url), lambda: start + (time() - start) * SPEED)
    if timers is None:
        raise SystemExit("the app has no timers")
    if mutant:
        timers._records = Unconditional(timers._records)  # type: ignore[assignment]
    timers.step()
    print("started", flush=True)
    while True:
        timers.step()
        sleep(0.002)


if __name__ == "__main__":
    run(sys.argv[1], float(sys.argv[2]), mutant="mutant" in sys.argv)
