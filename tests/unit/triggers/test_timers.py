"""Timers: exactly one process fires each time, whatever happens to clocks, schedules and records."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from servey.action.action import action
from servey.trigger.fixed_rate_trigger import FixedRateTrigger
from servey.trigger.web_trigger import WEB_POST

from persisty import App, BackendUnavailable, Fault, InvalidDeclaration, InvalidInput, everyone, nobody
from persisty.application.working import Workers, timers_of
from persisty.hosting.server import Server
from persisty.store.outbox import OutboxEvent, Payload
from persisty.store.timer_records import TIMERS
from persisty.testing import drain
from persisty.triggers.event import Event
from persisty.triggers.timed import Cron
from persisty.triggers.timed_schedules import schedule_of
from persisty.triggers.timers import Timers

from .mailing import ACTIONS, app_at, called, count, purge
from .orders import eventually

NOW = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)  # a Monday, 07:30 in Rome
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


class Clock:
    """A clock that tests set."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now.timestamp()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(url: str) -> Iterator[App]:
    made = app_at(url)
    yield made
    made.close()


def at(app: App, clock: Clock) -> Timers:
    """Return the timers of another process of the app, which has begun."""
    timers = timers_of(app, clock)
    assert timers is not None
    timers.step()
    return timers


def events(app: App, action: str) -> list[OutboxEvent]:
    [outbox] = app.outboxes.values()
    return list(outbox.search(None, None, action, 10_000))


def keys(app: App, action: str) -> list[str]:
    return [one.key for one in events(app, action)]


def test_a_timer_fires_at_its_local_times(app: App, clock: Clock) -> None:
    timers = at(app, clock)
    assert events(app, "wake_up") == [], "nothing fires before its time"
    for _ in range(7):
        clock.now += HOUR
        timers.step()
    [event] = events(app, "wake_up")
    assert (event.store, event.kind, event.key) == ("", "timer", "wake_up@2026-03-02T07:00:00Z")


def test_the_handler_gets_the_time_of_the_schedule(app: App, clock: Clock) -> None:
    timers = at(app, clock)
    clock.now = datetime(2026, 3, 2, 7, 0, 21, tzinfo=UTC)
    timers.step()
    drain(app)
    assert called("wake_up") == [datetime(2026, 3, 2, 7, tzinfo=UTC)]
    assert called("count") == [datetime(2026, 3, 2, 7, tzinfo=UTC)]


def test_a_fire_has_the_same_id_in_every_process(clock: Clock) -> None:
    """So a handler recognises a fire that a wrong clock has repeated."""
    ids = set()
    for _ in range(2):
        app, clock.now = app_at("memory://", count), NOW
        timers = at(app, clock)
        clock.now += HOUR
        timers.step()
        [event] = events(app, "count")
        ids.add(msgspec.json.decode(event.payload, type=Payload).id)
        app.close()
    assert len(ids) == 1


def test_one_of_many_processes_fires(app: App, clock: Clock) -> None:
    processes = [at(app, clock) for _ in range(4)]
    for _ in range(30):
        clock.now += HOUR
        threads = [threading.Thread(target=one.step) for one in processes]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert len(keys(app, "count")) == len(set(keys(app, "count"))) == 30
    assert keys(app, "wake_up") == ["wake_up@2026-03-02T07:00:00Z", "wake_up@2026-03-03T07:00:00Z"]


def test_a_process_that_does_not_know_of_a_fire_does_not_repeat_it(app: App, clock: Clock) -> None:
    """The mutant that moves the record on without the condition fires twice here."""
    first, second = at(app, clock), at(app, clock)
    clock.now += HOUR
    first.step()
    second.step()
    assert len(keys(app, "count")) == 1


def test_a_restart_fires_what_was_missed_by_policy(app: App, clock: Clock) -> None:
    at(app, clock)
    clock.now += 3 * DAY + 5 * MINUTE
    at(app, clock)
    assert keys(app, "wake_up") == ["wake_up@2026-03-04T07:00:00Z"], "once: the last one"
    assert keys(app, "purge") == [], "skip: none"
    assert keys(app, "count") == ["count@2026-03-05T06:00:00Z"]


@action(access_control=nobody, triggers=Cron("0 * * * *", catch_up="all"))
def each_hour(event: Event[Any]) -> None:
    """Be called for each hour."""


def test_all_missed_fires_are_caught_up_in_order(url: str, clock: Clock) -> None:
    app = app_at(url, each_hour)
    at(app, clock)
    clock.now += 5 * HOUR
    at(app, clock)
    assert keys(app, "each_hour") == [f"each_hour@2026-03-02T{hour:02}:00:00Z" for hour in range(7, 12)]
    at(app, clock)
    assert len(keys(app, "each_hour")) == 5
    app.close()


