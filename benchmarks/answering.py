"""A subject that answers in a process of its own, as often as it can, whenever it is told to.

`serve` is the subject's end: it reads a number of seconds a line and writes how often it answered and what. `answering` is the
other. Seconds are those of the subject's CPU, which is all it waits for: what else the machine does counts for neither.
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
"""Seconds → (answers a second, the last of them)."""


def serve(answer: Callable[[], bytes]) -> None:
    """Answer for as long as each line of the input says. What is loaded by then stays: the garbage collector may leave it alone."""
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
    """A process that runs the module, and how to ask it."""
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
