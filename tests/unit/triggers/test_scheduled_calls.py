"""Scheduled calls: when they are made, transactions, keys, and cancellation."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from servey.action.action import action

from persisty import App, Conflict, InvalidDeclaration, InvalidInput, nobody
from persisty.application.working import Workers
from persisty.backends.sql.scheduled_events import ScheduledEvents
from persisty.store.outbox import State
from persisty.testing import drain
from persisty.triggers.timed import Scheduled

from .mailing import HOUR, SOON, Letter, UndoneError, app_at, called, counts, later, mail, record, remind
from .orders import eventually


def test_a_call_is_made_at_its_time_with_its_arguments(app: App) -> None:
    at = later()
    app.schedule(remind, {"letter": "a", "at": at}, at=at)
    drain(app)
    assert called("remind") == []
    assert counts(app) == {State.SCHEDULED: 1}
    drain(app, until=at)
    assert called("remind") == [("a", at, 1)]
    assert counts(app) == {}


@pytest.mark.parametrize("delay", [0, 0.0, timedelta(0)])
def test_a_call_without_a_delay_is_made_at_once(app: App, delay: Any) -> None:
    app.schedule("remind", {"letter": "a"}, delay=delay)
    drain(app)
    assert called("remind") == [("a", None, 1)]


@pytest.mark.parametrize("at", [datetime(2020, 1, 1), datetime(1, 1, 1)])
def test_a_time_in_the_past_and_in_another_zone_is_due(app: App, at: datetime) -> None:
    app.schedule(remind, {"letter": "a"}, at=at.replace(tzinfo=timezone(timedelta(hours=5))))
    drain(app)
    assert called("remind") == [("a", None, 1)]


def test_calls_are_made_in_the_order_of_their_times(app: App) -> None:
    for name, hours in (("c", 3), ("a", 1), ("b", 2)):
        app.schedule(remind, {"letter": name}, delay=hours * HOUR)
    drain(app, until=later(4 * 3600))
    assert [letter for letter, _, _ in called("remind")] == ["a", "b", "c"]


def test_workers_make_calls_soon_after_their_time(app: App) -> None:
    workers = Workers(app, 1)
    workers.start()
    app.schedule(remind, {"letter": "a"}, delay=0.2)
    assert eventually(lambda: called("remind"), 5)
    workers.stop()


def test_a_key_is_unique_while_its_call_is_scheduled(app: App) -> None:
    app.schedule(remind, {"letter": "a"}, delay=HOUR, key="a")
    with pytest.raises(Conflict):
        app.schedule(remind, {"letter": "b"}, delay=HOUR, key="a")
    drain(app, until=later(2 * 3600))
    app.schedule(remind, {"letter": "c"}, delay=HOUR, key="a")
    assert [letter for letter, _, _ in called("remind")] == ["a"]
    assert counts(app) == {State.SCHEDULED: 1}


def test_one_of_many_threads_schedules_a_key(app: App) -> None:
    outcomes: list[bool] = []

    def schedule() -> None:
        try:
            app.schedule(remind, {"letter": "a"}, delay=HOUR, key="a")
            outcomes.append(True)
        except Conflict:
            outcomes.append(False)

    threads = [threading.Thread(target=schedule) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(outcomes) == [False] * 7 + [True]


def test_a_cancelled_call_is_not_made(app: App) -> None:
    app.schedule(remind, {"letter": "a"}, delay=HOUR, key="a")
    assert app.cancel(remind, "a") is True
    assert app.cancel(remind, "a") is False
    assert app.cancel("remind", "b") is False
    drain(app, until=later(2 * 3600))
    assert called("remind") == []


@action(access_control=nobody, triggers=Scheduled())
def poll(times: int) -> None:
    """Schedule the next call under the same key, and record whether this one can be cancelled."""
    app: App = poll.app  # type: ignore[attr-defined]
    record("poll", app.cancel(poll, "poll"))
    if times:
        app.schedule(poll, {"times": times - 1}, delay=SOON, key="poll")


def test_a_call_that_has_begun_is_not_cancelled_and_its_key_is_free(url: str) -> None:
    app = app_at(url, poll)
    poll.app = app  # type: ignore[attr-defined]
    app.schedule(poll, {"times": 2}, delay=0, key="poll")
    drain(app, until=later(60))
    assert called("poll") == [False, False, False]
    app.close()


def test_a_call_is_either_cancelled_or_made(app: App) -> None:
    count = 60
    for number in range(count):
        app.schedule(remind, {"letter": str(number)}, delay=0, key=str(number))
    cancelled: set[str] = set()

    def cancel(own: int) -> None:
        for number in range(own, count, 2):
            if app.cancel(remind, str(number)):
                cancelled.add(str(number))

    threads = [threading.Thread(target=cancel, args=(own,)) for own in (0, 1)]
    for one in threads:
        one.start()
    drain(app)
    for one in threads:
        one.join()
    drain(app)
    made = [letter for letter, _, _ in called("remind")]
    assert len(made) == len(set(made))
    assert not cancelled & set(made)
    assert len(cancelled) + len(made) == count


def test_a_call_that_is_cancelled_while_a_worker_reads_it_is_not_made(
    transactional: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutant that starts calls without the condition makes this call."""
    app = transactional
    app.schedule(remind, {"letter": "a"}, delay=0, key="a")
    cancelled: list[bool] = []
    start = ScheduledEvents._started

    def started(self: ScheduledEvents, positions: list[int]) -> set[int]:
        if positions:
            cancelled.append(app.cancel(remind, "a"))
        return start(self, positions)

    monkeypatch.setattr(ScheduledEvents, "_started", started)
    drain(app)
    assert cancelled == [True]
    assert called("remind") == []


