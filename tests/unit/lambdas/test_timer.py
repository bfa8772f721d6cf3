"""The function of a timed action: the event of each fire, retries and dead letters."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest

from persisty import App, BackendUnavailable, InvalidDeclaration, stored
from persisty.application.timer_events import TimerEvents, deployed_timers
from persisty.settings import Settings
from persisty.store.trigger_registry import Handler
from persisty.triggers.event import Event

FIRE = {"action": "purge", "time": "2027-03-01T02:30:00Z", "function": "shop-TimerPurge"}


@stored
class Note:
    id: str


class Registry:
    """The action `purge`, which records its events."""

    stores = frozenset({""})

    def __init__(self) -> None:
        self.events: list[Event[Any]] = []
        self.fails: Callable[[], bool] = lambda: False

    def after(self, store: str, kind: str) -> tuple[()]:
        return ()

    def handler(self, action: str) -> Handler | None:
        return Handler(self.handle, attempts=3, pause=0.001) if action == "purge" else None

    def handle(self, event: Event[Any]) -> None:
        self.events.append(event)
        if self.fails():
            raise ValueError("it is bad")


class Function:
    def __init__(self) -> None:
        self.registry, self.letters = Registry(), []
        app = App("shop", items=[Note], url="memory://", idempotency=None)
        app.triggers = self.registry
        self.timers = TimerEvents(app, lambda message: self.letters.append(dict(message)))
        self.letters: list[dict[str, Any]]


@pytest.fixture
def function() -> Function:
    return Function()


def test_the_event_of_a_fire_has_its_time_and_the_id_that_workers_give_it(function: Function) -> None:
    function.timers.handle(FIRE, 20)
    function.timers.handle(FIRE, 20)
    first, second = function.registry.events
    assert first == second
    at = datetime(2027, 3, 1, 2, 30, tzinfo=UTC)
    assert (first.store, first.kind, first.key, first.at) == ("", "timer", "purge@2027-03-01T02:30:00Z", at)
    assert first.id == uuid5(NAMESPACE_URL, "shop/purge@2027-03-01T02:30:00Z")


def test_a_failed_call_is_tried_again_in_the_same_invocation(function: Function) -> None:
    failures = iter([True, True, False])
    function.registry.fails = lambda: next(failures)
    function.timers.handle(FIRE, 20)
    assert [one.attempt for one in function.registry.events] == [1, 2, 3]
    assert function.letters == []


def test_a_call_that_fails_for_good_is_a_dead_letter_with_its_time(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "shop-TimerPurge")
    function.registry.fails = lambda: True
    function.timers.handle(FIRE, 20)
    [letter] = function.letters
    assert letter.pop("reason").endswith("ValueError: it is bad\n")
    assert letter == {
        "id": str(uuid5(NAMESPACE_URL, "shop/purge@2027-03-01T02:30:00Z")),
        "store": "",
        "kind": "timer",
        "key": "purge@2027-03-01T02:30:00Z",
        "actions": ["purge"],
        "attempts": 3,
        "function": "shop-TimerPurge",
        "event": {"action": "purge", "time": "2027-03-01T02:30:00+00:00"},
    }


def test_a_call_without_time_left_makes_lambda_invoke_the_function_again(function: Function) -> None:
    with pytest.raises(BackendUnavailable, match="purge@2027"):
        function.timers.handle(FIRE, 0)
    assert function.registry.events == []


def test_a_function_without_a_dead_letter_queue_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    app = App("shop", items=[Note], url="memory://", idempotency=None)
    with pytest.raises(InvalidDeclaration, match="PERSISTY_DEAD_LETTERS_URL"):
        deployed_timers(app, Settings())
