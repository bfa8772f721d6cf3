"""`Worker`: read the events of an outbox, call their handlers, and finish them. Each event is handled at least once.

One thread does all calls of the outbox, so what it knows of its lanes needs no lock:

```
lanes ─► read ─► chains in memory ─► handler threads ─► results ─► finish: one transaction for all of them
          ▲                                                │
          └── held events whose time has come ◄────────────┘ failure
```

An event is deleted only after its handler has returned, and only while the session of this worker exists. If the process is killed in between,
another worker handles the event again.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from time import monotonic, time
from typing import Any

import msgspec

from ..backoff import backoff
from ..errors import BackendUnavailable, PersistyError
from ..model.meta import StoreMeta
from ..model.unreadable_items import FAULTS
from ..store.outbox import Chain, Changed, Outbox, OutboxEvent, State, lane_of
from ..store.trigger_registry import Triggers, UnfitEvent
from .cursors import Cursors
from .event import event_of
from .failure_texts import summary
from .handler_threads import SUCCESS, Failure, HandlerThreads, Outcome, Result
from .lanes import Lanes
from .outages import Outage
from .retries import after_failure

log = logging.getLogger("persisty")
MAX_EVENTS, MAX_BYTES = 2_000, 32_000_000
"""The most events in memory, and about the most bytes of them."""
POLL = 1.0
"""Seconds between two reads without a signal."""
RESUMED = 100
"""Held events of a chain that are read at once."""
LOST_CHAINS = 60.0
"""Seconds between two searches for chains that wait for no event: an operator may have dropped it."""
Metas = Callable[[], Mapping[str, StoreMeta[Any]]]


class Worker:
    """`metas`: the current items of the app. `threads`: the most handlers that run at a time. `clock`: seconds since 1970."""

    def __init__(
        self,
        outbox: Outbox,
        triggers: Triggers,
        metas: Metas,
        *,
        threads: int = 8,
        clock: Callable[[], float] = time,
        **times: float,
    ) -> None:
        self._clock = clock
        self._outbox, self._triggers, self._metas = outbox, triggers, metas
        self._threads = HandlerThreads(threads, self._call, self._timeout, self._notify)
        self._outage = Outage("A worker")
        self._lanes = Lanes(outbox, self._forget, **times)
        self._cursors = Cursors()
        self._known: dict[int, int] = {}
        """Events in memory: position → lane."""
        self._in_lane: Counter[int] = Counter()
        self._done: list[OutboxEvent] = []
        self._changed: dict[int, Changed] = {}
        self._resume: set[Chain] = set()
        self._joining: set[int] = set()
        """Lanes of this session whose held chains are not known yet."""
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._read_at = self._due_at = self._overdue_at = 0.0
        self._lost_chains_at = monotonic() + LOST_CHAINS
        self._size = 1_000.0
        """The average bytes of an event."""
        self.handled = 0
        """The number of events whose handlers have returned."""

    def run(self) -> None:
        """Work until `stop` is called."""
        self._threads.start()
        silence: Callable[[], None] | None = None
        failures = 0
        while not self._stopping.is_set() and self._threads.alive:
            try:
                silence = silence or self._begin()
                busy, failures = self.step(), 0
                self._outage.worked()
            except Exception as error:
                self._recover(error)
                self._stopping.wait(backoff(min(failures, 5)))
                failures += 1
                continue
            if not busy:
                self._wait()
        if silence is not None:
            silence()

    def stop(self) -> None:
        """End `run` soon. Called by any thread."""
        self._stopping.set()
        self._wake.set()

    def end(self, seconds: float) -> bool:
        """Wait for the running handlers, finish their events and end the session. Returns whether all handlers have ended. Called after `run` has returned."""
        ended = self._threads.stop(seconds)
        try:
            self._take_results()
            self._finish()
            self._lanes.leave()
        except PersistyError as error:
            log.warning("The worker could not end its session, which will expire: %s", error)
        return ended

    def drain(self) -> int:
        """Handle all ready events, and those that their handlers append. Returns their number. Failed events stay held."""
        self._threads.start()
        silence = self._begin()
        try:
            while self.step() or self._known or self._threads.results or self._threads.exhausted:
                if not self._threads.results and self._known:
                    self._wake.wait(0.01)
                    self._wake.clear()
        finally:
            silence()
            self.end(0)
        return self.handled

    def step(self) -> bool:
        """Do what is due now. Returns whether there may be more to do at once."""
        self._wake.clear()
        now = monotonic()
        if now >= self._lanes.next_beat:
            self._joining |= self._lanes.beat()
            self._cursors.wrote()
        self._join()
        if now >= self._overdue_at:
            self._overdue_at = min(self._threads.check(), now + 0.1)
        self._take_results()
        self._finish()
        self._resume_chains()
        self._release()
        if now >= self._due_at:
            self._due_at = now + POLL
            self._read_due()
        if now >= self._lost_chains_at:
            self._lost_chains_at = now + LOST_CHAINS
            self._find_chains(self._lanes.reading)
        return self._read()

    def _begin(self) -> Callable[[], None]:
        self._outbox.prepare()
        return self._outbox.listen(self._signal)

    def _recover(self, error: Exception) -> None:
        """Go on after an error. One that is not of the engine may have lost results, so the events begin anew in another session."""
        if isinstance(error, BackendUnavailable):
            self._outage.failed(error)
            return
        log.error("The worker has failed, and handles its events again in ten seconds", exc_info=error)
        if not isinstance(error, PersistyError):
            self._lanes.lose()

    def _signal(self) -> None:
        """Read at once. Called by any thread."""
        self._read_at = 0.0
        self._wake.set()

    def _notify(self) -> None:
        if not self._wake.is_set():
            self._wake.set()

    def _wait(self) -> None:
        now = monotonic()
        following = min(self._lanes.next_beat, self._read_at, self._due_at, now + 0.1 if self._known else now + POLL)
        if following > now:
            self._wake.wait(following - now)

    def _read(self) -> bool:
        """Read ready events if there is room for them. Returns whether to read again at once."""
        now = monotonic()
        most = int(min(MAX_EVENTS, MAX_BYTES / self._size))
        if now < self._read_at or len(self._known) > most // 2 or not self._lanes.reading:
            return False
        self._read_at = now + POLL
        each = max(16, most // len(self._lanes.reading))
        limits = {lane: each + count for lane in self._lanes.reading if (count := self._in_lane[lane]) < each}
        wanted = self._cursors.wanted(limits)
        fetched = self._outbox.fetch(wanted)
        again = self._cursors.seen(wanted, fetched)
        counts: Counter[int] = Counter()
        for event in fetched.events:
            counts[event.lane] += 1
            if event.position not in self._known:
                self._take(event)
        full = any(counts[lane] >= limit for lane, limit in limits.items())
        if again or full or len(limits) < len(self._lanes.reading):
            self._read_at = 0.0
        return again or (full and len(self._known) <= most // 2)

    def _take(self, event: OutboxEvent) -> None:
        self._known[event.position] = event.lane
        self._in_lane[event.lane] += 1
        self._size += (len(event.payload) + 500 - self._size) / 100
        if not self._threads.add(event):
            self._hold(event)

    def _hold(self, event: OutboxEvent) -> None:
        """Store that an event waits for an earlier one of its chain."""
        self._changed[event.position] = Changed(
            event.lane, event.position, State.HELD, event.attempt, event.due, event.error
        )

    def _take_results(self) -> None:
        results = self._threads.results
        while results:
            result = results.popleft()
            event = result.event
            if event.position not in self._known:
                continue
            if isinstance(result.outcome, Failure):
                self._fail(result, result.outcome)
            else:
                self.handled += 1
                self._done.append(event)
        while self._threads.exhausted:
            self._resume.add(self._threads.exhausted.popleft())

    def _fail(self, result: Result, failure: Failure) -> None:
        event = result.event
        changed = after_failure(event, failure, self._triggers.handler(event.action), self._clock())
        self._changed[event.position] = changed
        for one in result.waiting:
            self._hold(one)
        if changed.state is State.PARKED:
            log.error("Event %s of %s is parked: %s", event.position, event.action, summary(failure.reason))
            self._resume.add(event.chain)
        else:
            log.warning("Event %s of %s has failed: %s", event.position, event.action, summary(failure.reason))
            self._due_at = min(self._due_at, monotonic() + max(0.0, (changed.due or 0.0) - self._clock()))

    def _finish(self) -> None:
        """Store the results. If the session was lost, drop them: another worker handles the events."""
        if not self._done and not self._changed:
            return
        done, changed = self._done, self._changed
        if not self._outbox.finish(self._lanes.session, done, list(changed.values())):
            log.warning("This worker was paused for too long. Other workers handle its events")
            self._lanes.lose()
            return
        self._cursors.wrote()
        self._done, self._changed = [], {}
        for position in (*(one.position for one in done), *changed):
            lane = self._known.pop(position, None)
            if lane is not None:
                self._in_lane[lane] -= 1

    def _resume_chains(self) -> None:
        """Go on with chains whose first event is done or parked. All events that they have to hold are stored before."""
        for chain in list(self._resume):
            if lane_of(chain[0], chain[1]) not in self._lanes.reading:  # the next worker of the lane goes on with it
                self._resume.discard(chain)
                continue
            events = list(self._outbox.waiting(chain, RESUMED))
            if any(one.due is not None and one.due > self._clock() for one in events[:1]):
                self._resume.discard(chain)  # another failure: it goes on at its time
                continue
            fresh = [one for one in events if one.position not in self._known]
            self._resume.discard(chain)
            if self._threads.resume(chain, fresh, more=len(events) == RESUMED):
                for one in fresh:
                    self._known[one.position] = one.lane
                    self._in_lane[one.lane] += 1

    def _read_due(self) -> None:
        """Handle the held events whose time has come."""
        if not self._lanes.reading:
            return
        for event in self._outbox.due(
            self._lanes.reading, self._clock(), MAX_EVENTS - min(len(self._known), MAX_EVENTS - 1)
        ):
            if event.position in self._known:
                continue
            blocked = self._threads.is_blocked(event.chain)
            if self._threads.resume(event.chain, [event], more=blocked):
                self._known[event.position] = event.lane
                self._in_lane[event.lane] += 1

    def _join(self) -> None:
        """Begin to work on lanes that were added. If their held chains cannot be read, none of their events may be handled."""
        if self._joining:
            self._joining &= self._lanes.own
            self._find_chains(self._joining)
            self._cursors.add(self._joining)
            self._joining, self._read_at = set(), 0.0

    def _find_chains(self, lanes: set[int]) -> None:
        """Block the chains with held events. Go on with those that no event of which has a time."""
        if not lanes:
            return
        for chain, due in self._outbox.held_chains(lanes).items():
            self._threads.block(chain)
            if due is None:
                self._resume.add(chain)

    def _release(self) -> None:
        """Release the surplus lanes of which no event is in memory."""
        drained = {lane for lane in self._lanes.leaving if not self._in_lane[lane]}
        if drained:
            self._cursors.remove(drained)
            self._threads.forget_lanes(frozenset(drained), lane_of)
            self._resume = {one for one in self._resume if lane_of(one[0], one[1]) not in drained}
            self._lanes.release(drained)

    def _forget(self) -> None:
        """Forget everything: other workers have the lanes."""
        self._threads.forget()
        self._cursors = Cursors()
        self._known, self._done, self._changed, self._resume, self._joining = {}, [], {}, set(), set()
        self._in_lane.clear()

    def _timeout(self, event: OutboxEvent) -> float:
        handler = self._triggers.handler(event.action)
        return 60.0 if handler is None else handler.timeout

    def _call(self, stored: OutboxEvent) -> Outcome:
        """Call the handler of an event. Raises nothing."""
        handler = self._triggers.handler(stored.action)
        if handler is None:
            return Failure(f"The app has no action {stored.action}", unfit=True)
        meta = self._metas().get(stored.store) if stored.store else None
        if meta is None and stored.store:
            return Failure(f"The app has no item {stored.store}", unfit=True)
        try:
            event = event_of(stored, meta)
        except (*FAULTS, msgspec.MsgspecError) as error:
            return Failure(f"The event does not fit the declaration of {stored.store}: {error}", unfit=True)
        try:
            handler.call(event)
        except UnfitEvent as error:
            return Failure(str(error), unfit=True)
        except BaseException:  # a handler that calls sys.exit has failed, too
            return Failure(traceback.format_exc())
        return SUCCESS
