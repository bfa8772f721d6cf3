"""Scheduled calls and queues: when they are handled, transactions, keys, order, and messages that do not fit."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from time import sleep
from typing import Any
from uuid import uuid4

import pytest
from servey.action.action import action

from persisty import App, Caller, Conflict, InvalidDeclaration, InvalidInput, nobody
from persisty.application.working import Workers
from persisty.backends.sql.scheduled_events import ScheduledEvents
from persisty.hosting.server import Server
from persisty.store.outbox import State
from persisty.testing import drain
from persisty.triggers.messages import MAX_MESSAGE
from persisty.triggers.timed import Queue, Scheduled
from persisty.triggers.trigger import Retry

from .mailing import Email, Letter, app_at, called, mail, record, remind
from .orders import eventually

SOON, HOUR = timedelta(milliseconds=1), timedelta(hours=1)


class _UndoneError(Exception):
    """Rolls back a transaction."""


@pytest.fixture
def app(url: str) -> Iterator[App]:
    made = app_at(url)
    yield made
    made.close()


@pytest.fixture
def transactional(shared_url: str) -> Iterator[App]:
    made = app_at(shared_url)
    yield made
    made.close()


def counts(app: App) -> dict[State, int]:
    return {state: count for state, count in app.outboxes[None].counts().items() if count}


def later(seconds: float = 3600) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


# scheduled calls


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
    with suppress(_UndoneError), app.transaction():
        app.store(Letter).create(Letter(id="a"))
        app.schedule(remind, {"letter": "a"}, delay=HOUR, key="a")
        raise _UndoneError
    assert counts(app) == {}
    with app.transaction():
        app.schedule(remind, {"letter": "a"}, delay=HOUR, key="a")
        app.store(Letter).create(Letter(id="a"))
        with pytest.raises(Conflict):
            app.schedule(remind, {"letter": "b"}, delay=HOUR, key="a")
        with suppress(_UndoneError), app.transaction():
            assert app.cancel(remind, "a") is True
            raise _UndoneError
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


# queues


def test_a_message_is_handled_with_its_type(app: App) -> None:
    sent = app.queue("emails").send(Email("a@b", "hello", ["x"]))
    assert sent is not None
    drain(app)
    assert called("mail") == [Email("a@b", "hello", ["x"])]
    assert counts(app) == {}


def test_a_message_may_be_given_as_json_and_handled_by_a_function_of_the_event(app: App) -> None:
    app.queue("faxes").send({"to": "a@b"})
    drain(app)
    assert called("fax") == [(Email("a@b"), "message", "")]


def test_workers_handle_a_message_at_once(app: App) -> None:
    workers = Workers(app, 1)
    workers.start()
    app.queue("emails").send(Email("a@b"))
    assert eventually(lambda: called("mail"), 5)
    workers.stop()


def test_every_fault_of_a_message_has_a_path_and_nothing_is_sent(app: App) -> None:
    with pytest.raises(InvalidInput) as caught:
        app.queue("emails").send({"to": "a", "tags": ["x", 7], "cc": "c"})
    assert sorted(one.path for one in caught.value.faults) == ["/cc", "/tags/1", "/to"]
    for bad in (None, 7, object(), Email("a@b", "\ud800"), {"subject": "x"}, Email("a@b", tags=["x" * MAX_MESSAGE])):
        with pytest.raises(InvalidInput) as caught:
            app.queue("emails").send(bad)
        assert caught.value.faults
    assert counts(app) == {}


@action(access_control=nobody, triggers=Queue("any"))
def anything(message: Any) -> None:
    """Take any JSON value."""
    record("anything", message)


def test_a_number_that_is_not_finite_is_refused_instead_of_becoming_null(url: str) -> None:
    app = app_at(url, anything)
    app.queue("any").send({"a": [1.5, None]})
    for bad, paths in ((float("nan"), [""]), ({"a": [1, float("inf")], "b": float("nan")}, ["/a/1", "/b"])):
        with pytest.raises(InvalidInput) as caught:
            app.queue("any").send(bad)
        assert [one.path for one in caught.value.faults] == paths
    drain(app)
    assert called("anything") == [{"a": [1.5, None]}]
    app.close()


def test_a_message_that_contains_itself_is_refused(app: App) -> None:
    tags: list[Any] = []
    tags.append(tags)
    with pytest.raises(InvalidInput):
        app.queue("emails").send({"to": "a@b", "tags": tags})


def test_messages_are_sent_with_the_transaction(transactional: App) -> None:
    app = transactional
    emails = app.queue("emails")
    with suppress(_UndoneError), app.transaction():
        emails.send(Email("one"))
        emails.send(Email("two"), delay=HOUR)
        emails.send(Email("three"), dedupe="x")
        raise _UndoneError
    assert counts(app) == {}
    with app.transaction():
        emails.send(Email("four"))
        with suppress(_UndoneError), app.transaction():
            emails.send(Email("five"))
            raise _UndoneError
        emails.send(Email("six"))
        assert called("mail") == []
    drain(app)
    assert sorted(one.to for one in called("mail")) == ["four", "six"]


def test_a_delayed_message_is_handled_after_its_delay(app: App) -> None:
    app.queue("emails").send(Email("later"), delay=HOUR)
    app.queue("emails").send(Email("now"))
    drain(app)
    assert [one.to for one in called("mail")] == ["now"]
    drain(app, until=later(2 * 3600))
    assert [one.to for one in called("mail")] == ["now", "later"]


def test_a_message_of_high_priority_overtakes_those_that_wait(app: App) -> None:
    emails = app.queue("emails")
    for number in range(50):
        emails.send(Email(f"normal {number}"))
    emails.send(Email("high"), priority="high")
    drain(app, threads=1)
    assert [one.to for one in called("mail")].index("high") == 0
    assert len(called("mail")) == 51


def test_a_dedupe_key_is_unique_while_its_message_waits(app: App) -> None:
    emails = app.queue("emails")
    assert emails.send(Email("one"), dedupe="x") is not None
    assert emails.send(Email("two"), dedupe="x") is None
    assert emails.send(Email("three"), dedupe="y") is not None
    drain(app)
    assert sorted(one.to for one in called("mail")) == ["one", "three"]
    assert emails.send(Email("four"), dedupe="x") is not None


def test_two_queues_have_their_own_dedupe_keys(app: App) -> None:
    assert app.queue("emails").send(Email("one"), dedupe="x") is not None
    assert app.queue("faxes").send(Email("two"), dedupe="x") is not None


def test_messages_of_one_order_key_are_handled_in_order_though_one_fails(app: App) -> None:
    emails = app.queue("emails")
    for number in range(5):
        emails.send(Email(f"a-{number}", "bad" if number == 1 else ""), order_key="a")
        emails.send(Email(f"b-{number}"), order_key="b")
    drain(app, until=later(3600))
    seen = [one.to for one in called("mail")]
    assert [one for one in seen if one.startswith("b")] == [f"b-{number}" for number in range(5)]
    assert [one for one in seen if one.startswith("a")] == ["a-0", "a-1", "a-1", "a-1", "a-2", "a-3", "a-4"]


running: list[str] = []


@action(access_control=nobody, triggers=Queue("slow"))
def slow(message: str) -> None:
    """Record how many calls of one key run at a time."""
    key = message.partition("-")[0]
    running.append(key)
    record("slow", running.count(key))
    sleep(0.01)
    running.remove(key)


def test_messages_of_one_order_key_are_handled_one_at_a_time(url: str) -> None:
    app = app_at(url, slow)
    for number in range(10):
        for key in ("a", "b"):
            app.queue("slow").send(f"{key}-{number}", order_key=key)
    drain(app)
    assert called("slow") == [1] * 20
    app.close()


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"order_key": "a", "delay": 1}, "/order_key"),
        ({"order_key": "a", "dedupe": "b"}, "/order_key"),
        ({"order_key": "a", "priority": "high"}, "/order_key"),
        ({"order_key": ""}, "/order_key"),
        ({"priority": "low"}, "/priority"),
        ({"priority": 7}, "/priority"),
        ({"dedupe": "x" * 600}, "/dedupe"),
        ({"delay": -1}, "/delay"),
    ],
)
def test_options_that_a_queue_cannot_keep_are_refused(app: App, options: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        app.queue("emails").send(Email("a@b"), **options)
    assert [one.path for one in caught.value.faults] == [path]


@dataclass
class Strict:
    to: str
    priority: int


def declared(function: Any, *triggers: Any) -> Any:
    return action(function, access_control=nobody, triggers=triggers)


def test_a_message_that_no_longer_fits_is_parked_with_the_reason(url: str) -> None:
    app = app_at(url, mail)
    app.queue("emails").send(Email("a@b"))

    def mail_now(message: Strict) -> None:
        record("mail", message)

    mail_now.__name__ = "mail"
    changed = App("mailing", items=[], url=url, actions=[declared(mail_now, Queue("emails"))], idempotency=None)
    changed._engines = app._engines
    drain(changed, until=later(7200))
    [event] = app.outboxes[None].search(State.PARKED, None, None, 10)
    assert event.attempt == 6
    assert event.error is not None
    assert "priority" in event.error
    assert called("mail") == []
    app.close()


def test_a_queue_that_nobody_handles_stops_the_start_and_is_no_place_to_send_to() -> None:
    app = app_at("memory://", mail)
    app.queue("letters")
    with pytest.raises(InvalidDeclaration) as caught:
        Server(app)
    assert [one.path for one in caught.value.faults] == ["/queues/letters"]
    with pytest.raises(InvalidDeclaration):
        app.queue("letters").send("x")
    for name in (None, 7, []):
        with pytest.raises(InvalidDeclaration):
            app.queue(name)  # type: ignore[arg-type]
    app.close()


def nothing() -> None:
    """Take no message."""


def two(first: str, second: str) -> None:
    """Take two messages."""


def by_caller(message: str, caller: Caller) -> None:
    """Take a caller."""


def by_position(message: str, /) -> None:
    """Take a message without a name."""


@pytest.mark.parametrize(
    ("function", "path"),
    [
        (nothing, "/actions/nothing/parameters"),
        (two, "/actions/two/parameters/second"),
        (by_caller, "/actions/by_caller/parameters/caller"),
        (by_position, "/actions/by_position/parameters/message"),
    ],
)
def test_a_function_that_cannot_take_a_message_stops_the_start(function: Any, path: str) -> None:
    app = App("mailing", items=[], url="memory://", actions=[declared(function, Queue("q"))], idempotency=None)
    with pytest.raises(InvalidDeclaration) as caught:
        Server(app)
    assert path in [one.path for one in caught.value.faults]


def test_a_queue_has_one_action_and_an_action_one_policy_of_retries() -> None:
    def other(message: str) -> None:
        """Take a message."""

    first = declared(other, Queue("q", retry=Retry(attempts=2)), Scheduled(retry=Retry(attempts=3)))
    app = App("mailing", items=[], url="memory://", actions=[first, declared(two, Queue("q"))], idempotency=None)
    with pytest.raises(InvalidDeclaration) as caught:
        Server(app)
    assert [one.path for one in caught.value.faults] == [
        "/actions/two/triggers/0",
        "/actions/two/parameters/second",
        "/actions/other/triggers",
    ]


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "ä", "-a", None])
def test_a_queue_has_a_name_that_every_host_accepts(name: Any) -> None:
    with pytest.raises(InvalidDeclaration) as caught:
        Queue(name)
    assert [one.path for one in caught.value.faults] == ["/name"]


@action(access_control=nobody, triggers=Queue("async"))
async def asynchronous(message: str) -> None:
    """Handle a message without blocking a thread."""
    record("async", message)


def test_async_actions_handle_messages(app: App, url: str) -> None:
    other = app_at(url, asynchronous)
    other.queue("async").send("a")
    drain(other)
    assert called("async") == ["a"]
    other.close()


def test_a_message_is_sent_by_an_app_that_was_not_prepared(tmp_path: Any) -> None:
    app = app_at(f"sqlite:///{tmp_path}/{uuid4()}.db", mail, remind, prepare=False)
    with app.transaction():
        app.queue("emails").send(Email("a@b"))
    app.schedule(remind, {"letter": "a"}, delay=0)
    drain(app)
    assert len(called("mail")) == len(called("remind")) == 1
    app.close()
