"""Timers as schedules of EventBridge Scheduler: the fields of crontab become those of AWS, and intervals become rates.

AWS has the same fields and a year, counts the days of the week from 1, and takes either days of the month or days of the week. Times have a precision of a
minute. A local time that a change of the clock leaves out is skipped there, and one that occurs twice fires once.

Source: "Schedule types in EventBridge Scheduler" in the EventBridge Scheduler User Guide.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from ..drivers import driver
from ..errors import Fault
from ..triggers.timed import Cron

MINUTE, HOUR = 60, 3600
UNITS = ((24 * HOUR, "day"), (HOUR, "hour"), (MINUTE, "minute"))
"""Seconds of a unit of rates → its name."""
YEARS = 10
"""Years in which the offsets of a zone are looked at."""
ALL: Mapping[str, Collection[int]] = {
    "minutes": range(60),
    "hours": range(24),
    "days": range(1, 32),
    "months": range(1, 13),
    "weekdays": range(7),
}
ONLY = "a schedule that EventBridge Scheduler has"


class Schedule(Struct, frozen=True):
    """A schedule: `cron(0 8 ? * 2,3,4,5,6 *)` in a time zone, or `rate(10 minutes)`. `seconds`: how late a fire may be, if Lambda cannot be reached."""

    expression: str
    timezone: str = "UTC"
    seconds: int = 86_400


SKIPPED = 60
"""Seconds by which a fire may be late if missed fires are skipped."""


def scheduled(trigger: Any, path: str, faults: list[Fault]) -> Schedule | None:
    """Return the schedule of a valid timer. None if AWS has none, with the reasons in `faults`. `path`: of the trigger."""
    if isinstance(trigger, Cron):
        return _cron(trigger, path, faults)
    return _rate(trigger.interval, path, faults)


def _rate(interval: int, path: str, faults: list[Fault]) -> Schedule | None:
    for seconds, unit in UNITS:
        if interval % seconds == 0:
            count = interval // seconds
            return Schedule(f"rate({count} {unit if count == 1 else f'{unit}s'})")
    faults.append(Fault(f"{path}/interval", "AWS has no such rate", "whole minutes", str(interval)))
    return None


def _cron(trigger: Cron, path: str, faults: list[Fault]) -> Schedule | None:
    sim: Any = driver("cronsim").CronSim(trigger.expression, datetime(2000, 1, 1))
    days, weekdays = _days(sim.days), _weekdays(sim.weekdays)
    reason = "AWS has no such days"
    if days is not None and weekdays is not None:
        if days == "*":
            days = "?" if weekdays != "*" else "*"
        if weekdays == "*":
            weekdays = "?"
        if "?" in (days, weekdays):
            minutes, hours, months = (_listed(name, getattr(sim, name)) for name in ("minutes", "hours", "months"))
            zone = trigger.timezone
            if hours == "*" and (days, weekdays, months) == ("*", "?", "*") and _has_whole_hours(zone):
                zone = "UTC"  # every hour of the day is every hour of elapsed time, also when the clock changes
            seconds = SKIPPED if trigger.catch_up == "skip" else Schedule("").seconds
            return Schedule(f"cron({minutes} {hours} {days} {months} {weekdays} *)", zone, seconds)
        reason = "AWS takes days of the month or days of the week, not both"
    faults.append(Fault(f"{path}/expression", reason, ONLY, trigger.expression))
    return None


def _listed(name: str, values: Collection[int]) -> str:
    return "*" if set(values) >= set(ALL[name]) else ",".join(map(str, sorted(values)))


def _days(values: Collection[int]) -> str | None:
    """Return the days of the month, None if AWS has no expression for them."""
    sim = driver("cronsim").CronSim
    special = {sim.LAST: "L", sim.LAST_WEEKDAY: "LW"}
    if len(values) == 1 and (found := special.get(next(iter(values)))):
        return found
    return None if special.keys() & set(values) else _listed("days", values)


def _weekdays(values: Collection[Any]) -> str | None:
    """Return the days of the week, None if AWS has no expression for them. Both 0 and 7 are Sunday, which is 1 on AWS."""
    special = [one for one in values if isinstance(one, tuple)]
    if special:
        if len(values) > 1:
            return None
        [(day, nth)] = special
        return f"{day % 7 + 1}L" if nth < 0 else f"{day % 7 + 1}#{nth}"
    found = {day % 7 for day in values}
    return "*" if found >= set(ALL["weekdays"]) else ",".join(str(day + 1) for day in sorted(found))


def _has_whole_hours(zone: str) -> bool:
    """Return whether a zone differs from UTC by whole hours, in the years to come."""
    known, now = ZoneInfo(zone), datetime.now(UTC)
    moments = (now + timedelta(days=30 * month) for month in range(12 * YEARS))
    return all(
        (one.astimezone(known).utcoffset() or timedelta()) % timedelta(hours=1) == timedelta() for one in moments
    )
