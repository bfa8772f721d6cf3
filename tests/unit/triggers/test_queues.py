"""Queues: when messages are handled, transactions, keys, order, and messages that do not fit."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from time import sleep
from typing import Any
from uuid import uuid4

import pytest
from servey.action.action import action

from persisty import App, Caller, InvalidDeclaration, InvalidInput, nobody
from persisty.application.working import Workers
from persisty.hosting.server import Server
from persisty.store.outbox import State
from persisty.testing import drain
from persisty.triggers.messages import MAX_MESSAGE
from persisty.triggers.timed import Queue, Scheduled
from persisty.triggers.trigger import Retry

from .mailing import HOUR, Email, UndoneError, app_at, called, counts, later, mail, record, remind
from .orders import eventually


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
    with suppress(UndoneError), app.transaction():
        emails.send(Email("one"))
        emails.send(Email("two"), delay=HOUR)
        emails.send(Email("three"), dedupe="x")
        raise UndoneError
    assert counts(app) == {}
    with app.transaction():
        emails.send(Email("four"))
        with suppress(UndoneError), app.transaction():
            emails.send(Email("five"))
            raise UndoneError
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
