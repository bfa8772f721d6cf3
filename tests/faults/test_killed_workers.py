"""1,000 writes while workers are killed ten times: every event is handled at least once, and the events of each key in order."""

from __future__ import annotations

import itertools
import random
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import pytest

from persisty import App
from persisty.store.outbox import State

from .event_worker import Counted, app_at

WRITES, KEYS, KILLS = 1_000, 25, 10
_schemas = itertools.count(1)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/counted.db"
    return f"{request.getfixturevalue('postgres_url')}&schema=killed_{next(_schemas)}"


@contextmanager
def workers(url: str, log: Path, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    running: list[subprocess.Popen[str]] = []
    try:
        running += [start(url, log) for _ in range(count)]
        yield running
    finally:
        for one in running:
            one.kill()
            one.wait()


def start(url: str, log: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.faults.event_worker", url, str(log)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def write(app: App, keys: list[str], count: int) -> None:
    store = app.store(Counted)
    for number in range(count):
        for key in keys:
            if number:
                store.update(key, {"number": number})
            else:
                store.create(Counted(id=key))
            sleep(0.002)


def test_killed_workers_lose_no_event_and_keep_the_order(url: str, tmp_path: Path) -> None:
    app, log, chosen = app_at(url, None), tmp_path / "handled", random.Random(7)
    app.prepare()
    [outbox] = app.outboxes.values()
    keys = [f"k{number}" for number in range(KEYS)]
    writers = [threading.Thread(target=write, args=(app, keys[half::2], WRITES // KEYS)) for half in (0, 1)]
    with workers(url, log, 2) as running:
        for one in writers:
            one.start()
        for _ in range(KILLS):
            sleep(chosen.uniform(0.2, 0.8))
            victim = running.pop(chosen.randrange(len(running)))
            victim.send_signal(signal.SIGKILL)
            victim.wait()
            running.append(start(url, log))
        for one in writers:
            one.join()
        until = monotonic() + 60
        while sum(outbox.counts().values()) and monotonic() < until:
            sleep(0.1)
    assert not outbox.counts()[State.PARKED]
    assert sum(outbox.counts().values()) == 0
    handled: dict[str, list[int]] = defaultdict(list)
    for line in log.read_text().splitlines():
        key, number, _ = line.split()
        handled[key].append(int(number))
    assert sorted(handled) == sorted(keys)
    for key, numbers in handled.items():
        first = list(dict.fromkeys(numbers))
        assert first == list(range(WRITES // KEYS)), f"{key} is complete and in order, repetitions apart"
        for before, after in itertools.pairwise(numbers):
            assert after == before + 1 or after <= before, "a repetition goes on from an earlier event"
    app.close()
