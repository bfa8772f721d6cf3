"""Measure CPU time of this process for a call: the best of several rounds, in which the subjects take turns.

The subjects take turns, so that a slower machine slows all of them. The best round counts, as `timeit` recommends, because other
work on the machine only adds to a time.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from msgspec import Struct

from .targets import AT_LEAST, AT_MOST

ROUNDS = 9
Clock = Callable[[], float]


class Row(Struct):
    """One line of the results.

    `ratio`: persisty's value divided by the peer's. `target`: empty if there is none. `measured`: persisty's value.
    """

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
    unit: str = "µs",
) -> Row:
    """Return the row of two measurements with its target in `targets.py`, an upper or a lower bound of the ratio."""
    ratio, measured = ours / theirs, f"{ours:,.0f} {unit}"
    most, least = (bounds.get((work, peer), bounds.get((work, ""))) for bounds in (AT_MOST, AT_LEAST))
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
    """Return the microseconds of a call for each subject, by `clock`, by default this process's CPU time.

    `before`: preparation of a subject before that many calls, not measured.
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
    """Return items a second, for calls that each process that many items."""
    found = cpu(subjects, 1, rounds=rounds, clock=time.perf_counter, before=before)
    return {name: items / taken * 1e6 for name, taken in found.items()}


@contextmanager
def one_core() -> Iterator[None]:
    """Run this process and its children on one core.

    The system charges a client for waking a server on another core, more on an idle machine than on a busy one. A client of a real
    server never pays this.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
