"""`ChangeReader`: read on in the change log of an engine, and deliver every committed change once.

```
start    the changes before now are known; those of transactions that commit later are not
signal   a commit of this process, NOTIFY, another version of the SQLite file, or a second without any of them
read     deliver the changes that are not known, in order
```

A token is a place in the log, up to which every change was delivered. A reader that begins after it misses nothing; it may repeat the changes of the
last moments.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any

from ..backoff import backoff
from ..errors import Fault, InvalidInput, SubscriptionOverrun
from ..store.change_log import ChangeLog, LoggedChange
from ..store.outbox import Outbox
from .cursors import Cursors

log = logging.getLogger("persisty")
POLL = 1.0
"""Seconds between two reads without a signal."""
PAUSE = 0.02
"""Seconds after a read before the next one, so that a busy process reads many changes at a time."""
PURGE = 30.0
"""Seconds between two deletions of old changes."""
LATE = 60.0
"""Seconds within which a transaction commits after it has appended its changes. It appends them in its last round trip."""
PAGE = 1_000
LANE = 0


class ChangeReader:
    """`keep`: the seconds for which changes are kept. `deliver`: called with each change and the token after it, in one thread. `after`: the token to
    begin after; None for now. `lost`: called if this process was paused for longer than changes are kept, so that some may have been deleted before they were
    read."""

    def __init__(
        self,
        outbox: Outbox,
        keep: float,
        deliver: Callable[[LoggedChange, str], None],
        after: str | None = None,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        if outbox.log is None:
            raise TypeError("an engine in memory has no change log")
        self._outbox, self._log, self._keep, self._deliver = outbox, outbox.log, keep, deliver
        self._lost, self._read_at = lost, monotonic()
        self._cursors = Cursors()
        self._known: set[int] = set()
        """Delivered positions after `_past`."""
        self._past = 0
        """Every change up to this position was delivered."""
        self._floors: deque[tuple[float, int]] = deque()
        self._at = 0.0
        self._purge_at = 0.0
        self._wake, self._ended = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._begin(self._log, after)

    def start(self) -> None:
        """Deliver the changes in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="persisty-changes", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(5)

    def read(self) -> bool:
        """Deliver the changes since the last read. Returns whether to read again at once."""
        now = monotonic()
        if now - self._read_at > self._keep:
            self._lost()
        self._read_at = now
        wanted = self._cursors.wanted({LANE: PAGE + len(self._known)})
        fetched = self._log.read(wanted[0][1], wanted[0][2])
        again = self._cursors.seen(wanted, fetched)
        fresh = [one for one in fetched.events if one.position > self._past and one.position not in self._known]
        complete = max(self._past, self._cursors.complete(LANE))
        for one in fresh:
            self._known.add(one.position)
            self._at = max(self._at, one.at)
            self._deliver(one, f"{int(self._at):x}-{min(complete, one.position):x}")
        if fresh:
            self._log.note()
            self._cursors.wrote()
        if not again:
            self._forget()
        return again or len(fresh) >= PAGE

    def _begin(self, log: ChangeLog, after: str | None) -> None:
        if after is None:
            self._past = log.before(LATE)
            deliver, self._deliver = self._deliver, _ignore
            self._cursors.add([LANE], self._past)
            while self.read():
                pass
            self._deliver = deliver
            return
        at, _, position = after.partition("-")
        try:
            self._at, self._past = float(int(at, 16)), int(position, 16)
        except ValueError:
            raise InvalidInput(faults=[Fault("/after", "Not the position of a change", found=after[:64])]) from None
        # changes that are younger than `keep` are never deleted
        if self._past < log.first() and self._at < log.now() - self._keep:
            raise SubscriptionOverrun("The changes after this position are no longer kept")
        self._cursors.add([LANE], self._past)

    def _forget(self) -> None:
        """Forget the positions that no later commit can precede."""
        now = monotonic()
        floor = self._cursors.complete(LANE)
        self._floors.append((now, self._cursors.floor(LANE)))
        while self._floors[0][0] < now - LATE:
            floor = max(floor, self._floors.popleft()[1])
        if floor > self._past:
            self._past = floor
            self._known = {one for one in self._known if one > floor}

    def _run(self) -> None:
        silence: Callable[[], None] | None = None
        failures = 0
        while not self._ended.is_set():
            try:
                silence = silence or self._outbox.listen(self._wake.set)
                self._wake.clear()
                if not self.read():
                    self._ended.wait(PAUSE)
                    self._wake.wait(POLL)
                if monotonic() > self._purge_at:
                    self._purge_at = monotonic() + PURGE
                    self._log.purge(self._keep)
                failures = 0
            except Exception as error:
                log.warning("Changes could not be read: %s", error, exc_info=not failures)
                self._ended.wait(backoff(min(failures, 5)))
                failures += 1
        if silence is not None:
            silence()


def _ignore(*arguments: Any) -> None:
    """Deliver nothing."""