def test_a_failure_while_the_event_is_appended_leaves_the_fire_to_the_next_attempt(
    shared_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = app_at(shared_url)
    timers = at(app, clock)
    clock.now += HOUR

    def fails(events: object) -> None:
        raise BackendUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(type(app.own_engine), "append", lambda self, events: fails(events))
        with pytest.raises(BackendUnavailable):
            timers.step()
    assert keys(app, "count") == []
    timers.step()
    assert keys(app, "count") == ["count@2026-03-02T07:00:00Z"]
    app.close()


def test_a_clock_that_is_set_back_fires_nothing_twice(app: App, clock: Clock) -> None:
    timers = at(app, clock)
    clock.now += 3 * HOUR
    timers.step()
    before = keys(app, "count")
    clock.now -= 2 * HOUR
    for _ in range(2):
        timers.step()
        at(app, clock)
        clock.now += HOUR
    assert keys(app, "count") == before
    clock.now += HOUR
    timers.step()
    assert keys(app, "count") == [*before, "count@2026-03-02T10:00:00Z"]


def test_a_clock_that_was_set_far_ahead_does_not_silence_timers(app: App, clock: Clock) -> None:
    timers = at(app, clock)
    clock.now += 4000 * DAY
    timers.step()
    wrong = keys(app, "count")
    assert len(wrong) == 1
    clock.now = NOW + 10 * MINUTE
    for _ in range(3):
        timers.step()
    clock.now = NOW + HOUR
    timers.step()
    assert keys(app, "count") == [*wrong, "count@2026-03-02T07:00:00Z"]


def variant(expression: str) -> Any:
    def call() -> None:
        """Be called."""

    return action(call, access_control=nobody, name="nightly", triggers=Cron(expression))


def test_a_changed_schedule_has_missed_nothing_and_goes_on(url: str, clock: Clock) -> None:
    app = app_at(url, variant("0 3 1 1 *"))
    at(app, clock)
    clock.now += 40 * DAY
    app = app_with(app, url, variant("0 * * * *"))
    timers = at(app, clock)
    assert keys(app, "nightly") == []
    clock.now += HOUR
    timers.step()
    assert keys(app, "nightly") == [f"nightly@{clock.now:%Y-%m-%dT%H}:00:00Z"]
    app.close()


def app_with(app: App, url: str, *actions: Any) -> App:
    """Return another version of an app, with the items and events of the first one."""
    other = App("mailing", url=url, items=[], actions=actions, idempotency=None)
    other._engines = app._engines
    other.prepare()
    return other


def test_old_and_new_code_side_by_side_fire_a_common_time_once(url: str, clock: Clock) -> None:
    old_app = app_at(url, variant("0 * * * *"))
    old = at(old_app, clock)
    new_app = app_with(old_app, url, variant("0 8 * * *"))
    new = at(new_app, clock)
    old_again = at(old_app, clock)
    for _ in range(3):
        clock.now += HOUR
        for one in (new, old, old_again):
            one.step()
    assert keys(old_app, "nightly") == [f"nightly@2026-03-02T{hour:02}:00:00Z" for hour in (7, 8, 9)]
    old_app.close()


def test_a_removed_timer_fires_no_more_and_its_waiting_event_is_held(url: str, clock: Clock) -> None:
    app = app_at(url, count, purge)
    timers = at(app, clock)
    clock.now += HOUR
    timers.step()
    rest = app_with(app, url, purge)
    later = at(rest, clock)
    clock.now += HOUR
    later.step()
    assert keys(rest, "count") == ["count@2026-03-02T07:00:00Z"]
    drain(rest)
    [event] = events(rest, "count")
    assert event.error == "The app has no action count"
    app.close()


def test_a_record_that_was_deleted_is_created_again(app: App, clock: Clock) -> None:
    timers = at(app, clock)
    app.system_store(TIMERS).delete("count")
    clock.now += HOUR
    timers.step()
    clock.now += MINUTE
    timers.step()
    clock.now += HOUR
    timers.step()
    assert keys(app, "count") == ["count@2026-03-02T08:00:00Z"]


def test_drain_moves_the_time(app: App) -> None:
    until = datetime.now(UTC) + 26 * HOUR
    drain(app, until=until)
    assert len(called("count")) == 26
    assert len(called("purge")) in (1, 2)
    assert called("count") == sorted(called("count"))
    drain(app, until=until)
    assert len(called("count")) == 26


def test_drain_remembers_how_far_it_has_moved_the_time(app: App, caplog: pytest.LogCaptureFixture) -> None:
    until = datetime.now(UTC) + 50 * HOUR
    for _ in range(3):
        drain(app, until=until)
        assert len(called("count")) == 50
    drain(app, until=until - 10 * HOUR)
    assert len(called("count")) == 50
    drain(app, until=until + 2 * HOUR)
    assert len(called("count")) == len(set(called("count"))) == 52
    assert "A clock was ahead" not in caplog.text


@pytest.mark.parametrize("until", [datetime(2030, 1, 1), "2030-01-01", timedelta(days=1), 5])
def test_drain_needs_a_time_with_a_zone(app: App, until: Any) -> None:
    with pytest.raises(InvalidInput):
        drain(app, until=until)


def test_drain_without_a_time_fires_no_timer(app: App) -> None:
    drain(app)
    assert called("count") == []


@action(access_control=nobody, triggers=FixedRateTrigger(1))
def tick() -> None:
    """Be called each second."""
    from .mailing import record

    record("tick", None)


def test_workers_fire_and_a_process_without_them_does_not(url: str) -> None:
    app = app_at(url, tick)
    Server(app, work=None)
    assert not eventually(lambda: events(app, "tick"), 1.5)
    workers = Workers(app, 1)
    workers.start()
    assert eventually(lambda: len(called("tick")) >= 2)
    assert workers.stop()
    seen = len(called("tick"))
    assert not eventually(lambda: len(called("tick")) > seen, 1.5)
    app.close()


def test_timers_go_on_after_errors(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("persisty.triggers.timers.LOOK", 0.05)
    app = app_at(url, tick)
    errors = iter([BackendUnavailable("away"), KeyError("a mistake")])
    step = Timers.step

    def failing(self: Timers) -> float:
        error = next(errors, None)
        if error is not None:
            raise error
        return step(self)

    monkeypatch.setattr(Timers, "step", failing)
    workers = Workers(app, 1)
    workers.start()
    assert eventually(lambda: called("tick"))
    assert workers.alive
    assert workers.stop()
    app.close()


@action(access_control=nobody, triggers=(FixedRateTrigger(0), Cron("0 0 31 2 *", "Mars/Base", retry=3)))  # type: ignore[arg-type]
def never(letter: str) -> None:
    """Be never called."""


@action(access_control=everyone, triggers=(WEB_POST, FixedRateTrigger(3600), Cron("0 8 * * *", catch_up="all")))
def both() -> None:
    """Be called by requests and timers."""


@action(access_control=nobody, triggers=FixedRateTrigger(3600))
def typed(event: Event[timedelta]) -> None:
    """Expect an item that a timer does not have."""


def test_timers_that_cannot_run_stop_the_start() -> None:
    app = App("mailing", items=[], url="memory://", actions=[never, both, typed], idempotency=None)
    with pytest.raises(InvalidDeclaration) as caught:
        Server(app)
    assert sorted(one.path for one in caught.value.faults) == [
        "/actions/both/triggers/1/catch_up",
        "/actions/never/parameters/letter",
        "/actions/never/triggers/0/interval",
        "/actions/never/triggers/1/expression",
        "/actions/never/triggers/1/retry",
        "/actions/never/triggers/1/timezone",
        "/actions/typed/parameters/event",
    ]


def test_a_host_whose_engine_stores_no_events_does_not_start() -> None:
    app = App("mailing", items=[], url="dynamodb://eu-west-1?transport=boto3", actions=[count], idempotency=None)
    with pytest.raises(InvalidDeclaration) as caught:
        Server(app)
    assert [one.path for one in caught.value.faults] == ["/url"]


def test_timers_are_in_the_own_engine_of_an_app_with_several(url: str, clock: Clock) -> None:
    app = App("mailing", items=[], url=url, engines={"other": "memory://"}, actions=[count], idempotency=None)
    app.prepare()
    assert list(app.outboxes) == [None]
    at(app, clock)
    assert app.system_store(TIMERS).count() == 1
    app.close()


def test_an_app_without_timers_has_no_table_and_no_thread_for_them(url: str) -> None:
    app = app_at(url, *[one for one in ACTIONS if one.__name__ in ("mail", "remind")])
    assert timers_of(app) is None
    assert TIMERS not in app.system_stores
    app.close()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 99 * * *", "hours 0 to 23"),
        ("61 8 * * *", "minutes 0 to 59"),
        ("0 8 32 * *", "days 1 to 31"),
        ("0 8 * 13 *", "months 1 to 12"),
        ("0 8 * * FOO", "days of week 0 to 7"),
        ("0 8 * *", "five fields"),
    ],
)
def test_a_bad_field_of_a_schedule_is_named_with_its_values(expression: str, expected: str) -> None:
    faults: list[Fault] = []
    assert schedule_of(Cron(expression), "", faults) is None
    assert (faults[0].expected or "").startswith(expected)