def test_a_failed_call_is_tried_again_and_then_parked(app: App) -> None:
    app.schedule(remind, {"letter": "bad"}, delay=0)
    drain(app, until=later(3600))
    assert len(called("remind")) == 2
    assert counts(app) == {State.PARKED: 1}


def test_calls_are_scheduled_and_cancelled_with_the_transaction(transactional: App) -> None:
    app = transactional
    with suppress(UndoneError), app.transaction():
        app.store(Letter).create(Letter(id="a"))
        app.schedule(remind, {"letter": "a"}, delay=HOUR, key="a")
        raise UndoneError
    assert counts(app) == {}
    with app.transaction():
        app.schedule(remind, {"letter": "a"}, delay=HOUR, key="a")
        app.store(Letter).create(Letter(id="a"))
        with pytest.raises(Conflict):
            app.schedule(remind, {"letter": "b"}, delay=HOUR, key="a")
        with suppress(UndoneError), app.transaction():
            assert app.cancel(remind, "a") is True
            raise UndoneError
    assert counts(app) == {State.SCHEDULED: 1}
    with app.transaction():
        assert app.cancel(remind, "a") is True
        app.schedule(remind, {"letter": "c"}, delay=HOUR, key="a")
    drain(app, until=later(2 * 3600))
    assert [letter for letter, _, _ in called("remind")] == ["c"]


def test_every_fault_of_a_scheduled_call_has_a_path(app: App) -> None:
    with pytest.raises(InvalidInput) as caught:
        app.schedule(remind, {"letter": 1, "times": 0, "at": "today", "place": "x"}, delay=1)
    assert [one.path for one in caught.value.faults] == ["/place", "/letter", "/at", "/times"]
    with pytest.raises(InvalidInput) as caught:
        app.schedule(remind, {}, delay=1)
    assert [(one.path, one.message) for one in caught.value.faults] == [("/letter", "Missing")]


@pytest.mark.parametrize(
    ("when", "path"),
    [
        ({}, "/at"),
        ({"at": later(), "delay": 1}, "/at"),
        ({"at": datetime(2027, 1, 1)}, "/at"),
        ({"at": "2027-01-01"}, "/at"),
        ({"at": datetime(9999, 1, 1, tzinfo=UTC)}, "/at"),
        ({"delay": -1}, "/delay"),
        ({"delay": float("nan")}, "/delay"),
        ({"delay": float("inf")}, "/delay"),
        ({"delay": True}, "/delay"),
        ({"delay": 10**400}, "/delay"),
        ({"delay": "1"}, "/delay"),
        ({"delay": 1, "key": ""}, "/key"),
        ({"delay": 1, "key": "x" * 513}, "/key"),
        ({"delay": 1, "key": "\0"}, "/key"),
        ({"delay": 1, "key": "\ud800"}, "/key"),
        ({"delay": 1, "key": 7}, "/key"),
    ],
)
def test_a_time_or_a_key_that_is_not_valid_is_refused(app: App, when: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        app.schedule(remind, {"letter": "a"}, **when)
    assert [one.path for one in caught.value.faults] == [path]
    assert counts(app) == {}


def test_only_actions_that_declare_it_are_scheduled(app: App) -> None:
    for one in (mail, "mail", "none", test_only_actions_that_declare_it_are_scheduled):
        with pytest.raises(InvalidDeclaration):
            app.schedule(one, {}, delay=1)
        with pytest.raises(InvalidDeclaration):
            app.cancel(one, "a")
    with pytest.raises(InvalidInput):
        app.cancel(remind, "")
    with pytest.raises(InvalidInput):
        app.schedule(remind, ["a"], delay=1)  # type: ignore[arg-type]
