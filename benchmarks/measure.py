"""How things are measured: CPU time of this process a call, the best of some rounds, subjects taking turns in each.

Rounds alternate between the subjects, so that a machine that slows down slows all of them. The best round counts, as
`timeit` advises: what else a machine does only adds to a time, the more so the shorter it is.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping

from msgspec import Struct

ROUNDS = 9


class Row(Struct):
    """One line of the results. `ratio` is ours to the peer's; `better` tells on which side of the target it should be."""

    work: str
    peer: str
    ratio: float
    target: str
    met: bool


def row(
    work: str, peer: str, ours: float, theirs: float, *, most: float | None = None, least: float | None = None
) -> Row:
    """The row of two measurements and the target: the ratio is to be at most, or at least, so much."""
    ratio = ours / theirs
    if most is not None:
        return Row(work, peer, round(ratio, 3), f"≤ {most}", ratio <= most)
    return Row(work, peer, round(ratio, 2), f"≥ {least}", ratio >= (least or 0))


def cpu(subjects: Mapping[str, Callable[[], object]], calls: int) -> dict[str, float]:
    """Microseconds of this process's CPU a call, of each subject."""
    times: dict[str, list[float]] = {name: [] for name in subjects}
    for call in subjects.values():
        for _ in range(max(5, calls // 10)):
            call()
    for _ in range(ROUNDS):
        for name, call in subjects.items():
            gc.collect()
            gc.disable()
            start = time.process_time()
            for _ in range(calls):
                call()
            times[name].append((time.process_time() - start) / calls * 1e6)
            gc.enable()
    return {name: min(found) for name, found in times.items()}
