"""Run independent network calls side by side on a few threads, without the import cost of an executor."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

X = TypeVar("X")
MAX_THREADS = 8


def in_parallel(run: Callable[[X], None], tasks: Sequence[X]) -> None:
    """Call `run` for each task. All are tried; the first exception is raised when all have ended."""
    errors: list[BaseException] = []
    waiting = iter(tasks)
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                task = next(waiting, waiting)
            if task is waiting:
                return
            try:
                run(task)  # type: ignore[arg-type]
            except BaseException as error:  # carried over to the calling thread
                errors.append(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(MAX_THREADS, len(tasks)) - 1)]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
