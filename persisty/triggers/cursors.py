"""`Cursors`: the positions from which a worker reads on in its lanes, without missing an event that is committed late.

Positions are allotted before the commit, so a lower one may become visible after a higher one:

```
A  position 5                              commit
B      position 6   commit
W                        reads 6                    reads on after 6: 5 would be lost
```

A transaction has a number before its first position. So when a read sees position 6, only transactions that ran at that moment can still commit a lower one.
A read returns the transactions that run, but a snapshot of PostgreSQL lists only those with a lower number than the last one that has ended:

```
B  number 99                     position 6   commit        the snapshot of W: all numbers below 100 have ended
A                 number 100  position 5                       A runs, and is not listed
```

The worker's own writes close this gap. A write of the worker after a read has a higher number than every transaction that ran during the read, so the
reads after this write list all of those that still run. Therefore:

```
every read               begins where the reads before the worker's last write began: it finds what has been committed since
a transaction is listed  it may have run since then; when it has ended, the lanes are read again from there
```

So a transaction that runs for minutes delays only its own events, and a worker does not read the deleted rows of all others again and again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from time import monotonic
from typing import Any

from ..store.positions import Fetched

RECENT = 1.0
"""Seconds in which a transaction is assumed to have ended: reading a little more is cheaper than a second read."""
Wanted = tuple[int, int, int]
"""Lane, position to start after, most events."""


class Cursors:
    def __init__(self) -> None:
        self._low: dict[int, int] = {}
        """Lane → the position up to which all events were seen, except those of the transactions below."""
        self._running: dict[int, tuple[Mapping[int, int], float]] = {}
        """Transaction → the positions before it was first seen, and when."""
        self._again: dict[int, int] = {}
        """Lane → the position to read again from, because a transaction has ended."""
        self._floor: dict[int, int] = {}
        """Lane → the position up to which all events were seen, except those of transactions that were listed."""
        self._wrote = False

    def add(self, lanes: Iterable[int], after: int = 0) -> None:
        """Read these lanes after a position, the first by default."""
        for lane in lanes:
            self._low[lane] = self._floor[lane] = after

    def floor(self, lane: int) -> int:
        """Return the position up to which all events were seen, except those of transactions that were listed."""
        return self._floor[lane]

    def complete(self, lane: int) -> int:
        """Return the position up to which all events were seen, and none can be committed late."""
        starts = [since[lane] for since, _ in self._running.values() if lane in since]
        return min([self._floor[lane], self._again.get(lane, self._floor[lane]), *starts])

    def remove(self, lanes: Iterable[int]) -> None:
        """Stop reading these lanes."""
        for lane in lanes:
            self._low.pop(lane, None)
            self._floor.pop(lane, None)
            self._again.pop(lane, None)

    def wrote(self) -> None:
        """Record that the worker has written something after its last read."""
        self._wrote = True

    def wanted(self, most: Mapping[int, int]) -> list[Wanted]:
        """Return what to read. `most`: lane → the most events, with those that are returned again."""
        recent = [since for since, at in self._running.values() if at > monotonic() - RECENT]
        found = []
        for lane, limit in most.items():
            starts = [since[lane] for since in recent if lane in since]
            found.append((lane, min([self._floor[lane], self._again.get(lane, self._floor[lane]), *starts]), limit))
        return found

    def seen(self, wanted: Iterable[Wanted], fetched: Fetched[Any]) -> bool:
        """Record the answer to a read. Returns whether to read again at once."""
        for number in [one for one in self._running if one not in fetched.running and one < fetched.next_transaction]:
            for lane, since in self._running.pop(number)[0].items():
                if lane in self._low:
                    self._again[lane] = min(since, self._again.get(lane, since))
        floor = dict(self._floor)
        for number in fetched.running:
            self._running.setdefault(number, (floor, monotonic()))
        last: dict[int, int] = {}
        count: dict[int, int] = {}
        for event in fetched.events:
            last[event.lane] = event.position
            count[event.lane] = count.get(event.lane, 0) + 1
        asked = list(wanted)
        for lane, start, limit in asked:
            before = self._low[lane]
            if count.get(lane, 0) < limit or last[lane] >= before:
                if start <= self._again.get(lane, start):
                    self._again.pop(lane, None)
            else:
                self._again[lane] = min(start, self._again.get(lane, start))
            self._low[lane] = max(before, last.get(lane, 0))
            if not fetched.next_transaction:  # one writer at a time: positions are committed in order
                self._floor[lane] = self._low[lane]
            elif self._wrote:
                self._floor[lane] = before
        self._wrote = False
        return any(lane in self._again for lane, _, _ in asked)
