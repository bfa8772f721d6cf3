"""Measure how often a subject answers, in a process of its own.

`serve` runs in the subject: it reads a number of seconds from each line, answers as often as it can for that time, and writes the
number and the last answer. `answering` is the other end. Seconds are the subject's CPU time, so other work on the machine does not
count.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
Ask = Callable[[float], tuple[float, str]]
"""Seconds → (answers a second, the last answer)."""


def serve(answer: Callable[[], bytes]) -> None:
    """Answer for the seconds of each input line. Objects loaded before are frozen, so that the garbage collector skips them."""
    answer()
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        seconds, answered = float(line), 0
        body = b""
        start = time.process_time()
        while time.process_time() - start < seconds:
            body = answer()
            answered += 1
        print(answered / (time.process_time() - start), body.decode(), flush=True)


@contextmanager
def answering(module: str, *arguments: str) -> Iterator[Ask]:
    """Start a process that runs the module. Yield a function to measure it."""
    command = [sys.executable, "-m", module, *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    given, told = process.stdin, process.stdout
    if given is None or told is None:
        raise RuntimeError("a process without pipes")

    def ask(seconds: float) -> tuple[float, str]:
        given.write(f"{seconds}\n")
        given.flush()
        rate, _, body = told.readline().partition(" ")
        return float(rate), body

    try:
        yield ask
    finally:
        given.close()
        process.wait(10)
