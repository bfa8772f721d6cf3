"""The lanes of one worker: its session, and its share among all live workers.

```
heartbeat   every `BEAT` seconds: the session lives for `LIFE` more; how many workers are there?
too few     claim free lanes up to an even share
too many    stop reading some, and release each when none of its events is in this process
lost        the session was removed while this process was paused: forget everything, begin a new session
```
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic
from uuid import uuid4

from ..store.outbox import LANES, Outbox

log = logging.getLogger("persisty")
BEAT, LIFE = 3.0, 10.0


class Lanes:
    """`forget`: called when the session was lost."""

    def __init__(self, outbox: Outbox, forget: Callable[[], None], *, beat: float = BEAT, life: float = LIFE) -> None:
        self._outbox, self._forget, self._beat, self._life = outbox, forget, beat, life
        self.session = str(uuid4())
        self._new = True
        self._next = 0.0
        self.own: set[int] = set()
        """The lanes of this session."""
        self.leaving: set[int] = set()
        """The surplus lanes, which it will release."""

    @property
    def next_beat(self) -> float:
        return self._next

    @property
    def reading(self) -> set[int]:
        """The lanes whose events this worker reads."""
        return self.own - self.leaving

    def beat(self) -> frozenset[int]:
        """Keep the session alive, and return the lanes that were added."""
        found = self._outbox.beat(self.session, self._life, new=self._new)
        if found is None:
            log.warning("This worker was paused for too long. Other workers handle its events")
            self.lose()
            found = self._outbox.beat(self.session, self._life, new=True)
        self._new = False
        self._next = monotonic() + self._beat
        share = -(-LANES // max(1, found.workers)) if found is not None else 0
        surplus = len(self.own) - share
        self.leaving = set(sorted(self.own, reverse=True)[:surplus]) if surplus > 0 else set()
        if surplus >= 0:
            return frozenset()
        added = self._outbox.claim(self.session, -surplus)
        self.own |= added
        return added

    def release(self, lanes: set[int]) -> None:
        """Release lanes of which no event is in this process."""
        self._outbox.release(self.session, lanes)
        self.own -= lanes
        self.leaving -= lanes

    def lose(self) -> None:
        """Begin a new session after this one was lost."""
        self.session, self._new, self._next = str(uuid4()), True, 0.0
        self.own, self.leaving = set(), set()
        self._forget()

    def leave(self) -> None:
        """End the session."""
        self.own, self.leaving = set(), set()
        self._outbox.leave(self.session)
