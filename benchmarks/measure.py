"""How things are measured: CPU time of this process a call, the best of some rounds, subjects taking turns in each.

Rounds alternate between the subjects, so that a machine that slows down slows all of them. The best round counts, as
`timeit` advises: what else a machine does only adds to a time, the more so the shorter it is.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from msgspec import Struct

ROUNDS = 9
Clock = Callable[[], float]


class Row(Struct):
    """One line of the results. `ratio` is ours to the peer's, `target` what it should be, empty where none was set; `measured`
    is ours."""

    work: str
    peer: str
    ratio: float
    target: str
    met: bool | None
    measured: str


def row(
    work: str,
    peer: str,
    ours: float,
    theirs: float,
    *,
    most: float | None = None,
    least: float | None = None,
    unit: str = "µs",
) -> Row:
    """The row of two measurements and the target: the ratio is to be at most, or at least, so much."""
    ratio, measured = ours / theirs, f"{ours:,.0f} {unit}"
    if most is not None:
        return Row(work, peer, round(ratio, 3), f"≤ {most}", ratio <= most, measured)
    if least is not None:
        return Row(work, peer, round(ratio, 2), f"≥ {least}", ratio >= least, measured)
    return Row(work, peer, round(ratio, 3), "", None, measured)


def cpu(
    subjects: Mapping[str, Callable[[], object]],
    calls: int,
    *,
    rounds: int = ROUNDS,
    clock: Clock = time.process_time,
    before: Mapping[str, Callable[[int], object]] | None = None,
) -> dict[str, float]:
    """Microseconds a call, of each subject, by the `clock`: this process's CPU.

    `before`: what a subject needs to be done before so many calls, which is not counted.
    """
    times: dict[str, list[float]] = {name: [] for name in subjects}
    warming = max(1, min(calls // 10, 50))
    for name, call in subjects.items():
        if before is not None:
            before[name](warming)
        for _ in range(warming):
            call()
    for _ in range(rounds):
        for name, call in subjects.items():
            if before is not None:
                before[name](calls)
            gc.collect()
            gc.disable()
            start = clock()
            for _ in range(calls):
                call()
            times[name].append((clock() - start) / calls * 1e6)
            gc.enable()
    return {name: min(found) for name, found in times.items()}


def rates(
    subjects: Mapping[str, Callable[[], object]],
    items: int,
    *,
    rounds: int = 3,
    before: Mapping[str, Callable[[int], object]] | None = None,
) -> dict[str, float]:
    """Items a second, of calls that each work through so many of them."""
    found = cpu(subjects, 1, rounds=rounds, clock=time.perf_counter, before=before)
    return {name: items / taken * 1e6 for name, taken in found.items()}


@contextmanager
def one_core() -> Iterator[None]:
    """This process and those it starts on one core. A client that wakes a server on another core is charged for that by the
    system, more on an idle machine than on a busy one; no client of a real server ever is."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
