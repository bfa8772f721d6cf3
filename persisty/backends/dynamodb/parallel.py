"""Run independent network calls in parallel on a few threads, without the import cost of an executor."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

X = TypeVar("X")
MAX_THREADS = 8


def in_parallel(run: Callable[[X], None], tasks: Sequence[X]) -> None:
    """Call `run` for each task in parallel. Raise the first exception after all have ended."""
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
            except BaseException as error:  # raised again in the calling thread
                errors.append(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(MAX_THREADS, len(tasks)) - 1)]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def side_by_side(sources: Sequence[Iterator[X]]) -> Iterator[X]:
    """Yield the values of several sources in the order in which they arrive.

    A few sources run at a time, each at most one value ahead of the consumer. The first exception of a source ends the others and is raised. Closing
    this iterator ends the sources too.
    """
    if len(sources) == 1:
        yield from sources[0]
        return
    waiting = iter(sources)
    given: deque[X | BaseException] = deque()
    changed = threading.Condition()
    running = min(MAX_THREADS, len(sources))
    most = running
    stopped = False

    def put(one: X | BaseException) -> bool:
        with changed:
            changed.wait_for(lambda: stopped or len(given) < most)
            given.append(one)
            changed.notify_all()
            return not stopped

    def work() -> None:
        nonlocal running
        try:
            while True:
                with changed:
                    source = next(waiting, None)
                if source is None or not all(map(put, source)):
                    return
        except BaseException as error:  # raised again in the calling thread
            put(error)
        finally:
            with changed:
                running -= 1
                changed.notify_all()

    for _ in range(running):
        threading.Thread(target=work, daemon=True).start()
    try:
        while True:
            with changed:
                changed.wait_for(lambda: given or not running)
                if not given:
                    return
                one = given.popleft()
                changed.notify_all()
            if isinstance(one, BaseException):
                raise one
            yield one
    finally:
        with changed:
            stopped = True
            changed.notify_all()
