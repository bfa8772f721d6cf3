"""Timers of a plan: the schedules of EventBridge Scheduler, and the functions that they invoke."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from servey.action.action import action
from servey.trigger.fixed_rate_trigger import FixedRateTrigger

from persisty import App, BeforeCreate, Cron, Event, InvalidDeclaration, public, settings, stored
from persisty.deploy.events import events_of
from persisty.deploy.options import options_of
from persisty.deploy.plan import plan_of
from persisty.deploy.resources import Plan
from persisty.deploy.scheduler_expressions import Schedule, scheduled
from persisty.errors import Fault
from persisty.triggers.schedules import CronSchedule

SPEC = "shop:app"


@stored(access=public)
class Note:
    id: str


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*settings.VARIABLES, "PERSISTY_TOKEN_SECRET"):
        monkeypatch.delenv(name, raising=False)


def schedule(trigger: Any) -> Schedule | Fault:
    faults: list[Fault] = []
    found = scheduled(trigger, "/at", faults)
    return faults[0] if found is None else found


@pytest.mark.parametrize(
    ("seconds", "expression"),
    [(60, "rate(1 minute)"), (600, "rate(10 minutes)"), (3600, "rate(1 hour)"), (86_400, "rate(1 day)"), (5400, "rate(90 minutes)"), (172_800, "rate(2 days)")],
)  # fmt: skip
def test_an_interval_is_a_rate(seconds: int, expression: str) -> None:
    assert schedule(FixedRateTrigger(seconds)) == Schedule(expression)


@pytest.mark.parametrize("seconds", [1, 59, 61, 90])
def test_an_interval_of_no_whole_minutes_is_refused(seconds: int) -> None:
    assert schedule(FixedRateTrigger(seconds)) == Fault(
        "/at/interval", "AWS has no such rate", "whole minutes", str(seconds)
    )


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 8 * * MON-FRI", "cron(0 8 ? * 2,3,4,5,6 *)"),
        ("30 3 * * *", "cron(30 3 * * ? *)"),
        ("*/15 9-17 1 JAN,JUL *", "cron(0,15,30,45 9,10,11,12,13,14,15,16,17 1 1,7 ? *)"),
        ("0 0 * * 0", "cron(0 0 ? * 1 *)"),
        ("0 0 * * 7", "cron(0 0 ? * 1 *)"),
        ("0 0 L * *", "cron(0 0 L * ? *)"),
        ("0 0 LW * *", "cron(0 0 LW * ? *)"),
        ("0 0 * * 5L", "cron(0 0 ? * 6L *)"),
        ("0 0 * * MON#1", "cron(0 0 ? * 2#1 *)"),
        ("* * * * *", "cron(* * * * ? *)"),
    ],
)
def test_a_cron_expression_has_the_fields_of_aws(expression: str, expected: str) -> None:
    assert schedule(Cron(expression, timezone="Europe/Rome")) == Schedule(
        expected, "UTC" if expression == "* * * * *" else "Europe/Rome"
    )


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("0 0 1 * MON", "AWS takes days of the month or days of the week, not both"),
        ("0 0 L,15 * *", "AWS has no such days"),
        ("0 0 * * MON#1,FRI", "AWS has no such days"),
    ],
)
def test_days_that_aws_cannot_express_are_refused(expression: str, reason: str) -> None:
    found = schedule(Cron(expression))
    assert isinstance(found, Fault)
    assert (found.path, found.message, found.found) == ("/at/expression", reason, expression)


@pytest.mark.parametrize(
    ("zone", "deployed"),
    [("Europe/Rome", "UTC"), ("Asia/Kolkata", "Asia/Kolkata"), ("Australia/Lord_Howe", "Australia/Lord_Howe")],
)
def test_a_schedule_of_every_hour_follows_elapsed_time_where_its_zone_has_whole_hours(zone: str, deployed: str) -> None:
    found = schedule(Cron("*/20 * * * *", timezone=zone))
    assert isinstance(found, Schedule)
    assert found.timezone == deployed


def test_a_fire_that_may_be_skipped_is_not_made_up_for() -> None:
    found = schedule(Cron("0 8 * * *", catch_up="skip"))
    assert isinstance(found, Schedule)
    assert found.seconds == 60


def fires(expression: str, day: date) -> set[datetime]:
    """Return the fires of an expression of AWS on a day."""
    minutes, hours, days, months, weekdays, _ = expression.removeprefix("cron(").removesuffix(")").split()
    last = calendar.monthrange(day.year, day.month)[1]
    weekday = (day.isoweekday() % 7) + 1
    if months != "*" and str(day.month) not in months.split(","):
        return set()
    if days not in ("?", "*"):
        workday = max(one for one in range(last - 2, last + 1) if date(day.year, day.month, one).isoweekday() < 6)
        known = {"L": last, "LW": workday}
        if day.day not in [known.get(one) or int(one) for one in days.split(",")]:
            return set()
    if weekdays not in ("?", "*"):
        if weekdays.endswith("L"):
            matches = weekday == int(weekdays[:-1]) and day.day > last - 7
        elif "#" in weekdays:
            wanted, nth = map(int, weekdays.split("#"))
            matches = weekday == wanted and (day.day - 1) // 7 + 1 == nth
        else:
            matches = str(weekday) in weekdays.split(",")
        if not matches:
            return set()
    chosen = [
        range(24 if n else 60) if text == "*" else map(int, text.split(",")) for n, text in enumerate((minutes, hours))
    ]
    hours_of, minutes_of = list(chosen[1]), list(chosen[0])
    return {datetime(day.year, day.month, day.day, h, m, tzinfo=UTC) for h in hours_of for m in minutes_of}


@pytest.mark.parametrize(
    "expression",
    ["0 8 * * MON-FRI", "*/15 9-17 1 JAN,JUL *", "0 0 L * *", "5 4 LW * *", "0 0 * * 5L", "0 0 * * 0L", "0 0 * * MON#1", "0 0 * * 7#5", "7 */6 */10 2-4 *", "0 12 * 2 SUN,6"],
)  # fmt: skip
def test_aws_fires_when_a_worker_would(expression: str) -> None:
    found = schedule(Cron(expression))
    assert isinstance(found, Schedule)
    first = date(2027, 1, 1)
    days = [first + timedelta(days=number) for number in range(731)]
    on_aws = sorted(at for day in days for at in fires(found.expression, day))
    hosted, at = [], datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    known = CronSchedule(expression, UTC)
    while (following := known.following(at)) is not None and following.date() <= days[-1]:
        hosted.append(following)
        at = following
    assert on_aws == hosted
    assert hosted


@action(triggers=Cron("30 3 * * *", timezone="Europe/Rome"), timeout=600)
def purge() -> None: ...


@action(triggers=(FixedRateTrigger(600), Cron("0 0 * * *")))
def report(event: Event[None]) -> None: ...


@action(triggers=BeforeCreate(Note))
def check() -> None: ...


def plan(*actions: Any, **own: Any) -> Plan:
    app = App("shop", items=[Note], actions=actions or [purge, report, check], url="memory://", idempotency=None)
    return plan_of(app, SPEC, "none", own=options_of({"app": SPEC, "actions": own}).actions)


def test_each_timed_action_has_a_function_with_its_schedules() -> None:
    found = plan()
    assert [(one.function.name, one.action) for one in found.timers] == [
        ("timer_purge", "purge"),
        ("timer_report", "report"),
    ]
    first, second = found.timers
    assert first.schedules == (Schedule("cron(30 3 * * ? *)", "Europe/Rome"),)
    assert second.schedules == (Schedule("rate(10 minutes)"), Schedule("cron(0 0 * * ? *)"))
    for one in found.timers:
        assert one.function.handler == "persisty_lambdas.timer.handler"
        assert one.function.layers == ("base", "actions")
        assert one.function.size.timeout == 900
        assert one.function.environment == {
            "PERSISTY_APP": SPEC,
            "PERSISTY_URL": "dynamodb://",
            "PERSISTY_STAGE": "dev",
        }
    events = events_of(found)
    assert events is not None
    assert (events.after, events.queues, events.readers) == ((), 1, ())


def test_the_options_of_the_action_are_those_of_its_function() -> None:
    found = plan(
        purge={"memory": 256, "timeout": 600, "environment": {"KEEP": "30"}, "stores": {"note": ["search", "delete"]}},
        report={"stores": {}},
        check={"stores": {}},
    )
    first, second = (one.function for one in found.timers)
    assert (first.size.memory, first.size.timeout) == (256, 600)
    assert first.environment["KEEP"] == "30"
    assert [grant.store for grant in first.grants] == ["note"]
    assert second.grants == ()
    assert not [one for one in found.functions if one.name.startswith("action_")]


def test_a_function_of_an_api_has_no_longer_timeout() -> None:
    with pytest.raises(InvalidDeclaration) as caught:
        options_of({"app": SPEC, "functions": {"rest": {"timeout": 30}, "timer_purge": {"timeout": 600}}})
    assert [fault.path for fault in caught.value.faults] == ["/functions/rest/timeout"]


def test_every_timer_that_aws_cannot_express_is_named() -> None:
    @action(triggers=(FixedRateTrigger(90), Cron("0 0 1 * MON")))
    def odd() -> None: ...

    with pytest.raises(InvalidDeclaration) as caught:
        plan(odd)
    assert [fault.path for fault in caught.value.faults] == [
        "/actions/odd/triggers/0/interval",
        "/actions/odd/triggers/1/expression",
    ]
