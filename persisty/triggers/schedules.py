"""Schedules: the instants at which a timed action fires. Pure functions of time: nothing here reads a clock or a store.

```
FixedRate    every n seconds, counted from 1970: the same instants in every process and after every restart
CronSchedule local times of a zone
    in every hour   follows elapsed time: each instant whose local time matches, so twice in an hour that occurs twice
    otherwise       follows the clock on the wall: each local time once
                    the clock goes back      at the first of the two instants
                    the clock goes forward   at the instant after the gap, once for all local times within it
```

cronsim parses expressions and finds matching local times without a zone. The zone is applied here: if a field begins with `*` (`*/15 2 * * *`),
cronsim drops the local times of a gap and repeats those of an hour that occurs twice.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from typing import Any, Protocol

from ..drivers import driver
from .timed import CatchUp

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ON_TIME = timedelta(minutes=1)
"""A fire that is at most this late is not missed."""
MAX_CAUGHT_UP = 1_000
"""The most missed fires that `all` catches up, the latest ones."""
HOURS = 24


class Schedule(Protocol):
    """`text` identifies the schedule: it changes with its instants."""

    text: str

    def following(self, at: datetime) -> datetime | None:
        """Return the first fire after an instant, in UTC. None if there is none within 50 years."""
        ...


class FixedRate:
    """`seconds`: the time between two fires."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self.text = f"every {seconds} seconds"

    def following(self, at: datetime) -> datetime | None:
        passed = (at - EPOCH) // timedelta(seconds=self._seconds)
        return EPOCH + timedelta(seconds=(passed + 1) * self._seconds)


class CronSchedule:
    """`expression`: five fields. `zone`: of its local times. Raises `cronsim.CronSimError` for any other expression."""

    def __init__(self, expression: str, zone: tzinfo) -> None:
        self._zone = zone
        self._sim: Any = driver("cronsim").CronSim(expression, datetime(2000, 1, 1))
        self._follows_elapsed_time = len(self._sim.hours) == HOURS
        self.text = f"{' '.join(expression.split())} {zone}"

    def following(self, at: datetime) -> datetime | None:
        at = at.astimezone(UTC).replace(microsecond=0)
        try:
            return self._elapsed(at) if self._follows_elapsed_time else self._on_the_wall(at)
        except (StopIteration, OverflowError, ValueError):  # the end of the calendar
            return None

    def _on_the_wall(self, at: datetime) -> datetime:
        """Return the first instant after `at` whose local time matches, each local time once. Local times ascend with their instants."""
        local = self._local(at)
        while True:
            local = self._matching(local)
            instant = self._instant(local)
            if instant > at:  # otherwise the clock went back, and this local time has been
                return instant

    def _elapsed(self, at: datetime) -> datetime:
        """Return the first instant after `at` whose local time matches.

        Until the next change of the offset, local time is the instant plus the offset. At a change, the search goes on with the new offset.
        """
        local, offset = self._local(at), self._offset(at)
        while True:
            instant = (self._matching(local) - offset).replace(tzinfo=UTC)
            near = min(instant, at + 2 * DAY)
            change = self._change(at, near)
            if change is not None:
                at, offset = change, self._offset(change)
                local = self._local(at) - SECOND
            elif near == instant:
                return instant
            else:  # no local time matches until a day before, whatever the offset is then
                at = instant - DAY - timedelta(hours=12)
                local, offset = self._local(at), self._offset(at)

    def _matching(self, local: datetime) -> datetime:
        """Return the first matching local time after `local`."""
        sim = copy.copy(self._sim)
        sim.dt = local
        found: datetime = next(sim)
        return found

    def _instant(self, local: datetime) -> datetime:
        """Return the instant of a local time: the first one if there are two, and the instant after the gap if there is none."""
        first = local.replace(tzinfo=self._zone, fold=0)
        instant = first.astimezone(UTC)
        if self._local(instant) == local:
            return instant
        before = local.replace(tzinfo=self._zone, fold=1).astimezone(UTC)  # within a gap, this is the earlier instant
        return self._change(before, instant) or instant

    def _change(self, after: datetime, until: datetime) -> datetime | None:
        """Return the instant of a change of the offset after one instant and not after another, None if their offsets are alike."""
        offset = self._offset(after)
        if after >= until or self._offset(until) == offset:
            return None
        while until - after > SECOND:
            middle = _middle(after, until)
            if self._offset(middle) == offset:
                after = middle
            else:
                until = middle
        return until

    def _local(self, at: datetime) -> datetime:
        return at.astimezone(self._zone).replace(tzinfo=None, microsecond=0, fold=0)

    def _offset(self, at: datetime) -> timedelta:
        return at.astimezone(self._zone).utcoffset() or timedelta()


class Either:
    """Several schedules: an instant that more than one of them has is one fire."""

    def __init__(self, schedules: Sequence[Schedule]) -> None:
        self._schedules = schedules
        self.text = ", ".join(sorted(one.text for one in schedules))

    def following(self, at: datetime) -> datetime | None:
        found = (one.following(at) for one in self._schedules)
        return min((one for one in found if one is not None), default=None)


def either(schedules: Sequence[Schedule]) -> Schedule:
    """Return one schedule with the fires of several."""
    return schedules[0] if len(schedules) == 1 else Either(schedules)


def _middle(low: datetime, high: datetime) -> datetime:
    """Return the whole second in the middle of two."""
    return low + (high - low) // SECOND // 2 * SECOND


def preceding(schedule: Schedule, at: datetime, after: datetime) -> datetime | None:
    """Return the last fire that is not after `at`, None if there is none after `after`. A binary search: about 20 steps a day."""
    last = None
    low, high = (one.astimezone(UTC).replace(microsecond=0) for one in (after, at))
    while low < high:  # the fires between `high` and `at` are known: there is none, or `last` is the first of them
        middle = _middle(low, high)
        found = schedule.following(middle)
        if found is not None and found <= at:
            last = low = found
        else:
            high = middle
    return last


def missed(schedule: Schedule, after: datetime, now: datetime) -> Iterator[datetime]:
    """Yield the fires after one instant and not after another, the last one first."""
    at = now
    while (found := preceding(schedule, at, after)) is not None:
        yield found
        at = found - SECOND


def due(schedule: Schedule, after: datetime, now: datetime, catch_up: CatchUp) -> tuple[Sequence[datetime], datetime]:
    """Return the instants to fire at, in order, and the last instant that is decided. `after`: the instant up to which all fires are decided."""
    last = preceding(schedule, now, after)
    if last is None:
        return (), after
    if catch_up == "all":
        return list(islice(missed(schedule, after, now), MAX_CAUGHT_UP))[::-1], last
    return (last,) if catch_up == "once" or now - last <= ON_TIME else (), last
