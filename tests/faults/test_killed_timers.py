"""Processes that fire a timer are killed ten times: each minute is fired exactly once, none is missed."""

from __future__ import annotations

import itertools
import random
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from time import sleep, time

import pytest

from .timer_process import app_at

KILLS, PROCESSES = 10, 3
_schemas = itertools.count(1)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/minutes.db"
    return f"{request.getfixturevalue('postgres_url')}&schema=killed_timers_{next(_schemas)}"


def fired(url: str, kills: int, *options: str) -> list[datetime]:
    """Return the minutes that some processes have fired, while they are killed at random."""
    app, start, chosen = app_at(url), time(), random.Random(5)
    app.prepare()
    running: list[subprocess.Popen[str]] = []

    def begin() -> None:
        command = [sys.executable, "-m", "tests.faults.timer_process", url, str(start), *options]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))

    try:
        for _ in range(PROCESSES):
            begin()
        for one in running:
            assert one.stdout is not None
            assert one.stdout.readline() == "started\n"
        sleep(1)
        for _ in range(kills):
            sleep(chosen.uniform(0.05, 0.4))
            victim = running.pop(chosen.randrange(len(running)))
            victim.send_signal(signal.SIGKILL)
            victim.wait()
            begin()
        sleep(1)
    finally:
        for one in running:
            one.kill()
            one.wait()
    [outbox] = app.outboxes.values()
    found = [one.key for one in outbox.search(None, None, None, 10_000)]
    app.close()
    return [datetime.fromisoformat(key.partition("@")[2]) for key in found]


def test_each_minute_is_fired_once_though_processes_are_killed(url: str) -> None:
    minutes = fired(url, KILLS)
    assert len(minutes) > 20
    first = min(minutes)
    assert sorted(minutes) == [first + timedelta(minutes=place) for place in range(len(minutes))]


def test_without_the_condition_minutes_are_fired_twice(url: str) -> None:
    minutes = fired(url, 0, "mutant")
    assert len(minutes) > len(set(minutes))
