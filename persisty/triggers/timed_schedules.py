"""Compile the triggers of time to schedules: cron expressions, zones and intervals are checked at the start of an app."""

from __future__ import annotations

from datetime import UTC, tzinfo
from typing import Any, get_args
from zoneinfo import ZoneInfo

from ..drivers import driver
from ..errors import Fault
from .schedules import EPOCH, CronSchedule, FixedRate, Schedule
from .timed import CatchUp, Cron

MAX_EXPRESSION = 256
"""The most characters of a cron expression."""
MAX_INTERVAL = 366 * 24 * 60 * 60
"""The most seconds between two calls at a fixed rate."""
FIELDS = "five fields: minute, hour, day of month, month and day of week, such as 0 8 * * MON-FRI"
VALUES = {
    "Bad minute": "minutes 0 to 59",
    "Bad hour": "hours 0 to 23",
    "Bad day-of-month": "days 1 to 31, or L",
    "Bad month": "months 1 to 12, or JAN to DEC",
    "Bad day-of-week": "days of week 0 to 7, or SUN to SAT",
}
"""cronsim's reason → the values that the field may have."""
ZONES = "a name of the IANA time zone database, such as Europe/Rome"


def schedule_of(trigger: Any, path: str, faults: list[Fault]) -> Schedule | None:
    """Return the schedule of a timer. None if it has none, with the reasons in `faults`. `path`: of the trigger."""
    return _cron(trigger, path, faults) if isinstance(trigger, Cron) else _fixed_rate(trigger, path, faults)


def _fixed_rate(trigger: Any, path: str, faults: list[Fault]) -> Schedule | None:
    interval = trigger.interval
    if type(interval) is int and 1 <= interval <= MAX_INTERVAL:
        return FixedRate(interval)
    faults.append(Fault(f"{path}/interval", "Not a number of seconds", f"1 to {MAX_INTERVAL}", repr(interval)[:80]))
    return None


def _cron(trigger: Cron, path: str, faults: list[Fault]) -> Schedule | None:
    if trigger.catch_up not in get_args(CatchUp):
        expected = "one of " + ", ".join(get_args(CatchUp))
        faults.append(Fault(f"{path}/catch_up", "Not a policy", expected, repr(trigger.catch_up)[:80]))
    zone = _zone(trigger.timezone)
    if zone is None:
        faults.append(Fault(f"{path}/timezone", "Not a time zone of this host", ZONES, repr(trigger.timezone)[:80]))
    found = _parsed(trigger.expression, zone or UTC)
    if isinstance(found, str):
        expected = VALUES.get(found, FIELDS)
        faults.append(Fault(f"{path}/expression", found, expected, repr(trigger.expression)[:80]))
        return None
    return found


def _parsed(expression: str, zone: tzinfo) -> Schedule | str:
    """Return the schedule of an expression, or the reason why it is none."""
    if not isinstance(expression, str) or len(expression) > MAX_EXPRESSION or len(expression.split()) != 5:
        return "Not a cron expression"
    try:
        schedule = CronSchedule(expression, zone)
    except driver("cronsim").CronSimError as error:
        return str(error)
    return schedule if schedule.following(EPOCH) is not None else "The expression has no date"


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError):
        return None
