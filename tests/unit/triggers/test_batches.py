"""Batches of events that AWS delivers: order within a chain, retries, events that are given up, and what a second delivery repeats."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from persisty.store.trigger_registry import Handler
from persisty.triggers import batches
from persisty.triggers.batches import Batches, Delivery, GivenUp
from persisty.triggers.event import Event

SECONDS = 20.0


class Calls:
    """A registry of handlers that records calls, and the events that are given up."""

    stores = frozenset({"parcel"})

    def __init__(self) -> None:
        self.seen: list[tuple[str, int, int]] = []
        """(action, number of the event, attempt)"""
        self.handlers: dict[str, Handler] = {}
        self.given_up: list[GivenUp] = []
        self.batches = Batches(self, self.given_up.append)

    def after(self, store: str, kind: str) -> tuple[()]:
        return ()

    def handler(self, action: str) -> Handler | None:
        return self.handlers.get(action)

    def add(self, action: str, call: Callable[[int], Any] = lambda number: None, **options: Any) -> None:
        def handle(event: Event[Any]) -> None:
            self.seen.append((action, event.id.int, event.attempt))
            call(event.id.int)

        self.handlers[action] = Handler(handle, **{"pause": 0.005, "attempts": 3, **options})

    def handle(self, *keys: str, seconds: float = SECONDS, actions: tuple[str, ...] | None = None) -> int | None:
        """Handle a batch of events of these keys. The number of an event is its position."""
        named = tuple(self.handlers) if actions is None else actions
        return self.batches.handle([delivery(place, key, named) for place, key in enumerate(keys)], seconds)


def delivery(position: int, key: str, actions: tuple[str, ...]) -> Delivery:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Delivery(position, Event(UUID(int=position), "parcel", "updated", key, None, None, at), actions)


@pytest.fixture
def calls() -> Calls:
    return Calls()


def failing(*numbers: int) -> Callable[[int], None]:
    def fail(number: int) -> None:
        if number in numbers:
            raise ValueError(f"event {number} is bad")

    return fail


def test_each_action_gets_the_events_of_an_item_in_order(calls: Calls) -> None:
    calls.add("log")
    calls.add("mail")
    assert calls.handle("a", "b", "a", "a") is None
    for action in ("log", "mail"):
        numbers = [number for name, number, _ in calls.seen if name == action]
        assert sorted(numbers) == [0, 1, 2, 3]
        assert [one for one in numbers if one != 1] == [0, 2, 3]


def test_a_failed_event_is_tried_again_before_later_events_of_its_item_and_other_items_do_not_wait(
    calls: Calls,
) -> None:
    failures = iter([True, True, False])
    calls.add("log", lambda number: failing(number if number == 0 and next(failures) else -1)(number), pause=0.05)
    assert calls.handle("a", "a", "b") is None
    assert [(number, attempt) for _, number, attempt in calls.seen if number != 2] == [(0, 1), (0, 2), (0, 3), (1, 1)]
    assert ("log", 2, 1) in calls.seen[:2]
    assert calls.given_up == []


def test_an_event_is_given_up_after_its_attempts_and_the_next_one_of_its_item_is_handled(calls: Calls) -> None:
    calls.add("log", failing(0))
    assert calls.handle("a", "a") is None
    assert calls.seen == [("log", 0, 1), ("log", 0, 2), ("log", 0, 3), ("log", 1, 1)]
    [given_up] = calls.given_up
    assert (given_up.delivery.position, given_up.action, given_up.attempts) == (0, "log", 3)
    assert given_up.reason.endswith("ValueError: event 0 is bad\n")


def test_no_action_declares_so_many_attempts_that_a_stream_waits_for_hours(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MOST_ATTEMPTS", 2)
    calls.add("log", failing(0), attempts=1000)
    assert calls.handle("a") is None
    assert [attempt for _, _, attempt in calls.seen] == [1, 2]


def test_the_failure_of_one_action_repeats_no_other_action(calls: Calls) -> None:
    calls.add("good")
    calls.add("bad", failing(0))
    assert calls.handle("a") is None
    assert [name for name, _, _ in calls.seen].count("good") == 1
    assert [one.action for one in calls.given_up] == ["bad"]


def test_an_event_that_cannot_be_given_up_is_delivered_again(calls: Calls) -> None:
    def refuse(given_up: GivenUp) -> None:
        raise OSError("no queue")

    calls.add("log", failing(1))
    calls.batches = Batches(calls, refuse)
    assert calls.handle("a", "b", "b", "c") == 1
    assert ("log", 2, 1) not in calls.seen


def test_without_time_the_rest_of_a_chain_is_delivered_again_and_what_was_handled_is_not_repeated(calls: Calls) -> None:
    calls.add("slow", lambda number: time.sleep(0.3 if number in (0, 1) else 0), timeout=0.4)
    assert calls.handle("a", "a", "b", seconds=0.6) == 1
    assert sorted(number for _, number, _ in calls.seen) == [0, 2]
    calls.seen.clear()
    again = [delivery(1, "a", ("slow",)), delivery(2, "b", ("slow",))]
    assert calls.batches.handle(again, SECONDS) is None
    assert [number for _, number, _ in calls.seen] == [1]
    assert not calls.batches._finished, "what is not delivered again is forgotten"


def test_attempts_count_on_when_an_event_is_delivered_again(calls: Calls) -> None:
    calls.add("log", failing(0), pause=3600.0, timeout=1.0)
    assert calls.handle("a") == 0
    assert calls.handle("a") == 0
    assert calls.handle("a") is None
    assert [attempt for _, _, attempt in calls.seen] == [1, 2, 3]
    assert [one.attempts for one in calls.given_up] == [3]


def test_a_handler_that_does_not_return_in_time_has_failed(calls: Calls) -> None:
    release = threading.Event()
    calls.add("stuck", lambda number: release.wait(30) if number == 0 else None, timeout=0.05, attempts=2)
    assert calls.handle("a", "a") is None
    release.set()
    assert [one.reason for one in calls.given_up] == ["timeout: the handler has not returned in time"]
    assert ("stuck", 1, 1) in calls.seen


def test_a_handler_that_exits_has_failed_and_ends_no_other(calls: Calls) -> None:
    def leave(number: int) -> None:
        if number == 0:
            raise SystemExit(3)

    calls.add("log", leave, attempts=1)
    assert calls.handle("a", "b") is None
    assert ("log", 1, 1) in calls.seen
    assert [one.delivery.position for one in calls.given_up] == [0]


def test_an_action_that_the_app_has_not_is_given_up_at_once(calls: Calls) -> None:
    assert calls.handle("a", actions=("gone",)) is None
    assert [(one.attempts, one.reason) for one in calls.given_up] == [(0, "The app has no action gone")]


def test_many_failing_items_leave_threads_for_others(calls: Calls) -> None:
    bad = tuple(range(20))
    calls.add("log", failing(*bad), pause=0.5, attempts=2)
    started, times = time.monotonic(), {}
    original = calls.handlers["log"].call

    def timed(event: Event[Any]) -> None:
        times.setdefault(event.id.int, time.monotonic() - started)
        original(event)

    calls.handlers["log"] = Handler(timed, pause=0.5, attempts=2)
    assert calls.handle(*(f"key {number}" for number in range(21))) is None
    assert times[20] < 0.2, "the last item waited for pauses of others"
