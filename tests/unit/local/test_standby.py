"""Processes that are started ahead of their work."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from persisty.local.standby import Standby

WORK = "import os, sys; line = sys.stdin.readline(); print(os.environ['WHO'], os.getcwd(), line.strip()); sys.exit(3 if line else 0)"


@pytest.fixture
def standby(tmp_path: Path) -> Standby:
    return Standby([sys.executable, "-c", WORK], tmp_path, {**os.environ, "WHO": "me"})


@pytest.mark.parametrize("ahead", [False, True])
def test_each_run_is_a_process_with_its_arguments(ahead: bool, standby: Standby, tmp_path: Path) -> None:
    for word in ("one", "two"):
        if ahead:
            standby.start()
            standby.start()
        assert standby.run([word]) == (3, f'me {tmp_path} ["{word}"]\n')


def test_a_process_that_has_ended_is_replaced(standby: Standby) -> None:
    standby.start()
    waiting = standby._waiting
    assert waiting is not None
    waiting.communicate()
    assert standby.run([1])[0] == 3


def test_a_process_that_waits_ends_with_its_owner(standby: Standby) -> None:
    standby.start()
    waiting = standby._waiting
    standby.close()
    assert waiting is not None
    assert waiting.poll() == 0
    standby.close()
