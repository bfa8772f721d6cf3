"""The fires of schedules: pure functions of time, without zones that change their offset (see test_daylight_saving)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from persisty import Fault
from persisty.triggers.schedules import MAX_CAUGHT_UP, CronSchedule, FixedRate, due, either, missed, preceding
from persisty.triggers.timed import CatchUp, Cron
from persisty.triggers.timed_schedules import schedule_of

START = datetime(2026, 3, 2, 7, 30, 15, 250_000, tzinfo=UTC)  # a Monday


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def cron(expression: str) -> CronSchedule:
    return CronSchedule(expression, UTC)


@pytest.mark.parametrize(
    ("expression", "following"),
    [
        ("0 8 * * MON-FRI", "2026-03-02 08:00"),
        ("0 7 * * MON-FRI", "2026-03-03 07:00"),
        ("*/20 * * * *", "2026-03-02 07:40"),
        ("0 0 29 2 *", "2028-02-29 00:00"),
        ("0 12 L * *", "2026-03-31 12:00"),
        ("0 9 * * MON#1", "2026-03-02 09:00"),
        ("0 0 13 * FRI", "2026-03-06 00:00"),
    ],
)
def test_a_cron_expression_fires_at_its_next_time(expression: str, following: str) -> None:
    assert cron(expression).following(START) == at(following)


def test_a_fire_follows_strictly_so_a_fire_is_not_its_own_successor() -> None:
    daily = cron("0 8 * * *")
    assert daily.following(at("2026-03-02 08:00")) == at("2026-03-03 08:00")
    assert daily.following(at("2026-03-02 08:00") - timedelta(microseconds=1)) == at("2026-03-02 08:00")
    assert daily.following(at("2026-03-02 08:00") + timedelta(microseconds=1)) == at("2026-03-03 08:00")


def test_a_fixed_rate_has_the_same_fires_in_every_process() -> None:
    rate = FixedRate(90)
    first = rate.following(START)
    assert first is not None
    assert first.timestamp() % 90 == 0
    assert rate.following(first) == first + timedelta(seconds=90)
    assert rate.following(first - timedelta(seconds=1)) == first


def test_several_schedules_of_an_action_fire_once_at_an_instant_that_they_share() -> None:
    both = either([cron("0 8 * * *"), cron("0 */4 * * *")])
    fires = [at("2026-03-02 00:00")]
    for _ in range(6):
        fires.append(both.following(fires[-1]))  # type: ignore[arg-type]
    assert [one.hour for one in fires] == [0, 4, 8, 12, 16, 20, 0]


@pytest.mark.parametrize("expression", ["* * * * *", "0 8 * * *", "*/7 3-5 * * SUN", "0 0 1 1 *"])
def test_preceding_is_the_last_fire_of_those_that_following_yields(expression: str) -> None:
    schedule, after = cron(expression), at("2025-12-30 12:00")
    now = at("2026-01-04 04:15")
    fires: list[datetime] = []
    following = schedule.following(after)
    while following is not None and following <= now:
        fires.append(following)
        following = schedule.following(following)
    assert preceding(schedule, now, after) == (fires[-1] if fires else None)
    assert list(reversed(list(missed(schedule, after, now)))) == fires[-len(fires) :]


@pytest.mark.parametrize(
    ("policy", "fires"),
    [
        ("skip", []),
        ("once", ["2026-03-05 08:00"]),
        ("all", ["2026-03-03 08:00", "2026-03-04 08:00", "2026-03-05 08:00"]),
    ],
)
def test_missed_fires_are_caught_up_by_policy(policy: CatchUp, fires: list[str]) -> None:
    found, decided = due(cron("0 8 * * *"), at("2026-03-02 08:00"), at("2026-03-05 11:00"), policy)
    assert list(found) == [at(one) for one in fires]
    assert decided == at("2026-03-05 08:00"), "none of them is considered again"


@pytest.mark.parametrize("policy", ["skip", "once", "all"])
def test_a_fire_that_is_a_moment_late_is_not_missed(policy: CatchUp) -> None:
    found, _ = due(cron("0 8 * * *"), at("2026-03-02 08:00"), at("2026-03-03 08:00") + timedelta(seconds=30), policy)
    assert list(found) == [at("2026-03-03 08:00")]


def test_nothing_is_due_before_the_next_fire() -> None:
    decided = at("2026-03-02 08:00")
    assert due(cron("0 8 * * *"), decided, at("2026-03-03 07:59"), "all") == ((), decided)


def test_the_fires_that_all_catches_up_are_bounded_and_the_latest() -> None:
    now = at("2027-03-02 08:00")
    found, decided = due(cron("* * * * *"), at("2026-03-02 08:00"), now, "all")
    assert len(found) == MAX_CAUGHT_UP
    assert found[-1] == decided == now
    assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(minutes=1)}


def faults_of(trigger: Cron) -> list[Fault]:
    faults: list[Fault] = []
    schedule_of(trigger, "/t", faults)
    return faults


@pytest.mark.parametrize(
    ("trigger", "path"),
    [
        (Cron("61 * * * *"), "/t/expression"),
        (Cron("* * * *"), "/t/expression"),
        (Cron("0 0 8 * * *"), "/t/expression"),
        (Cron("0 0 31 2 *"), "/t/expression"),
        (Cron("* * */20 * 1L"), "/t/expression"),
        (Cron("0 8 * * " + "," * 300), "/t/expression"),
        (Cron("@daily"), "/t/expression"),
        (Cron(None), "/t/expression"),  # type: ignore[arg-type]
        (Cron("0 8 * * *", timezone="Europe/Atlantis"), "/t/timezone"),
        (Cron("0 8 * * *", timezone="../etc/passwd"), "/t/timezone"),
        (Cron("0 8 * * *", timezone="Europe"), "/t/timezone"),
        (Cron("0 8 * * *", timezone=""), "/t/timezone"),
        (Cron("0 8 * * *", catch_up="twice"), "/t/catch_up"),  # type: ignore[arg-type]
    ],
)
def test_a_cron_trigger_that_is_not_valid_has_a_fault_with_its_place(trigger: Cron, path: str) -> None:
    assert [one.path for one in faults_of(trigger)] == [path]


def test_every_fault_of_a_cron_trigger_is_found() -> None:
    found = faults_of(Cron("x", timezone="y", catch_up="z"))  # type: ignore[arg-type]
    assert [one.path for one in found] == ["/t/catch_up", "/t/timezone", "/t/expression"]
    assert all(one.expected for one in found)
