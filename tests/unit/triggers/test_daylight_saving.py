"""No fire is missed or doubled when the offset of a zone changes: ten years of every zone, against a model that looks at each minute."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import pytest

from persisty.triggers.schedules import CronSchedule

FIRST, LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
MINUTE, HOUR, WEEK = timedelta(minutes=1), timedelta(hours=1), timedelta(days=7)
AROUND = 5 * HOUR
CHOSEN = ("Europe/Rome", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Africa/Casablanca")
"""Zones whose changes differ: at night, of half an hour, at midnight, for a month."""

Changes = tuple[tuple[datetime, timedelta, timedelta], ...]
"""The instants of changes, with the offsets before and after them."""


def offset(zone: ZoneInfo, at: datetime) -> timedelta:
    found = at.astimezone(zone).utcoffset()
    assert found is not None
    return found


def changes_of(zone: ZoneInfo) -> Iterator[tuple[datetime, timedelta, timedelta]]:
    week = FIRST
    while week < LAST:
        low, high = week, week + WEEK
        if offset(zone, low) != offset(zone, high):
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) // 2
                middle = middle.replace(microsecond=0)
                low, high = (middle, high) if offset(zone, middle) == offset(zone, low) else (low, middle)
            yield high, offset(zone, low), offset(zone, high)
        week += WEEK


@cache
def zones() -> dict[str, Changes]:
    """Return one zone of those with the same changes, and its changes."""
    found: dict[Changes, str] = {}
    for name in sorted(available_timezones()):
        found.setdefault(tuple(changes_of(ZoneInfo(name))), name)
    return {name: changes for changes, name in found.items() if changes} | {
        name: tuple(changes_of(ZoneInfo(name))) for name in CHOSEN
    }


def hours_around(change: datetime, before: timedelta) -> list[int]:
    local = change + before
    return sorted({(local + hours * HOUR).hour for hours in (-2, -1, 0, 1)})


def on_the_wall(minutes: set[int], hours: set[int], local: list[datetime], start: datetime) -> list[datetime]:
    """Return the fires of a schedule of the clock on the wall. `local`: the local time of each minute from `start` on."""
    first: dict[datetime, int] = {}
    for place, one in enumerate(local):
        first.setdefault(one, place)
    fires = set()
    one = local[0]
    while one <= local[-1]:
        if one.minute in minutes and one.hour in hours:
            place = first.get(one)
            if place is None:  # this local time does not exist: the first minute after the gap
                place = next(at for at, later in enumerate(local) if later > one)
            fires.add(start + place * MINUTE)
        one += MINUTE
    return sorted(fires)


def elapsed(minutes: set[int], local: list[datetime], start: datetime) -> list[datetime]:
    return [start + place * MINUTE for place, one in enumerate(local) if one.minute in minutes]


def fires(schedule: CronSchedule, start: datetime, end: datetime) -> list[datetime]:
    """Return the fires of a schedule from the first instant to the last one."""
    found: list[datetime] = []
    one = schedule.following(start - MINUTE)
    while one is not None and one <= end:
        found.append(one)
        one = schedule.following(one)
    return found


@pytest.mark.parametrize("name", zones())
def test_no_fire_is_missed_or_doubled_at_a_change_of_the_offset(name: str) -> None:
    zone = ZoneInfo(name)
    for change, before, _ in zones()[name]:
        start = (change - AROUND).replace(second=0)
        end = start + 2 * AROUND
        minutes_of_window = int((end - start) / MINUTE)
        local = [
            (start + place * MINUTE).astimezone(zone).replace(tzinfo=None, fold=0)
            for place in range(minutes_of_window + 1)
        ]
        hours = hours_around(change, before)
        for minutes, at in (({0}, hours), ({0, 30}, hours[:1]), ({15, 45}, hours[1:3]), (set(range(0, 60, 20)), hours)):
            text = ",".join(map(str, sorted(minutes)))
            schedule = CronSchedule(f"{text} {','.join(map(str, at))} * * *", zone)
            assert fires(schedule, start, end) == on_the_wall(minutes, set(at), local, start), (schedule.text, change)
        stepped = CronSchedule("*/15 */2 * * *", zone)
        even, quarters = set(range(0, 24, 2)), {0, 15, 30, 45}
        assert fires(stepped, start, end) == on_the_wall(quarters, even, local, start), (stepped.text, change)
        for minutes in ({0}, {30}, {7, 52}):
            schedule = CronSchedule(f"{','.join(map(str, sorted(minutes)))} * * * *", zone)
            assert fires(schedule, start, end) == elapsed(minutes, local, start), (schedule.text, change)


@pytest.mark.parametrize("name", CHOSEN)
@pytest.mark.parametrize("hour", [0, 2, 23])
def test_a_daily_schedule_fires_once_for_each_local_date_of_ten_years(name: str, hour: int) -> None:
    zone = ZoneInfo(name)
    found = fires(CronSchedule(f"30 {hour} * * *", zone), FIRST + timedelta(days=1), LAST - timedelta(days=1))
    dates = [one.astimezone(zone).date() for one in found]
    assert dates == [dates[0] + timedelta(days=place) for place in range(len(dates))]
    assert len(dates) >= (LAST - FIRST).days - 3


def test_the_first_fire_after_any_instant_is_the_next_one_of_the_sequence() -> None:
    """Where a search begins must not matter: not in the gap, nor in the hour that occurs twice."""
    for name in CHOSEN:
        zone = ZoneInfo(name)
        for change, before, _ in zones()[name][:4]:
            start, end = change - AROUND, change + AROUND
            for text in (f"*/20 {','.join(map(str, hours_around(change, before)))} * * *", "*/20 * * * *"):
                schedule = CronSchedule(text, zone)
                known = fires(schedule, start, end + 24 * HOUR)
                for place in range(0, int((end - start) / MINUTE), 7):
                    at = start + place * MINUTE
                    assert schedule.following(at) == known[bisect_right(known, at)], (schedule.text, at)


def test_a_local_time_of_a_gap_fires_at_the_instant_after_it_and_one_that_occurs_twice_at_the_first() -> None:
    rome = ZoneInfo("Europe/Rome")
    nightly = CronSchedule("30 2 * * *", rome)
    assert nightly.following(datetime(2026, 3, 28, 12, tzinfo=UTC)) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    assert nightly.following(datetime(2026, 3, 29, 1, 0, tzinfo=UTC)) == datetime(2026, 3, 30, 0, 30, tzinfo=UTC)
    assert nightly.following(datetime(2026, 10, 24, 12, tzinfo=UTC)) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert nightly.following(datetime(2026, 10, 25, 0, 30, tzinfo=UTC)) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "day"), [("Pacific/Apia", datetime(2011, 12, 30)), ("Pacific/Kwajalein", datetime(1993, 8, 21))]
)
def test_a_date_that_a_zone_skips_fires_once_at_its_end(name: str, day: datetime) -> None:
    schedule = CronSchedule(f"0 8,20 {day.day} {day.month} *", ZoneInfo(name))
    first = schedule.following(day.replace(tzinfo=UTC) - timedelta(days=3))
    assert first is not None
    assert first.astimezone(ZoneInfo(name)).date() == day.date() + timedelta(days=1)
    following = schedule.following(first)
    assert following is not None
    assert following.year == day.year + 1
